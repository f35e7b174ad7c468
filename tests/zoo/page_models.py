"""A p-Model with awkward class names, and images for it, to export as pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions

from tina_kit.zoo.pmodel import PModel

CLASSES = ["pear", "salt, pepper", "чайка", "</script><b>x", "{{model}}", "a", "b"]
METADATA = {
    "architecture": {"use": "tina-kit/cnn", "widths": [4, 6]},
    "generator": {"name": "tina-<dit>"},
    "expected": {"p_acc": 76.34, "ci95": [70.1, 80.2], "tasks": 40, "classes": 7},
    "seen": {"classes": [{"name": "pear", "seen": True}, {"name": "чайка", "seen": False}]},
}


def awkward_model() -> PModel:
    architecture = CNN(CNNOptions(widths=(4, 6)))
    torch.manual_seed(0)
    module = architecture.build(len(CLASSES))
    module[-1].weight.data *= 200  # so that images differ
    return PModel(module, architecture, CLASSES, (32, 24), METADATA)


def draw_photos(folder: Path) -> Path:
    random = np.random.default_rng(0)
    shapes = [(300, 200), (200, 300), (32, 24), (7, 9), (401, 101), (1, 1), (24, 32), (130, 33)]
    for place, (height, width) in enumerate(shapes):
        colours = random.integers(0, 256, (3, 2, 3), dtype=np.uint8)
        wide = Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC)
        noise = random.integers(0, 60, (height, width, 3))
        pixels = (np.asarray(wide).astype(int) * 3 // 4 + noise).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.png")
    return folder
