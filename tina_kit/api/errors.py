"""The two kinds of expected failure. Both are printed as one message without a traceback."""

from __future__ import annotations


class TinaKitError(Exception):
    """The run failed, and the message explains why: what, where, what to do."""

    exit_code = 1


class UserError(TinaKitError):
    """A mistake by the user: in a recipe or an option, missing data or a missing extra."""

    exit_code = 2


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type's name if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
