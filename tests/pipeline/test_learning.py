"""What a generator may learn from, and what options are chosen with."""

from __future__ import annotations

import json
import math
import weakref
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from safetensors.torch import load_file

from tina_kit.api import Images, UserError
from tina_kit.pipeline.learning import TrainingImages
from tina_kit.pipeline.stage import in_order
from tina_kit.pipeline.stages.images import hold_out
from tina_kit.store import Entry
from tina_kit.zoo.data import TaskData


def not_asked(*_: object) -> NoReturn:
    pytest.fail("not asked")


def test_samples_come_from_a_tasks_own_classes_every_image_alike() -> None:
    labels = torch.tensor([2, 0, 1, 1, 2, 1, 0, 1])
    data = TaskData(None, lambda index: index, labels, 3, {}, torch.device("cpu"))
    images = TrainingImages(data, not_asked, not_asked, not_asked, 1.0)
    tasks = torch.tensor([[1, 2, -1], [0, 1, 2]])
    index, targets = images.sample(tasks, 4000, torch.Generator().manual_seed(0))
    assert torch.equal(tasks.gather(1, targets), labels[index])
    assert set(index[0].tolist()) == {0, 2, 3, 4, 5, 7}
    counts = torch.bincount(index[1], minlength=8) / 4000
    torch.testing.assert_close(counts, torch.full((8,), 1 / 8), atol=0.03, rtol=0)
    few, of = images.sample(tasks, 6, torch.Generator().manual_seed(0))
    assert few.tolist() == [[5, 0, 2, 2, 3, 7], [3, 4, 3, 7, 2, 3]]  # stored results depend on it
    assert of.tolist() == [[0, 1, 0, 0, 0, 0], [1, 2, 1, 1, 1, 1]]


def test_flipped_images_are_half_of_those_that_are_drawn(plan) -> None:
    experiment = plan().experiments[0]
    for stage in (experiment.images, experiment.generic):
        stage.ensure()
    plain, mirrored = (experiment.inputs.of("train", flip) for flip in (False, True))
    count = len(plain.labels)
    assert torch.equal(mirrored.labels, plain.labels.repeat(2))
    some = torch.arange(0, count, 7)
    assert torch.equal(mirrored.inputs(some), plain.inputs(some))
    pixels = experiment.images.read("train").images[some].flip(-1)
    flipped = experiment.generic.architecture.arrange(
        experiment.generic.architecture.normalise(pixels)
    )
    torch.testing.assert_close(mirrored.inputs(some + count).contiguous(), flipped)
    tasks = torch.tensor([[1, 2, 0]])
    drawn: list[torch.Tensor] = []

    class Noting:
        def __call__(self, index: torch.Tensor) -> torch.Tensor:
            drawn.append(index)
            return mirrored.inputs(index)

    noting = replace(mirrored, inputs=Noting())
    images = TrainingImages(plain, lambda: noting, not_asked, not_asked, 1.0)
    vector = experiment.generic.vector
    layout = experiment.generic.architecture.layout(len(experiment.generic.seen))
    start = layout.take_classes(vector[None], tasks)
    images.loss(start, tasks, 1000, torch.Generator().manual_seed(0), flip=True)
    share = float((torch.cat(drawn) >= count).float().mean())
    assert share == pytest.approx(0.5, abs=0.06)


def test_fine_tuning_on_flipped_images_takes_as_many_steps(plan) -> None:
    plain, flipped = (
        plan(sets=[f"finetune.augment={augment}"]).experiments[0] for augment in ("none", "flip")
    )
    for experiment in (plain, flipped):
        for stage in in_order(experiment.zoo.stages["ood"]):
            stage.ensure()
    seen, tasks = plain.generic.seen, plain.tasks["id"]
    assert plain.zoo.tuning.epochs_of(tasks, seen) == flipped.zoo.tuning.epochs_of(tasks, seen)
    assert not torch.equal(plain.zoo.vectors("ood"), flipped.zoo.vectors("ood"))
    assert "augment" not in plain.zoo.tuning.setting


