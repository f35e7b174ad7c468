"""Every first-party part passes through the suite of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tina_kit.plugins import discover
from tina_kit.testing import (
    ArchitectureSuite,
    AugmentationSuite,
    ComponentSuite,
    ConditionerSuite,
    DatasetSuite,
    GeneratorSuite,
    StudySuite,
    TaskSamplerSuite,
    TokenizerSuite,
)

NGRAMS = {"use": "hashed-ngrams", "width": 16}
TASKS = {"classes": 4, "id": 12, "ood": 5}
TINA = {
    "hidden_size": 16,
    "depth": 1,
    "heads": 2,
    "steps": 6,
    "batch_size": 8,
    "clip": 1.0,
    "tokenizer": "class-rows",
}
QUICK = {"sampler": "ddim", "sampling_steps": 2}
EXPERTS = {"expert_epochs": 1, "batch_size": 4}
WIDTHS = {"a": {"generators.tina-dit.depth": 1}, "b": {"generators.tina-dit.depth": 2}}

PLAIN: dict[type[ComponentSuite], list[dict[str, Any]]] = {
    DatasetSuite: [{"use": "shapes", "train": 2, "test": 1}],
    TaskSamplerSuite: [
        {"use": "balanced-permutations", **TASKS},
        {"use": "cifar100-superclass-mix", **TASKS},
        {"use": "unseen-classes", **TASKS, "tests": 4, "similarity": NGRAMS},
    ],
    ArchitectureSuite: [
        {"use": "cnn", "widths": [4, 6]},
        {"use": "resnet20"},
        {"use": "resnet20", "generate": ["stage3.2.conv2", "fc"]},
        {"use": "resnet20", "generate": ["stem.conv", "fc"]},
        {"use": "timm", "model": "test_vit", "image_size": 32},
    ],
    TokenizerSuite: [
        {"use": "layer-chunks", "size": 50},
        {"use": "class-rows", "size": 50},
    ],
    ConditionerSuite: [NGRAMS, {"use": "sentence-transformer"}],
    AugmentationSuite: [{"use": "classifier-permutation"}, {"use": "neuron-permutation"}],
    GeneratorSuite: [
        {"use": "generic"},
        {"use": "classifier-selection"},
        {"use": "classifier-selection", "others": "zero"},
        {"use": "generic-plus"},
        {"use": "generic-plus", "epochs": 0.5},
        {"use": "class-means"},
        {"use": "ridge-selection"},
        {"use": "oracle"},
        {"use": "retrieval"},
        {"use": "taper", **EXPERTS, "steps": 4, "shard": 20},
        {"use": "taper-mixer", **EXPERTS, "hidden_size": 8, "epochs": 1},
        {"use": "hypernetwork", **TINA},
        {"use": "hypernetwork", **TINA, "prompts": "image", "merge": "mean"},
        {"use": "hypernetwork", **TINA, "base": "selection", "missing_rows": "ridge"},
        {"use": "tina-dit", **TINA, **QUICK, "drop_condition": 0.2, "guidance": 1.5},
    ],
    StudySuite: [
        {"use": "variants", "variants": WIDTHS},
        {"use": "scaling", "key": "generators.tina-dit.depth", "values": [1, 2]},
        {"use": "class-counts", "counts": [3, 5], "generators": ["tina-dit"]},
        {"use": "unseen-classes", "published": {"tina-dit": {"20": 60.5}}},
        {"use": "sentence-prompts", "sentences": {"use": "descriptions", "set": "caltech101"}},
        {"use": "image-prompts", "generators": ["tina-dit"]},
        {"use": "samples", "generators": ["tina-dit"]},
        {"use": "training-curves", "generators": ["tina-dit"], "variants": WIDTHS},
    ],
}
"""Parts that read no files, as a recipe would write them."""


FOUR = ("red circle", "blue square", "green star", "pink bar")
FILES: list[tuple[type[ComponentSuite], dict[str, Any], dict[str, str], dict[str, Any]]] = [
    (DatasetSuite, {"use": "caltech101"}, {"root": ""}, {}),
    (DatasetSuite, {"use": "cifar10"}, {"root": ""}, {}),
    (DatasetSuite, {"use": "cifar100"}, {"root": ""}, {}),
    (
        DatasetSuite,
        {"use": "mini-imagenet"},
        {"root": "", "names": "mini_imagenet/classes.tsv"},
        {},
    ),
    (DatasetSuite, {"use": "image-folder"}, {"root": "own"}, {}),
    (
        ArchitectureSuite,
        {"use": "timm", "model": "test_vit", "image_size": 32},
        {"checkpoint": "backbone.safetensors"},
        {},
    ),
    (ConditionerSuite, {"use": "embedding-table"}, {"path": "table.npz"}, {"prompts": FOUR}),
    (
        ConditionerSuite,
        {"use": "descriptions", "text": NGRAMS},
        {"file": "sentences.yaml"},
        {"prompts": FOUR},
    ),
    (ConditionerSuite, {"use": "open-clip", "weights": "random"}, {"config": "clip.json"}, {}),
    (
        ConditionerSuite,
        {"use": "mini-clip", "steps": 4, "batch_size": 4},
        {"config": "clip.json"},
        {},
    ),
]
"""Parts that read files: options, options that name files, and what else the suite is told."""

TOLD: list[tuple[type[ComponentSuite], dict[str, Any], dict[str, Any]]] = [
    (
        GeneratorSuite,
        {"use": "tina-dit", **TINA, "tokenizer": "layer-chunks", "sampling_steps": 3},
        {"draws_noise": True},
    ),
    (
        TaskSamplerSuite,
        {"use": "unseen-classes", **TASKS, "tests": 4, "protocol": "generic-saw-all"},
        {"leaves_classes_out": True},
    ),
]
"""Parts whose suite is told something."""


class WithFiles(ComponentSuite):
    """at: the options that name files, below the folder that holds all of them."""

    at: Mapping[str, str]

    @pytest.fixture(autouse=True)
    def _files(self, files: Path) -> None:
        self.use = {**(self.use or {}), **{k: str(files / v) for k, v in self.at.items()}}


def suites() -> dict[str, type[ComponentSuite]]:
    """A test class for each of the parts above."""
    made: dict[str, type[ComponentSuite]] = {}

    def add(suite: type[ComponentSuite], use: dict[str, Any], *mixins: type, **told: Any) -> None:
        words = f"test-{suite.kind}-{use['use']}".split("-")
        name = "".join(word.title() for word in words)
        alike = sum(other.startswith(name) for other in made)
        made[f"{name}{alike or ''}"] = type(name, (*mixins, suite), {"use": use, **told})

    for suite, uses in PLAIN.items():
        for use in uses:
            add(suite, use)
    for suite, use, told in TOLD:
        add(suite, use, **told)
    for suite, use, at, told in FILES:
        add(suite, use, WithFiles, at=at, **told)
    return made


globals().update(suites())


class TestLlmDescriptions(ConditionerSuite):
    @pytest.fixture(autouse=True)
    def _endpoint(self, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        self.use = {
            "use": "llm-descriptions",
            "endpoint": endpoint,
            "key_variable": None,
            "text": NGRAMS,
        }


def test_no_first_party_part_is_left_out() -> None:
    classes = [
        c for c in globals().values() if isinstance(c, type) and issubclass(c, ComponentSuite)
    ]
    used = {(c.kind, c.use["use"]) for c in classes if c.use}
    used.add(("conditioner", "llm-descriptions"))  # `use` needs the endpoint's address
    owned = [entry for entry in discover().registered if entry.owner == "tina-kit"]
    assert {(e.component.kind, e.component.name) for e in owned} <= used
