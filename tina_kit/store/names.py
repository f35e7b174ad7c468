"""Who names results of a store, and so keeps them: runs, bundles and pins.

Each has a file in `<root>/.names/`, written before a run counts a result as stored. Whoever removes
results holds the lock of these files while it does, so that nothing is named in between.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tina_kit.api import TinaKitError, UserError
from tina_kit.store.files import read_json, remove_left_over, write_json
from tina_kit.store.locks import locked

Kind = Literal["run", "bundle", "pin"]
Presence = Literal["there", "gone", "unknown"]
Result = tuple[str, str]
"""Stage and key."""
_FOLDER, _LOCK = ".names", ".names.lock"


@dataclass(frozen=True)
class Name:
    """what: the run folder, the bundle's file, or what a user has pinned; title: to be read;
    results: those it names; host, mount: the machine and the disk that `what` lies on."""

    kind: Kind
    what: str
    results: frozenset[Result]
    title: str = ""
    host: str = field(default_factory=platform.node)
    mount: str = "/"

    def __str__(self) -> str:
        return f"{self.kind} {self.what}"

    @property
    def presence(self) -> Presence:
        """Whether the run folder or the bundle is still there; unknown if that cannot be seen from
        here, as on a disk that is not mounted. A pin is there until it is removed."""
        if self.kind == "pin":
            return "there"
        try:
            os.stat(self.what)
            return "there"
        except (FileNotFoundError, NotADirectoryError):
            seen = self.host == platform.node() and os.path.ismount(self.mount)
            return "gone" if seen else "unknown"
        except OSError:
            return "unknown"

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "what": self.what,
            "title": self.title,
            "host": self.host,
            "mount": self.mount,
            "results": sorted(map(list, self.results)),
        }


class Names:
    """The names in a store. Several may name the same results."""

    def __init__(self, root: Path) -> None:
        self.folder, self._lock = root / _FOLDER, root / _LOCK

    def add(
        self,
        kind: Kind,
        what: Path | str,
        results: Iterable[Result],
        title: str = "",
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Keep results for as long as `what` exists; replaces an earlier name of the same. Raises
        OSError if the store cannot be written.

        tell: called before waiting for somebody who removes results.
        """
        mount = "/"
        if kind != "pin":
            what = os.path.realpath(what)
            mount = _mount(what)
        name = Name(kind, str(what), frozenset(results), title, mount=mount)
        with self.held(lambda: tell("results are being removed from the store, waiting")):
            write_json(self._file(name.kind, name.what), {**name.facts, "named": time.time()})

    def forget(self, kind: Kind, what: Path | str) -> None:
        """Undo an `add` of the same, if there was one. Raises OSError if the store cannot be
        written."""
        file = self._file(kind, os.path.realpath(what) if kind != "pin" else str(what))
        if file.exists():
            with self.held():
                file.unlink(missing_ok=True)

    def remove(self, names: Iterable[Name]) -> None:
        """No longer keep what these name. The lock must be held."""
        for name in names:
            self._file(name.kind, name.what).unlink(missing_ok=True)
        with suppress(OSError):  # unless others are left
            self.folder.rmdir()

    def all(self) -> list[Name]:
        """In order. Raises TinaKitError for a file that cannot be read: without it nobody knows
        which results it names."""
        try:
            with os.scandir(self.folder) as found:
                names = sorted(e.name for e in found if not e.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise TinaKitError(f"{self.folder}: cannot be read: {error.strerror}") from None
        return [name for file in names for name in _read(self.folder / file)]

    @contextmanager
    def held(self, waiting: Callable[[], None] | None = None) -> Iterator[str]:
        """Hold the lock of the names; see `locks.locked`."""
        with locked(self._lock, waiting or (lambda: None)) as lacking:
            remove_left_over(self.folder)
            yield lacking

    def _file(self, kind: str, what: str) -> Path:
        digest = hashlib.sha256(f"{kind}\0{what}".encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / f"{kind}-{digest[:24]}.json"


def _read(file: Path) -> Iterator[Name]:
    try:
        facts = read_json(file)
        results = frozenset((str(stage), str(key)) for stage, key in facts["results"])
        if facts["kind"] not in ("run", "bundle", "pin"):
            raise ValueError(f"kind {facts['kind']!r}")
        texts = (str(facts[name]) for name in ("title", "host", "mount"))
        yield Name(facts["kind"], str(facts["what"]), results, *texts)
    except FileNotFoundError:  # removed in the meantime
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TinaKitError(
            f"{file}: cannot be read ({error}), so nobody knows which results it keeps. Make it "
            "readable, or remove it if what it names may go"
        ) from None


def _mount(path: str) -> str:
    """Where the disk that holds `path` is mounted."""
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def of_run_folder(folder: Path) -> Name:
    """What a run folder names by its `run.json`, also one that an older version has written, which
    no store knows. Raises UserError if that cannot be read."""
    try:
        record: Mapping[str, Any] = read_json(folder / "run.json")
        results = frozenset((str(s["kind"]), str(s["key"])) for s in record["stages"])
        return Name("run", os.path.realpath(folder), results, str(record["name"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise UserError(f"{folder / 'run.json'}: cannot be read: {reason}") from None
