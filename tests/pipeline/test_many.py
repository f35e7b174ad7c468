"""Many p-Models in one process, continued where a command was killed."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest
import torch

import tina_kit
from tests.forked import Forked
from tina_kit import cli
from tina_kit.api import UserError
from tina_kit.cli.app import invoke
from tina_kit.pipeline import many
from tina_kit.pipeline.many import MANIFEST, read_tasks


@pytest.fixture(scope="module")
def generator(finished):  # type: ignore[no-untyped-def]
    return tina_kit.open_run(finished[2]).generator("tina-dit")


def drawn(names: list[str], count: int) -> list[list[str]]:
    """Tasks of two to six classes, of which some are not the data set's."""
    choice = random.Random(0)
    pool = [*names, "a blue whale", "salt, pepper"]
    return [choice.sample(pool, choice.randint(2, 6)) for _ in range(count)]


def entries(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / MANIFEST).read_text().splitlines()[1:]]


def test_each_is_the_p_model_of_its_names(finished, generator, tmp_path: Path) -> None:
    tasks = drawn(list(generator.source.class_names), 20)
    made = tina_kit.generate_many(generator, tasks, tmp_path / "models")
    assert (made.made, made.kept) == (20, 0)
    for entry, classes in zip(entries(tmp_path / "models"), tasks):
        model = tina_kit.load(tmp_path / "models" / entry["file"])
        assert list(model.classes) == classes == entry["classes"]
        expected = generator.generate(classes)
        assert model.info == expected.info and model.metadata == expected.metadata
        for name, tensor in model.module.state_dict().items():
            assert tensor.allclose(expected.module.state_dict()[name], atol=1e-5)
    far = [set(entry["unlike"]) for entry in entries(tmp_path / "models")]
    assert set().union(*far) <= {"a blue whale", "salt, pepper"}
    assert made.unlike == sum(map(bool, far))


def test_files_are_those_of_built_p_models(generator) -> None:
    """`generate` builds a module only for who needs one, and `save` does not."""
    tasks = drawn(list(generator.source.class_names), 20)
    before = [model.content() for model in generator.generate(tasks)]
    built = generator.generate(tasks)
    for model in built:
        assert isinstance(model.module, torch.nn.Module) and not model.module.training
    assert [model.content() for model in built] == before
    with torch.no_grad():
        next(built[0].module.parameters()).add_(1)
    assert built[0].content() != before[0]
    assert generator.generate(tasks)[0].content() == before[0]


