"""The blocks of the plugin guide that show a file are that file.

Run `python -m tests.guide` from the repository to write them into the guide again.
"""

from __future__ import annotations

import re

from tests.documents import GUIDE, ROOT, text_of

EXAMPLES = ROOT / "tina_kit" / "scaffold" / "examples"
_SHOWN = re.compile(r"^(```\w+\n# (\S+\.\w+)\n)(.*?)(?=^```$)", re.M | re.S)


def rewritten(text: str) -> str:
    """The guide with each named block as its file is now."""
    return _SHOWN.sub(
        lambda shown: shown[1] + (EXAMPLES / shown[2]).read_text(encoding="utf-8"), text
    )


if __name__ == "__main__":
    (ROOT / GUIDE).write_text(rewritten(text_of(GUIDE)), encoding="utf-8")
