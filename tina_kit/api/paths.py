"""Paths as users write them in recipes, options, arguments and environment variables."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

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


def is_address(place: str) -> bool:
    """Whether a store is at an address, like `s3://bucket/prefix`, rather than in a folder."""
    return "://" in place


def store_address() -> str | None:
    """The address in TINA_KIT_STORE, None if that names a folder or nothing."""
    text = os.environ.get(STORE, "")
    return text if is_address(text) else None


def address_folder(address: str) -> Path:
    """Where this machine keeps what it has of the store at an address: a folder for each address.
    Raises UserError for an address without a place or with a password, which records would show."""
    words = urlsplit(address)
    if not words.scheme or not (words.netloc or words.path.strip("/")):
        raise UserError(f"{STORE}: {address}: write it like s3://BUCKET/PREFIX")
    if words.password is not None:
        raise UserError(
            f"{STORE}: an address with a password would be recorded with every run; give the "
            "password to fsspec (its configuration file, or environment variables)"
        )
    digest = hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", address).strip("-.")[:60]
    return _user_cache() / "stores" / f"{readable}-{digest}"


def cache_folder(name: str = "") -> Path:
    """Where tina-kit stores what it has computed or downloaded: the folder TINA_KIT_STORE with
    links resolved, or `store` in the user's cache folder. If TINA_KIT_STORE is an address, a folder
    in `stores` there.

    name: a plugin's own cache; its folder is next to the store. Raises UserError as
    `environment_path` does, and if the user has no home folder.
    """
    address = store_address()
    named = environment_path(STORE) if address is None else address_folder(address)
    store = _user_cache() / "store" if named is None else Path(os.path.realpath(named))
    return store.parent / f"{store.name}-{name}" if name else store


def _user_cache() -> Path:
    from platformdirs import user_cache_path

    if os.path.expanduser("~") == "~":
        raise UserError(
            f"no home folder (HOME is not set, and user {os.getuid()} has none); set {STORE} to a "
            "writable folder"
        )
    return user_cache_path("tina-kit")
