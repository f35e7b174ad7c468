"""The two ways a run ends badly. Both print as one message without a traceback."""

from __future__ import annotations


class TinaKitError(Exception):
    """The run failed for a reason the message explains: what, where, what to do."""

    exit_code = 1


class UserError(TinaKitError):
    """The user's mistake: a recipe, an option, missing data or a missing extra."""

    exit_code = 2
