"""`why` names what made stages be computed again, and what follows only because of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import RECIPE, plan_of
from tina_kit.api import UserError
from tina_kit.pipeline.explanation import Explanation
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.generic import GenericStage
from tina_kit.pipeline.why import Explainer
from tina_kit.recipe import dump
from tina_kit.store import read_json, write_json
from tina_kit.store.files import write_text
from tina_kit.store.names import Names

EVALUATED = ["evaluate/generic", "evaluate/classifier-selection", "evaluate/tina-dit",
             "evaluate/oracle"]  # fmt: skip
ALL = ["generic", *EVALUATED, "zoo/id", "zoo/ood", "fit/tina-dit"]
ZOO = ["zoo/id", "zoo/ood", "fit/tina-dit", "evaluate/tina-dit", "evaluate/oracle"]
FIT = ["fit/tina-dit", "evaluate/tina-dit"]


def store(plan: Plan, folder: Path, stages: Sequence[Stage] | None = None) -> Path:
    """Put something in place of every result of a plan, as a run would; returns a run folder."""
    done = plan.stages if stages is None else stages
    for stage in done:
        stage.compute = lambda draft: draft.save_json("nothing.json", 0)  # type: ignore[method-assign]
        stage.ensure()
    facts = [{"name": s.name, "kind": s.kind, "key": s.key, "seed": s.seed} for s in done]
    write_json(folder / "run.json", {"status": "done", "name": "tiny", "stages": facts})
    write_text(folder / "resolved.yaml", dump(plan.recipe.plain()))
    results = [(stage.kind, stage.key) for stage in plan.stages]
    Names(plan.store.root).add("run", folder, results, "tiny")
    return folder


@pytest.fixture
def plain(recipe: Path, tmp_path: Path) -> Callable[..., Plan]:
    """`plain(sets)`: the tiny recipe's plan."""
    return lambda *sets, **options: plan_of(recipe, tmp_path / "store", sets=sets, **options)


def causes(found: Explanation) -> dict[str, list[list[str]]]:
    return {
        str(cause.change): [sorted(cause.stages), sorted(cause.followers)] for cause in found.causes
    }


