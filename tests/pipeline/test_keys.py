"""A stage's key is the hash of exactly what its result depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest

from tina_kit.api import Added, Options
from tina_kit.recipe.component import keyed


def keys(plan, *sets: str, **options) -> dict[str, str]:
    return {stage.name: stage.key for stage in plan(sets=sets, **options).stages}


def changed(plan, *sets: str) -> set[str]:
    before, after = keys(plan), keys(plan, *sets)
    return {name.split(" ")[0] for name, key in after.items() if before.get(name) != key}


@pytest.mark.parametrize(
    ("override", "rooms"),
    [
        ("generators.tina-dit.depth=3", {"fit/tina-dit", "evaluate/tina-dit"}),
        ("evaluation.id_tasks=3", {f"evaluate/{n}" for n in (
            "generic", "classifier-selection", "tina-dit", "oracle")}),
        ("name=other", set()),
        ("evaluation.batch_size=7", set()),
        ("conditioner.width=64", {"conditions", "fit/tina-dit", *(f"evaluate/{n}" for n in (
            "generic", "classifier-selection", "tina-dit", "oracle"))}),
        ("finetune.epochs=2", {"zoo/id", "zoo/ood", "fit/tina-dit", "evaluate/tina-dit",
            "evaluate/oracle"}),
        *((f"finetune.{option}=0.5", {"zoo/id", "zoo/ood", "fit/tina-dit", "evaluate/tina-dit",
            "evaluate/oracle"}) for option in ("ema", "label_smoothing")),
        ("finetune.ema=0", set()),
        ("generic.label_smoothing=0.0", set()),
    ],
)  # fmt: skip
def test_a_change_computes_again_only_what_depends_on_it(plan, override, rooms) -> None:
    assert changed(plan, override) == rooms


def test_an_option_that_came_later_is_in_the_key_unless_it_has_its_default() -> None:
    class Later(Options):
        epochs: int = 3
        ema: Annotated[float, Added()] = 0.0

    assert keyed(Later()) == {"epochs": 3}
    assert keyed(Later(ema=0.0)) == {"epochs": 3}
    assert keyed(Later(ema=0.9)) == {"epochs": 3, "ema": 0.9}


@pytest.mark.parametrize("override", ["generic.ema=0.5", "generic.label_smoothing=0.1"])
def test_another_generic_model_computes_what_comes_from_it_again(plan, override) -> None:
    assert {"generic", "zoo/id", "fit/tina-dit"} <= changed(plan, override)


@pytest.mark.parametrize("override", ["dataset.noise=0.5", "dataset.seed=3"])
def test_other_images_compute_everything_but_the_conditions_again(plan, override) -> None:
    assert "conditions" not in changed(plan, override)
    assert {"images", "generic", "zoo/id", "fit/tina-dit"} <= changed(plan, override)


def test_a_seed_shares_only_images_and_conditions_with_another(plan) -> None:
    one, two = keys(plan, seeds=[0]), keys(plan, seeds=[1])
    assert {name for name in one if one[name] == two[name]} == {"images", "conditions"}
    both = plan(seeds=[0, 1]).stages
    assert sum(stage.name == "images" for stage in both) == 1
    assert sum(stage.name == "fit/tina-dit" for stage in both) == 2


def test_a_zoo_grows_at_its_end(plan) -> None:
    def shards(*sets: str) -> list[str]:
        return [key for name, key in keys(plan, *sets).items() if name.startswith("zoo/id")]

    few, many = shards(), shards("tasks.id=24")
    assert (len(few), len(many)) == (2, 4)
    assert many[:2] == few


def test_fitting_does_not_depend_on_the_ood_tasks(plan) -> None:
    assert "fit/tina-dit" not in changed(plan, "finetune.shard=6", "tasks.ood=6")
    ood = {stage.key for stage in plan().stages if stage.name.startswith("zoo/ood")}
    fit = next(stage for stage in plan().stages if stage.name == "fit/tina-dit")
    assert not ood & {stage.key for stage in fit.after}


IMAGES_ALONE = "generators=[{use: taper-mixer}, {use: taper}, {use: generic-plus}]"


@pytest.mark.parametrize(
    "override", ["tasks.id=24", "tasks.classes=5", "finetune.epochs=2", "finetune.ema=0.5"]
)
def test_what_learns_from_images_depends_on_tasks_and_fine_tuning(plan, override) -> None:
    before, after = keys(plan, IMAGES_ALONE), keys(plan, IMAGES_ALONE, override)
    fits = {name for name in before if name.startswith("fit/")}
    assert fits == {"fit/taper-mixer", "fit/taper", "fit/generic-plus"}
    assert all(before[name] != after[name] for name in fits)
    assert keys(plan, IMAGES_ALONE, "finetune.shard=4", "tasks.ood=4").items() >= {
        (name, before[name]) for name in fits
    }


def test_planning_computes_nothing(plan, tmp_path: Path) -> None:
    assert plan().stages
    assert not (tmp_path / "store").exists()
