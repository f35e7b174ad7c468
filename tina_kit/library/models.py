"""What p-Models are for: predict, measure, export."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina_kit.api.errors import UserError
from tina_kit.library.runs import open_run

if TYPE_CHECKING:
    from tina_kit.pipeline.finished import FinishedRun
    from tina_kit.report.judged import Judgement
    from tina_kit.zoo.exporting import Exported, Format
    from tina_kit.zoo.pmodel import PModel


def predict(
    model: str | Path | PModel,
    images: Any,
    *,
    top: int = 1,
    reject: bool = False,
    device: str = "auto",
) -> Iterator[dict[str, Any]]:
    """Classify image files, which are read while the rows are taken.

    model: a p-Model or its file; images: paths of files and folders and patterns, one or a list.
    Yields for each image `image` (its path) and `top`, the `top` most probable classes as a list of
    `class` and `probability`; with `reject` also `rejected`, whether it shows none of the classes.
    Raises UserError for what is no p-Model or cannot be read, and with `reject` for a p-Model
    without a threshold.
    """
    from tina_kit.zoo.given import image_paths

    loaded = loaded_model(model, device)
    given = [images] if isinstance(images, (str, os.PathLike)) else images
    paths = [path for each in given for path in image_paths(each)]
    return loaded.rows(paths, top, reject)


def evaluate(
    model: str | Path | PModel,
    images: str | Path | None = None,
    *,
    run: str | Path | FinishedRun | None = None,
    device: str = "auto",
) -> Judgement:
    """How right a p-Model is on labelled images.

    model: a p-Model or its file; images: a folder with a folder per class, of which the `test` part
    is taken where there is one; run: instead, a finished run, whose own test images are taken, as
    it stored them. Raises UserError for what is no p-Model, and if there are no images of its
    classes.
    """
    from tina_kit.report.judged import judged
    from tina_kit.zoo.labelled import labelled

    if (images is None) == (run is None):
        raise UserError("give either a folder of images or a run: what to test the p-Model on")
    loaded = loaded_model(model, device)
    if images is not None:
        some = labelled(Path(images), loaded.classes)
    else:
        from tina_kit.pipeline.finished import FinishedRun

        opened = run if isinstance(run, FinishedRun) else open_run(run or "", device)
        some = opened.test_images(loaded.classes)
    shares = loaded.predict_proba(some.sources).numpy()
    expected = loaded.info["expected"]
    return judged(shares, some.labels, some.sources, loaded.classes, some.about, expected)


def export(
    model: str | Path | PModel,
    output: str | Path,
    *,
    format: Format = "onnx",
    images: str | Path | None = None,
    int8: bool = False,
) -> Exported:
    """Write a p-Model for other programs, with resizing, normalisation and class names inside.

    model: a p-Model or its file; format: "onnx", "torch-export", "safetensors" or "html" (a page
    for browsers); images: a folder of images to compare it with the p-Model on, labelled if it has
    a folder per class, by default generated ones; int8: with weights of 8 bits ("onnx" alone).
    Raises UserError for what cannot be exported, and TinaKitError if the answers are not the
    p-Model's; nothing is written then.
    """
    from tina_kit.zoo.exporting import export

    return export(loaded_model(model, "cpu"), output, format, images, int8)


def loaded_model(model: str | Path | PModel, device: str) -> PModel:
    """A p-Model, on a device; given, or read from its file."""
    from tina_kit.zoo.pmodel import PModel, load

    return (model if isinstance(model, PModel) else load(model)).to(device)
