"""The command line: a thin skin over the library. Nothing heavy is imported before it is used."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 the user's mistake, 130 interrupted."""
    from tina_kit.cli.app import invoke

    sys.exit(invoke(list(sys.argv[1:] if arguments is None else arguments)))
