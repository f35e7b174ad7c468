"""Writes a small data set to try the component with: each class has a colour of its own."""

from pathlib import Path

import numpy as np


def write(path: Path) -> None:
    """12 classes of 20 images, 16 × 16 pixels."""
    random = np.random.default_rng(0)
    shades = random.integers(0, 256, (12, 1, 1, 3))
    labels = np.arange(12).repeat(20)
    images = (shades[labels] + random.integers(-60, 60, (240, 16, 16, 3))).clip(0, 255)
    names = ["red {}, green {}, blue {}".format(*shade.flat) for shade in shades]
    np.savez(path, images=images.astype(np.uint8), labels=labels, names=names)


if __name__ == "__main__":
    write(Path("colours.npz"))
