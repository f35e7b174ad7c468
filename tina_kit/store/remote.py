"""The results of a store at an address, as an object store has them: without locks or renames.

They have the names that they have in a folder, `<address>/<stage>/<key>/…`. `entry.json` is written
last and read first, so that half a result counts as none, and what arrives is verified.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from tina_kit.api import TinaKitError, UserError, first_line
from tina_kit.store.disk import is_full
from tina_kit.store.files import read_json
from tina_kit.store.names import Result
from tina_kit.store.sealing import ENTRY, FILE, verified

_LOG = logging.getLogger(__name__)
_FILE = re.compile(FILE, re.ASCII)
AGAIN_S = 60.0
"""After a failure, seconds until anything is uploaded again: each attempt may take long."""
_S3 = {"connect_timeout": 10, "retries": {"max_attempts": 3}}
"""Of botocore. By default it takes minutes to give up an address that does not answer."""


class Remote:
    """What is at an address is asked for once for each kind of stage; `fetch` asks again.

    refused: results that were not whole when they were last fetched.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._finished: dict[str, set[str]] = {}  # stage → keys
        self.refused: set[Result] = set()
        self._again = 0.0  # when to upload again
        self._warned = False

    def has(self, stage: str, key: str) -> bool:
        """Whether there is a finished result that was not refused. Raises UserError if the address
        cannot be reached."""
        if stage not in self._finished:
            with self._reaching(missing=True):
                names = self._files.find(self._path(stage))
            ends = [name.split("/")[-2:] for name in names]
            self._finished[stage] = {end[0] for end in ends if end[1:] == [ENTRY]}
        return key in self._finished[stage]

    def learn(self, stage: str, key: str) -> None:
        """That a result is there by now."""
        self._finished.get(stage, set()).add(key)

    def fetch(self, stage: str, key: str, folder: Path) -> bool:
        """Copy a result to a new folder and verify it there; whether it was there and whole. One
        that is not whole is refused with a warning. Raises UserError if the address cannot be
        reached."""
        problem, names = "", [ENTRY]
        try:
            self._get(stage, key, names, folder)
            names = _names(read_json(folder / ENTRY))
            self._get(stage, key, names, folder)
            problem = verified(folder, (stage, key))
        except FileNotFoundError:
            if names == [ENTRY]:
                self._finished.get(stage, set()).discard(key)
                return False
            problem = "some of its files are missing"
        except (ValueError, KeyError, TypeError, AttributeError):
            problem = f"{ENTRY} was altered"
        if problem:
            self._finished.get(stage, set()).discard(key)
            self.refused.add((stage, key))
            _LOG.warning(
                "%s: not used, since %s; it is computed again", self._told(stage, key), problem
            )
        else:
            self.refused.discard((stage, key))
        return not problem

    def upload(self, stage: str, key: str, folder: Path) -> None:
        """Copy a finished result to the address unless it is there. Warns once if that fails, since
        the result is kept here and uploaded when it is needed again."""
        if time.monotonic() < self._again:
            return
        try:
            if not self.has(stage, key):
                with self._reaching():
                    self._upload(stage, key, folder)
                self.learn(stage, key)
        except (TinaKitError, OSError) as error:
            self._fail(first_line(error))

    def _upload(self, stage: str, key: str, folder: Path) -> None:
        path = self._path(stage, key)
        if (stage, key) in self.refused:
            with suppress(FileNotFoundError):  # so that nobody reads old and new files as one
                self._files.rm_file(f"{path}/{ENTRY}")
            self.refused.discard((stage, key))
        elif self._files.exists(f"{path}/{ENTRY}"):  # another machine was faster
            return
        for names in (_names(read_json(folder / ENTRY)), [ENTRY]):
            here = [str(folder / name) for name in names]
            self._files.put(here, [f"{path}/{name}" for name in names])

    def leave(self, name: str, text: str) -> None:
        """Write a small file beside the results. Warns if that fails, as `upload` does."""
        try:
            with self._reaching():
                self._files.pipe_file(self._path(name), text.encode())
        except TinaKitError as error:
            self._fail(first_line(error))

    def left(self, name: str) -> str:
        """The content of such a file, "" if there is none. Raises UserError if the address cannot
        be reached."""
        with self._reaching(), suppress(FileNotFoundError):
            content: bytes = self._files.cat_file(self._path(name))
            return content.decode(errors="replace")
        return ""

    def remove(self, name: str) -> None:
        """Remove such a file, if that can be."""
        with suppress(TinaKitError, FileNotFoundError), self._reaching():
            self._files.rm_file(self._path(name))

    @cached_property
    def _place(self) -> tuple[Any, str]:
        """The file system of fsspec, and the path in it."""
        from fsspec.config import conf
        from fsspec.core import url_to_fs

        protocol = self.address.partition("://")[0]
        options: dict[str, Any] = {"auto_mkdir": True} if protocol in ("file", "local") else {}
        if protocol == "s3":
            options = {"config_kwargs": {**_S3, **conf.get("s3", {}).get("config_kwargs", {})}}
        # Listings that fsspec keeps would hide what other machines have written since.
        options |= {"use_listings_cache": False, "skip_instance_cache": True}
        files, path = url_to_fs(self.address, **options)
        return files, str(path).rstrip("/")

    @property
    def _files(self) -> Any:
        return self._place[0]

    def _path(self, *parts: str) -> str:
        return "/".join((self._place[1], *parts))

    def _told(self, *parts: str) -> str:
        return "/".join((self.address, *parts))

    def _get(self, stage: str, key: str, names: Sequence[str], folder: Path) -> None:
        with self._reaching():
            there = [self._path(stage, key, name) for name in names]
            self._files.get(there, [str(folder / name) for name in names])

    @contextmanager
    def _reaching(self, missing: bool = False) -> Iterator[None]:
        """Whatever fails in the block is an address that cannot be used; a disk that is full
        passes, and a file that is not there unless `missing` says that this is a failure, too."""
        try:
            yield
        except TinaKitError:
            raise
        except ImportError as error:
            raise UserError(
                f"{self.address}: the store cannot be reached: {first_line(error)}. For s3:// "
                "install tina-kit[remote], for others what fsspec asks for"
            ) from error
        except Exception as error:
            if is_full(error) or (isinstance(error, FileNotFoundError) and not missing):
                raise
            raise UserError(
                f"{self.address}: the store cannot be reached: {first_line(error)}. Check the "
                "address (TINA_KIT_STORE), the network and your credentials (for s3:// those of "
                "the AWS command line)"
            ) from error

    def _fail(self, why: str) -> None:
        self._again = time.monotonic() + AGAIN_S
        if not self._warned:
            self._warned = True
            _LOG.warning(
                "results are not uploaded (%s). They are kept on this machine; run the same "
                "command again to upload them",
                why,
            )


def _names(entry: Any) -> list[str]:
    """The files of a result. Raises ValueError if a name is none that a result can have."""
    names = list(entry["files"])
    if not all(isinstance(name, str) and _FILE.fullmatch(name) for name in names):
        raise ValueError("only safetensors and JSON can be kept at an address")
    return names
