"""The command line: a thin skin over the library. Nothing heavy is imported before it is used."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tina_kit.cli.interrupt import again_where_ignored, forget_ignored, interrupted, is_interrupt


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 the user's mistake, 130 interrupted."""
    sys.unraisablehook = again_where_ignored
    try:
        from tina_kit.cli.app import invoke

        code = invoke(list(sys.argv[1:] if arguments is None else arguments))
    except (KeyboardInterrupt, RuntimeError) as error:  # as a rule while the rest is imported
        if not is_interrupt(error):
            raise
        code = interrupted()
    finally:
        forget_ignored()
    sys.exit(code)
