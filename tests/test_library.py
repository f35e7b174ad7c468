"""All that the command line does can be called from Python."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pandas
import pytest

import tina_kit
from tests.cli.test_documented import commands
from tests.documents import ROOT
from tina_kit.cli.app import app

NOTEBOOK = """
import tina_kit

run = tina_kit.run(
    "recipes/quickstart.yaml",
    profile="smoke",
    set={"generators.tina-dit.steps": 20},
    output=FOLDER / "runs",
)
print(run.table)
generator = run.generator("tina-dit")
model = generator.generate(["red circle", "blue star"])
names = run.experiment().class_names
models = generator.generate([[names[i], names[(i + 7) % 100]] for i in range(100)])
model.save(FOLDER / "mine.safetensors")
same = tina_kit.load(FOLDER / "mine.safetensors")
again = tina_kit.open_run(run.folder)
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What is there after the notebook was run, and what it printed."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINA_KIT_STORE", str(folder / "store"))
        patch.chdir(ROOT)
        printed: list[str] = []
        names = {"FOLDER": folder, "print": lambda thing: printed.append(str(thing))}
        exec(NOTEBOOK, names)
        names["printed"] = "\n".join(printed)
        yield names


@pytest.fixture(autouse=True)
def _its_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "notebook" in request.fixturenames:
        store = request.getfixturevalue("notebook")["run"].record["store"]
        monkeypatch.setenv("TINA_KIT_STORE", store)


def test_a_notebook_runs_the_quickstart_and_prints_its_table(notebook) -> None:
    assert len(NOTEBOOK.strip().splitlines()) <= 17
    text = notebook["printed"]
    assert "tina-dit" in text and "oracle" in text and "p-Acc in percent" in text
    assert (notebook["run"].folder / "metrics.csv").is_file()


def test_many_classifiers_in_one_call_are_those_of_single_calls(notebook) -> None:
    import torch

    models, generator = notebook["models"], notebook["generator"]
    assert len(models) == 100
    alone = generator.generate(list(models[3].classes))
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(models[3](images), alone(images), atol=1e-4, rtol=1e-4)
    assert torch.equal(notebook["same"](images), notebook["model"](images))


def test_lists_of_several_sizes_come_back_in_their_order(notebook) -> None:
    names = notebook["names"]
    asked = [names[:2], names[5:10], ["red circle", "dog"], names[:5]]
    models = notebook["generator"].generate(asked)
    assert [list(model.classes) for model in models] == asked


def test_a_run_that_is_opened_again_has_its_table_and_generators(notebook) -> None:
    again, run = notebook["again"], notebook["run"]
    assert again.table.rows == run.table.rows
    assert again.table.row("oracle")["p_acc"] == run.table.row("oracle")["p_acc"]
    assert "<table>" in again.table._repr_html_()
    assert list(again.generator("tina-dit").generate(["a", "b"]).classes) == ["a", "b"]


def test_a_table_becomes_a_data_frame(notebook) -> None:
    frame = notebook["run"].table.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert {"generator", "split", "p_acc", "p_acc_low", "p_acc_high", "tasks"} <= set(frame)


