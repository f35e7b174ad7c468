"""The commands, through Typer's runner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tina_kit.cli.app import app, invoke


@pytest.fixture
def run():
    def run(*words: object):
        return CliRunner().invoke(app, [str(word) for word in words])

    return run


def test_version_and_help(run) -> None:
    assert run("version").stdout.startswith("tina-kit ")
    text = run("--help").stdout
    assert all(name in text for name in ("run", "list", "show", "validate", "generate", "version"))


def test_list_names_every_kind_and_its_parts(run) -> None:
    text = run("list").stdout
    for word in ("dataset", "caltech101", "task-sampler", "class-rows", "tina-dit", "oracle"):
        assert word in text
    assert run("list", "tokenizers").stdout.splitlines()[0].startswith("class-rows")


def test_list_as_json_is_for_programs(run) -> None:
    rows = json.loads(run("list", "generator", "--json").stdout)
    assert {row["full_name"] for row in rows} >= {"tina-kit/oracle", "tina-kit/tina-dit"}
    assert all(row["kind"] == "generator" and row["summary"] for row in rows)


def test_show_tells_options_with_types_defaults_and_help(run) -> None:
    text = run("show", "generator", "tina-dit").stdout
    assert "hidden_size: int ≥ 1 = 2048" in text
    assert "width of the transformer" in text
    assert "tokenizer: tokenizer = layer-chunks" in text
    assert "augmentations: list of augmentations = [classifier-permutation]" in text
    assert "from tina-kit " in text


def test_validate_checks_the_profiles_too(run, recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + "profiles: {small: {tasks.id: 3}}\n")
    assert run("validate", recipe).stdout == f"{recipe}: valid (small)\n"


def test_a_dry_run_shows_the_plan_and_does_nothing(run, recipe: Path, tmp_path: Path) -> None:
    text = run("run", recipe, "--dry-run").stdout
    assert "zoo/id" in text and "2 shards" in text and "fit/tina-dit" in text
    assert "cached" not in text.replace("0 cached", "")
    assert not (tmp_path / "store").exists() and not (tmp_path / "runs").exists()


def test_a_run_prints_its_table_to_stdout(run, finished, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TINA_KIT_STORE", str(finished[1]))
    result = run("run", finished[0], "--output", tmp_path)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == [
        *("generator", "OOD", "p-Acc", "ID", "p-Acc", "vs", "selection", "gap", "closed")
    ]
    assert "shuffled prompts" in result.stdout and "chance" in result.stdout
    assert "run folder: " in result.stderr and "13 cached" not in result.stdout


def test_generate_writes_a_file_that_loads(run, finished, tmp_path: Path) -> None:
    import tina_kit

    out = tmp_path / "mine.safetensors"
    result = run("generate", finished[2], "--classes", "red circle, blue star", "-o", out)
    assert result.exit_code == 0
    assert f'tina_kit.load("{out}")' in result.stderr
    assert tina_kit.load(out).classes == ("red circle", "blue star")


def refusal(capsys, *words: object) -> str:
    """What invoke says to stderr about the user's mistake: exit code 2, no traceback."""
    assert invoke([str(word) for word in words]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "Traceback" not in told.err
    return told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("list", "datset"), "there is no kind 'datset'; did you mean 'dataset'?"),
        (("show", "dataset", "shaps"), "did you mean 'shapes'?"),
        (("run", "none.yaml"), "none.yaml: the recipe cannot be read"),
        (("run",), "Missing argument"),
        (("fly",), "No such command 'fly'"),
        (("run", "x.yaml", "--speed", "3"), "No such option"),
        (("generate", ".", "--classes", "a, b", "-o", "p.safetensors"), "this is no run folder"),
        (("generate", ".", "--classes", "a", "-o", "p.safetensors"), "at least two classes"),
        (("generate", ".", "--classes", "a, a", "-o", "p.safetensors"), "a stands there twice"),
        (("generate", ".", "--classes", "a, b", "-o", "p.pt"), "must end in .safetensors"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(capsys, words, told) -> None:
    message = refusal(capsys, *words)
    assert told in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "generators.tina-dit.heads=5"), "heads (5) must divide hidden_size (32)"),
        (("--set", "tasks.classes=101"), "101 classes a task, but the data set has only 100"),
        (("--set", "dataset={use: caltech101}"), "Caltech-101 is missing"),
        (("--device", "tpu9"), "--device tpu9"),
        (("--seeds", "0,x"), "write whole numbers with commas"),
        (("--seeds", "1,1"), "a seed stands here twice"),
        (("--profile", "none"), "there is no profile 'none'"),
        (("--set", "depth"), "write it as key=value"),
    ],
)
def test_a_wrong_run_is_refused_before_anything_is_computed(
    capsys, recipe, tmp_path, monkeypatch, words, told
) -> None:
    monkeypatch.delenv("TINA_KIT_DATA", raising=False)
    assert told in refusal(capsys, "run", recipe, "--output", tmp_path / "runs", *words)
    assert not (tmp_path / "store").exists() and not (tmp_path / "runs").exists()


def test_a_broken_image_ends_the_run_with_its_name(capsys, recipe, tmp_path) -> None:
    from PIL import Image

    for index in range(40):
        path = tmp_path / "images" / f"class {index % 10}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    path.write_bytes(b"no image")
    words = ("--set", f"dataset={{use: image-folder, root: {tmp_path}/images}}")
    words += ("--set", "tasks={classes: 3, id: 8, ood: 4}", "--output", tmp_path / "runs")
    assert f"{path}: this image cannot be read" in refusal(capsys, "run", recipe, *words)


def test_an_altered_store_entry_is_told_with_exit_code_1(capsys, recipe, tmp_path) -> None:
    words = ["run", str(recipe), "--output", str(tmp_path / "runs")]
    words += ["--set", "generators=[{use: classifier-selection}]"]
    assert invoke(words) == 0
    shard = next((tmp_path / "store" / "zoo").rglob("zoo.safetensors"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    next((tmp_path / "store" / "evaluate").glob("*/entry.json")).unlink()
    capsys.readouterr()
    assert invoke(words) == 0  # selection does not read the zoo
    evaluation = next((tmp_path / "store" / "evaluate").glob("*/evaluation.json"))
    evaluation.write_text("{}")
    capsys.readouterr()
    assert invoke(words) == 1
    told = capsys.readouterr().err
    assert "evaluation.json has 2 bytes instead of" in told and "rm -r" in told


def test_an_unexpected_error_is_one_line_and_debug_shows_where(capsys, monkeypatch) -> None:
    def fail() -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("tina_kit.cli.inspect.registry", fail)
    assert invoke(["list"]) == 1
    assert capsys.readouterr().err == (
        "error: RuntimeError: boom (this is not expected; --debug shows where)\n"
    )
    assert invoke(["list", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
