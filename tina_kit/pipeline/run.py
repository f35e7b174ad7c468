"""A run: works through a plan and writes a folder that explains itself."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tina_kit.api import RunInfo, TinaKitError, abridged
from tina_kit.pipeline.logs import EventLog, MetricsLog, now
from tina_kit.pipeline.memory import explaining_memory
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.record import new_record
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.images import ImagesStage
from tina_kit.plugins.blame import blame
from tina_kit.recipe import dump
from tina_kit.report.page import page
from tina_kit.report.results import result_rows
from tina_kit.report.studies import StudyReport, plot_study, study_report
from tina_kit.report.table import about
from tina_kit.store import write_json
from tina_kit.store.files import FULL, explaining_full_disk
from tina_kit.training import Observers

_LOG = logging.getLogger(__name__)
REMEDY = "choose another place with --output"
MADE_BY = ("tina_kit", "git", "versions", "device", "hardware")  # recorded with every result


@dataclass(frozen=True)
class Results:
    """rows: the table's, as in `results.json`; studies: by name; about: on which images and with
    which prompts they were measured, in words."""

    rows: list[dict[str, Any]]
    studies: dict[str, StudyReport]
    about: str


@dataclass
class Run:
    """plan: what to do; folder: the run folder; record: the content of `run.json`."""

    plan: Plan
    folder: Path
    record: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(
        cls, plan: Plan, output: Path, command: Sequence[str] = (), plugins: Sequence[str] = ()
    ) -> Run:
        """Make the run folder `output/<name>/<time>-<key>/` and write what is known.

        command: the command line; plugins: the distributions whose components could be used.
        """
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = output / plan.recipe.core.name / f"{stamp}-{plan.key[:8]}"
        with explaining_full_disk(output, REMEDY), _writable(output):
            run = cls(plan, _fresh(folder))
            shutil.copyfile(plan.recipe.path, run.folder / "recipe.yaml")
            text = dump(plan.recipe.plain())
            (run.folder / "resolved.yaml").write_text(text, encoding="utf-8")
            plan.runtime.observer.add(EventLog(run.folder), MetricsLog(run.folder))
            run.record = new_record(plan, command, plugins)
            run._write("running")
        return run

    @property
    def observer(self) -> Observers:
        return self.plan.runtime.observer

    def execute(self) -> Results:
        """Compute what is not cached, in order; write and return the results.

        However it ends, `run.json` says so.
        """
        try:
            with explaining_full_disk(self.folder, REMEDY):
                self.observer.run_started(self.info())
                first = len(self.plan.first)
                for stage in self.plan.stages[:first]:
                    self._stage(stage)
                for experiment in self.plan.experiments:
                    experiment.check_images()
                for study in self.plan.studies.values():
                    study.check_prompts()
                for stage in self.plan.stages[first:]:
                    self._stage(stage)
                results = self._results()
                self._write("done")
                self.observer.run_ended("done")
                return results
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            if status == "failed":
                self.record["error"] = blame(error) or str(error)
            with suppress(OSError):  # on a full disk, report the first error
                self._write(status)
                self.observer.run_ended(status)
            raise

    def info(self) -> RunInfo:
        """What observers are told about the run."""
        stages = [stage.info() for stage in self.plan.stages]
        recipe = self.plan.recipe
        return RunInfo(recipe.core.name, self.folder, recipe.plain(), stages)

    def _stage(self, stage: Stage) -> None:
        store, info = self.plan.store, stage.info()
        if not info.cached:
            self.observer.stage_started(info)
        with explaining_memory(self.plan.recipe, stage.name):
            seconds = stage.ensure(
                lambda: self.observer.stage_waiting(info),
                {key: self.record[key] for key in MADE_BY},
            )
        self.observer.stage_ended(info, seconds)
        state = "cached" if seconds is None else "computed"
        left_out = stage.left_out() if isinstance(stage, ImagesStage) else []
        if left_out:
            count = f"{len(left_out):,} image{'s' if len(left_out) > 1 else ''}"
            _LOG.warning(
                "%s: %s left out, which cannot be read: %s", stage.name, count, abridged(left_out)
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
                **({"made_by": store.made_by(stage.kind, stage.key)} if seconds is None else {}),
            }
        )
        self._write("running")

    def _results(self) -> Results:
        plan = self.plan
        counts = {
            row.name: [experiment.evaluation(row).read() for experiment in plan.experiments]
            for row in plan.recipe.generators
        }
        bare = {row.name: row.part.entry.component.name for row in plan.recipe.generators}
        options = plan.recipe.core.evaluation
        rows = result_rows(counts, bare, options.average)
        told = about(options.on, options.average, plan.recipe.conditioner.entry.full_name)
        studies = {
            name: study_report(name, run.study, run.measured(), told, options.average)
            for name, run in plan.studies.items()
        }
        results = Results(rows, studies, told)
        self._publish(results)
        return results

    def _publish(self, results: Results) -> None:
        plain = {name: report.rows for name, report in results.studies.items()}
        options = self.plan.recipe.core.evaluation
        measured = {"on": options.on, "average": options.average}
        whole = {**measured, "about": results.about, "generators": results.rows, "studies": plain}
        write_json(self.folder / "results.json", whole)
        self.observer.result(whole)
        for name, report in results.studies.items():
            plot_study(report, self.folder / "plots" / name)
        name = self.plan.recipe.core.name
        text = page(name, self.record, results.rows, results.studies, results.about)
        (self.folder / "report.md").write_text(text, encoding="utf-8")

    def _write(self, status: str) -> None:
        self.record["status"] = status
        if status != "running":
            self.record["ended"] = now()
        write_json(self.folder / "run.json", self.record)


def _fresh(folder: Path) -> Path:
    """Make the folder; each of several runs that start in the same second gets its own."""
    number, place = 1, folder
    while True:
        try:
            place.mkdir(parents=True)
            return place
        except FileExistsError:
            if not place.is_dir():
                raise
            number += 1
            place = folder.with_name(f"{folder.name}-{number}")


class _writable:
    """Names the folder that cannot be written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, OSError) and error.errno not in FULL:
            raise TinaKitError(
                f"{self.folder}: the run folder cannot be made here ({error.strerror}). Choose "
                "another with --output"
            ) from error
