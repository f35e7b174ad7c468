"""Runs the points of a sweep one after the other. The store gives what they share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tina_kit.api import Observer, StepInfo, TinaKitError, UserError
from tina_kit.api.interruption import interruption
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.record import read_record
from tina_kit.pipeline.run import Run
from tina_kit.plugins.blame import blame
from tina_kit.store.locks import Busy, locked
from tina_kit.sweeps.allowed import check_point, with_fixed
from tina_kit.sweeps.axes import words
from tina_kit.sweeps.outcome import measured_in, publish
from tina_kit.sweeps.points import Point
from tina_kit.sweeps.record import Record
from tina_kit.sweeps.search import Search

_LOG = logging.getLogger(__name__)


class Pruned(TinaKitError):
    """A point that is not worth its time."""


@dataclass(frozen=True)
class Sweep:
    """record: what to do and how far it is; planned: makes the plan of what a point sets; begun: a
    run of a plan, in a folder; search: what chooses points, None if they are given; count: points
    in all; curve: how often each training is measured.
    """

    record: Record
    planned: Callable[[Mapping[str, Any]], Plan]
    begun: Callable[[Plan, Path], Run]
    say: Callable[[str], None]
    count: int
    curve: int = 0
    search: Search | None = None

    def work(self) -> None:
        """Run what has not been run. Raises UserError for a mistake in any point that is known
        before, TinaKitError if every point fails, and what interrupts it."""
        try:
            with locked(self.record.folder / ".lock"):
                self._work()
        except Busy:
            raise UserError(
                f"{self.record.folder}: another process works on this sweep; wait for it"
            ) from None

    def _work(self) -> None:
        points = self.record.points
        keys = [self._plan(point).key for point in points[: self.count]]  # all mistakes, now
        for place in range(self.count):
            if place == len(points):
                assert self.search is not None
                self.record.extend([*self._sets(), self.search.choose(points)])
                keys.append(self._plan(points[place]).key)
            point = points[place]
            if point["status"] not in ("done", "pruned") or point.get("key") != keys[place]:
                self._run(point)
        if not any(point["status"] == "done" for point in points):
            raise TinaKitError(
                f"{self.record.folder}: all points failed; the first: {points[0]['error']}"
            )
        publish(self.record)

    def _sets(self) -> Iterator[Point]:
        return (point["set"] for point in self.record.points)

    def _plan(self, point: Mapping[str, Any]) -> Plan:
        plan = self.planned(with_fixed(point["set"], self.curve))
        check_point(plan.recipe)
        return plan

    def _run(self, point: dict[str, Any]) -> None:
        record, plan = self.record, self._plan(point)
        name = f"point {point['number']} of {self.count}"
        if point.get("key") != plan.key:
            point.pop("measured", None)  # of other code, or of another recipe
        point |= {"status": "running", "key": plan.key}
        self.say(f"{name}: {words(point['set'])}")
        try:
            folder = self._finished_before(point) or self._execute(point, plan)
            row, split = record.facts["row"], record.facts["split"]
            point |= {"status": "done", **measured_in(folder, row, split)}
            self.say(f"{name}: {row} {point['p_acc']:.2f}")
        except Pruned as reason:
            point |= {"status": "pruned"}
            self.say(f"{name}: {reason}")
        except Exception as error:
            if interruption(error) is not None or isinstance(error, OSError):
                raise
            text = blame(error) or str(error)
            point |= {"status": "failed", "error": text}
            _LOG.warning("%s failed: %s", name, text)
        record.save()

    def _execute(self, point: dict[str, Any], plan: Plan) -> Path:
        watcher = Watcher(self, point, plan)
        watcher.judge()  # by what was measured before it was killed
        run = self.begun(plan, self.record.folder / "runs")
        plan.runtime.observer.add(watcher)
        point["run"] = str(run.folder.relative_to(self.record.folder))
        self.record.save()
        run.execute()
        return run.folder

    def _finished_before(self, point: Mapping[str, Any]) -> Path | None:
        """The folder of a run that ended just before the sweep was killed."""
        folder = self.record.folder / point.get("run", "")
        try:
            whole = read_record(folder)["key"] == point["key"]
        except UserError:
            return None
        return folder if whole else None


class Watcher(Observer):
    """Keeps what is measured while the row of a point is fitted, and stops it if a search says so.

    `measured`, of the point: pairs of (how many measurements before, p-Acc).
    """

    def __init__(self, sweep: Sweep, point: dict[str, Any], plan: Plan) -> None:
        self._sweep, self._point = sweep, point
        self._seeds = plan.recipe.core.seeds
        self._curve = plan.recipe.core.evaluation.curve
        self._label = f"fit/{sweep.record.facts['row']}"

    def step(self, step: StepInfo) -> None:
        if step.p_acc is None or step.label != self._label:
            return
        seed = step.stage.seed if step.stage else None
        trained = 0 if seed is None else self._seeds.index(seed)  # seeds before this one
        place = trained * self._curve + step.done * self._curve // step.total
        known = dict(self._point.get("measured", ())) | {place: step.p_acc}
        self._point["measured"] = [list(pair) for pair in sorted(known.items())]
        self._sweep.record.save()
        self.judge()

    def judge(self) -> None:
        """Raises Pruned."""
        search, measured = self._sweep.search, self._point.get("measured")
        if search is None or not measured:
            return
        before = self._sweep.record.points[: self._point["number"] - 1]
        if search.hopeless(before, [(int(place), p_acc) for place, p_acc in measured]):
            raise Pruned(f"stopped at p-Acc {measured[-1][1]:.2f}, below most points before it")
