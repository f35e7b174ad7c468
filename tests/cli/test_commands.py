"""The commands, through Typer's runner."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tina_kit.cli.app import app, invoke
from tina_kit.pipeline.run import Run
from tina_kit.training import resolve_precision

PLUGIN = """\
import torch
from tina_kit.api import Component, Generator, Options, hookimpl

class MineOptions(Options):
    pass

class Mine(Generator):
    learns = False

    def __init__(self, options):
        pass

    def generate(self, request):
        tasks, classes = request.conditions.shape[:2]
        return torch.zeros(tasks, self.context.architecture.layout(classes).size)

@hookimpl
def tina_kit_components():
    return [Component(kind="generator", name="mine", target=f"{__name__}:Mine",
                      options=f"{__name__}:MineOptions", summary="Zeros.")]
"""


@pytest.fixture
def run():
    def run(*words: object):
        return CliRunner().invoke(app, [str(word) for word in words])

    return run


def test_version_and_help(run) -> None:
    assert run("version").stdout.startswith("tina-kit ")
    assert run("--version").stdout == run("version").stdout
    text = run("--help").stdout
    assert all(name in text for name in ("run", "list", "show", "validate", "generate", "version"))


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_the_example_in_the_help_can_be_copied(run, command: str, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(command, "--help").stdout.splitlines()
    [example] = [line for line in lines if "Example: " in line]
    assert "--set generic.epochs=" in example


@pytest.mark.parametrize("words", [[], ["zoo"], ["plugin"]])
def test_a_group_without_a_command_prints_its_help(words: list[str], capsys) -> None:
    assert invoke(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: tina-kit") and "Commands:" in out and not err


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
    text = run("show", "generator", "tina-dit", "--all").stdout
    assert "hidden_size: int ≥ 1, ≤ 65536 (dimensions) = 2048" in text
    assert "width of the transformer" in text
    assert "tokenizer: tokenizer = layer-chunks" in text
    assert "augmentations: list of augmentations = [classifier-permutation]" in text
    assert "from tina-kit " in text


def test_show_hides_what_is_long_unless_asked_for_all(run, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = run("show", "generator", "tina-dit").stdout
    assert "hidden_size: int = 2048\n" in text and "--all shows" in text
    assert "defined in" not in text and "≥" not in text
    assert max(map(len, text.splitlines())) <= 70  # what has no spaces may be longer
    [line] = [line for line in text.splitlines() if "weight of the class rows" in line]
    assert len(line) <= 60 and line.endswith(" …")


def test_validate_checks_the_profiles_too(run, recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + "profiles: {small: {tasks.id: 3}}\n")
    assert run("validate", recipe).stdout == f"{recipe}: valid (small)\n"


def test_a_dry_run_shows_the_plan_and_does_nothing(run, recipe: Path, tmp_path: Path) -> None:
    text = run("run", recipe, "--dry-run").stdout
    [shards] = [line for line in text.splitlines() if "zoo/id" in line]
    assert shards.startswith("0 of 2  ") and shards.endswith("zoo/id (shards)")
    [fit] = [line for line in text.splitlines() if "fit/tina-dit" in line]
    assert fit.startswith("no  ") and "yes" not in text
    assert not (tmp_path / "store").exists() and not (tmp_path / "runs").exists()


def test_a_dry_run_names_the_variants_of_a_study(run, recipe: Path) -> None:
    """Stages of one kind are told apart by more than their keys."""
    study = "{use: variants, variants: {plain: {}, wide net: {architecture.widths: [8, 8]}}}"
    sweep = "{use: scaling, key: generators.tina-dit.hidden_size, values: [16, 32]}"
    recipe.write_text(recipe.read_text() + f"studies: [{study}, {sweep}]\n")
    stages = json.loads(run("run", recipe, "--dry-run", "--json").stdout)["stages"]
    names = [(stage["name"], stage["seed"]) for stage in stages]
    assert len(set(names)) == len(names)
    assert {"generic", "generic [wide net]", "fit/tina-dit [hidden_size=16]"} <= dict(names).keys()
    assert "zoo/id 2/2 [wide net]" in dict(names)
    text = run("run", recipe, "--dry-run").stdout
    assert "zoo/id [wide net] (shards)" in text
    assert "--dry-run" in str(run("run", recipe, "--json").exception)


def test_a_run_prints_its_table_to_stdout(run, finished, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TINA_KIT_STORE", str(finished[1]))
    result = run("run", finished[0], "--output", tmp_path)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == [
        *("generator", "OOD", "p-Acc", "ID", "p-Acc", "vs", "selection", "gap", "closed")
    ]
    assert "shuffled prompts" in result.stdout and "chance" in result.stdout
    assert "run folder: " in result.stderr and "11 stages, 11 cached" in result.stderr
    [folder] = (tmp_path / "tiny").iterdir()
    assert result.stderr.splitlines()[-3:] == [
        f"run folder: {folder}",
        f"report: {folder / 'report.html'}",
        f"to try it in a browser: tina-kit serve {folder}",
    ]


def test_generate_writes_a_file_that_loads(run, finished, tmp_path: Path) -> None:
    import tina_kit

    out = tmp_path / "mine.safetensors"
    result = run("generate", finished[2], "--classes", "red circle, blue star", "-o", out)
    assert result.exit_code == 0
    assert f'tina_kit.load("{out}")' in result.stderr
    assert tina_kit.load(out).classes == ("red circle", "blue star")


def test_a_run_on_a_disk_without_locks_is_one_line_more(
    capsys, recipe, tmp_path, monkeypatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    assert invoke(["run", str(recipe), "--output", str(tmp_path / "runs")]) == 0
    log = capsys.readouterr().err.splitlines()
    [line] = [line for line in log if "no file locks in the store" in line]
    assert line.startswith(
        f"images: no file locks in the store {tmp_path / 'store'} (No locks available)"
    )


def test_a_run_is_read_from_the_store_that_the_environment_names(
    capsys, finished, tmp_path, monkeypatch
) -> None:
    """Where it was moved, or where another machine sees it under another name."""
    moved, run = tmp_path / "moved", tmp_path / "run"
    shutil.copytree(finished[1], moved)
    shutil.copytree(finished[2], run)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "store": "/gone"}))
    words = ["generate", str(run), "--classes", "a, b", "-o", str(tmp_path / "p.safetensors")]
    monkeypatch.setenv("TINA_KIT_STORE", str(moved))
    assert invoke(words) == 0
    assert f"the store {moved} (TINA_KIT_STORE), not from /gone" in capsys.readouterr().err
    monkeypatch.delenv("TINA_KIT_STORE")
    assert invoke(words) == 1
    assert "/gone/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "no space left on this disk"),
        (errno.EIO, "the disk failed"),
        (errno.EROFS, "this file system is read-only"),
        (errno.EFBIG, "the file would be larger than allowed"),
    ],
)
def test_a_table_is_printed_where_it_cannot_be_written(
    capsys, finished, tmp_path, monkeypatch, number: int, told: str
) -> None:
    def fail(results: object, plan: object, folder: Path, record: object) -> None:
        raise OSError(number, os.strerror(number), str(folder / "results.json"))

    monkeypatch.setattr("tina_kit.pipeline.run.publish", fail)
    assert invoke(["run", str(finished[0]), "--output", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "shuffled prompts" in printed.out and "chance" in printed.out
    [folder] = (tmp_path / "tiny").iterdir()
    assert printed.err.splitlines()[-2] == f"run folder: {folder}"
    assert printed.err.splitlines()[-1].startswith(f"error: {folder / 'results.json'}: {told}")
    assert "Traceback" not in printed.err


def refusal(capsys, *words: object) -> str:
    """What invoke says to stderr about the user's mistake: exit code 2, no traceback."""
    assert invoke([str(word) for word in words]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "Traceback" not in told.err
    return told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("list", "datset"), "unknown kind 'datset'; did you mean 'dataset'?"),
        (("show", "dataset", "shaps"), "did you mean 'shapes'?"),
        (("run", "none.yaml"), "there is no none.yaml"),
        (("run",), "Missing argument"),
        (
            ("run", "quickstart", "--dry-run", "--track", "nope"),
            "track: unknown tracker 'nope'",
        ),
        (("fly",), "No such command 'fly'"),
        (("run", "x.yaml", "--speed", "3"), "No such option"),
        (("generate", ".", "--classes", "a, b", "-o", "p.safetensors"), "not a run folder"),
        (("generate", ".", "--classes", "a", "-o", "p.safetensors"), "at least two classes"),
        (
            ("generate", ".", "--classes", "a, a", "-o", "p.safetensors"),
            "'a' (--classes, name 1) and 'a' (--classes, name 2)",
        ),
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
        (
            ("--set", "generators.tina-dit.heads=5"),
            "tiny.yaml:12:5: generators.tina-dit: heads (5) must divide hidden_size (32)",
        ),
        (("--set", "seeds=[2, 2]"), "duplicate seed"),
        (("--set", "generators=[]"), "list at least one generator"),
        (("--set", "generators.oracle.name=chance"), "this name is reserved for a table row"),
        (
            ("--set", "generators.oracle.name=largest class"),
            "this name is reserved for a table row",
        ),
        (("--set", "generic.learning_rate=.inf"), "generic.learning_rate"),
        (("--set", "tasks.classes=101"), "101 classes per task, but the data set has only 100"),
        (("--set", "dataset={use: caltech101}"), "Caltech-101 is missing"),
        (("--device", "tpu9"), "--device tpu9"),
        (("--seeds", "0,x"), "write whole numbers with commas"),
        (("--seeds", "1,1"), "duplicate seed"),
        (("--profile", "none"), "this recipe has no profiles"),
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
    weights = next((tmp_path / "store" / "generic").rglob("generic.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    evaluation = next((tmp_path / "store" / "evaluate").glob("*/evaluation.json"))
    whole = evaluation.read_text()
    evaluation.write_text("{}")
    capsys.readouterr()
    assert invoke(words) == 1
    told = capsys.readouterr().err
    assert "evaluation.json has 2 bytes instead of" in told and "rm -r" in told
    evaluation.write_text(whole)
    assert invoke(words) == 0  # what is cached is read from its own entry alone
    shutil.rmtree(evaluation.parent)
    capsys.readouterr()
    assert invoke(words) == 1
    assert "generic.safetensors was altered" in capsys.readouterr().err


def test_a_full_disk_is_one_message_even_where_the_run_folder_is_full_too(
    capsys, recipe, tmp_path, monkeypatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tina_kit.store.draft.Draft.save_tensors", full)
    run_folder_write = Run._write
    monkeypatch.setattr(
        Run,
        "_write",
        lambda run, status: full() if status == "failed" else run_folder_write(run, status),
    )
    assert invoke(["run", str(recipe), "--output", str(tmp_path / "runs")]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert "no space left on this disk" in told and "TINA_KIT_STORE" in told


def test_a_changed_local_plugin_is_computed_again_and_generate_finds_it(
    capsys, recipe, tmp_path
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    text = recipe.read_text().replace("  - {use: oracle}", "  - {use: mine}")
    recipe.write_text(text + "plugins: [mine.py]\n")
    words = ["run", str(recipe), "--output", str(tmp_path / "runs"), "--seeds", "3"]
    assert invoke(words) == 0
    folder = next((tmp_path / "runs" / "tiny").iterdir())
    out = tmp_path / "p.safetensors"
    asked = ["--classes", "red circle, blue star", "-o", str(out), "--generator", "mine"]
    assert invoke(["generate", str(folder), *asked]) == 0 and out.is_file()
    capsys.readouterr()
    plugin.write_text(PLUGIN.replace("torch.zeros", "torch.ones"))
    assert invoke(words) == 0
    assert "evaluate/mine: done" in capsys.readouterr().err
    plugin.write_text(PLUGIN.replace("torch.zeros", "torch.nan * torch.ones"))
    assert invoke(words) == 1
    assert "evaluate/mine ood: generate: the generator gave" in capsys.readouterr().err


def test_generate_reads_a_run_in_the_precision_it_had(capsys, recipe, tmp_path) -> None:
    words = ["--output", str(tmp_path / "runs"), "--set", "name='1e5'"]
    other = "bf16" if resolve_precision("auto", torch.device("cpu")) == "fp32" else "fp32"
    assert invoke(["run", str(recipe), *words, "--set", f"precision={other}"]) == 0
    folder = next((tmp_path / "runs" / "1e5").iterdir())
    # As if `auto` came to something else on the machine of the run.
    resolved = folder / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace(f"precision: {other}", "precision: auto"))
    out = tmp_path / "p.safetensors"
    assert invoke(["generate", str(folder), "--classes", "red circle, sun", "-o", str(out)]) == 0
    shutil.rmtree(tmp_path / "store" / "fit")
    capsys.readouterr()
    assert invoke(["generate", str(folder), "--classes", "red circle, sun", "-o", str(out)]) == 1
    assert "is not in the store" in capsys.readouterr().err


def test_an_unexpected_error_is_one_line_and_debug_shows_where(capsys, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("tina_kit.cli.list.registry", fail)
    assert invoke(["list"]) == 1
    assert capsys.readouterr().err == (
        "error: RuntimeError: boom (unexpected; --debug shows the traceback)\n"
    )
    assert invoke(["list", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
