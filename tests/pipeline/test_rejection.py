"""The threshold below which a p-Model answers "none of these", and what it is measured on."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import tina_kit
from tests.conftest import RECIPE, plan_of
from tina_kit.api import UserError
from tina_kit.cli.app import invoke
from tina_kit.pipeline.run import Run
from tina_kit.pipeline.stages import rejection as stages
from tina_kit.pipeline.stages.rejection import _own_and_foreign, _percentile
from tina_kit.zoo.rejection import NONE, Rejection, for_classes

NAMES = ["red circle", "blue star", "grey ring"]


@pytest.fixture(scope="module")
def folder(finished, tmp_path_factory) -> Path:
    """The finished run with a threshold; what else it needs is stored already."""
    place = tmp_path_factory.mktemp("rejecting")
    shutil.copytree(finished[1], place / "store")
    (place / "tiny.yaml").write_text(
        RECIPE.replace("{id_tasks: 6}", "{id_tasks: 6, rejection: 10}")
    )
    run = Run.start(plan_of(place / "tiny.yaml", place / "store"), place / "runs", ["tina-kit"])
    run.execute()
    return run.folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("TINA_KIT_STORE", str(folder.parents[2] / "store"))
    return tina_kit.open_run(folder)


@pytest.fixture
def model(run):  # type: ignore[no-untyped-def]
    return run.generator("tina-dit").generate(NAMES)


def test_a_run_measures_it_for_what_answers_other_tasks_and_repeats_nothing(run) -> None:
    stored = {s["name"]: s["state"] for s in run.record["stages"]}
    computed = {name for name, state in stored.items() if state == "computed"}
    assert computed == {f"rejection/{n}" for n in ("generic", "classifier-selection", "tina-dit")}


def test_it_rejects_the_target_share_of_the_id_tasks_training_images(run) -> None:
    experiment, generator = run.experiment(), run.generator("tina-dit")
    found = generator.row.rejection[-1]
    train = experiment.images.read("train")
    shares = []
    for task in experiment.tasks["id"]:
        names = [experiment.class_names[place] for place in task]
        logits = generator.generate(names)(train.images[torch.isin(train.labels, task)])
        shares.append(float(found.rejected(logits).float().mean()))
    assert (found.target, found.tasks) == (10, 12)
    assert 100 * np.mean(shares) == pytest.approx(10, abs=0.5)


def test_its_error_rates_are_those_on_the_test_images_of_ood_tasks(run) -> None:
    experiment, generator = run.experiment(), run.generator("tina-dit")
    found = generator.row.rejection[-1]
    test = experiment.images.read("test")
    own, foreign = [], []
    for task in experiment.tasks["ood"]:
        logits = generator.generate([experiment.class_names[place] for place in task])(test.images)
        rejected, inside = found.rejected(logits), torch.isin(test.labels, task)
        own.append(100 * float(rejected[inside].float().mean()))
        foreign.append(100 * float((~rejected[~inside]).float().mean()))
    assert (found.on, found.split, found.measured) == ("test", "ood", 6)
    assert found.own_rejected == pytest.approx(np.mean(own), abs=0.5)
    # It looks at as many foreign images as a task has of its own.
    assert found.foreign_accepted == pytest.approx(np.mean(foreign), abs=8)


def test_a_p_model_of_the_run_and_of_its_bundle_has_it(run, model, tmp_path: Path) -> None:
    done = tina_kit.bundle(run, tmp_path / "x.tina", generator="tina-dit")
    again = tina_kit.load_generator(done.path).generate(NAMES)
    assert again.content() == model.content()
    model.save(tmp_path / "mine.safetensors")
    loaded = tina_kit.load(tmp_path / "mine.safetensors")
    assert loaded.rejection == model.rejection == run.generator("tina-dit").row.rejection[1]
    assert loaded.info["rejection"]["threshold"] == model.rejection.threshold
    with zipfile.ZipFile(done.path) as archive:
        card = archive.read("README.md").decode()
    found = model.rejection
    assert f"| 3 | {found.threshold:.4g} | {found.own_rejected:.1f}% | " in card


def test_predict_and_topk_answer_none_of_these(run, model) -> None:
    images = run.experiment().images.read("test").images[:200]
    none = model.rejection.rejected(model(images)).tolist()
    assert 0 < sum(none) < 200
    names = model.predict(images, reject=True)
    assert [name == NONE for name in names] == none
    plain = model.predict(images)
    assert NONE not in plain
    assert [n for n, no in zip(names, none) if not no] == [
        n for n, no in zip(plain, none) if not no
    ]
    best = model.topk(images, 2, reject=True)
    assert [not found for found in best] == none
    assert best[none.index(False)] == model.topk(images, 2)[none.index(False)]


def test_the_command_says_so(run, model, tmp_path: Path, monkeypatch, capsys) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    model.save("mine.safetensors")
    images = run.experiment().images.read("test").images[:200]
    none = model.rejection.rejected(model(images)).tolist()
    for number in (none.index(True), none.index(False)):
        Image.fromarray(images[number].permute(1, 2, 0).numpy()).save(
            f"{'no' if none[number] else 'yes'}.png"
        )
    words = ["predict", "mine.safetensors", "no.png", "yes.png", "--top", "2"]
    assert invoke([*words, "--reject"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert NONE in lines[2] and NONE not in lines[3]
    assert invoke([*words, "--reject", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["rejected"] for row in rows] == [True, False] and len(rows[0]["top"]) == 2
    assert invoke([*words, "--reject", "--csv"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].endswith(",rejected") and table[1].endswith(",true")
    assert invoke([*words, "--json"]) == 0
    assert "rejected" not in json.loads(capsys.readouterr().out)[0]


def test_without_one_it_says_where_it_comes_from(finished, tmp_path: Path, capsys) -> None:
    model = tina_kit.open_run(finished[2]).generator("tina-dit").generate(NAMES)
    assert model.rejection is None and model.info["rejection"] is None
    with pytest.raises(UserError, match=r"no threshold.*--set evaluation\.rejection=5"):
        model.predict(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), reject=True)
    model.save(tmp_path / "mine.safetensors")
    assert invoke(["predict", str(tmp_path / "mine.safetensors"), "x.png", "--reject"]) == 2
    assert "has no threshold" in capsys.readouterr().err


def test_an_exported_form_says_that_it_leaves_it_out(model, tmp_path: Path) -> None:
    assert "always answers one" in tina_kit.export(model, tmp_path / "x.html", format="html").text
    done = tina_kit.export(model, tmp_path / "x.safetensors", format="safetensors")
    assert done.note == "" and tina_kit.load(done.path).rejection == model.rejection


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": float("nan")},
        {"threshold": "1"},
        {"score": "luck"},
        {"own_rejected": 101.0},
        {"tasks": 0},
        {"classes": 0},
        {"target": None},
    ],
)
def test_altered_metadata_are_no_threshold(model, change: dict) -> None:
    facts = model.metadata["rejection"] | change
    assert Rejection.read(facts) is None and Rejection.read([facts]) is None
    assert Rejection.read(model.metadata["rejection"]) is not None


def test_it_depends_on_the_number_of_classes(run) -> None:
    generator = run.generator("tina-dit")
    measured = generator.row.rejection
    assert [each.classes for each in measured] == [2, 3, 5, 10]
    names = run.experiment().class_names
    found = [generator.generate(names[:count]).rejection for count in range(2, 11)]
    assert [each.classes for each in found] == list(range(2, 11))
    assert [found[0], found[1], found[3], found[8]] == measured
    low, high = sorted(each.threshold for each in measured[2:])
    assert low < found[5].threshold < high
    assert for_classes(measured, 50).threshold == measured[-1].threshold
    assert for_classes(measured[1:], 2).own_rejected == measured[1].own_rejected


def test_each_task_counts_the_same() -> None:
    many, few = np.arange(1000.0), np.array([-1.0, 2000.0])
    threshold = _percentile([many, few], 25)
    assert ((many < threshold).mean() + (few < threshold).mean()) / 2 == pytest.approx(
        0.25, abs=1e-3
    )
    assert _percentile([np.ones(5)], 50) == 1  # no image is below it


def test_foreign_images_come_evenly_from_all_other_classes(monkeypatch) -> None:
    monkeypatch.setattr(stages, "IMAGES", 4)
    pools = list(torch.arange(60).split([10, 10, 10, 3, 27]))
    own, foreign = _own_and_foreign(pools, [0, 3])
    assert own.tolist() == [0, 1, 2, 3, 30, 31, 32]
    assert foreign.tolist() == [10, 11, 12, 20, 21, 22, 33, 34, 35]
    with pytest.raises(UserError, match=r"evaluation\.rejection: a task has all classes"):
        _own_and_foreign(pools, [0, 1, 2, 3, 4])
