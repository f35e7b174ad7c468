"""The store: each result is computed once, and kept in a folder and perhaps at an address."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tina_kit.api import TinaKitError, UserError, cache_folder, environment_path
from tina_kit.api.paths import STORE, address_folder, is_address, store_address
from tina_kit.store.disk import STORE_REMEDY, explaining
from tina_kit.store.draft import Draft, Entry
from tina_kit.store.files import draft_of, flush
from tina_kit.store.local import Local
from tina_kit.store.locks import Busy
from tina_kit.store.names import Result
from tina_kit.store.remote import Remote
from tina_kit.store.sealing import seal, verify
from tina_kit.store.work import begun_by, clear

_LOG = logging.getLogger(__name__)
_AT_ONCE = 16
"""Results that are fetched side by side."""


class Store(Local):
    """Computes each result once, even if several runs need it or runs are killed.

    remote: where finished results are fetched from and uploaded to; everything else is done in the
    folder.
    """

    def __init__(self, root: Path, remote: Remote | None = None) -> None:
        super().__init__(root)
        self.remote = remote
        self._verified: dict[Result, Entry] = {}

    @classmethod
    def of(cls, place: str) -> Store:
        """The store in a folder or at an address, which this machine keeps in a folder, too."""
        if is_address(place):
            return cls(address_folder(place), Remote(place))
        return cls(Path(place))

    @classmethod
    def default(cls) -> Store:
        """The store that TINA_KIT_STORE names, or else the one in the user's cache folder."""
        return cls.of(store_address() or str(cache_folder()))

    @classmethod
    def of_run(cls, recorded: str) -> Store:
        """The store in TINA_KIT_STORE if that is set, or else the one that a run recorded."""
        return cls.of(recorded) if environment_path(STORE) is None else cls.default()

    @property
    def place(self) -> str:
        """Its address, or else its folder."""
        return str(self.root) if self.remote is None else self.remote.address

    def check(self) -> None:
        """Raises UserError if its address cannot be reached."""
        self.has("images", "")  # of these every plan has some, so it is asked no more

    def has(self, stage: str, key: str) -> bool:
        """Whether a result is finished, here or at the address. Raises UserError if that cannot be
        reached."""
        return self.here(stage, key) or (self.remote is not None and self.remote.has(stage, key))

    def open(self, stage: str, key: str) -> Entry:
        """Open a finished result. Raises TinaKitError if it does not exist, or if one of its files
        is missing or was altered."""
        entry = self._verified.get((stage, key))
        if entry is None:
            self._bring(stage, key, partial(_LOG.warning, "%s/%s: %s", stage, key))
            entry = Entry(self.folder(stage, key))
            if not entry.folder.is_dir():
                raise TinaKitError(
                    f"{entry.folder}: this result is not in the store: the store was cleared or "
                    "moved (set TINA_KIT_STORE to its new location), or the data or a plugin has "
                    "changed. Run the recipe again"
                )
            with explaining(self.root, STORE_REMEDY):
                verify(entry.folder)
            self._verified[stage, key] = entry
        return entry

    def shape(self, stage: str, key: str, file: str, tensor: str) -> tuple[int, ...]:
        """The shape of a tensor in a finished result, without verifying or reading the rest."""
        from safetensors import safe_open

        self._bring(stage, key, partial(_LOG.warning, "%s/%s: %s", stage, key))
        with safe_open(self.folder(stage, key) / file, framework="pt") as opened:
            return tuple(opened.get_slice(tensor).get_shape())

    def ensure(
        self,
        stage: str,
        key: str,
        compute: Callable[[Draft], None],
        settings: Mapping[str, Any],
        tell: Callable[[str], None] = lambda line: None,
        made_by: Mapping[str, Any] = MappingProxyType({}),
        resumes: Callable[[Mapping[str, Any]], None] = lambda begun_by: None,
        cost: Mapping[str, Any] = MappingProxyType({}),
        lineage: Mapping[str, Any] = MappingProxyType({}),
    ) -> float | None:
        """Compute a result unless it is stored. Returns the seconds it took, None if cached.

        If another process is computing it, wait for that one (after calling `tell`).
        made_by: versions and hardware, stored with the result but not part of its key.
        resumes: called with the `made_by` of the run whose checkpoints are continued.
        cost: what the seconds depend on, stored with the result unless an earlier run began it.
        lineage: what else the key was made of, and for whom; see `Stage.lineage`.
        """
        seconds, work = None, self.work(stage, key)
        if self.here(stage, key):
            self._clean(work)
        else:
            with explaining(self.root, STORE_REMEDY), self._alone(work, tell) as alone:
                if self.here(stage, key) or self._fetched(stage, key):
                    clear(work, alone)
                else:
                    start = time.monotonic()
                    with self._drafting(work, alone) as draft:
                        begun = begun_by(work, made_by)
                        if begun is not None:
                            resumes(begun)
                        compute(draft)
                        seconds = time.monotonic() - start
                        facts: dict[str, Any] = {**lineage, "settings": dict(settings)}
                        facts["made_by"] = dict(made_by)
                        if begun not in (None, made_by):
                            facts["begun_by"] = begun
                        if begun is None:
                            facts["cost"] = dict(cost)
                        seal(draft.folder, stage, key, seconds, facts)
                        self.publish(draft.folder, stage, key)
        if self.remote is not None:
            self.remote.upload(stage, key, self.folder(stage, key))
        return seconds

    def fetch(self, results: Iterable[Result], tell: Callable[[str], None]) -> None:
        """Fetch what is finished at the address and not here, several at once. Raises UserError if
        it cannot be reached. tell: called before anything is fetched."""
        if self.remote is None:
            return
        wanted = dict.fromkeys(results)
        missing = [each for each in wanted if not self.here(*each) and self.remote.has(*each)]
        if missing:
            tell(f"fetching {len(missing):,} result{'s' * (len(missing) > 1)} from {self.place}")
            self.bring(missing)

    def bring(self, results: Iterable[Result]) -> None:
        """Fetch what other machines have uploaded by now, several at once; what is not there is
        passed over."""
        if self.remote is None:
            return
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            list(pool.map(lambda each: self._bring(*each), dict.fromkeys(results)))
        finally:
            pool.shutdown(cancel_futures=True)

    def learn(self, stage: str, key: str) -> None:
        """That another process has computed a result, and uploaded it if it could."""
        if self.remote is not None:
            self.remote.learn(stage, key)

    def _bring(self, stage: str, key: str, tell: Callable[[str], None] | None = None) -> None:
        """Fetch a result that is at the address and not here. Without `tell`, not if another
        process is at it."""
        if self.remote is None or self.here(stage, key):
            return
        work = self.work(stage, key)
        with explaining(self.root, STORE_REMEDY), suppress(Busy), self._alone(work, tell) as alone:
            if not self.here(stage, key):
                self._fetched(stage, key, again=True)
            self._settle(work, alone)

    def _fetched(self, stage: str, key: str, again: bool = False) -> bool:
        """Whether a result could be fetched. The lock must be held. again: even if it was refused
        before, since whoever has computed it may have uploaded it."""
        if self.remote is None or ((stage, key) in self.remote.refused and not again):
            return False
        known = self.remote.has(stage, key)
        out = draft_of(self.work(stage, key) / "fetched")
        try:
            if not self.remote.fetch(stage, key, out):
                return False
            for path in out.rglob("*"):
                flush(path)
            self.publish(out, stage, key)
        except UserError:
            if known:
                raise
            return False  # better computed than waited for
        finally:
            shutil.rmtree(out, ignore_errors=True)
        self._verified[stage, key] = Entry(self.folder(stage, key))
        return True
