"""A run: complete results, a folder that explains itself, nothing computed twice."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch
import yaml

import tina_kit
from tests.conftest import plan_of
from tina_kit.api import TinaKitError
from tina_kit.pipeline import run as run_module
from tina_kit.pipeline.examples import write_examples
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.generating import generate
from tina_kit.pipeline.run import Run
from tina_kit.pipeline.stages.generic import GenericStage
from tina_kit.store import Entry


def read(folder: Path, name: str):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_the_results_hold_every_generator_split_and_control(finished) -> None:
    rows = {
        (r["generator"], r["split"]): r for r in read(finished[2], "results.json")["generators"]
    }
    untrained = ("generic", "classifier-selection", "oracle")
    assert set(rows) == {
        *((name, split) for name in (*untrained, "tina-dit") for split in ("id", "ood")),
        ("tina-dit", "shuffled"),
        ("tina-dit", "gibberish"),
        ("tina-dit", "other-layers"),
        ("tina-dit", "mean-layers"),
        ("chance", "ood"),
    }
    row = rows["tina-dit", "ood"]
    assert row["tasks"] == 6 and row["seeds"] == 1
    assert row["ci95"][0] <= row["p_acc"] <= row["ci95"][1]


def test_the_run_folder_explains_the_run(finished) -> None:
    path, store, folder = finished
    assert (folder / "recipe.yaml").read_text() == path.read_text()
    resolved = yaml.safe_load((folder / "resolved.yaml").read_text())
    assert resolved["finetune"]["batch_size"] == 64  # a default, written out
    record = read(folder, "run.json")
    assert record["status"] == "done" and record["store"] == str(store)
    assert {"torch", "python"} <= set(record["versions"])
    assert {stage["state"] for stage in record["stages"]} == {"computed"}
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events[:3]] == ["run started", "stage started", "stage ended"]
    (form,) = (event for event in events if event["event"] == "note")
    assert form["stage"] == "evaluate/generic" and "p-Models run one by one" in form["text"]
    assert "| tina-dit |" in (folder / "report.md").read_text()


def test_drawn_images_are_there_to_try(finished, tmp_path: Path, monkeypatch) -> None:
    files = sorted((finished[2] / "examples").iterdir())
    names = plan_of(finished[0], finished[1]).experiments[0].class_names
    assert [file.stem for file in files] == sorted(name.replace(" ", "-") for name in names)
    generator = tina_kit.open_run(finished[2]).generator("classifier-selection")
    model = generator.generate(names[:4])
    assert set(model.predict([str(file) for file in files])) <= set(names[:4])
    images = plan_of(finished[0], finished[1]).experiments[0].images
    monkeypatch.setattr(type(images.dataset), "drawn", False)
    write_examples(images, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_second_run_finds_everything_and_says_the_same(finished, tmp_path: Path) -> None:
    path, store, folder = finished
    run = Run.start(plan_of(path, store), tmp_path, [])
    assert run.execute().rows == read(folder, "results.json")["generators"]
    assert {s["state"] for s in read(run.folder, "run.json")["stages"]} == {"cached"}


def test_the_resolved_recipe_has_the_keys_of_the_recipe(finished) -> None:
    path, store, folder = finished
    again = plan_of(folder / "resolved.yaml", store)
    assert again.key == plan_of(path, store).key


def test_the_oracle_is_the_zoos_own_p_models(finished) -> None:
    path, store, _ = finished
    experiment: Experiment = plan_of(path, store).experiments[0]
    tasks = experiment.tasks["ood"][[4, 1]]
    oracle = next(row for row in experiment.recipe.generators if row.name == "oracle")
    made = generate(
        experiment.row(oracle).ready(), torch.zeros(2, 10, 1), tasks, experiment.runtime.observer, 0
    )
    assert torch.equal(made, experiment.zoo.vectors("ood")[[4, 1]])


def test_the_oracle_is_asked_in_groups_and_reads_each_shard_once(finished, monkeypatch) -> None:
    path, store, _ = finished
    experiment: Experiment = plan_of(path, store).experiments[0]
    oracle = experiment.row(experiment.recipe.generators[-1]).ready()
    tasks, asked, read = experiment.tasks["ood"], [], []
    answer, tensors = oracle.generate, Entry.tensors
    monkeypatch.setattr(oracle, "generate", lambda r: asked.append(len(r.tasks)) or answer(r))
    monkeypatch.setattr(Entry, "tensors", lambda e, name: read.append(e) or tensors(e, name))
    monkeypatch.setattr("tina_kit.pipeline.generating.TOGETHER", 4)
    generate(oracle, torch.zeros(6, 10, 1), tasks, experiment.runtime.observer, 0)
    shards = [stage for stages in experiment.zoo.stages.values() for stage in stages]
    assert asked == [4, 2]
    assert len(read) == len(shards) == 3


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "interrupted"), (TinaKitError("no luck"), "failed")]
)
def test_a_run_that_ends_badly_says_so(plan, tmp_path, monkeypatch, error, status) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(GenericStage, "compute", fail)
    run = Run.start(plan(), tmp_path / "runs", [])
    with pytest.raises(error if isinstance(error, type) else type(error)):
        run.execute()
    record = read(run.folder, "run.json")
    assert record["status"] == status
    assert [stage["name"] for stage in record["stages"]] == ["images", "conditions"]
    assert not list((tmp_path / "store" / "generic").glob("*"))


def test_a_path_that_is_no_text_ends_no_run(finished, tmp_path: Path) -> None:
    path, store, _ = finished
    run = Run.start(plan_of(path, store), tmp_path, ["tina-kit", "run", "\udcff.yaml"])
    run.execute()
    assert read(run.folder, "run.json")["command"][-1] == "\udcff.yaml"
    assert "\\udcff.yaml" in (run.folder / "report.md").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_told(plan, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TinaKitError, match=r"cannot be written to \(Not a directory\).*--output"):
        Run.start(plan(), tmp_path / "file")


def test_a_disk_that_may_only_be_read_is_told(plan, tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    made = plan()
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(TinaKitError, match=r"this file system is read-only.*--output"):
        Run.start(made, tmp_path / "runs")


def test_seeds_give_an_interval_over_seeds(plan, tmp_path: Path) -> None:
    sets = ["generators=[{use: classifier-selection}]", "evaluation.id_tasks=0"]
    rows = Run.start(plan(sets=sets, seeds=[0, 1]), tmp_path / "runs").execute().rows
    assert rows[0]["seeds"] == 2 and rows[0]["ci95"] is not None


def test_the_record_is_not_written_again_after_each_cached_stage(
    finished, tmp_path: Path, monkeypatch
) -> None:
    path, store, _ = finished
    run, written = Run.start(plan_of(path, store), tmp_path, []), []
    monkeypatch.setattr(run_module, "WRITING", 1e9)
    write = Run._write

    def counted(run: Run, status: str) -> None:
        written.append(status)
        write(run, status)

    monkeypatch.setattr(Run, "_write", counted)
    run.execute()
    assert written == ["running"]
    record = read(run.folder, "run.json")
    assert record["status"] == "done" and len(record["stages"]) == len(run.plan.stages)
