"""Paths as users write them, by one rule: in recipes, options, arguments and the environment."""

from __future__ import annotations

import os
from pathlib import Path

from tina_kit.api.errors import UserError


def user_path(text: str | Path) -> Path:
    """The path that a user wrote, with a leading `~` or `~user` expanded.

    A relative path stays relative. Variables are left to the shell: a `$` that reaches tina-kit
    was not expanded by it. Raises UserError for such a `$`, for the home folder of an unknown user
    and for a NUL character. An absolute path that exists may contain a `$`.
    """
    written = os.fspath(text)
    path = Path(os.path.expanduser(written))
    if written.startswith("~") and str(path).startswith("~"):
        user = path.parts[0]
        raise UserError(f"{text}: the home folder {user} is unknown; write the full path")
    if "\0" in str(path):
        raise UserError(f"{str(path)!r}: a path cannot contain a NUL character")
    if "$" in str(path) and not (path.is_absolute() and os.path.lexists(path)):
        raise UserError(
            f"{text}: variables such as $HOME are not expanded in paths; write the full path or "
            "start it with ~"
        )
    return path


STORE = "TINA_KIT_STORE"


def environment_path(variable: str) -> Path | None:
    """The path that an environment variable holds, None where it is unset or empty.

    Relative paths are relative to the working directory. Raises UserError as `user_path` does.
    """
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        return user_path(text)
    except UserError as error:
        raise UserError(f"{variable}: {error}") from None


def cache_folder(name: str = "") -> Path:
    """Where tina-kit keeps what it has computed or fetched: the folder that TINA_KIT_STORE names,
    links resolved, else `store` in the user's cache folder.

    name: of what a plugin keeps, in a folder of its own beside that one. Raises UserError as
    `environment_path` does, and where the user has no home folder.
    """
    named = environment_path(STORE)
    store = _default_store() if named is None else Path(os.path.realpath(named))
    return store.parent / f"{store.name}-{name}" if name else store


def _default_store() -> Path:
    from platformdirs import user_cache_path

    if os.path.expanduser("~") == "~":
        raise UserError(
            f"there is no home folder (HOME is not set, and user {os.getuid()} has none): set "
            f"{STORE} to a folder that you can write to"
        )
    return user_cache_path("tina-kit") / "store"
