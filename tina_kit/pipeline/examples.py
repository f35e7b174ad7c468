"""Images for trying a classifier, written to the run folder where the data set draws its own."""

from __future__ import annotations

import re
from pathlib import Path

from tina_kit.pipeline.stages.images import ImagesStage
from tina_kit.store.files import replacing
from tina_kit.zoo.batches import place_in_class

FOLDER = "examples"


def write_examples(images: ImagesStage, folder: Path) -> None:
    """A test image of each class, named after it; nothing if the images are not drawn."""
    dataset = images.dataset
    if not dataset.drawn:
        return
    from PIL import Image

    (folder / FOLDER).mkdir(exist_ok=True)
    split = images.read("test")
    first = (place_in_class(split.labels) == 0).nonzero().squeeze(1)
    for pixels, label in zip(split.images[first], split.labels[first].tolist()):
        name = re.sub(r"\W+", "-", dataset.class_names[label])
        with replacing(folder / FOLDER / f"{name}.png") as draft:
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(draft, format="PNG")
