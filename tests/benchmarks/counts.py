"""How many right answers of fine-tuned CNN-5K p-Models change in bf16 against fp32: in bf16 alone,
and as the kit evaluates, in bf16 with a second look in fp32 where two answers are close.

Run `python -m tests.benchmarks.counts` with TINA_KIT_DATA set for real images, else on noise.
"""

from __future__ import annotations

import tempfile

import torch
from torch import Tensor

from tests.benchmarks.images import BATCH, CLASSES, CPU, decoded, drawn, images, places
from tests.benchmarks.p_models import CNN5K, trainer_in
from tests.benchmarks.sides import arguments
from tina_kit.api import TrainingOptions
from tina_kit.recipe.schema import GenericOptions
from tina_kit.training import autocast, keep_freed_memory
from tina_kit.zoo.data import TaskData, normalised
from tina_kit.zoo.evaluation import evaluate
from tina_kit.zoo.training import finetune, train_generic


def main() -> None:
    given = arguments(__doc__, models=1000, epochs=20)
    keep_freed_memory()
    count, epochs = (4, 1) if given.tiny else (given.models, given.epochs)
    with decoded(given):
        train, test = (images(given, split) for split in ("train", "test"))
    classes = int(train.labels.max()) + 1
    tasks, layout = drawn(count, classes), CNN5K.layout(classes)
    data, tested = (
        TaskData(CNN5K, normalised(CNN5K, each.images, CPU), each.labels, classes, {}, CPU)
        for each in (train, test)
    )
    with tempfile.TemporaryDirectory() as folder:
        options = GenericOptions(epochs=epochs, learning_rate=3e-3)
        generic = train_generic(CNN5K, train, classes, options, 0, trainer_in(f"{folder}/generic"))
        vector = layout.flatten(generic.state_dict()).detach()
        start = layout.take_classes(vector.expand(count, -1), tasks)
        tuning = TrainingOptions(epochs=1, optimizer="sgd", learning_rate=3e-2)
        vectors = finetune(data, tasks, start, tuning, 0, trainer_in(f"{folder}/zoo"))
    exact, plain = (counts(tested, vectors, tasks, name) for name in ("fp32", "bf16"))
    kit = evaluate(tested, vectors, tasks, BATCH).correct.sum(1)
    total = len(tasks) * CLASSES * len(test.labels) // classes
    for name, found in (("bf16 alone", plain), ("the kit's evaluation", kit)):
        changed, off = int((found != exact).sum()), int((found - exact).abs().sum())
        print(
            f"right answers against fp32, {name}: {changed} of {count} p-Models have other counts, "
            f"by {off} answers in all, of about {total}"
        )


def counts(data: TaskData, vectors: Tensor, tasks: Tensor, precision: str) -> Tensor:
    """int64 `(M,)`: right answers of one p-Model after another."""
    found = []
    with torch.inference_mode(), autocast(precision, CPU):
        for task, vector in zip(tasks, vectors):
            index, names = data.images_of(task), places(task, data.class_count)
            answers = [
                data.forward_many(vector[None], some[None], CLASSES)[0].argmax(-1)
                for some in index.split(BATCH)
            ]
            found.append((torch.cat(answers) == names[data.labels[index]]).sum())
    return torch.stack(found)


if __name__ == "__main__":
    main()
