"""Paths as users write them in recipes, options, arguments and environment variables."""

from __future__ import annotations

import os
from pathlib import Path

from tina_kit.api.errors import UserError


def user_path(text: str | Path) -> Path:
    """The path that a user wrote, with a leading `~` or `~user` expanded.

    A relative path stays relative. Variables are not expanded, that is the shell's job. Raises
    UserError for a `$` (unless it is an absolute path that exists), for the home folder of an
    unknown user and for a NUL character.
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
    """The path in an environment variable, None if it is unset or empty.

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
    """Where tina-kit stores what it has computed or downloaded: the folder TINA_KIT_STORE with
    links resolved, or `store` in the user's cache folder.

    name: a plugin's own cache; its folder is next to the store. Raises UserError as
    `environment_path` does, and if the user has no home folder.
    """
    named = environment_path(STORE)
    store = _default_store() if named is None else Path(os.path.realpath(named))
    return store.parent / f"{store.name}-{name}" if name else store


def _default_store() -> Path:
    from platformdirs import user_cache_path

    if os.path.expanduser("~") == "~":
        raise UserError(
            f"no home folder (HOME is not set, and user {os.getuid()} has none); set {STORE} to a "
            "writable folder"
        )
    return user_cache_path("tina-kit") / "store"
