"""Images and tasks for the benchmarks: Caltech-101 at 32 pixels where TINA_KIT_DATA is set, decoded
once for all processes, else noise."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tina_kit.api import Images

CLASSES, BATCH = 10, 64
CPU = torch.device("cpu")


@contextmanager
def decoded(given: Namespace) -> Iterator[None]:
    """`given.images` names a file that `images` reads, in any process."""
    with TemporaryDirectory() as folder:
        given.images = str(Path(folder) / "images.safetensors")
        real = os.environ.get("TINA_KIT_DATA") and not given.tiny
        print("images of Caltech-101" if real else "images of noise")
        sets = {
            split: _caltech(split) if real else _noise(given.tiny) for split in ("train", "test")
        }
        tensors = {f"{split}.images": held.images for split, held in sets.items()}
        labels = {f"{split}.labels": held.labels for split, held in sets.items()}
        save_file(tensors | labels, given.images)
        yield


def images(given: Namespace, split: str = "train") -> Images:
    tensors = load_file(given.images)
    return Images(tensors[f"{split}.images"], tensors[f"{split}.labels"])


def drawn(count: int, classes: int) -> Tensor:
    """int64 `(count, 10)`: tasks."""
    random = torch.Generator().manual_seed(1)
    return torch.rand(count, classes, generator=random).argsort(1)[:, :CLASSES]


def places(task: Tensor, classes: int) -> Tensor:
    """int64 `(classes,)`: what each class is called in the task."""
    return torch.full((classes,), -1).scatter(0, task, torch.arange(len(task)))


def _caltech(split: str) -> Images:
    from tina_datasets.caltech import Caltech101
    from tina_datasets.options import Caltech101Options

    return Caltech101(Caltech101Options()).load(split)  # type: ignore[arg-type]


def _noise(tiny: bool) -> Images:
    random = torch.Generator().manual_seed(0)
    each, classes = (10, 20) if tiny else (68, 101)
    labels = torch.arange(classes).repeat_interleave(each)
    shape = (len(labels), 3, 32, 32)
    return Images(torch.randint(0, 256, shape, generator=random).byte(), labels)
