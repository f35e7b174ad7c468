"""An example is small, holds together, and says what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tina_kit.pipeline.plan import Plan
from tina_kit.plugins import Registered, Registry, discover
from tina_kit.plugins.discovery import load_file
from tina_kit.recipe import load_recipe
from tina_kit.recipe.example import example
from tina_kit.recipe.json_schema import recipe_schema
from tina_kit.recipe.yaml12 import parse
from tina_kit.store import Store

FOUND = discover()
ALONE = [
    entry
    for entry in FOUND.registered
    if entry.component.kind in ("study", "task-sampler", "tokenizer", "augmentation", "generator")
]
TINA = {"use": "tina-dit", "hidden_size": 128, "depth": 3, "heads": 4, "steps": 600}
PART = """\
from pathlib import Path
from pydantic import Field
from tina_kit.api import Component, Options, hookimpl

class DotsOptions(Options):
    file: Path = Field(description="a table", examples=["train.parquet", "a.parquet"])
    more: Path = Field(description="another")

@hookimpl
def tina_kit_components():
    return [Component("dataset", "dots", f"{__name__}:None", f"{__name__}:DotsOptions", "Dots.")]
"""


def without(*packages: str) -> Registry:
    """All components but those of some packages."""
    found = discover()
    left = [e for e in found.registered if e.component.target.partition(".")[0] not in packages]
    assert len(left) < len(found.registered)
    return Registry(left)


def plain(text: str) -> dict[str, object]:
    return parse(text, "example", Path()).plain()


@pytest.fixture
def planned(tmp_path: Path) -> Callable[[Registered, Registry], Plan]:
    def planned(entry: Registered, found: Registry) -> Plan:
        path = tmp_path / "example.yaml"
        path.write_text(example(entry, found))
        return Plan.of(load_recipe(path, found), Store(tmp_path / "store"), torch.device("cpu"))

    return planned


@pytest.mark.parametrize("entry", ALONE, ids=lambda e: f"{e.component.kind}-{e.component.name}")
def test_the_parts_of_an_example_go_together(entry, planned) -> None:
    if "use: caltech101" in example(entry, FOUND) and not os.environ.get("TINA_KIT_DATA"):
        pytest.skip("TINA_KIT_DATA is not set")
    assert planned(entry, FOUND).stages


def test_the_generator_beside_another_component_is_small() -> None:
    large = []
    for entry in FOUND.registered:
        if entry.component.kind != "generator":
            [generator] = plain(example(entry, FOUND))["generators"]
            if generator != {"use": "class-means"} and not generator.items() >= TINA.items():
                large.append((entry.full_name, generator))
    assert large == []


def test_a_study_is_shown_with_what_it_asks_for() -> None:
    found = discover()
    recipe = plain(example(found.get("study", "image-prompts"), found))
    assert recipe["conditioner"] == {"use": "mini-clip"}
    recipe = plain(example(found.get("study", "unseen-classes"), found))
    assert recipe["tasks"] == {"use": "unseen-classes"}
    study = recipe_schema(found, print)["$defs"]["study:tina-kit:unseen-classes"]
    assert "beside" not in study


def test_what_a_study_asks_for_but_is_not_installed_is_named() -> None:
    found = without("tina_datasets", "tina_conditioners")
    text = example(found.get("study", "image-prompts"), found)
    assert "# conditioner: unknown conditioner 'mini-clip'; " in text
    text = example(found.get("study", "unseen-classes"), found)
    assert "# tasks: unknown task-sampler 'unseen-classes'; " in text


def test_a_place_that_nothing_installed_fills_is_named() -> None:
    found = without("tina_datasets", "tina_architectures")
    text = example(found.get("generator", "class-means"), found)
    assert "# dataset: no dataset is installed that needs no options\n" in text
    recipe = plain(text)
    assert recipe["dataset"] == {"use": "a dataset"}
    assert recipe["architecture"] == {"use": "an architecture"}


def test_a_part_stands_in_only_if_its_own_parts_are_installed(planned) -> None:
    found = without("tina_tokenizers")
    found.registered = [e for e in found.registered if e.component.name != "class-means"]
    entry = found.get("dataset", "shapes")
    assert plain(example(entry, found))["generators"] == [{"use": "classifier-selection"}]
    assert planned(entry, found)


def test_nested_parts_that_are_not_installed_are_named() -> None:
    found = without("tina_augmentations")
    text = example(found.get("generator", "tina-dit"), found)
    assert text.startswith("# augmentations: unknown augmentation 'classifier-permutation'; ")
    host = without("tina_tokenizers")
    text = example(host.get("augmentation", "neuron-permutation"), host)
    assert text.startswith("# tokenizer: unknown tokenizer 'layer-chunks'; ")


def test_a_module_that_a_part_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tina_kit.plugins.registry.find_spec", lambda module: None)
    found = discover()
    text = example(found.get("study", "sentence-prompts"), found)
    assert (
        "# sentence-transformer needs sentence_transformers: pip install 'tina-kit[text]'" in text
    )


def test_an_author_s_example_of_a_path_stays(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PART)
    found = discover()
    assert load_file(found, file) is None
    text = example(found.get("dataset", "dots"), found)
    dataset = plain(text)["dataset"]
    assert dataset == {"use": "dots", "file": "train.parquet", "more": "."}
    assert "# replace 'train.parquet' with your own file: a table\n" in text
    assert "# replace '.' with your own more: another\n" in text
