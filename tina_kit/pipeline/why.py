"""Why stages of a recipe would be computed again: compares what their keys are made of with stored
results."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

from tina_kit.api import TinaKitError, UserError, abridged
from tina_kit.pipeline.causes import Change, of_recipes
from tina_kit.pipeline.explanation import Explanation, Reason
from tina_kit.pipeline.lineage import Known, Made, Ranked, Recorded, mismatched, nearest, row_of
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe.component import ResolvedComponent
from tina_kit.store.names import Name, Names, Result

_DRAWING = ("tasks.", "evaluation.id_tasks", "evaluation.on", "finetune.shard", "zoo")
"""Settings of a recipe by which tasks are drawn or split."""
_PLACES = {
    "images": ("dataset", "evaluation.on"),
    "conditioner": ("conditioner", "precision"),
    "conditions": ("conditioner",),
    "generic": ("architecture", "generic", "precision"),
    "zoo": ("finetune", "tasks", "precision", "zoo"),
    "fit": ("generators.{row}", "precision"),
    "evaluate": ("generators.{row}", "tasks", "evaluation.id_tasks"),
    "rejection": ("generators.{row}", "tasks", "evaluation.rejection"),
}
"""Which settings of a recipe are in the keys of a kind of stage."""


class Explainer:
    """Finds the reasons stage by stage, in the order of the plan."""

    def __init__(self, plan: Plan, against: Path | None = None) -> None:
        self.plan = plan
        self.known = Known(plan.store)
        self.against = None if against is None else Recorded(against)
        self._reasons: dict[str, Reason] = {}
        self._compared = cache(self._compare)
        self._recorded = cache(self._read)

    def explain(self) -> Explanation:
        for stage in self.plan.stages:
            if not stage.cached:
                self._reasons[stage.key] = self._reason(stage)
        folder = None if self.against is None else self.against.folder
        return Explanation(self.plan, folder, list(self._reasons.values()))

    def _reason(self, stage: Stage) -> Reason:
        if lost := self._lost(stage):
            return Reason(stage, None, [lost], [])
        made = self._reference(stage)
        if made is not None:
            own, inherited = self._compared(stage, made.stage, made.key)
            return Reason(stage, (made.stage, made.key), own, inherited)
        # A generator without a result is new. Any other kind of stage is there because of a change.
        added = "generator" in stage.keyed
        found = self._by_recipe(stage) or ([] if added else self._by_reader(stage))
        before = Ranked() if added and not self._elsewhere(stage) else self._changed(stage.after)
        if not found and not before:
            found = [Change("new", stage.group)]
        return Reason(stage, None, [c for c in found if c not in before], list(before))

    def _changed(self, stages: Sequence[Stage]) -> Ranked:
        """The same, but for what was never stored."""
        found = Ranked()
        found.add(change for change in self._reasons_of(stages) if change.kind != "new")
        return found

    def _reasons_of(self, stages: Sequence[Stage]) -> Ranked:
        """What changed in stages that are not stored, and in those before them."""
        found = Ranked()
        for stage in stages:
            if stage.key in self._reasons:
                reason = self._reasons[stage.key]
                found.add((*reason.inherited, *reason.own))
        return found

    def _lost(self, stage: Stage) -> Change | None:
        """If a run had this very stage, why its result is not there."""
        result = (stage.kind, stage.key)
        if self.against is not None and result in self.against.name.results:
            return Change("removed", stage.group, about=f"of {self.against.folder}")
        found: Change | None = None
        for name in self._namers.get(result, ()):
            run = self._recorded(name.what)
            if run is not None and result in run.name.results:
                return Change("removed", stage.group, about=f"of {name.what}")
            found = found or Change("unfinished", stage.group, about=name.what)
        return found

    @cached_property
    def _namers(self) -> dict[Result, list[Name]]:
        found: dict[Result, list[Name]] = {}
        for name in Names(self.plan.store.root).all():
            if name.kind == "run":
                for result in name.results:
                    found.setdefault(result, []).append(name)
        return found

    def _read(self, folder: str) -> Recorded | None:
        with suppress(UserError):
            return Recorded(Path(folder))
        return None

    def _reference(self, stage: Stage) -> Made | None:
        """The stored result to compare with."""
        now = Made.of(stage)
        expected = [self._stands_for(before) for before in stage.after]
        if self.against is None:
            return self.known.alike(now, expected)
        there = [self.known.of(*result) for result in self.against.results(stage)]
        found = [made for made in there if made is not None]
        return nearest(found, now, expected) if found else None

    def _stands_for(self, stage: Stage) -> Result:
        """The result itself, or what it was compared with."""
        reason = self._reasons.get(stage.key)
        against = None if reason is None else reason.against
        return against or (stage.kind, stage.key)

    def _compare(self, stage: Stage, kind: str, key: str) -> tuple[list[Change], list[Change]]:
        """What changed in a stage itself, and in those before it, since a stored result."""
        made = self.known.of(kind, key)
        if made is None:
            return [], [Change("unknown", stage.group, about="its earlier result is gone")]
        own = [self._told(change, stage) for change in made.own(Made.of(stage))]
        if made.after is None:
            inherited = self._reasons_of(stage.after)
            if not own and not inherited:
                about = "an older version of tina-kit stored it and did not note what it came from"
                own.append(Change("unknown", stage.group, about=about))
        else:
            inherited = Ranked()
            extra = []
            for before, earlier in mismatched(stage.after, made.after):
                if earlier is None:
                    extra.append(before)
                else:
                    for found in reversed(self._compared(before, *earlier)):
                        inherited.add(found)
            inherited.add(self._reasons_of(extra))
            own += _reads(stage, made.after, extra if inherited else ())
        own = self._drawn(own, bool(inherited), made, stage)
        return [change for change in own if change not in inherited], list(inherited)

    def _drawn(self, own: Sequence[Change], others: bool, made: Made, stage: Stage) -> list[Change]:
        """Put in place of other tasks the settings by which they were drawn; if these are the same,
        the tasks follow from what else changed, such as the seed or the classes."""
        if not any(change.kind in ("tasks", "reads") for change in own):
            return list(own)
        rest = [change for change in own if change.kind not in ("tasks", "reads")]
        skipped = "finetune.shard" if stage.kind in ("evaluate", "rejection") else "evaluation.id"
        drawing = [
            change
            for change in self._of_recipe(made)
            if change.setting.startswith(_DRAWING) and not change.setting.startswith(skipped)
        ]
        if drawing or rest or others:
            return [*rest, *drawing]
        return list(own)

    def _of_recipe(self, made: Made) -> list[Change]:
        """How the recipe of a run with this result differs."""
        run = self.against
        if run is None:
            names = self._namers.get((made.stage, made.key), ())
            run = next(filter(None, (self._recorded(name.what) for name in names)), None)
        if run is None or run.recipe is None:
            return []
        return of_recipes(run.recipe, self.plan.recipe.plain())

    def _by_reader(self, stage: Stage) -> list[Change]:
        """What changed in the first stage that reads this one, as when a conditioner that learns
        takes the place of one that does not."""
        for reader in self.plan.stages:
            if stage.key in (before.key for before in reader.after) and not reader.cached:
                made = self._reference(reader)
                own = [] if made is None else made.own(Made.of(reader))
                return [change for change in own if change.kind == "component"]
        return []

    def _elsewhere(self, stage: Stage) -> bool:
        """Whether the run that was named had such a stage, whose result is not in this store."""
        return self.against is not None and bool(self.against.results(stage))

    def _by_recipe(self, stage: Stage) -> list[Change]:
        """Where the run's own results are not in this store: how the recipes differ in what is in
        the stage's key."""
        if not self._elsewhere(stage) or self.against is None or self.against.recipe is None:
            return []
        places = [p.format(row=row_of(stage.name)) for p in _PLACES.get(stage.kind, ())]
        return [
            change
            for change in of_recipes(self.against.recipe, self.plan.recipe.plain())
            if any(f"{change.setting}.".startswith(f"{place}.") for place in places)
        ]

    def _told(self, change: Change, stage: Stage) -> Change:
        """With the names of files whose content changed."""
        if change.kind != "files":
            return change
        with suppress(TinaKitError, KeyError, StopIteration):
            files = component_at(self.plan, change.setting).build().files()
            return replace(change, about=abridged(sorted(files), 3))
        return change