def test_features_of_flipped_images_are_not_known(plan) -> None:
    sets = ["architecture={use: resnet20}"]
    refused = pytest.raises(UserError, match=r"read features of the images.*set augment: none")
    with refused:  # before anything is computed
        _ = plan(sets=[*sets, "finetune.augment=flip"]).stages
    inputs = plan(sets=sets).experiments[0].inputs
    inputs.images.ensure()
    with refused:
        inputs.of("train", mirrored=True)


def test_validation_images_are_a_fifth_of_each_class_and_no_test_image() -> None:
    labels = torch.arange(4).repeat(10)
    pixels = torch.arange(40).view(40, 1, 1, 1)
    train, held = hold_out(Images(pixels, labels))
    assert torch.bincount(held.labels).tolist() == [2, 2, 2, 2]
    together = torch.cat([train.images, held.images]).flatten()
    assert together.sort().values.tolist() == list(range(40))


def test_a_validation_run_draws_other_tasks_and_reads_no_test_image(plan, monkeypatch) -> None:
    plain = plan().experiments[0]
    validating = plan(sets=["evaluation.on=validation"]).experiments[0]
    tested = {frozenset(task) for task in plain.tasks["ood"].tolist()}
    assert not tested & {frozenset(task) for task in validating.tasks["ood"].tolist()}
    loaded = []
    load = validating.images.dataset.load
    monkeypatch.setattr(validating.images.dataset, "load", lambda s: loaded.append(s) or load(s))
    validating.images.ensure()
    assert loaded == ["train"]
    assert len(validating.images.read("test").labels) == 200
    assert validating.images.key != plain.images.key


PLUS = ["generators=[{use: generic-plus, name: generic+}]", "generic.augment=flip"]


def more(plan, *sets: str) -> tuple[Path, torch.Tensor, torch.Tensor]:
    """The folder of a generic model that was trained for longer, its vector and the first one."""
    experiment = plan(sets=[*PLUS, *sets]).experiments[0]
    fit = experiment.row(experiment.recipe.generators[0]).stage
    for stage in in_order([fit]):
        assert stage.kind != "zoo"
        stage.ensure()
    folder = fit.entry.folder
    return (
        folder,
        load_file(folder / "generic-plus.safetensors")["generic"],
        experiment.generic.vector,
    )


def test_the_generic_model_sees_as_many_images_as_the_zoo(plan) -> None:
    folder, after, before = more(plan, "tasks.classes=5", "finetune.batch_size=20")
    images, classes, steps = 10, 100, math.ceil(50 / 20)
    facts = json.loads((folder / "generic-plus.json").read_text())
    assert facts["epochs"] == pytest.approx(12 * steps * 20 / (classes * images))
    assert after.shape == before.shape and not torch.equal(after, before)
    _, other, _ = more(plan, "tasks.classes=5", "finetune.batch_size=20", "generic.augment=none")
    assert not torch.equal(after, other)


@pytest.mark.slow
def test_only_what_is_generated_is_trained_further(plan, monkeypatch) -> None:
    network = "architecture={use: resnet20}"
    monkeypatch.setattr("tina_kit.zoo.training.prepared", not_asked)  # of pixels; it has features
    _, after, before = more(plan, network, "generators.generic+.epochs=2")
    assert after.shape == before.shape == (100 * 65,) and not torch.equal(after, before)


@pytest.mark.slow
def test_features_are_read_when_asked_for_and_given_up_with_their_reader(plan, monkeypatch) -> None:
    experiment = plan(sets=["architecture={use: resnet20}"]).experiments[0]
    for stage in (experiment.images, experiment.generic, experiment.inputs.stage):
        stage.ensure()
    read, tensors = [], Entry.tensors

    def watched(entry: Entry, name: str) -> dict[str, torch.Tensor]:
        found = tensors(entry, name)
        if name == "features.safetensors":
            read.append(weakref.ref(found["train"]))
        return found

    monkeypatch.setattr(Entry, "tensors", watched)
    inputs = experiment.inputs.of("train").inputs
    assert not read
    assert torch.equal(inputs(torch.tensor([[3], [5]]))[1], inputs(torch.tensor([5])))
    assert len(read) == 1 and read[0]() is not None
    del inputs
    assert read[0]() is None
