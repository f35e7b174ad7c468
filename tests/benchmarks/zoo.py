"""How much faster p-Models are fine-tuned side by side than one after another.

Run `python tests/benchmarks/zoo.py`; prints the median and the range of the ratio over rounds that
alternate the two.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions

from tina_kit.api import TrainingOptions
from tina_kit.store import Checkpoint
from tina_kit.training import Trainer, resolve_precision
from tina_kit.zoo.training import finetune

MODELS, CLASSES, ROUNDS = 50, 10, 3
CPU = torch.device("cpu")
ARCHITECTURE = CNN(CNNOptions())
IMAGES = torch.randn(2000, 3, 32, 32)
LABELS = torch.arange(20).repeat_interleave(100)
TASKS = torch.stack([torch.randperm(20)[:CLASSES] for _ in range(MODELS)])
START = torch.randn(MODELS, ARCHITECTURE.layout(CLASSES).size) * 0.1


def seconds(groups: int) -> float:
    start = time.perf_counter()
    for tasks, vectors in zip(TASKS.chunk(groups), START.chunk(groups)):
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(
                label="zoo",
                stream="zoo",
                seed=0,
                device=CPU,
                precision=resolve_precision("auto", CPU),
                checkpoints=lambda name, folder=folder: Checkpoint(Path(folder) / name),
            )
            options = TrainingOptions(epochs=1)
            finetune(ARCHITECTURE, IMAGES, LABELS, 20, tasks, vectors, options, 0, trainer)
    return time.perf_counter() - start


if __name__ == "__main__":
    seconds(1)  # warm up
    ratios = []
    for _ in range(ROUNDS):
        together, alone = seconds(1), seconds(MODELS)
        ratios.append(alone / together)
    print(
        f"{MODELS} p-Models one after another / side by side: {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}, {ROUNDS} rounds)"
    )
