"""What the keys of stored results are made of, and which of them is most like a stage."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from tina_kit.api import TinaKitError
from tina_kit.pipeline.causes import Change, changes, compact
from tina_kit.pipeline.stage import DRAWN, Stage
from tina_kit.recipe.load import source_of
from tina_kit.store import Store, content_key, read_json
from tina_kit.store.names import Result, of_run_folder
from tina_kit.store.sealing import ENTRY

_SHARD = re.compile(r" \d+/\d+(?= \[|$)")


@dataclass(frozen=True)
class Made:
    """What a key is made of. settings: compact; version, after: None if an older version of
    tina-kit stored the result, which did not record them."""

    stage: str
    key: str
    name: str
    settings: Mapping[str, Any]
    version: int | None
    after: tuple[Result, ...] | None

    @classmethod
    def of(cls, stage: Stage) -> Made:
        after = tuple((each.kind, each.key) for each in stage.after)
        settings = compact(stage.keyed)
        return cls(stage.kind, stage.key, stage.name, settings, stage.version, after)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Made:
        """Raises KeyError, TypeError, ValueError or AttributeError for what no version wrote."""
        version = entry.get("version")
        after = entry.get("after")
        return cls(
            str(entry["stage"]),
            str(entry["key"]),
            str(entry.get("name", "")),
            compact(entry["settings"]),
            version if isinstance(version, int) else None,
            None if after is None else tuple((str(a["stage"]), str(a["key"])) for a in after),
        )

    @cached_property
    def drawn(self) -> str:
        """Its seed and tasks."""
        return content_key({name: self.settings.get(name) for name in DRAWN})

    @property
    def rest(self) -> str:
        """All that its key is made of but seed and tasks."""
        settings = {name: value for name, value in self.settings.items() if name not in DRAWN}
        return content_key([self.stage, self.name_of_row, settings, self.version, self.after])

    @property
    def name_of_row(self) -> str:
        """The row of the recipe that a stage is for: `tina-dit` in `fit/tina-dit [variant]`."""
        return row_of(self.name)

    def own(self, now: Made) -> list[Change]:
        """What the stage's own part in the key of `now` has that this has not."""
        found = changes(now.stage, now.name_of_row, self.settings, now.settings)
        if self.version is not None and self.version != now.version:
            found.insert(0, Change("stage version", now.stage, self.version, now.version))
        return found


def row_of(name: str) -> str:
    """The row of the recipe in a stage's name."""
    return name.partition(" [")[0].partition("/")[2]


class Known:
    """The results in a store, each read at most once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.of = cache(self._of)
        self._groups = cache(self._grouped)

    def _of(self, stage: str, key: str) -> Made | None:
        return read(self.store.folder(stage, key))

    def _grouped(self, stage: str) -> list[Group]:
        groups: dict[str, Group] = {}
        for entry in self.store.entries(stage):
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                made = Made.read(entry)
                groups.setdefault(made.rest, Group()).add(made)
        return list(groups.values())

    def alike(self, now: Made, expected: Sequence[Result]) -> Made | None:
        """The stored result that differs least from a stage; None if none is of its kind, or for a
        generator none of this generator.

        expected: what it is likely to come after. One result of a group stands for all, so that
        time grows with the number of results and not with its square.
        """
        groups = [group for group in self._groups(now.stage) if _comparable(group.one, now)]
        if not groups:
            return None
        best = min(groups, key=lambda group: (_distance(group.one, now, expected), group.one.key))
        return best.nearest(now)


class Group:
    """Results of a kind that differ in seed and tasks alone. one: of them, which stands for all."""

    def __init__(self) -> None:
        self._by_drawn: dict[str, Made] = {}
        self._by_seed: dict[Any, Made] = {}

    @property
    def one(self) -> Made:
        return next(iter(self._by_drawn.values()))

    def add(self, made: Made) -> None:
        self._by_drawn[made.drawn] = made
        self._by_seed[made.settings.get("seed")] = made

    def nearest(self, now: Made) -> Made:
        """Of the same seed and tasks, else of the same seed, else any."""
        same_seed = self._by_seed.get(now.settings.get("seed"), self.one)
        return self._by_drawn.get(now.drawn, same_seed)


def nearest(candidates: Iterable[Made], now: Made, expected: Sequence[Result]) -> Made:
    """The one that differs least, of the same seed and tasks if there is one."""

    def distance(made: Made) -> tuple[bool, bool, float]:
        same_seed = made.settings.get("seed") == now.settings.get("seed")
        return made.drawn != now.drawn, not same_seed, _distance(made, now, expected)

    return min(candidates, key=distance)


def read(folder: Path) -> Made | None:
    """What the key of a stored result is made of; None if it is not there or damaged."""
    with suppress(OSError, KeyError, TypeError, ValueError, AttributeError):
        return Made.read(read_json(folder / ENTRY))
    return None


class Recorded:
    """What a run folder says of its stages, however the run ended. Raises UserError if it cannot be
    read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = of_run_folder(folder)
        stages: Sequence[Mapping[str, Any]] = read_json(folder / "run.json")["stages"]
        self._stages = [(str(s["name"]), s.get("seed"), (s["kind"], s["key"])) for s in stages]

    def results(self, stage: Stage) -> list[Result]:
        """Those of this stage: of the same name and seed, else of another shard or seed."""
        same = [r for name, seed, r in self._stages if (name, seed) == (stage.name, stage.seed)]
        group = _SHARD.sub("", stage.name)
        alike = [r for name, _, r in self._stages if _SHARD.sub("", name) == group]
        return same or [result for result in alike if result[0] == stage.kind]

    @cached_property
    def recipe(self) -> dict[str, Any] | None:
        """As written with every default; None if it cannot be read. No plugin that it names is
        loaded: the run may be somebody else's."""
        with suppress(TinaKitError, OSError):
            return dict(source_of(self.folder / "resolved.yaml").plain())
        return None


def _comparable(made: Made, now: Made) -> bool:
    """Whether both are of one generator, by its row or its component."""
    ours, theirs = (each.settings.get("generator") for each in (now, made))
    if ours is None:
        return theirs is None
    same_row = bool(made.name) and made.name_of_row == now.name_of_row
    return theirs is not None and (same_row or theirs.get("use") == ours.get("use"))


def _distance(made: Made, now: Made, expected: Sequence[Result]) -> float:
    """Roughly how many changes lead from one to the other."""
    own = sum(3 if change.kind == "component" else 1 for change in made.own(now))
    if made.after is None:
        return own + 0.5
    others = {stage for stage, key in made.after if (stage, key) not in expected}
    return own + 2 * len(others) + 0.25 * (bool(made.name) and made.name != now.name)


def mismatched(
    now: Sequence[Stage], before: Sequence[Result]
) -> Iterator[tuple[Stage, Result | None]]:
    """The stages that are not among those of before, each with what it takes the place of: one of
    its kind that is no longer there, None if there are no more of them."""
    there = {(stage.kind, stage.key) for stage in now}
    left: dict[str, list[Result]] = {}
    for result in before:
        if result not in there:
            left.setdefault(result[0], []).append(result)
    for stage in now:
        if (stage.kind, stage.key) not in before:
            others = left.get(stage.kind)
            yield stage, others.pop(0) if others else None


@dataclass
class Ranked:
    """Changes in the order in which they were found, each once."""

    found: dict[str, Change] = field(default_factory=dict)

    def add(self, some: Iterable[Change]) -> None:
        for change in some:
            self.found.setdefault(change.identity, change)

    def __contains__(self, change: Change) -> bool:
        return change.identity in self.found

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.found.values())
