"""The command line: a thin skin over the library. Nothing heavy is imported before it is used."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tina_kit.api.interruption import interruption
from tina_kit.cli.interrupt import finish, interrupted, listen
from tina_kit.cli.streams import lost, open_streams


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 the user's mistake, 128 + signal
    interrupted (130 Ctrl-C, 143 SIGTERM, 129 SIGHUP)."""
    open_streams()
    listen()
    try:
        from tina_kit.cli.app import invoke

        # (No `list`: by now that is the module of the command.)
        code = invoke([*(sys.argv[1:] if arguments is None else arguments)])
        finish()
        if code == 0 and (reason := lost()):
            print(f"error: stdout cannot be written to: {reason}", file=sys.stderr)
            code = 1
    except BaseException as error:  # as a rule while the rest is imported
        if interruption(error) is None:
            raise
        finish()
        code = interrupted()
    sys.exit(code)
