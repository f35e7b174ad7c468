"""Sweeps: what they refuse, what they find, and that they go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

import tina_kit
from tests.conftest import RECIPE
from tina_kit.cli.app import invoke
from tina_kit.library import sweep_with
from tina_kit.plugins import discover
from tina_kit.report.results import accuracies
from tina_kit.sweeps.search import Search
from tina_kit.sweeps.sweep import Sweep

LR = "generators.tina-dit.learning_rate"


def made(recipe: Path, folder: Path, sets: Any = (f"{LR}=1e-3,1e-2",), **more: Any) -> Sweep:
    options: dict[str, Any] = dict.fromkeys(
        ("random", "search", "row", "profile", "seeds", "name"), None
    )
    options |= {"seed": 0, "device": "cpu", "plugins": (), "observers": (), **more}
    return sweep_with(discover(), recipe, sets, output=folder / "sweeps", **options)


def variant(recipe: Path, old: str, new: str) -> Path:
    assert old in RECIPE
    recipe.write_text(RECIPE.replace(old, new), encoding="utf-8")
    return recipe


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (["evaluation.on=test", f"{LR}=1,2"], "--set evaluation.on: a sweep chooses options"),
        (["evaluation.on=validation,test"], "--set evaluation.on: a sweep chooses options"),
        (["evaluation={on: test},{on: validation}"], "--set evaluation: a sweep chooses options"),
        (["seeds=[0],[1]"], "give them with --seeds"),
        (["studies=[],[scaling]"], "--set studies: a sweep runs no studies"),
        (["evaluation.average=images,classes"], "it changes how points are measured"),
        (["tasks.ood=6,8"], "it changes how points are measured"),
        (["tasks={id: 12, ood: 6},{id: 12, ood: 8}"], "it changes how points are measured"),
        (["profiles.all.evaluation.on=test,validation"], "is the same as"),
        (["set={evaluation.on: test},{}"], "is the same as"),
        (["extends=a.yaml,b.yaml"], "is the same as"),
        (["name=a,b"], "is the same as"),
        (["generators.tina-dit.name=a,b"], "has no generator 'tina-dit'"),
        (["generic.learning_rate=.nan,1e-3"], "not a finite number"),
        (["generic.learning_rate=1,.inf"], "not a finite number"),
    ],
)
def test_a_set_that_would_measure_elsewhere_is_refused(
    recipe: Path, tmp_path: Path, sets: list[str], told: str
) -> None:
    with pytest.raises(tina_kit.UserError) as raised:
        made(recipe, tmp_path, sets)
    assert told in str(raised.value)
    assert not (tmp_path / "sweeps").exists()


def test_a_recipe_that_asks_for_test_images_is_refused(
    recipe: Path, tmp_path: Path, capsys
) -> None:
    path = variant(recipe, "evaluation: {id_tasks: 6}", "evaluation: {id_tasks: 6, on: test}")
    code = invoke(["sweep", str(path), "--set", f"{LR}=1,2", "--output", str(tmp_path / "s")])
    assert code == 2 and not (tmp_path / "s").exists()
    told = capsys.readouterr().err
    assert f"{path}:8:" in told and "evaluation.on: test: a sweep chooses options" in told
    recipe.write_text(f"{RECIPE}profiles:\n  look: {{evaluation.on: test}}\n", encoding="utf-8")
    with pytest.raises(tina_kit.UserError, match=r"evaluation\.on: test: a sweep chooses"):
        made(recipe, tmp_path, profile="look")


def test_every_point_is_measured_on_validation_images_and_tasks(
    recipe: Path, tmp_path: Path
) -> None:
    study = "studies: [{use: scaling, key: tasks.id, values: [6, 12], generators: [tina-dit]}]"
    recipe.write_text(f"{RECIPE}{study}\n", encoding="utf-8")
    sweep = made(recipe, tmp_path)
    test = tina_kit.plan(recipe, device="cpu")
    for point in sweep.record.points:
        plan = sweep._plan(point)
        assert plan.recipe.core.evaluation.on == "validation" and not plan.studies
        [images] = [stage for stage in plan.stages if stage.kind == "images"]
        assert images.settings["on"] == "validation"
        [ours, theirs] = (one.experiments[0].tasks["ood"].tolist() for one in (plan, test))
        assert not {frozenset(task) for task in ours} & {frozenset(task) for task in theirs}


def test_all_mistakes_are_found_before_anything_runs(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(tina_kit.UserError, match="learning_rate"):
        made(recipe, tmp_path, [f"{LR}=1e-3,many"])
    with pytest.raises(tina_kit.UserError, match="learning_rate"):
        made(recipe, tmp_path, [f"{LR}=-1..1"], random=3)  # of a search, too
    assert not (tmp_path / "sweeps").exists()
    with pytest.raises(tina_kit.UserError, match="row: the recipe has no generator 'tina'"):
        made(recipe, tmp_path, row="tina")
    with pytest.raises(tina_kit.UserError, match="give either random or search"):
        made(recipe, tmp_path, random=2, search=2)


def test_the_same_command_finds_its_folder_and_another_name_is_not_taken(
    recipe: Path, tmp_path: Path
) -> None:
    first = made(recipe, tmp_path)
    first.record.save()
    assert made(recipe, tmp_path).record.folder == first.record.folder
    other = made(variant(recipe, "steps: 10", "steps: 11"), tmp_path)
    assert other.record.folder != first.record.folder
    with pytest.raises(tina_kit.UserError, match=r"holds another sweep \(its recipe_key differ"):
        made(recipe, tmp_path, name=first.record.folder.name)


def check_pairs(folder: Path, best: dict[str, Any], other: dict[str, Any]) -> None:
    """Compare with SciPy what a sweep says of two points whose tasks were counted like this."""
    values = []
    for point, right in ((best, (3, 3, 2, 2, 3, 1)), (other, (2, 3, 1, 2, 1, 1))):
        path = folder / point["run"] / "evaluations.json"
        found = json.loads(path.read_text())
        counted = found["counts"]["tina-dit"]["0"]["ood"]
        counted["correct"] = [[each] * len(row) for each, row in zip(right, counted["correct"])]
        path.write_text(json.dumps(found))
        values.append(accuracies(counted, "images"))
    [told] = [point["vs_best"] for point in tina_kit.open_sweep(folder) if point["vs_best"]]
    test = stats.ttest_rel(values[1], values[0])
    interval = test.confidence_interval()
    assert told["mean"] == pytest.approx((values[1] - values[0]).mean()) and told["tasks"] == 6
    assert told["ci95"] == pytest.approx([interval.low, interval.high])
    assert told["p"] == told["p_holm"] == pytest.approx(test.pvalue)


@pytest.mark.slow  # runs of a tiny recipe
def test_a_sweep_compares_its_points_and_goes_on_where_one_failed(
    recipe: Path, tmp_path: Path, caplog
) -> None:
    sets = [f"{LR}=1e-3,1e30", "generators.tina-dit.steps=10,12"]
    sweep = made(recipe, tmp_path, sets)
    sweep.work()
    outcome = tina_kit.open_sweep(sweep.record.folder)
    failed = [point for point in outcome if point["status"] == "failed"]
    done = [point for point in outcome if point["status"] == "done"]
    assert len(done) == 2 and len(failed) == 2
    assert all("training diverged" in point["error"] for point in failed)
    assert sum("failed: " in record.getMessage() for record in caplog.records) == 2

    text = str(outcome)
    assert "tina-dit.steps" in text and "failed" in text and "validation OOD tasks" in text
    assert outcome.command.startswith(f"tina-kit run {recipe} --set {LR}=0.001 ")
    check_pairs(outcome.folder, *done)
    assert outcome.to_frame()["status"].tolist() == ["done", "done", "failed", "failed"]
    files = {path.name for path in outcome.folder.rglob("*") if path.parent.name != "examples"}
    assert {"sweep.json", "report.md", "report.html", "parallel.png", "parallel.svg"} <= files
    record = json.loads((outcome.best_run / "run.json").read_text())
    assert record["status"] == "done"

    runs = len(list(outcome.folder.rglob("run.json")))
    made(recipe, tmp_path, sets).work()  # tries the failed points once more, and only these
    assert len(list(outcome.folder.rglob("run.json"))) == runs + 2


@pytest.mark.slow
def test_a_hopeless_point_is_stopped_and_stays_so(
    recipe: Path, tmp_path: Path, monkeypatch
) -> None:
    pytest.importorskip("optuna")
    asked: list[int] = []

    def hopeless(self: Search, before: list[Any], measured: list[Any]) -> bool:
        asked.append(len(before))
        return len(before) == 1

    monkeypatch.setattr(Search, "hopeless", hopeless)
    sets = [f"{LR}=log:1e-4..1e-2"]
    sweep = made(recipe, tmp_path, sets, search=2)
    sweep.work()
    first, second = sweep.record.points
    assert (first["status"], second["status"]) == ("done", "pruned")
    assert len(first["measured"]) == 10 and len(second["measured"]) == 1
    assert asked.count(0) == 10 and asked.count(1) == 1
    record = json.loads((sweep.record.folder / second["run"] / "run.json").read_text())
    assert record["status"] == "failed" and "stopped at p-Acc" in record["error"]
    runs = len(list(tmp_path.rglob("run.json")))
    made(recipe, tmp_path, sets, search=2).work()
    assert len(list(tmp_path.rglob("run.json"))) == runs and asked.count(1) == 1
