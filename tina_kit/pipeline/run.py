"""A run: works through a plan and leaves a folder that explains itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tina_kit.api import TinaKitError, abridged
from tina_kit.pipeline.evaluate import RESULT, evaluation_stage
from tina_kit.pipeline.images import images_left_out
from tina_kit.pipeline.memory import explaining_memory
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.record import new_record, now
from tina_kit.pipeline.stage import Stage
from tina_kit.plugins.blame import blame
from tina_kit.recipe import dump
from tina_kit.report.page import page
from tina_kit.report.results import result_rows
from tina_kit.report.studies import StudyReport, plot_study, study_report
from tina_kit.report.table import about
from tina_kit.store import write_json
from tina_kit.store.files import FULL, explaining_full_disk

Log = Callable[[str], None]
REMEDY = "choose another place with --output"
MADE_BY = ("tina_kit", "git", "versions", "device", "hardware")  # kept beside every result


@dataclass(frozen=True)
class Results:
    """rows: of the table, as `results.json` has them; studies: by their names; about: on which
    images and with which prompts they were measured."""

    rows: list[dict[str, Any]]
    studies: dict[str, StudyReport]
    about: str


@dataclass
class Run:
    """plan: what to do; folder: where to say what was done; log: one line for each stage."""

    plan: Plan
    folder: Path
    command: Sequence[str] = ()
    log: Log = lambda line: None
    record: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(
        cls, plan: Plan, output: Path, command: Sequence[str], log: Log, plugins: Sequence[str]
    ) -> Run:
        """Make the run folder `output/<name>/<time>-<key>/` and write what is known."""
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = output / plan.recipe.core.name / f"{stamp}-{plan.key[:8]}"
        with explaining_full_disk(output, REMEDY), _writable(output):
            run = cls(plan, _fresh(folder), command, log)
            shutil.copyfile(plan.recipe.path, run.folder / "recipe.yaml")
            text = dump(plan.recipe.plain())
            (run.folder / "resolved.yaml").write_text(text, encoding="utf-8")
            run.record = new_record(plan, command, plugins)
            run._write("running")
        return run

    def execute(self) -> Results:
        """Compute what is not cached, in order; returns and writes what was measured.

        Whatever ends it, `run.json` says how it ended.
        """
        try:
            with explaining_full_disk(self.folder, REMEDY):
                first = len(self.plan.first)
                for stage in self.plan.stages[:first]:
                    self._stage(stage)
                for study in self.plan.studies.values():
                    study.check_prompts()
                for stage in self.plan.stages[first:]:
                    self._stage(stage)
                results = self._results()
                self._write("done")
                return results
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            if not interrupted:
                self.record["error"] = blame(error) or str(error)
            with suppress(OSError):  # on a full disk the first error is the one to tell
                self._write("interrupted" if interrupted else "failed")
            raise

    def _stage(self, stage: Stage) -> None:
        store = self.plan.store
        if not stage.cached(store):
            self._event(event="start", stage=stage.name, key=stage.key)
        with explaining_memory(self.plan.recipe, stage.name):
            seconds = stage.ensure(
                store,
                lambda: self.log(f"{stage.name}: another run computes it, waiting"),
                {key: self.record[key] for key in MADE_BY},
            )
        state = "cached" if seconds is None else "computed"
        if seconds is not None:
            self.log(f"{stage.name}: done in {_duration(seconds)}")
        self._event(event="end", stage=stage.name, key=stage.key, state=state)
        left_out = images_left_out(store.folder(stage.room, stage.key))
        if left_out:
            count = f"{len(left_out):,} image{'s' if len(left_out) > 1 else ''}"
            self.log(f"{stage.name}: {count} left out, which cannot be read: {abridged(left_out)}")
        self.record["stages"].append(
            {
                "name": stage.name,
                "room": stage.room,
                "key": stage.key,
                "state": state,
                "seconds": None if seconds is None else round(seconds, 3),
                **({"left_out": {"count": len(left_out), "images": left_out}} if left_out else {}),
                **({"made_by": store.made_by(stage.room, stage.key)} if seconds is None else {}),
            }
        )
        self._write("running")

    def _results(self) -> Results:
        plan = self.plan
        counts = {
            row.name: [
                evaluation_stage(e, row).open(plan.store).json(RESULT) for e in plan.experiments
            ]
            for row in plan.recipe.generators
        }
        bare = {row.name: row.part.entry.component.name for row in plan.recipe.generators}
        options = plan.recipe.core.evaluation
        rows = result_rows(counts, bare, options.average)
        told = about(options.on, options.average, plan.recipe.conditioner.entry.full_name)
        studies = {
            name: study_report(name, run.study, run.measured(plan.store), told, options.average)
            for name, run in plan.studies.items()
        }
        results = Results(rows, studies, told)
        self._publish(results)
        return results

    def _publish(self, results: Results) -> None:
        plain = {name: report.rows for name, report in results.studies.items()}
        options = self.plan.recipe.core.evaluation
        measured = {"on": options.on, "average": options.average}
        whole = {**measured, "generators": results.rows, "studies": plain}
        write_json(self.folder / "results.json", whole)
        for name, report in results.studies.items():
            plot_study(report, self.folder / "plots" / name)
        name = self.plan.recipe.core.name
        text = page(name, self.record, results.rows, results.studies, results.about)
        (self.folder / "report.md").write_text(text, encoding="utf-8")

    def _event(self, **facts: str) -> None:
        line = json.dumps({"time": now(), **facts})
        with (self.folder / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _write(self, status: str) -> None:
        self.record["status"] = status
        if status != "running":
            self.record["ended"] = now()
        write_json(self.folder / "run.json", self.record)


def _fresh(folder: Path) -> Path:
    """Make the folder; runs that start in the same second get one each."""
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


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


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
