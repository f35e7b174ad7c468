"""`tina-kit zoo`, and a recipe that learns from a zoo."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions

from tests.conftest import RECIPE, plan_of
from tina_kit.api import UserError
from tina_kit.cli.app import invoke
from tina_kit.pipeline.run import Run
from tina_kit.zoo.archive import MANIFEST, read, write
from tina_kit.zoo.assembly import assemble


def call(*words: object) -> int:
    return invoke([str(word) for word in words])


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "zoo"
    assert call("zoo", "export", finished[2], "-o", folder) == 0
    return folder


def with_zoo(folder: Path, zoo: Path, text: str = RECIPE) -> Path:
    path = folder / "with.yaml"
    path.write_text(f"{text}zoo: {zoo}\n", encoding="utf-8")
    return path


def test_the_whole_way_out_of_a_run_and_into_another(
    finished, exported, tmp_path: Path, monkeypatch
) -> None:
    """The same Tina is fitted on the p-Models that left the run, with none fine-tuned again."""
    monkeypatch.setenv("TINA_KIT_STORE", str(tmp_path / "store"))
    path, store, _ = finished
    before = plan_of(path, store).experiments[0]
    assert call("zoo", "import", exported, "-o", tmp_path / "zoo", "--architecture", "cnn",
                "--set", "widths=[4,6]") == 0  # fmt: skip
    plan = plan_of(with_zoo(tmp_path, Path("zoo")), tmp_path / "store")
    names = [stage.name for stage in plan.stages if stage.name.startswith("zoo/id")]
    assert names == ["zoo/id imported"]
    run = Run.start(plan, tmp_path / "runs", [])
    run.execute()
    after = plan.experiments[0]
    assert torch.equal(after.tasks["id"], before.tasks["id"])
    assert torch.equal(after.tasks["ood"], before.tasks["ood"])
    assert torch.equal(after.zoo.vectors("id"), before.zoo.vectors("id"))
    tina = next(row for row in before.recipe.generators if row.name == "tina-dit")
    fitted = [e.row(tina).stage.entry.folder for e in (before, after)]
    weights = [load_file(next(folder.glob("*.safetensors"))) for folder in fitted]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    for row in before.recipe.generators:
        counts = [e.evaluation(row).read() for e in (before, after)]
        assert counts[0] == counts[1]
    # And out again, as it came in.
    assert call("zoo", "export", run.folder, "-o", tmp_path / "again") == 0
    assert read(tmp_path / "again").origin == read(exported).origin


def test_the_key_of_a_zoo_is_its_content_wherever_it_lies(exported, tmp_path: Path) -> None:
    def key(zoo: Path) -> tuple[str, str]:
        plan = plan_of(with_zoo(tmp_path, zoo), tmp_path / "store")
        return plan.experiments[0].zoo.stages["id"][0].key, plan.key

    write(read(exported), tmp_path / "moved")
    assert key(exported) == key(tmp_path / "moved")
    archive = read(exported)
    write(replace(archive, vectors=archive.vectors * 2), tmp_path / "other")
    assert key(exported) != key(tmp_path / "other")


def test_tasks_of_the_test_splits_that_are_in_the_zoo_are_dropped(
    finished, exported, tmp_path: Path
) -> None:
    ood = plan_of(*finished[:2]).experiments[0].tasks["ood"]
    archive = read(exported)
    tasks = archive.tasks.clone()
    tasks[3], tasks[5] = ood[4].flip(0), ood[0]
    write(replace(archive, tasks=tasks), tmp_path / "zoo")
    experiment = plan_of(with_zoo(tmp_path, tmp_path / "zoo"), tmp_path / "s").experiments[0]
    assert torch.equal(experiment.tasks["ood"], ood[[1, 2, 3, 5]])
    assert torch.equal(experiment.tasks_of(10), ood[[1, 2, 3, 5]])
    tasks[:6] = ood
    write(replace(archive, tasks=tasks), tmp_path / "all")
    with pytest.raises(
        UserError, match="contains all tasks of the split 'ood', so none is left to test on"
    ):
        plan_of(with_zoo(tmp_path, tmp_path / "all"), tmp_path / "s").stages  # noqa: B018


def test_classes_are_mapped_by_name(exported, tmp_path: Path) -> None:
    """The same classes numbered backwards, and one that no task uses."""
    archive = read(exported)
    last = len(archive.class_names) - 1
    names = (*reversed(archive.class_names), "a griffin")
    write(replace(archive, class_names=names, tasks=last - archive.tasks), tmp_path / "zoo")
    experiment = plan_of(with_zoo(tmp_path, tmp_path / "zoo"), tmp_path / "s").experiments[0]
    assert torch.equal(experiment.tasks["id"], archive.tasks)


def test_classes_are_mapped_in_any_spelling(exported, tmp_path: Path) -> None:
    archive = read(exported)
    names = tuple(name.title().replace(" ", "_") for name in archive.class_names)
    write(replace(archive, class_names=names), tmp_path / "zoo")
    experiment = plan_of(with_zoo(tmp_path, tmp_path / "zoo"), tmp_path / "s").experiments[0]
    assert torch.equal(experiment.tasks["id"], archive.tasks)


UNSEEN = RECIPE.replace(
    "tasks: {id: 12, ood: 6}",
    "tasks: {use: unseen-classes, id: 2, ood: 2, tests: 2, classes: 4, seen: 60}",
)


@pytest.mark.parametrize(
    ("text", "change", "told"),
    [
        (RECIPE, {"class_names": 0}, "does not have 2 of its classes: a griffin, a unicorn"),
        (RECIPE.replace("[4, 6]", "[5, 6]"), {}, "p-Models have a different architecture"),
        (UNSEEN, {}, "the task sampler keeps classes of its tasks unseen"),
    ],
)
def test_a_zoo_that_does_not_fit_is_refused_before_anything_is_computed(
    capsys, exported, tmp_path: Path, text, change, told
) -> None:
    archive = read(exported)
    if change:
        names = ("a griffin", "a unicorn", *archive.class_names[2:])
        archive = replace(archive, class_names=names)
    write(archive, tmp_path / "zoo")
    recipe = with_zoo(tmp_path, tmp_path / "zoo", text)
    assert call("run", recipe, "--output", tmp_path / "runs") == 2
    message = capsys.readouterr().err
    assert told in message and f"{recipe}:" in message
    assert not (tmp_path / "runs").exists()


def test_a_zoo_that_is_not_there_is_told_with_its_line(capsys, tmp_path: Path) -> None:
    recipe = with_zoo(tmp_path, Path("nowhere"))
    assert call("validate", recipe) == 2
    assert f"zoo: there is no {tmp_path / 'nowhere'}" in capsys.readouterr().err


def test_p_models_on_another_frozen_backbone_are_refused(tmp_path: Path) -> None:
    text = RECIPE.replace("{use: cnn, widths: [4, 6]}", "{use: resnet20}")
    path = tmp_path / "frozen.yaml"
    path.write_text(text)
    experiment = plan_of(path, tmp_path / "s").experiments[0]
    layout = experiment.architecture.layout(10)
    tasks = experiment.tasks["id"]

    def planned(name: str, origin: dict[str, str]):
        from tina_kit.zoo.archive import ZooArchive

        names, settings = tuple(experiment.class_names), experiment.recipe.architecture.plain()
        vectors = torch.zeros(len(tasks), layout.size)
        write(ZooArchive(names, settings, layout, tasks, vectors, origin), tmp_path / name)
        return plan_of(with_zoo(tmp_path, tmp_path / name, text), tmp_path / "s").stages

    assert planned("same", {"generic": experiment.generic.key})
    assert planned("unknown", {})
    with pytest.raises(UserError, match="share the frozen part of the generic model abc"):
        planned("other", {"generic": "abc"})


@pytest.mark.parametrize("named", [True, False], ids=["by name", "by order"])
def test_p_models_of_others_become_a_zoo_that_a_recipe_takes(
    capsys, finished, tmp_path: Path, named: bool
) -> None:
    before = plan_of(*finished[:2]).experiments[0]
    names, tasks = before.class_names, before.tasks["id"]
    vectors, source = before.zoo.vectors("id"), tmp_path / "p-models"
    source.mkdir()
    for number, (task, vector) in enumerate(zip(tasks.tolist(), vectors)):
        state = assemble(before.architecture, before.generic.state, vector, 10).state_dict()
        state = {f"net.{n if named else i}": t for i, (n, t) in enumerate(state.items())}
        torch.save({"model": state}, source / f"{number:02}.pth")
        (source / f"{number:02}.txt").write_text("\n".join(names[c] for c in task))
    words = ("zoo", "import", source, "-o", tmp_path / "zoo")
    assert call(*words) == 2
    assert "name their --architecture" in capsys.readouterr().err
    assert call(*words, "--architecture", "cnn", "--set", "widths=[4,6]") == 0
    told = capsys.readouterr().err
    by_order = "12 p-Models have other names and were matched by their order"
    assert (by_order in told) is not named
    assert "12 p-Models of" in told and "100 classes" in told
    after = plan_of(with_zoo(tmp_path, tmp_path / "zoo"), tmp_path / "s").experiments[0]
    assert torch.equal(after.tasks["id"], tasks)
    after.zoo.stages["id"][0].ensure()
    assert torch.equal(after.zoo.vectors("id"), vectors)


def test_what_an_import_leaves_out_is_counted_and_named(capsys, tmp_path: Path) -> None:
    source = tmp_path / "p-models"
    (source / "more" / ".git").mkdir(parents=True)
    state = dict(CNN(CNNOptions(widths=(4, 6))).build(2).state_dict())
    save_file({**state, "mean": torch.ones(3)}, source / "a.SafeTensors")
    torch.save({"net": state}, source / "more" / "b.CKPT")
    for name, text in {
        "a.txt": "fig\npear",
        "more/classes.json": '{"b": ["fig", "plum"], "c": ["fig", "kiwi"]}',
        "notes.md": "",
        "more/c.onnx": "",
        "lost.json": '["fig", "plum"]',
        ".DS_Store": "",
    }.items():
        (source / name).write_text(text, encoding="utf-8")
    (source / "elsewhere").symlink_to(tmp_path)
    words = ("--architecture", "cnn", "--set", "widths=[4,6]")
    assert call("zoo", "import", source, "-o", tmp_path / "zoo", *words) == 0
    told = capsys.readouterr().err
    assert (
        "left out: files or class lists that belong to no p-Model (7): .DS_Store, elsewhere/, "
        "lost.json, more/.git/, more/c.onnx, more/classes.json: c, notes.md"
    ) in told
    assert "left out: tensors that the architecture does not generate (1): mean\n" in told
    assert read(tmp_path / "zoo").origin["files_left_out"] == 7
    (tmp_path / "zoo" / "notes.md").write_text("")
    assert call("zoo", "import", tmp_path / "zoo", "-o", tmp_path / "again") == 0
    assert "left out: files that do not belong to the zoo (1): notes.md" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "widths=[4,6]"), "--set: give the --architecture"),
        (("--architecture", "cnnn"), "did you mean 'cnn'"),
        (("--architecture", "cnn", "--set", "width=3"), "unknown option"),
        (("--architecture", "cnn"), "p-Models have a different architecture"),
    ],
)
def test_an_import_that_cannot_be_writes_nothing(capsys, exported, tmp_path, words, told) -> None:
    assert call("zoo", "import", exported, "-o", tmp_path / "zoo", *words) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "zoo").exists()


def test_what_a_zoo_makes_useless_in_a_recipe_is_told(capsys, exported, tmp_path: Path) -> None:
    recipe = with_zoo(tmp_path, exported)
    words = ("--set", "generators=[{use: classifier-selection}]", "--output", tmp_path / "runs")
    assert call("run", recipe, *words) == 0
    told = f"{recipe}:3:9: tasks.id has no effect: the tasks of {exported} are the ID tasks"
    assert told in capsys.readouterr().err


def test_an_architecture_that_is_not_installed_is_told(capsys, exported, tmp_path: Path) -> None:
    archive = read(exported)
    write(replace(archive, architecture={"use": "somebody/vit"}), tmp_path / "zoo")
    assert call("zoo", "import", tmp_path / "zoo", "-o", tmp_path / "copy") == 2
    assert "its architecture is not available here" in capsys.readouterr().err
    assert call("zoo", "show", tmp_path / "zoo") == 0


def test_show_says_what_a_zoo_is(capsys, exported) -> None:
    assert call("zoo", "show", exported) == 0
    text = capsys.readouterr().out
    assert f"{exported}: 12 p-Models of 10 classes" in text
    assert re.search(r"classes: 100, each in \d \(.+\) to \d \(.+\) tasks", text)
    assert 'architecture: use "tina-kit/cnn", widths [4, 6]' in text
    assert 'origin: from "run", run "tiny", seed 0' in text
    assert re.search(r"fc\.bias +10 +-?\d\.\d{4} +\d\.\d{4}", text)


def test_show_names_no_class_where_all_are_in_as_many_tasks(
    capsys, exported, tmp_path: Path
) -> None:
    archive = read(exported)
    tasks = torch.arange(100).view(10, 10)
    write(replace(archive, tasks=tasks, vectors=archive.vectors[:10]), tmp_path / "zoo")
    assert call("zoo", "show", tmp_path / "zoo") == 0
    assert "classes: 100, each in 1 task\n" in capsys.readouterr().out


def test_show_as_json_is_for_programs(capsys, exported) -> None:
    assert call("zoo", "show", exported, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["p_models"] == 12 and facts["classes_of_a_task"] == [10, 10]
    assert [row["layer"] for row in facts["layers"]] == ["conv1", "conv2", "fc.weight", "fc.bias"]


def test_what_cannot_be_exported_is_told(
    capsys, finished, exported, recipe, tmp_path, monkeypatch
) -> None:
    assert call("zoo", "export", finished[2], "-o", exported) == 2
    assert "already contains a zoo" in capsys.readouterr().err
    assert call("zoo", "export", finished[2], "--seed", 7, "-o", tmp_path / "zoo") == 2
    assert "the run has no seed 7; its seeds are 0" in capsys.readouterr().err
    monkeypatch.setenv("TINA_KIT_STORE", str(tmp_path / "store"))
    words = ("--set", "generators=[{use: generic}]", "--output", tmp_path / "runs")
    assert call("run", recipe, *words) == 0
    run = next((tmp_path / "runs" / "tiny").iterdir())
    capsys.readouterr()
    assert call("zoo", "export", run, "-o", tmp_path / "zoo") == 2
    assert "none of its generators asked for them" in capsys.readouterr().err
    assert not (tmp_path / "zoo" / MANIFEST).exists()
