"""What a rule finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["bad", "note"]


@dataclass(frozen=True)
class Finding:
    """rule: its name, which programs can rely on; level: "bad" if the results do not mean what they
    seem to, "note" if they could be better or must be read with care; what: is found; evidence: the
    figures; remedy: what to do, or to try."""

    rule: str
    level: Level
    what: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} {self.evidence} {self.remedy}"

    def plain(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


Findings = Iterator[Finding]
