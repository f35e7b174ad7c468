"""Many p-Models at once are what each would be alone."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions

from tina_kit.api import TrainingOptions, UserError
from tina_kit.store import Checkpoint
from tina_kit.training import Trainer
from tina_kit.zoo.assembly import assemble
from tina_kit.zoo.batches import (
    batches_by_epoch,
    epoch_batches,
    joined,
    labels_in_tasks,
    without_absent,
)
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.evaluation import evaluate, rows_of
from tina_kit.zoo.pmodel import PModel, load
from tina_kit.zoo.training import finetune, initial_seeded

ARCHITECTURE = CNN(CNNOptions(widths=(4, 6)))
CLASSES = 6
CPU = torch.device("cpu")
TASKS = torch.tensor([[0, 3, 1], [5, 2, 4], [1, 5, 0]])


def data(uneven: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose brightness is their class."""
    counts = torch.tensor([7, 12, 9, 20, 8, 10]) if uneven else torch.full((CLASSES,), 10)
    labels = torch.arange(CLASSES).repeat_interleave(counts)
    random = torch.Generator().manual_seed(0)
    images = torch.randn(len(labels), 3, 8, 8, generator=random) * 0.1
    return images + labels.view(-1, 1, 1, 1) / 3, labels


def task_data(images: torch.Tensor, labels: torch.Tensor) -> TaskData:
    inputs = ARCHITECTURE.arrange(images)
    return TaskData(ARCHITECTURE, inputs.__getitem__, labels, CLASSES, {}, CPU)


def start(tasks: torch.Tensor) -> torch.Tensor:
    layout = ARCHITECTURE.layout(CLASSES)
    tasks = tasks.where(tasks >= 0, torch.tensor(5))
    generic = layout.flatten(initial_seeded(ARCHITECTURE, CLASSES, 0).state_dict()).detach()
    return layout.take_classes(generic.expand(len(tasks), -1), tasks)


def finetuned(folder: Path, tasks: torch.Tensor, epochs: int = 6, seed: int = 0) -> torch.Tensor:
    images, labels = data(uneven=True)
    trainer = Trainer(
        label="zoo",
        stream="zoo",
        seed=seed,
        device=CPU,
        precision="fp32",
        checkpoints=lambda name: Checkpoint(folder / f"{name}.safetensors"),
    )
    options = TrainingOptions(epochs=epochs, batch_size=8, learning_rate=0.01)
    return finetune(task_data(images, labels), tasks, start(tasks), options, seed, trainer)


def test_a_p_model_does_not_know_which_others_are_trained_beside_it(tmp_path: Path) -> None:
    together = finetuned(tmp_path / "all", TASKS)
    for index in range(len(TASKS)):
        alone = finetuned(tmp_path / str(index), TASKS[index : index + 1])[0]
        torch.testing.assert_close(alone, together[index], atol=2e-5, rtol=1e-4)


def test_fine_tuning_personalises(tmp_path: Path) -> None:
    images, labels = data(uneven=True)

    def accuracy(vectors: torch.Tensor) -> float:
        counts = evaluate(task_data(images, labels), vectors, TASKS, 16)
        return float(counts.correct.sum() / counts.total.sum())

    assert accuracy(finetuned(tmp_path, TASKS, epochs=60)) > accuracy(start(TASKS)) + 0.2


def test_evaluation_counts_what_one_model_after_another_would() -> None:
    images, labels = data(uneven=True)
    vectors = start(TASKS) + 0.1 * torch.randn(3, ARCHITECTURE.layout(3).size)
    counts = evaluate(task_data(images, labels), vectors, TASKS, 4)
    generic = initial_seeded(ARCHITECTURE, CLASSES, 0).state_dict()
    for model, task in enumerate(TASKS.tolist()):
        module = assemble(ARCHITECTURE, generic, vectors[model], 3)
        for place, label in enumerate(task):
            answers = module(images[labels == label]).argmax(1)
            right, total = int((answers == place).sum()), len(answers)
            assert (counts.correct[model, place], counts.total[model, place]) == (right, total)


def test_an_answer_outside_the_task_is_wrong() -> None:
    images, labels = data()
    layout = ARCHITECTURE.layout(4)
    vector = torch.zeros(1, layout.size)
    vector[0, layout.slices["6.bias"]] = torch.tensor([0.0, 0, 0, 1])  # always a row beyond
    counts = evaluate(task_data(images, labels), vector, TASKS[:1], 64)
    assert (counts.correct.tolist(), counts.total.tolist()) == ([[0, 0, 0]], [[10, 10, 10]])