def test_a_run_needs_neither_its_images_nor_its_data_set_to_generate(
    notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tina_kit.open_run(notebook["run"].folder)

    def refuse(*_: object) -> None:
        raise AssertionError("the images are read")

    monkeypatch.setattr("tina_datasets.shapes.Shapes.load", refuse)
    monkeypatch.setattr("tina_datasets.shapes.Shapes.class_names", property(refuse))
    monkeypatch.setattr("tina_kit.pipeline.stages.images.ImagesStage.read", refuse)
    assert run.generator("tina-dit").generate(["red circle", "dog"]).image_size == (16, 16)


def test_the_first_classifier_is_there_within_a_second_and_more_at_once(notebook) -> None:
    run = tina_kit.open_run(notebook["run"].folder)
    start = time.perf_counter()
    generator = run.generator("tina-dit")
    generator.generate(["red circle", "blue star"])
    first = time.perf_counter() - start
    start = time.perf_counter()
    for number in range(10):
        generator.generate(["red circle", f"blue star {number}"])
    each = (time.perf_counter() - start) / 10
    # Goals are 1 s and 20 ms; this machine may be busy with other tests.
    assert first < 10 and each < 0.2


def test_unknown_generators_and_seeds_are_refused(notebook) -> None:
    run = notebook["run"]
    with pytest.raises(tina_kit.UserError, match=r"unknown generator 'tina'.*tina-dit"):
        run.generator("tina")
    with pytest.raises(tina_kit.UserError, match="the run has no seed 7"):
        run.generator(seed=7)


def test_the_names_are_listed_and_importing_them_imports_no_torch() -> None:
    code = (
        "import sys, tina_kit; names = dir(tina_kit); tina_kit.run, tina_kit.open_run; "
        "assert 'torch' not in sys.modules; import json; print(json.dumps(names))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = json.loads(told.stdout)
    assert {"run", "open_run", "load", "validate", "plan", "PModel"} <= set(names)


def test_validate_returns_the_profiles(recipe: Path) -> None:
    assert tina_kit.validate(recipe) == []
    assert tina_kit.validate(ROOT / "recipes" / "quickstart.yaml") == ["smoke", "laptop", "paper"]
    with pytest.raises(tina_kit.UserError, match="nonsense"):
        tina_kit.validate(recipe, set={"generic.nonsense": 1})


COMMANDS = {
    **{"run": "run", "generate": "open_run", "validate": "validate", "init": "init"},
    **{"list": "components", "show": "component", "schema": "schema", "doctor": "doctor"},
    **{"recipes": "catalogue", "recipes copy": "copy_recipe", "plugin new": "new_plugin"},
    **{"bundle": "bundle", "bundle push": "push_bundle", "bundle pull": "pull_bundle"},
    **{"predict": "predict", "evaluate": "evaluate", "export": "export", "serve": "serve"},
    **{"report": "write_report", "sweep": "sweep", "watch": "watched"},
    **{"zoo export": "export_zoo", "zoo import": "import_zoo", "zoo show": "describe_zoo"},
    **{"runs list": "list_runs", "runs show": "describe_run", "runs compare": "compare"},
    **{"runs tag": "tag_run", "runs note": "note_run", "runs rm": "remove_run"},
    **{"runs export": "export_run", "runs import": "import_run"},
    **{"store ls": "list_store", "store du": "store_usage", "store why": "why"},
    **{"store gc": "clean_store", "store verify": "verify_store", "store pin": "pin"},
    **{"store unpin": "unpin", "store pack": "pack", "store unpack": "unpack"},
}
"""Command → the call that does the same."""


def test_every_command_is_a_call() -> None:
    assert {*commands(app)} - {"version"} == COMMANDS.keys()
    assert all(callable(getattr(tina_kit, call)) for call in COMMANDS.values())


def test_components_are_listed_and_shown_as_the_commands_print_them(capsys) -> None:
    from tina_kit.cli.app import invoke

    assert invoke(["list", "generators", "--json"]) == 0
    assert tina_kit.components("generators") == json.loads(capsys.readouterr().out)
    assert invoke(["show", "generator", "oracle", "--json"]) == 0
    assert tina_kit.component("generator", "oracle") == json.loads(capsys.readouterr().out)
    with pytest.raises(tina_kit.UserError, match="did you mean 'oracle'"):
        tina_kit.component("generator", "oracl")
    assert {row["kind"] for row in tina_kit.components()} >= {"dataset", "study"}


def test_a_schema_and_shipped_recipes_are_plain_calls(tmp_path: Path) -> None:
    assert "properties" in json.dumps(tina_kit.schema())
    assert "quickstart" in {each.name for each in tina_kit.catalogue()}
    assert tina_kit.copy_recipe("quickstart", tmp_path) == tmp_path / "quickstart.yaml"


def test_a_zoo_is_exported_imported_and_described(finished, tmp_path: Path) -> None:
    tina_kit.export_zoo(finished[2], tmp_path / "zoo")
    tina_kit.import_zoo(tmp_path / "zoo", tmp_path / "copy")
    facts = tina_kit.describe_zoo(tmp_path / "copy")
    assert facts == tina_kit.describe_zoo(tmp_path / "zoo") and facts["p_models"] == 12
    with pytest.raises(tina_kit.UserError, match="already contains a zoo"):
        tina_kit.export_zoo(finished[2], tmp_path / "zoo")


def test_a_plugin_is_scaffolded(tmp_path: Path) -> None:
    folder = tina_kit.new_plugin("my-ideas", ["generators"], tmp_path)
    assert (folder / "pyproject.toml").is_file()
    with pytest.raises(tina_kit.UserError, match="unknown kind 'thing'"):
        tina_kit.new_plugin("other", ["thing"], tmp_path)
