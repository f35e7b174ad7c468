"""A run: works through a plan and leaves a folder that explains itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from tina_kit.api import TinaKitError
from tina_kit.pipeline.evaluate import evaluation_stage
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.record import new_record, now
from tina_kit.pipeline.stage import Stage
from tina_kit.report.page import page
from tina_kit.report.results import result_rows
from tina_kit.store import write_json
from tina_kit.store.files import explaining_full_disk

Log = Callable[[str], None]


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
        run = cls(plan, folder, command, log)
        with explaining_full_disk(output), _writable(output):
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(plan.recipe.path, folder / "recipe.yaml")
            text = yaml.safe_dump(plan.recipe.plain(), sort_keys=False, allow_unicode=True)
            (folder / "resolved.yaml").write_text(text, encoding="utf-8")
            run.record = new_record(plan, command, plugins)
            run._write("running")
        return run

    def execute(self) -> list[dict[str, Any]]:
        """Compute what is not cached, in order; returns and writes the rows of the table.

        Whatever ends it, `run.json` says how it ended.
        """
        try:
            with explaining_full_disk(self.folder):
                for _, stage in self.plan.stages:
                    self._stage(stage)
                rows = self._results()
                self._write("done")
                return rows
        except KeyboardInterrupt:
            self._write("interrupted")
            raise
        except Exception as error:
            self.record["error"] = str(error)
            self._write("failed")
            raise

    def _stage(self, stage: Stage) -> None:
        store = self.plan.store
        if not stage.cached(store):
            self._event(event="start", stage=stage.name, key=stage.key)
        seconds = stage.ensure(
            store, lambda: self.log(f"{stage.name}: another run computes it, waiting")
        )
        state = "cached" if seconds is None else "computed"
        if seconds is not None:
            self.log(f"{stage.name}: done in {_duration(seconds)}")
        self._event(event="end", stage=stage.name, key=stage.key, state=state)
        self.record["stages"].append(
            {
                "name": stage.name,
                "room": stage.room,
                "key": stage.key,
                "state": state,
                "seconds": None if seconds is None else round(seconds, 3),
            }
        )
        self._write("running")

    def _results(self) -> list[dict[str, Any]]:
        evaluations = {
            named.name: [
                evaluation_stage(experiment, named).open(self.plan.store).json("evaluation.json")
                for experiment in self.plan.experiments
            ]
            for named in self.plan.recipe.generators
        }
        bare = {g.name: g.part.entry.component.name for g in self.plan.recipe.generators}
        rows = result_rows(evaluations, bare, self.plan.experiments[0].tasks["ood"].shape[1])
        write_json(self.folder / "results.json", rows)
        text = page(self.plan.recipe.core.name, self.record, rows)
        (self.folder / "report.md").write_text(text, encoding="utf-8")
        return rows

    def _event(self, **facts: str) -> None:
        line = json.dumps({"time": now(), **facts})
        with (self.folder / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _write(self, status: str) -> None:
        self.record["status"] = status
        if status != "running":
            self.record["ended"] = now()
        write_json(self.folder / "run.json", self.record)


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
        if isinstance(error, (FileExistsError, NotADirectoryError, PermissionError)):
            raise TinaKitError(
                f"{self.folder}: the run folder cannot be made here ({error.strerror}). Choose "
                "another with --output"
            ) from error
