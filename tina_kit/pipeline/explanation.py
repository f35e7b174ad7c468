"""What `why` finds: why stages of a recipe would be computed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tina_kit.api.messages import wrapped
from tina_kit.pipeline.causes import Change
from tina_kit.pipeline.lineage import Ranked
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.stage import Stage
from tina_kit.store.names import Result


@dataclass(frozen=True)
class Reason:
    """Why a stage is not stored. against: the result that it was compared with, if any; own: what
    changed in the stage itself; inherited: what changed in stages before it."""

    stage: Stage
    against: Result | None
    own: Sequence[Change]
    inherited: Sequence[Change]

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "name": self.stage.name,
            "kind": self.stage.kind,
            "key": self.stage.key,
            "seed": self.stage.seed,
            "compared_with": None if self.against is None else self.against[1],
            "own": [change.facts for change in self.own],
            "inherited": [change.facts for change in self.inherited],
        }


@dataclass(frozen=True)
class Cause:
    """A change, the stages that it makes compute again themselves, and those that follow only
    because of these, by their groups."""

    change: Change
    stages: Sequence[str]
    followers: Sequence[str]

    @property
    def facts(self) -> dict[str, Any]:
        return {
            **self.change.facts,
            "stages": list(self.stages),
            "followers": list(self.followers),
        }


@dataclass(frozen=True, repr=False)
class Explanation:
    """plan: of the recipe; against: the run folder it was compared with, if one was named.

    `print` shows what `store why` prints.
    """

    plan: Plan
    against: Path | None
    reasons: Sequence[Reason]

    def __str__(self) -> str:
        return "\n".join(self.lines(80))

    def __repr__(self) -> str:
        return f"<{self._head}; {len(self.causes)} causes>"

    def lines(self, columns: int | None = None) -> list[str]:
        """The causes in words, wrapped at so many columns."""
        found = wrapped(self._head, columns)
        for cause in self.causes:
            found += ["", *wrapped(str(cause.change), columns)]
            for what, groups in (
                ("computed again", cause.stages),
                ("only because of that", cause.followers),
            ):
                if groups:
                    found += wrapped(f"{what}: {', '.join(groups)}", columns, "  ", "  ")
        return found

    @property
    def _head(self) -> str:
        stages = len(self.plan.stages)
        what = f"{stages - len(self.reasons)} of {stages} stage{'' if stages == 1 else 's'} stored"
        return what if self.against is None else f"{what}, compared with {self.against}"

    @cached_property
    def causes(self) -> list[Cause]:
        """The first causes, in the order of the plan."""
        changes = Ranked()
        for reason in self.reasons:
            changes.add((*reason.inherited, *reason.own))
        return [self._cause(change) for change in changes]

    def _cause(self, change: Change) -> Cause:
        own: dict[str, None] = {}  # as ordered sets
        after: dict[str, None] = {}
        for reason in self.reasons:
            if change.identity in {each.identity for each in reason.own}:
                own[reason.stage.group] = None
            elif change.identity in {each.identity for each in reason.inherited}:
                after[reason.stage.group] = None
        return Cause(change, list(own), [group for group in after if group not in own])

    @property
    def facts(self) -> dict[str, Any]:
        """As `store why --json` prints it."""
        return {
            "key": self.plan.key,
            "store": self.plan.store.place,
            "against": None if self.against is None else str(self.against),
            "stages": len(self.plan.stages),
            "stored": len(self.plan.stages) - len(self.reasons),
            "causes": [cause.facts for cause in self.causes],
            "reasons": [reason.facts for reason in self.reasons],
        }