CASES: dict[str, tuple[str, str, list[str], list[str]]] = {
    "the generic model": (
        "generic.epochs=2", "generic.epochs: 1 → 2", ["generic"], [*ALL[1:]]),
    "a learning rate": (
        "generic.learning_rate=0.1", "generic.learning_rate: 0.001 → 0.1", ["generic"], ALL[1:]),
    "an option of a generator": (
        "generators.tina-dit.depth=2", "generators.tina-dit.depth: 1 → 2", FIT[:1], FIT[1:]),
    "an option of generation alone": (
        "generators.tina-dit.sampling_steps=3", "generators.tina-dit.sampling_steps: 1 → 3",
        ["evaluate/tina-dit"], []),
    "an option of a generator that learns nothing": (
        "generators.classifier-selection.others=zero",
        "generators.classifier-selection.others: drop → zero",
        ["evaluate/classifier-selection"], []),
    "images": ("dataset.noise=0.5", "dataset.noise: 0.05 → 0.5", ["images"], ALL),
    "the data set's own seed": ("dataset.seed=3", "dataset.seed: 0 → 3", ["images"], ALL),
    "a seed": ("seeds=[1]", "seed: 0 → 1", ["generic"], ALL[1:]),
    "precision": ("precision=fp32", "precision: bf16 → fp32", ["generic"], ALL[1:]),
    "a conditioner's option": (
        "conditioner.width=64", "conditioner.width: 256 → 64", ["conditions"],
        [*EVALUATED, "fit/tina-dit"]),
    "another conditioner": (
        "conditioner={use: mini-clip}", "conditioner: hashed-ngrams → mini-clip",
        ["conditioner"], ["conditions", *EVALUATED, "fit/tina-dit"]),
    "an architecture's option": (
        "architecture.widths=[4, 8]", "architecture.widths: [4, 6] → [4, 8]", ["generic"], ALL[1:]),
    "another architecture": (
        "architecture={use: resnet20}", "architecture: cnn → resnet20", ["generic"],
        ["features", *ALL[1:]]),
    "another tokenizer": (
        "generators.tina-dit.tokenizer={use: layer-chunks}",
        "generators.tina-dit.tokenizer: class-rows → layer-chunks", FIT[:1], FIT[1:]),
    "an option of a tokenizer": (
        "generators.tina-dit.tokenizer.size=64", "generators.tina-dit.tokenizer.size: 576 → 64",
        FIT[:1], FIT[1:]),
    "augmentations": (
        "generators.tina-dit.augmentations=[{use: classifier-permutation}]",
        'generators.tina-dit.augmentations: [] → ["tina-kit/classifier-permutation"]',
        FIT[:1], FIT[1:]),
    "fine-tuning": (
        "finetune.epochs=2", "finetune.epochs: 1 → 2", ["zoo/id", "zoo/ood"], ZOO[2:]),
    "an option that came later": (
        "finetune.ema=0.5", "finetune.ema: none → 0.5", ["zoo/id", "zoo/ood"], ZOO[2:]),
    "more ID tasks": ("tasks.id=24", "tasks.id: 12 → 24", ["zoo/id"], [*FIT, "evaluate/oracle"]),
    "fewer ID tasks": (
        "tasks.id=6", "tasks.id: 12 → 6", [*FIT[:1], "evaluate/oracle"], FIT[1:]),
    "more OOD tasks": (
        "tasks.ood=8", "tasks.ood: 6 → 8", [*EVALUATED[:3], "zoo/ood"], EVALUATED[3:]),
    "smaller tasks": (
        "tasks.classes=5", "tasks.classes: 10 → 5", [*EVALUATED[:2], "zoo/id", "zoo/ood"],
        [*FIT, "evaluate/oracle"]),
    "fewer tasks that are evaluated": (
        "evaluation.id_tasks=3", "evaluation.id_tasks: 6 → 3", EVALUATED, []),
    "smaller shards": (
        "finetune.shard=4", "finetune.shard: 6 → 4", ["zoo/id", "zoo/ood"], ZOO[2:]),
    "validation": (
        "evaluation.on=validation", "evaluation.on: test → validation", ["images"], ALL),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_first_cause_is_named(name: str, plain, tmp_path: Path) -> None:
    setting, told, stages, followers = CASES[name]
    run = store(plain("precision=bf16"), tmp_path / "runs" / "tiny" / "1")
    sets = [setting] if "precision" in setting else [setting, "precision=bf16"]
    expected = {told: [sorted(stages), sorted(followers)]}
    assert causes(Explainer(plain(*sets)).explain()) == expected
    assert causes(Explainer(plain(*sets), run).explain()) == expected


def test_nothing_is_said_of_what_is_stored(plain, tmp_path: Path) -> None:
    store(plain(), tmp_path / "runs" / "tiny" / "1")
    found = Explainer(plain()).explain()
    assert not found.causes and not found.reasons


def test_two_causes_are_told_in_the_order_of_the_plan(plain, tmp_path: Path) -> None:
    store(plain(), tmp_path / "runs" / "tiny" / "1")
    found = causes(Explainer(plain("generators.tina-dit.depth=2", "finetune.epochs=2")).explain())
    assert list(found) == ["finetune.epochs: 1 → 2", "generators.tina-dit.depth: 1 → 2"]
    assert found["generators.tina-dit.depth: 1 → 2"] == [FIT[:1], FIT[1:]]


def test_of_several_results_the_most_alike_is_taken(plain, tmp_path: Path) -> None:
    store(plain("generic.epochs=3", "finetune.epochs=4"), tmp_path / "runs" / "tiny" / "1")
    run = store(plain("generators.tina-dit.depth=2"), tmp_path / "runs" / "tiny" / "2")
    assert list(causes(Explainer(plain()).explain())) == ["generators.tina-dit.depth: 2 → 1"]
    found = causes(Explainer(plain("generic.epochs=3"), run).explain())
    assert list(found) == ["generic.epochs: 1 → 3", "generators.tina-dit.depth: 2 → 1"]


def test_what_is_stored_can_be_the_cause(plain, tmp_path: Path) -> None:
    """A generic model of before, on which a p-Model was never fine-tuned so."""
    run = store(plain("generic.epochs=2", "finetune.epochs=2"), tmp_path / "runs" / "tiny" / "1")
    old = plain()
    store(old, tmp_path / "runs" / "tiny" / "2", old.stages[:4])
    plan = plain("finetune.epochs=2")
    assert plan.experiments[0].generic.cached and not plan.experiments[0].zoo.stages["id"][0].cached
    found = causes(Explainer(plan, run).explain())
    assert found["generic.epochs: 2 → 1"][0] == []
    assert set(ZOO) <= set(found["generic.epochs: 2 → 1"][1])


def test_a_generator_that_is_new_is_no_change(plain, tmp_path: Path) -> None:
    store(plain(), tmp_path / "runs" / "tiny" / "1")
    more = plain("generators=[{use: oracle}, {use: hypernetwork, steps: 3}]")
    assert causes(Explainer(more).explain()) == {
        "nothing like this is stored": [["evaluate/hypernetwork", "fit/hypernetwork"], []]
    }


def test_nothing_is_stored_at_first(plain) -> None:
    plan = plain()
    [cause] = Explainer(plan).explain().causes
    assert cause.change.kind == "new" and set(cause.stages) == {s.group for s in plan.stages}


def test_another_version_of_a_stage(plain, tmp_path: Path, monkeypatch) -> None:
    store(plain(), tmp_path / "runs" / "tiny" / "1")
    monkeypatch.setattr(GenericStage, "version", 3)
    found = causes(Explainer(plain()).explain())
    told = "tina-kit computes generic differently now (version 2 → 3 of this stage)"
    assert found == {told: [["generic"], sorted(ALL[1:])]}


def test_another_version_of_a_component(plain, tmp_path: Path) -> None:
    store(plain(), tmp_path / "runs" / "tiny" / "1")
    plan = plain()
    component = plan.recipe.generators[2].component.entry.component
    object.__setattr__(component, "version", 5)
    found = causes(Explainer(plan).explain())
    object.__setattr__(component, "version", 4)
    assert found == {"generators.tina-dit: version 4 → 5 of tina-dit": [FIT[:1], FIT[1:]]}


PLUGIN = """\
from tina_kit.api import Component, hookimpl

@hookimpl
def tina_kit_components():
    return [Component(kind="generator", name="mine", target="tina_generators.oracle:Oracle",
                      options="tina_kit.api:Options", summary="The oracle by another name.")]
"""


def test_a_local_plugin_file_that_was_edited(plain, recipe: Path, tmp_path: Path) -> None:
    from tina_generators import baselines  # noqa: F401

    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.replace("tina_generators.oracle:Oracle", oracle()))
    recipe.write_text(RECIPE + "  - {use: mine}\nplugins: [mine.py]\n")
    store(plain(), tmp_path / "runs" / "tiny" / "1")
    file.write_text(file.read_text() + "# edited\n")
    found = causes(Explainer(plain()).explain())
    told = "generators.mine: the content of the local plugin file of local/mine"
    assert found == {told: [["evaluate/mine"], []]}