def _reads(stage: Stage, before: Sequence[Result], explained: Sequence[Stage]) -> list[Change]:
    """Kinds of stages of which it reads more or fewer, but for those that are explained."""
    found = []
    kinds = dict.fromkeys([*(each.kind for each in stage.after), *(kind for kind, _ in before)])
    for kind in kinds:
        new = sum(each.kind == kind for each in stage.after)
        old = sum(each == kind for each, _ in before)
        if new - sum(each.kind == kind for each in explained) != old:
            about = f"it reads {new} results of the stage {kind}, not {old}"
            found.append(Change("reads", stage.group, old, new, about))
    return found


def component_at(plan: Plan, place: str) -> ResolvedComponent:
    """The component at a dotted key. Raises KeyError, or StopIteration for an unknown row."""
    recipe, [first, *rest] = plan.recipe, place.split(".")
    if first == "generators":
        found = next(row for row in recipe.generators if place.startswith(f"{first}.{row.name}"))
        rest = place.removeprefix(f"{first}.{found.name}").strip(".").split(".")
        component = found.component
    else:
        component = {
            "dataset": recipe.dataset,
            "architecture": recipe.architecture,
            "conditioner": recipe.conditioner,
        }[first]
    while rest and rest[0]:
        child = component.children[rest.pop(0)]
        component = child[int(rest.pop(0))] if isinstance(child, tuple) else child
    return component
