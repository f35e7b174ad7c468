"""Two real runs of the same tasks, compared; the interval is the one that scipy computes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import tina_kit
from tests.conftest import plan_of
from tina_kit.pipeline.run import Run

Runs = tuple[Path, Path]


@pytest.fixture(scope="module")
def runs(finished: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The finished run, and one that trains its generator for longer."""
    recipe, store, folder = finished
    place = tmp_path_factory.mktemp("runs")
    shutil.copytree(store, place / "store")
    sets = ["generators.tina-dit.steps=30", "evaluation.id_tasks=4"]
    run = Run.start(plan_of(recipe, place / "store", sets=sets), place, [])
    run.execute()
    return folder, run.folder


def by_hand(folder: Path, split: str) -> np.ndarray:
    """The p-Acc of tina-dit in each task."""
    counted = json.loads((folder / "evaluations.json").read_text())["counts"]["tina-dit"]["0"]
    right, total = (np.array(counted[split][key]).sum(1) for key in ("correct", "total"))
    return np.asarray(100 * right / total)


def test_the_interval_is_scipys(runs: Runs) -> None:
    found = tina_kit.compare(runs)
    pairs = {(p["split"], p["first_generator"]): p for p in found.pairs}
    for split, tasks in (("ood", 6), ("id", 4)):
        first, second = (by_hand(run, split)[:tasks] for run in runs)
        test = stats.ttest_rel(second, first)
        low, high = test.confidence_interval(0.95)
        pair = pairs[split, "tina-dit"]
        assert pair["difference_ci95"] == pytest.approx([low, high], abs=1e-9)
        assert pair["p"] == pytest.approx(test.pvalue, abs=1e-9)
        assert pair["tasks"] == tasks
    assert pairs["ood", "oracle"]["same"] and pairs["ood", "oracle"]["difference"] == 0
    assert found.remarks == ["A and B share 4 of their 6 and 4 ID tasks."]


def test_only_what_was_changed_differs(runs: Runs) -> None:
    found = [each for each in tina_kit.compare(runs).differences if each["kind"] == "recipe"]
    assert {each["key"]: each["values"] for each in found} == {
        "evaluation.id_tasks": {"A": 6, "B": 4},
        "generators.tina-dit.steps": {"A": 10, "B": 30},
    }


def test_a_run_from_before_there_were_evaluations_is_compared_alike(
    finished: tuple[Path, Path, Path], runs: Runs, tmp_path: Path
) -> None:
    shutil.copytree(runs[0], tmp_path / "old", ignore=shutil.ignore_patterns("evaluations.json"))
    assert tina_kit.compare([tmp_path / "old", runs[1]]).pairs == tina_kit.compare(runs).pairs