def oracle() -> str:
    from tina_kit.plugins import discover

    [target] = [
        e.component.target for e in discover().registered if e.full_name == "tina-kit/oracle"
    ]
    return target


def draw(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / name / f"{number}.png")


@pytest.fixture
def folders(plain, recipe: Path, tmp_path: Path) -> Path:
    images = tmp_path / "images"
    for name in "abcdef":
        draw(images, name)
    text = RECIPE.replace(
        "{use: shapes, train: 10, test: 5, size: 16}", "{use: image-folder, root: images}"
    )
    text = text.replace("{id: 12, ood: 6}", "{id: 6, ood: 3, classes: 3}")
    recipe.write_text(text)
    store(plain(), tmp_path / "runs" / "tiny" / "1")
    return images


def test_another_image_in_place_of_one(plain, folders: Path) -> None:
    Image.new("RGB", (8, 8), "blue").save(folders / "a" / "1.png")
    found = causes(Explainer(plain()).explain())
    [told] = found
    assert told.startswith("dataset: the content of the files that it reads (a/0.png, a/1.png, ")
    assert found[told] == [["images"], sorted(ALL)]


def test_images_of_another_class(plain, folders: Path) -> None:
    draw(folders, "g")
    [images, names] = causes(Explainer(plain()).explain())
    assert images == "dataset: other data"
    assert names == "class names: 6 → 7 (with g)"


