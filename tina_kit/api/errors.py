"""The two ways a run ends badly. Both print as one message without a traceback."""

from __future__ import annotations


class TinaKitError(Exception):
    """The run failed for a reason the message explains: what, where, what to do."""

    exit_code = 1


class UserError(TinaKitError):
    """The user's mistake: a recipe, an option, missing data or a missing extra."""

    exit_code = 2


def first_line(error: BaseException) -> str:
    """The first line of an error's message, for a message of one's own; its type where it has
    none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
