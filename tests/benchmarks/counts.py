"""How many right answers of fine-tuned CNN-5K p-Models change if they are evaluated in bf16 and not
in fp32. Any is too many: tables must not depend on the machine, so evaluation is in fp32.

Run `python -m tests.benchmarks.counts` with TINA_KIT_DATA set for real images, else on noise.
"""

from __future__ import annotations

import tempfile

from tests.benchmarks.images import BATCH, CPU, decoded, drawn, images
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
    found = {}
    for precision in ("fp32", "bf16"):
        with autocast(precision, CPU):
            found[precision] = evaluate(tested, vectors, tasks, BATCH)
    answers = [found[precision].correct.sum(1) for precision in ("fp32", "bf16")]
    total = int(found["fp32"].total.sum())
    changed = int((answers[0] != answers[1]).sum())
    off = int((answers[0] - answers[1]).abs().sum())
    rates = ", ".join(
        f"{100 * int(each.sum()) / total:.3f}% in {name}" for name, each in zip(found, answers)
    )
    print(
        f"right answers in bf16 against fp32: {changed} of {count} p-Models have other counts, "
        f"which differ by {off} of {total} answers in all ({rates})"
    )
    print(f"evaluate in {'fp32' if changed else 'either'}")


if __name__ == "__main__":
    main()