def test_a_result_that_was_removed(plain, tmp_path: Path) -> None:
    run = store(plain(), tmp_path / "runs" / "tiny" / "1")
    plan = plain()
    lost = plan.experiments[0].zoo.stages["ood"][0]
    shutil.rmtree(plan.store.folder(lost.kind, lost.key))
    for found in (Explainer(plan).explain(), Explainer(plan, run).explain()):
        assert causes(found) == {
            f"the result was removed from the store (of {run})": [["zoo/ood"], []]
        }


def test_a_run_that_was_stopped(plain, tmp_path: Path) -> None:
    plan = plain()
    run = store(plan, tmp_path / "runs" / "tiny" / "1", plan.stages[:4])
    found = causes(Explainer(plain()).explain())
    [told] = found
    assert told == f"the run ended before it was computed ({run})"
    assert "evaluate/oracle" in found[told][0]


def forget(plan: Plan) -> None:
    """As older versions of tina-kit stored results."""
    for stage in plan.stages:
        file = plan.store.folder(stage.kind, stage.key) / "entry.json"
        facts = read_json(file)
        write_json(
            file, {k: v for k, v in facts.items() if k not in ("name", "seed", "version", "after")}
        )


def test_results_of_older_versions_tell_their_settings(plain, tmp_path: Path, monkeypatch) -> None:
    plan = plain()
    store(plan, tmp_path / "runs" / "tiny" / "1")
    forget(plan)
    found = causes(Explainer(plain("generic.epochs=2")).explain())
    assert found == {"generic.epochs: 1 → 2": [["generic"], sorted(ALL[1:])]}
    monkeypatch.setattr(GenericStage, "version", 3)
    [cause] = Explainer(plain()).explain().causes
    assert cause.change.kind == "unknown" and "an older version of tina-kit" in str(cause.change)


def test_the_results_of_a_run_from_elsewhere_are_compared_by_recipe(
    plain, recipe: Path, tmp_path: Path
) -> None:
    elsewhere = plan_of(recipe, tmp_path / "elsewhere", sets=["generic.epochs=3"])
    run = store(elsewhere, tmp_path / "runs" / "tiny" / "1")
    found = causes(Explainer(plain(), run).explain())
    assert found["generic.epochs: 3 → 1"] == [["generic"], sorted(ALL[1:])]


def test_damaged_results_are_passed_over(plain, tmp_path: Path) -> None:
    plan = plain()
    store(plan, tmp_path / "runs" / "tiny" / "1")
    [file] = (plan.store.root / "generic").glob("*/entry.json")
    file.write_text("[3]")
    found = Explainer(plain("generic.epochs=2")).explain()
    assert "generic" in found.causes[0].stages and found.causes[0].change.kind == "new"


def test_a_folder_that_is_no_runs_is_one_message(plain, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"run\.json: cannot be read"):
        Explainer(plain(), tmp_path)


def test_all_of_it_is_json(plain, tmp_path: Path) -> None:
    store(plain(), tmp_path / "runs" / "tiny" / "1")
    facts: dict[str, Any] = json.loads(json.dumps(Explainer(plain("seeds=[0, 1]")).explain().facts))
    assert facts["stored"] == 11 and facts["stages"] == 20
    assert facts["causes"][0]["setting"] == "seed" and facts["reasons"][0]["seed"] == 1
