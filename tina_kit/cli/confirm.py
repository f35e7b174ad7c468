"""Asks before something is lost."""

from __future__ import annotations

import sys

from tina_kit.api.errors import UserError


def confirm(question: str) -> None:
    """Raise UserError unless the user says yes."""
    print(question, end="", file=sys.stderr, flush=True)
    try:
        answer = input()
    except EOFError:
        raise UserError("nobody answered, and nothing was removed; --yes does not ask") from None
    if answer.strip().lower() not in ("y", "yes"):
        raise UserError("nothing was removed")
