"""A p-Model says how right its generator was on the run's own tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

import tina_kit
from tests.conftest import personal_model, plan_of


def test_it_is_the_tables_p_acc_and_each_class_s_own(finished, tmp_path: Path) -> None:
    run = tina_kit.open_run(finished[2])
    place = int(run.experiment().tasks["ood"][0, 0])
    names = [run.experiment().class_names[place], "a blue whale"]
    model = run.generator("tina-dit").generate(names)
    model.save(tmp_path / "mine.safetensors")
    facts = tina_kit.load(tmp_path / "mine.safetensors").info
    row = run.table.row("tina-dit")
    told = facts["expected"]
    assert [told[key] for key in ("p_acc", "ci95", "tasks")] == [
        row[key] for key in ("p_acc", "ci95", "tasks")
    ]
    assert (told["classes"], told["split"], told["on"]) == (10, "ood", "test")
    assert facts["unseen"] == ["a blue whale"] and facts["generator"] == "tina-dit"

    experiment = run.experiment()
    named = next(each for each in run.recipe.generators if each.name == "tina-dit")
    counted, tasks = experiment.evaluation(named).read()["ood"], experiment.tasks["ood"].tolist()
    pairs = [
        (right, of)
        for task, rights, totals in zip(tasks, counted["correct"], counted["total"])
        for each, right, of in zip(task, rights, totals)
        if each == place
    ]
    share = 100 * sum(right for right, _ in pairs) / sum(of for _, of in pairs)
    assert told["by_class"][0] == pytest.approx(share, abs=0.01)
    assert told["by_class"][1] is None


def test_a_run_that_did_not_get_so_far_expects_nothing(finished) -> None:
    path, store, _ = finished
    model = personal_model(plan_of(path, store).experiments[0], None, ["red circle", "blue star"])
    assert model.info["expected"] is None
