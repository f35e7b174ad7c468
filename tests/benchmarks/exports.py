"""How far exported p-Models are from `predict_proba` on photographs: ONNX, torch.export,
safetensors and the page, in chromium where it is installed.

Run `python -m tests.benchmarks.exports MODEL IMAGES`: a p-Model's file and a folder of photographs,
of which it takes 500 (`--count`).
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import tina_kit
from tests.zoo.browser import PROGRAM, browser
from tests.zoo.page_models import awkward_model, draw_photos
from tests.zoo.test_page_in_browser import chosen
from tina_kit.api import list_images
from tina_kit.api.images import read_whole
from tina_kit.zoo.exporting import Format
from tina_kit.zoo.onnx_form import onnx_runner, torch_runner
from tina_kit.zoo.pmodel import PModel, load_bytes

BOUND = 1e-4
Shares = NDArray[np.float32]
Answers = Callable[[torch.Tensor], Shares]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="a p-Model's file")
    parser.add_argument("images", nargs="?", help="a folder of photographs")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    given = parser.parse_args()
    if not given.tiny and not (given.model and given.images):
        parser.error("name a p-Model and a folder of photographs")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.tiny:
            model, photos = awkward_model(), sorted(draw_photos(folder).glob("*.png"))
        else:
            model, photos = tina_kit.load(given.model), drawn(Path(given.images), given.count)
        wanted = model.predict_proba([str(path) for path in photos]).numpy()
        answered = np.unique(wanted.argmax(1)).size
        print(f"{len(photos)} images; the p-Model gives {answered} of its classes", flush=True)
        for form, found in answers(model, photos, folder):
            apart = np.abs(found - wanted)
            same = int((found.argmax(1) == wanted.argmax(1)).sum())
            far = int((apart.max(1) > BOUND).sum())
            print(
                f"{form}: probabilities differ by at most {apart.max():.2g}, by more than "
                f"{BOUND:g} for {far} images; the same class for {same} of {len(photos)}",
                flush=True,
            )


def drawn(folder: Path, count: int) -> list[Path]:
    """Photographs from the folder and its subfolders, in a fixed random order."""
    found = [folder / name for name in list_images(folder).images]
    random.Random(0).shuffle(found)
    return found[:count]


def answers(model: PModel, photos: Sequence[Path], folder: Path) -> Iterator[tuple[str, Shares]]:
    """What each form says about the photographs, float32 `(N, C)`."""
    runners: dict[Format, Callable[[bytes], Answers]] = {
        "onnx": onnx_runner,
        "torch-export": torch_runner,
        "safetensors": plain_runner,
    }
    for form, runner in runners.items():
        path = folder / form
        tina_kit.export(model, path, format=form)
        answer = runner(path.read_bytes())
        yield form, np.concatenate([answer(whole(photo)) for photo in photos])
    page = folder / "exported.html"
    tina_kit.export(model, page, format="html")
    if PROGRAM is None:
        print("html: not measured, since chromium is not installed")
    else:
        yield "html in chromium", in_browser(model, page, photos)


def plain_runner(content: bytes) -> Answers:
    module = load_bytes(content).as_module()
    return lambda images: module(images).detach().numpy()  # type: ignore[no-any-return]


def whole(photo: Path) -> torch.Tensor:
    """uint8 `(1, 3, H, W)`: the photograph in its own size."""
    return torch.from_numpy(read_whole(str(photo)).copy())[None]


def in_browser(model: PModel, page: Path, photos: Sequence[Path]) -> Shares:
    rows = []
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as tab:
        tab.open(page)
        for photo in photos:
            said = chosen(tab, photo)
            rows.append([said[name] for name in model.classes])
    return np.array(rows, dtype=np.float32)


if __name__ == "__main__":
    main()
