"""A stage: a pure function of its settings and the stages before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from tina_kit.store import Draft, Entry, Store, content_key


@dataclass(frozen=True)
class Stage:
    """room: its folder in the store; name: what it is called in plans (`zoo/ood 2`).

    seed: which run of the recipe it was made for; of no account to its key.
    version: raised when the core computes it differently.
    """

    room: str
    name: str
    settings: Mapping[str, Any]
    compute: Callable[[Draft], None] = field(compare=False)
    after: tuple[Stage, ...] = ()
    seed: int | None = field(default=None, compare=False)
    version: int = 1

    @cached_property
    def key(self) -> str:
        return content_key(
            {
                "stage": self.room,
                "version": self.version,
                "settings": self.settings,
                "after": [stage.key for stage in self.after],
            }
        )

    def cached(self, store: Store) -> bool:
        return store.has(self.room, self.key)

    def open(self, store: Store) -> Entry:
        return store.open(self.room, self.key)

    def ensure(
        self,
        store: Store,
        tell: Callable[[str], None] = lambda line: None,
        made_by: Mapping[str, Any] = MappingProxyType({}),
        resumes: Callable[[Mapping[str, Any]], None] = lambda begun_by: None,
    ) -> float | None:
        """Seconds it took, None when it was there."""
        return store.ensure(
            self.room, self.key, self.compute, self.settings, tell, made_by, resumes
        )


def in_order(goals: Sequence[Stage]) -> list[Stage]:
    """The goals and all that they need, each once (the same work has the same key) and after what
    it needs itself."""
    found: dict[tuple[str, str], Stage] = {}

    def visit(stage: Stage) -> Iterator[Stage]:
        if (stage.room, stage.key) not in found:
            for before in stage.after:
                yield from visit(before)
            found[stage.room, stage.key] = stage
            yield stage

    return [stage for goal in goals for stage in visit(goal)]