def test_repeated_it_writes_nothing_and_after_a_loss_the_rest(
    finished, generator, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(many, "TOGETHER", 4)
    tasks = drawn(list(generator.source.class_names), 14)
    folder = tmp_path / "models"
    tina_kit.generate_many(generator, tasks, folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert tina_kit.generate_many(generator, tasks, folder).made == 0
    text = (folder / MANIFEST).read_text()
    for lines, lost, kept in (
        (11, "", 8),  # a part is written whole or again
        (14, "000006.safetensors", 4),
        (0, "", 0),
    ):
        cut = "".join(line + "\n" for line in text.splitlines()[: 1 + lines]) + '{"task": 9, "fi'
        (folder / MANIFEST).write_text(cut)
        if lost:
            (folder / lost).write_bytes(b"half")
        found = tina_kit.generate_many(generator, tasks, folder)
        assert (found.made, found.kept) == (14 - kept, kept)
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


PART = 32


def in_small_parts(words: list[str]) -> None:
    many.TOGETHER = PART
    cli.main(words)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_twice_it_ends_as_if_it_never_was(finished, tmp_path: Path) -> None:
    run = tina_kit.open_run(finished[2])
    names = run.experiment().class_names
    (tmp_path / "tasks.csv").write_text(
        "".join(",".join(f'"{name}"' for name in task) + "\n" for task in drawn(list(names), 400))
    )
    words = ["generate", str(finished[2]), "--tasks", "tasks.csv", "-o"]
    environment = {**os.environ, "TINA_KIT_STORE": str(finished[1])}

    def start(folder: str) -> Forked:
        return Forked([*words, folder], cwd=tmp_path, env=environment, main=in_small_parts)

    for kill in (1, 2):
        child = start("killed")
        manifest, deadline = tmp_path / "killed" / MANIFEST, time.monotonic() + 60
        while not manifest.exists() or len(manifest.read_text().splitlines()) < PART * kill:
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        child.kill()
        child.wait()
    assert len(entries(tmp_path / "killed")) < 400
    for folder in ("killed", "whole"):
        assert start(folder).wait() == 0
    killed, whole = (
        {file.name: file.read_bytes() for file in (tmp_path / folder).iterdir()}
        for folder in ("killed", "whole")
    )
    assert killed == whole and len(whole) == 401


def test_a_table_is_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"
    path.write_text(
        '\ufeffred_circle,  blue star ,,\r\n\r\n"salt, pepper", dog\n', encoding="utf-8"
    )
    assert read_tasks(path) == [["red_circle", "blue star"], ["salt, pepper", "dog"]]
    path.write_text("a,b\nc\nd,D\n,,\ne,,f\n")
    with pytest.raises(UserError) as caught:
        read_tasks(path)
    told = str(caught.value)
    assert "line 2: a task has at least two classes" in told and "line 1" not in told
    assert "line 3: 'd' (name 1) and 'D' (name 2) are the same" in told
    assert "line 5: " in told and "is an empty name" in told
    path.write_text("\n\n")
    with pytest.raises(UserError, match="it contains no tasks"):
        read_tasks(path)


def test_a_folder_that_holds_anything_else_is_refused(
    finished, generator, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(many, "TOGETHER", 2)
    tasks = [["red circle", "blue star"], ["grey ring", "red star"], ["red circle", "red star"]]
    folder = tmp_path / "models"
    tina_kit.generate_many(generator, tasks, folder)
    with pytest.raises(UserError, match="for other tasks or by another generator"):
        tina_kit.generate_many(generator, tasks[:2], folder)
    other = tina_kit.open_run(finished[2]).generator("classifier-selection")
    with pytest.raises(UserError, match="for other tasks or by another generator"):
        tina_kit.generate_many(other, tasks, folder)
    lines = (folder / MANIFEST).read_text().splitlines()
    first = json.loads(lines[1]) | {"sha256": "0" * 64}
    (folder / MANIFEST).write_text("\n".join([lines[0], json.dumps(first), lines[2], ""]))
    with pytest.raises(UserError, match="a generator of the same name that gives others"):
        tina_kit.generate_many(generator, tasks, folder)
    stale = [lines[0], json.dumps(first), *lines[2:], ""]  # a complete folder is no exception
    (folder / MANIFEST).write_text("\n".join(stale))
    with pytest.raises(UserError, match="a generator of the same name that gives others"):
        tina_kit.generate_many(generator, tasks, folder)
    assert (folder / MANIFEST).read_text() == "\n".join(stale)
    strange = json.loads(lines[1]) | {"unlike": ["red circle"]}
    (folder / MANIFEST).write_text("\n".join([lines[0], json.dumps(strange), *lines[2:], ""]))
    with pytest.raises(UserError, match="too dissimilar to every seen one; the first is 000001"):
        tina_kit.generate_many(generator, tasks, folder, strict=True)
    for damaged in ("[[[\n", "[]\n", "\n".join([lines[0], "{}", ""])):
        (folder / MANIFEST).write_text(damaged)
        with pytest.raises(UserError, match="damaged; remove the folder"):
            tina_kit.generate_many(generator, tasks, folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(UserError, match="not empty"):
        tina_kit.generate_many(generator, tasks, tmp_path / "full")
    with pytest.raises(UserError, match="this is a file"):
        tina_kit.generate_many(generator, tasks, tmp_path / "full" / "mine.txt")
    with pytest.raises(UserError, match="there is no folder"):
        tina_kit.generate_many(generator, tasks, tmp_path / "none" / "models")
    with pytest.raises(UserError, match="task 2: classifier-selection knows only the classes"):
        tina_kit.generate_many(other, [tasks[0], ["red circle", "a whale"]], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_command_says_what_it_made(finished, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks.csv").write_text("red circle, blue star\ngrey ring, red star\n")
    words = ["generate", str(finished[2]), "--tasks", "tasks.csv", "-o", "models"]
    assert invoke(words) == 0 and "models: 2 p-Models by tina-dit" in capsys.readouterr().err
    assert invoke(words) == 0
    assert "models: 0 p-Models by tina-dit, 2 were there" in capsys.readouterr().err
    assert invoke([*words, "--classes", "a, b"]) == 2
    assert "give either --classes or --images or --tasks" in capsys.readouterr().err
    assert invoke([*words[:3], "none.csv", "-o", "new"]) == 2
    assert "none.csv: there is no such file" in capsys.readouterr().err