def test_a_task_of_fewer_classes_is_fine_tuned_and_evaluated_like_an_unpadded_one(tmp_path) -> None:
    short, padded = torch.tensor([[0, 3]]), torch.tensor([[0, 3, -1]])
    layout = ARCHITECTURE.layout(3)
    vectors = start(torch.tensor([[0, 3, 5]]))
    alone = layout.take_classes(vectors, torch.tensor([[0, 1]]))
    images, labels = data()
    counted = [
        evaluate(task_data(images, labels), v, t, 16)
        for v, t in ((vectors, padded), (alone, short))
    ]
    for longer, shorter in zip(
        (counted[0].correct, counted[0].total), (counted[1].correct, counted[1].total)
    ):
        assert longer.tolist() == [[*shorter[0].tolist(), 0]]
    logits = torch.tensor([[[0.0, 1.0, 9.0]]])
    assert without_absent(logits, padded).argmax(-1).item() == 1
    tuned = finetuned(tmp_path, padded)
    absent = layout.class_of_entries() == 2
    assert torch.equal(tuned[0, absent], start(torch.tensor([[0, 3, 5]]))[0, absent])


def test_no_row_is_no_answer() -> None:
    images, labels = data()
    vector = torch.zeros(1, ARCHITECTURE.layout(3).size)
    vector[0, ARCHITECTURE.layout(3).slices["6.bias"]] = -torch.inf
    counts = evaluate(task_data(images, labels), vector, TASKS[:1], 64)
    assert counts.correct.sum() == 0


def test_rows_are_known_from_the_length_of_a_vector() -> None:
    assert [rows_of(ARCHITECTURE, ARCHITECTURE.layout(n).size) for n in (2, 3, 50)] == [2, 3, 50]
    with pytest.raises(ValueError, match="no layout"):
        rows_of(ARCHITECTURE, ARCHITECTURE.layout(5).size + 1)


def test_each_image_comes_once_an_epoch() -> None:
    pool = torch.tensor([3, 5, 8, 9])
    batches = epoch_batches(pool, 6, 2, torch.Generator().manual_seed(0))
    for epoch in batches.view(3, 4):
        assert sorted(epoch.tolist()) == pool.tolist()
    assert len(epoch_batches(pool, 5, 3, torch.Generator())) == 5


def test_each_image_comes_once_in_the_epoch_of_a_step_asked_for_in_any_order() -> None:
    pool = torch.tensor([3, 5, 8, 9, 11])
    batch_of = batches_by_epoch(pool, 2, lambda epoch: torch.Generator().manual_seed(epoch))
    batches = [batch_of(step) for step in range(9)]
    assert [len(batch) for batch in batches] == [2, 2, 1] * 3
    epochs = [torch.cat(batches[first : first + 3]).tolist() for first in (0, 3, 6)]
    assert all(sorted(epoch) == pool.tolist() for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert all(torch.equal(batch_of(step), batches[step]) for step in (7, 0, 8, 4))


def test_classes_are_called_by_their_place_in_each_task() -> None:
    names = labels_in_tasks(TASKS[:2], CLASSES)
    assert names.tolist() == [[0, 2, -1, 1, -1, -1], [-1, -1, 1, -1, 2, 0]]


def saved(path: Path) -> PModel:
    module = ARCHITECTURE.build(3)
    settings = {"use": "tina-kit/cnn", "widths": [4, 6]}
    model = PModel(
        module, ARCHITECTURE, ["pear", "äpple", "fig"], (8, 8), {"architecture": settings}
    )
    model.save(path)
    return model


def test_a_saved_p_model_is_loaded_back_whole(tmp_path: Path) -> None:
    model = saved(tmp_path / "p.safetensors")
    again = load(tmp_path / "p.safetensors")
    assert again.classes == ("pear", "äpple", "fig")
    assert again.image_size == (8, 8)
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(again(images), model(images))
    assert again.predict(images) == model.predict(images)


def test_a_p_model_predicts_image_files(tmp_path: Path) -> None:
    from PIL import Image

    model = saved(tmp_path / "p.safetensors")
    Image.new("RGB", (30, 20), (9, 99, 200)).save(tmp_path / "image.png")
    assert model.predict([tmp_path / "image.png"])[0] in model.classes
    assert model.predict([]) == []
    assert model.predict(str(tmp_path / "image.png")) == model.predict([tmp_path / "image.png"])
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(UserError, match=r"text\.png: this image cannot be read"):
        model.predict([tmp_path / "text.png"])


def test_what_is_no_p_model_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(UserError, match="cannot read a p-Model"):
        load(tmp_path / "none.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="not a tina-kit p-Model"):
        load(tmp_path / "other.safetensors")


def test_parts_are_joined_without_being_held_beside_the_whole() -> None:
    parts = [torch.randn(count, 3) for count in (2, 1, 4)]
    whole, held = torch.cat(parts), []

    def given() -> Iterator[torch.Tensor]:
        for part in parts:
            made = part.clone()
            held.append(weakref.ref(made))
            yield made
            del made
            assert sum(part() is not None for part in held) <= 1

    assert torch.equal(joined(given(), 7), whole)
    assert joined(iter([whole]), 7) is whole
    assert joined(iter([]), 0).shape == (0,)
