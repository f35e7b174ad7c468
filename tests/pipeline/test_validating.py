"""p-Acc on validation tasks while a training goes on."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.pipeline import killed_run
from tina_kit.pipeline.run import Run
from tina_kit.recipe.node import RecipeError

CURVE = ["evaluation.on=validation", "evaluation.curve=4", "generators.tina-dit.ema=0.9"]


def rows_of(folder: Path, stage: str) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["stage"] == stage]


@pytest.mark.slow  # two whole runs
def test_the_curve_ends_at_the_tables_p_acc_and_changes_no_digit(plan, tmp_path: Path) -> None:
    with_curve = Run.start(plan(sets=CURVE), tmp_path / "runs")
    results = with_curve.execute()
    fit = rows_of(with_curve.folder, "fit/tina-dit")
    measured = [(int(row["step"]), float(row["p_acc"])) for row in fit if row["p_acc"]]
    assert [step for step, _ in measured] == [3, 5, 8, 10]  # quarters of ten steps
    assert measured[-1][1] == pytest.approx(results.table.row("tina-dit")["p_acc"])
    generic = [row for row in rows_of(with_curve.folder, "generic") if row["p_acc"]]
    assert len(generic) == 4 and {row["seed"] for row in generic} == {"0"}
    (tmp_path / "store").rename(tmp_path / "first")
    without = Run.start(plan(sets=[CURVE[0], CURVE[2]]), tmp_path / "runs")
    without.execute()
    assert not any(row["p_acc"] for row in rows_of(without.folder, "fit/tina-dit"))
    one, other = (run.folder / "results.json" for run in (without, with_curve))
    assert one.read_text() == other.read_text()
    assert without.record["key"] == with_curve.record["key"]


def test_a_run_on_test_images_cannot_ask_for_it(plan) -> None:
    with pytest.raises(RecipeError, match=r"evaluation.curve: has no effect with on: test"):
        plan(sets=["evaluation.curve=4"])


@pytest.mark.slow
def test_a_resumed_run_has_each_row_once(recipe: Path, tmp_path: Path) -> None:
    sets = ["evaluation.on=validation", "evaluation.curve=2", "generators.tina-dit.steps=8"]
    words = ["run", recipe, "--output", tmp_path / "runs"]
    for kill in ("fit", ""):
        run = Forked(
            [*words, *(word for each in sets for word in ("--set", each))],
            env={**os.environ, "TINA_KIT_STORE": str(tmp_path / "store"), "KILL": kill},
            main=killed_run.main,
        )
        run.communicate()
    killed, resumed = sorted((tmp_path / "runs" / "tiny").iterdir())
    assert json.loads((resumed / "run.json").read_text())["status"] == "done"
    steps = [
        [int(row["step"]) for row in rows_of(each, "fit/tina-dit")] for each in (killed, resumed)
    ]
    saved = killed_run.EVERY
    assert steps == [list(range(1, saved + 1)), list(range(saved + 1, 9))]
