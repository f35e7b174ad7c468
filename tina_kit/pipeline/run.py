"""A run: works through a plan and leaves a folder that explains itself."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any

from tina_kit.api import RunInfo, StageInfo, abridged
from tina_kit.api.interruption import interruption, signal_of, undisturbed
from tina_kit.pipeline.durations import Durations
from tina_kit.pipeline.keeping import keep
from tina_kit.pipeline.logs import EventLog, MetricsLog, now
from tina_kit.pipeline.new_folder import appearing, fresh, remove_left_over_in, reserve
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.record import differences, new_record
from tina_kit.pipeline.results import Results, publish, results_of
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.images import ImagesStage
from tina_kit.pipeline.workers.computing import compute, warn_of_digits
from tina_kit.pipeline.workers.executor import Event, Executor, InProcess, Outcome
from tina_kit.pipeline.workers.job import job_of
from tina_kit.pipeline.workers.schedule import Schedule
from tina_kit.pipeline.workers.team import Team
from tina_kit.plugins.blame import blame
from tina_kit.recipe import dump
from tina_kit.store import write_json
from tina_kit.store.disk import RUN_REMEDY, explained, explaining, is_full
from tina_kit.store.files import write_text
from tina_kit.training import Observers

_LOG = logging.getLogger(__name__)
WRITING = 20  # spend at most about 5% of the time on the record of a run that goes on
MADE_BY = ("tina_kit", "git", "versions", "device", "hardware")  # recorded with every result


@dataclass
class Run:
    """plan: what to do; folder: the run folder; record: the content of `run.json`; results: what
    was measured, even if it could not be written; reserve: space on the disk to record that it is
    full."""

    plan: Plan
    folder: Path
    record: dict[str, Any] = field(default_factory=dict)
    results: Results | None = None
    reserve: IO[bytes] | None = None
    _noted: set[str] = field(default_factory=set)  # forms of p-Models
    _next: float = field(init=False)  # when the record is written again

    @classmethod
    def start(
        cls, plan: Plan, output: Path, command: Sequence[str] = (), plugins: Sequence[str] = ()
    ) -> Run:
        """Make the run folder `output/<name>/<time>-<key>/` and write what is known.

        command: the command line; plugins: the distributions whose components could be used.
        """
        plan.store.check()
        record = new_record(plan, command, plugins)
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = output / plan.recipe.core.name / f"{stamp}-{plan.key[:8]}"
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            remove_left_over_in(folder.parent)
            with appearing(folder) as draft:
                run = cls(plan, draft, record, reserve=reserve(draft))
                shutil.copyfile(plan.recipe.path, draft / "recipe.yaml")
                text = dump(plan.recipe.plain())
                write_text(draft / "resolved.yaml", text)
                run._write("running")
                run.folder = fresh(folder, draft)
            results = [(stage.kind, stage.key) for stage in plan.stages]
            keep(plan.store.root, run.folder, results, plan.recipe.core.name)
            plan.runtime.observer.add(EventLog(run.folder), MetricsLog(run.folder))
        except OSError as error:
            raise explained(error, output, RUN_REMEDY) from error
        return run

    @property
    def observer(self) -> Observers:
        return self.plan.runtime.observer

    def execute(self, team: Team | None = None, keep_going: bool = False) -> Results:
        """Compute what is not cached; write and return the results.

        team: computes stages side by side; without it, this process computes one after another.
        keep_going: after a failure, compute what does not need its result, and fail then.
        However it ends, `run.json` says so.
        """
        try:
            with explaining(self.folder, RUN_REMEDY):
                self._work(team, keep_going)
                self.results = results_of(self.plan)
                publish(self.results, self.plan, self.folder, self.record)
                with undisturbed():
                    self._end("done")
            return self.results
        except BaseException as error:
            if self.record["status"] != "done":
                with undisturbed(), suppress(OSError):  # the first error is the one to report
                    self._fail(error)
            raise

    def _work(self, team: Team | None, keep_going: bool) -> None:
        self._next = 0.0
        self.observer.run_started(self.info())
        self.plan.store.clean()
        self.plan.fetch()
        self._warn_of_differences()
        here = InProcess(self._compute)
        with self._executor(team, here) as executor:
            schedule = Schedule(
                executor, here, self._durations.of, self._ended, self._hear, self._lost, keep_going
            )
            schedule.run(self.plan.first)
            for experiment in self.plan.experiments:
                experiment.check_images()
            for study in self.plan.studies.values():
                study.check_prompts()
            schedule.run(self.plan.stages)
        places = {stage.key: place for place, stage in enumerate(self.plan.stages)}
        self.record["stages"].sort(key=lambda stage: places[stage["key"]])

    def info(self) -> RunInfo:
        """The run as observers see it."""
        stages = [
            stage.info(None if stage.cached else self._durations.of(stage))
            for stage in self.plan.stages
        ]
        recipe = self.plan.recipe
        return RunInfo(recipe.core.name, self.folder, recipe.plain(), stages)

    @contextmanager
    def _executor(self, team: Team | None, here: InProcess) -> Iterator[Executor]:
        if team is None:
            yield here
            return
        with (
            job_of(self.plan, team.threads, self._made_by) as job,
            team.executor(job) as executor,
        ):
            yield executor

    def _compute(self, stage: Stage) -> float | None:
        started = partial(self._started, stage)
        return compute(stage, self.plan.recipe, self._made_by, self.observer, started)

    def _started(self, stage: Stage, info: StageInfo) -> None:
        self.observer.stage_started(info)
        if stage.form and stage.form not in self._noted:
            self._noted.add(stage.form)
            self.observer.keep_note(info, stage.form)

    def _hear(self, event: Event) -> None:
        """What a worker tells, as if it happened here."""
        name, facts = event
        if name == "log":
            logger, level, text = facts
            if text not in self._noted:  # every worker may say so
                self._noted.add(text)
                logging.getLogger(logger).log(level, "%s", text)
        elif name == "stage_started":
            self._started(self._by_key[facts[0].key], facts[0])
        else:
            getattr(self.observer, name)(*facts)

    def _lost(self, stage: Stage) -> None:
        self.observer.note(stage.info(), "its worker was lost, and another one continues it")

    @cached_property
    def _by_key(self) -> dict[str, Stage]:
        return {stage.key: stage for stage in self.plan.stages}

    def _ended(self, stage: Stage, outcome: Outcome) -> None:
        store, seconds = self.plan.store, outcome.seconds
        store.learn(stage.kind, stage.key)
        info = replace(stage.info(), cached=seconds is None)
        made_by = store.made_by(stage.kind, stage.key) if seconds is None else outcome.made_by
        foreign = made_by not in ({}, self._made_by)
        self.observer.stage_ended(info, seconds)
        state = "cached" if seconds is None else "computed"
        left_out = stage.left_out() if isinstance(stage, ImagesStage) else []
        if left_out:
            count = f"{len(left_out):,} image{'s' if len(left_out) > 1 else ''}"
            _LOG.warning(
                "%s: skipped %s that cannot be read: %s", stage.name, count, abridged(left_out)
            )
        self.record["stages"].append(
            {
                "name": stage.name,
                "kind": stage.kind,
                "key": stage.key,
                "seed": stage.seed,
                "state": state,
                "seconds": None if seconds is None else round(seconds, 3),
                **({"left_out": {"count": len(left_out), "images": left_out}} if left_out else {}),
                **({"made_by": made_by} if seconds is None or foreign else {}),
            }
        )
        if time.monotonic() >= self._next:
            start = time.monotonic()
            self._write("running")
            end = time.monotonic()
            # A record of thousands of stages is not written again after each of them.
            self._next = end + WRITING * (end - start)

    def _warn_of_differences(self) -> None:
        """Where some stages are cached and others are not."""
        store, stages = self.plan.store, self.plan.stages
        cached = [stage for stage in stages if stage.cached]
        if len(cached) < len(stages):
            made_by = [store.made_by(stage.kind, stage.key) for stage in cached]
            found = {each for facts in made_by for each in differences(facts, self._made_by)}
            warn_of_digits("this run continues from stages", sorted(found))

    @cached_property
    def _durations(self) -> Durations:
        return Durations(self.plan.store, self._made_by)

    @property
    def _made_by(self) -> dict[str, Any]:
        return {key: self.record[key] for key in MADE_BY}

    def _fail(self, error: BaseException) -> None:
        interrupt = interruption(error)
        if interrupt is not None:
            self.record["signal"] = signal_of(interrupt).name
            self._end("interrupted")
        else:
            self.record["error"] = blame(error) or str(error)
            self._end("failed")

    def _end(self, status: str) -> None:
        ended = {"status": status, "ended": now()}
        try:
            write_json(self.folder / "run.json", {**self.record, **ended})
        except OSError as error:
            if self.reserve is None or not is_full(error):
                raise
            self.reserve.close()
            write_json(self.folder / "run.json", {**self.record, **ended})
        self.record |= ended
        self.observer.run_ended(status)

    def _write(self, status: str) -> None:
        self.record["status"] = status
        write_json(self.folder / "run.json", self.record)
