"""A stage: a pure function of its settings and the stages before it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

from tina_kit.api import StageInfo
from tina_kit.pipeline.runtime import Runtime
from tina_kit.store import Draft, Entry, content_key

DRAWN = ("seed", "tasks")
"""Settings on which it does not depend how long a unit of a stage takes."""


class Stage(ABC):
    """Settings, computation and, in subclasses, readers of the result.

    kind: its folder in the store; version: raised when the core computes it differently.
    group: its name, which it shares with the other shards of one split (`zoo/ood`), followed by the
    variant of a study that needs it (`zoo/ood [ResNet-20]`); name: in plans and logs, the same with
    the shard (`zoo/ood 2/3 [ResNet-20]`); seed: the run's seed it was made for, None if seeds share
    it. None of these is in its key.
    """

    kind: ClassVar[str]
    version: int = 1

    def __init__(
        self, runtime: Runtime, name: str, seed: int | None = None, shard: str = ""
    ) -> None:
        variant = f" [{runtime.variant}]" if runtime.variant else ""
        self.runtime = runtime
        self.group = f"{name}{variant}"
        self.name = f"{name} {shard}{variant}" if shard else self.group
        self.seed = seed

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """What its result depends on besides the stages before it."""

    @property
    @abstractmethod
    def after(self) -> Sequence[Stage]:
        """The stages whose results it reads."""

    @property
    def form(self) -> str:
        """In which form p-Models run in `compute` and why, for the log; "" if none do."""
        return ""

    @abstractmethod
    def compute(self, draft: Draft) -> None:
        """Write the result to `draft.folder`."""

    @cached_property
    def key(self) -> str:
        recorded = self.runtime.recorded.get((self.name, self.seed))
        return recorded or content_key(
            {
                "stage": self.kind,
                "version": self.version,
                "settings": self.keyed,
                "after": [stage.key for stage in self.after],
            }
        )

    @cached_property
    def profile(self) -> str:
        """What stages share that take equally long for each of their `units`: the same work on
        other tasks or with another seed."""
        settings = {name: value for name, value in self.keyed.items() if name not in DRAWN}
        return content_key(
            {
                "stage": self.kind,
                "version": self.version,
                "settings": settings,
                "after": sorted({stage.profile for stage in self.after}),
            }
        )

    @property
    def units(self) -> int:
        """How many p-Models are made or evaluated; 1 if the work is not counted in these."""
        return 1

    @cached_property
    def keyed(self) -> Mapping[str, Any]:
        """Its settings, asked for once: they may hash files."""
        return self.settings

    @property
    def cached(self) -> bool:
        return self.runtime.store.has(self.kind, self.key)

    @property
    def entry(self) -> Entry:
        """The result, verified when first opened."""
        return self.runtime.store.open(self.kind, self.key)

    def info(self, seconds: float | None = None) -> StageInfo:
        """seconds: how long it will take, if that is known."""
        return StageInfo(self.name, self.kind, self.key, self.seed, self.cached, seconds)

    def ensure(
        self,
        tell: Callable[[str], None] = lambda line: None,
        made_by: Mapping[str, Any] = MappingProxyType({}),
        resumes: Callable[[Mapping[str, Any]], None] = lambda begun_by: None,
    ) -> float | None:
        """Compute the result unless it is stored. Returns the seconds it took, None if cached.

        tell, resumes: see `Store.ensure`.
        """
        store, key = self.runtime.store, self.key
        cost = {"profile": self.profile, "units": self.units}
        return store.ensure(
            self.kind,
            key,
            self.compute,
            self.keyed,
            tell,
            made_by,
            resumes,
            cost,
            self.lineage,
        )

    @property
    def lineage(self) -> dict[str, Any]:
        """What its key is made of besides settings, and for which stage of which seed it was
        computed first; stored with the result."""
        after = [{"stage": each.kind, "key": each.key, "name": each.name} for each in self.after]
        return {"name": self.name, "seed": self.seed, "version": self.version, "after": after}


def in_order(goals: Sequence[Stage]) -> list[Stage]:
    """The goals and everything they need, each once (the same work has the same key) and after
    what it needs itself."""
    found: dict[tuple[str, str], Stage] = {}

    def visit(stage: Stage) -> Iterator[Stage]:
        if (stage.kind, stage.key) not in found:
            for before in stage.after:
                yield from visit(before)
            found[stage.kind, stage.key] = stage
            yield stage

    return [stage for goal in goals for stage in visit(goal)]
