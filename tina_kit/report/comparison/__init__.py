"""Compares runs: what differs, their tables side by side, and paired differences."""

from tina_kit.report.comparison.pairs import Compared, Pair, compare
from tina_kit.report.comparison.side import Side

__all__ = ["Compared", "Pair", "Side", "compare"]
