"""Exports p-Models to formats that other programs run, and checks what it has written.

Whatever the format, the file takes photographs as they are: resizing, normalisation and class names
are inside.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

import tina_kit
from tina_kit.api import Architecture, TinaKitError, UserError, first_line, user_path
from tina_kit.api.images import read_whole
from tina_kit.store.output import check_output, write_output
from tina_kit.zoo import onnx_form, page_check
from tina_kit.zoo.labelled import Labelled, labelled
from tina_kit.zoo.page import page
from tina_kit.zoo.pmodel import PModel, load_bytes
from tina_kit.zoo.rejection import NONE

Format = Literal["onnx", "torch-export", "safetensors", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)
TOLERANCE = 1e-5
"""By how much probabilities may differ from the p-Model's."""
_GENERATED = ((32, 32), (48, 64), (64, 48), (200, 40), (37, 121), (5, 3), (240, 320), (128, 128))
"""Sizes of the images that are made where none are given."""
_UNTRIED = (
    "What the page holds was checked, but its script was not run on this machine: that needs node"
)
_NO_THRESHOLD = (
    f"The p-Model's threshold for '{NONE}' is left out: the file always answers one of its classes"
)
Probabilities = Callable[[Tensor], np.ndarray[Any, Any]]
"""uint8 `(N, 3, H, W)` → float32 `(N, C)`."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how it was checked.

    size: in bytes; images: how many it was checked on; generated: whether these were made up;
    difference: the largest one of a probability from the p-Model's; accuracy: in percent, of the
    p-Model and of the file, where images are labelled; note: what this check did not cover and the
    file leaves out, "" if nothing.
    """

    path: Path
    format: Format
    size: int
    images: int
    generated: bool
    difference: float
    accuracy: tuple[float, float] | None
    note: str = ""

    @property
    def text(self) -> str:
        kind = "generated images" if self.generated else "images"
        text = (
            f"{self.size:,} bytes; on {self.images:,} {kind} its probabilities differ from the "
            f"p-Model's by at most {self.difference:.1g}"
        )
        if self.accuracy is not None:
            before, after = self.accuracy
            text += f"; accuracy {after:.1f}%, the p-Model's {before:.1f}% ({after - before:+.1f})"
        return f"{text}. {self.note}" if self.note else text


def export(
    model: PModel,
    output: str | Path,
    form: Format,
    images: str | Path | None = None,
    int8: bool = False,
) -> Exported:
    """Write a p-Model in another format, once it has been seen to answer as the p-Model does.

    images: a folder to check it on, labelled if it has a folder per class; by default images are
    generated. int8: with weights and activations of 8 bits, for "onnx" alone; how much it differs
    is then only told. Raises UserError for what cannot be exported, and TinaKitError if the answers
    differ by more than `TOLERANCE`; nothing is written then.
    """
    path = user_path(output)
    if form not in FORMATS:
        raise UserError(f"unknown format {form!r}; there are {', '.join(FORMATS)}")
    if int8 and form != "onnx":
        raise UserError(f"int8 is a form of onnx, not of {form}")
    check_output(path)
    some = _labelled(images, model.classes)
    module = copy.deepcopy(model.as_module()).cpu()
    content = _content(model, module, form)
    if int8:
        content = onnx_form.quantised(content)
    wanted, found = [], []
    with _runner(content, form) as answers:
        for pixels in _images(some):
            wanted.append(module(pixels).detach().numpy())
            found.append(answers(pixels))
    before, after = np.concatenate(wanted), np.concatenate(found)
    difference = float(np.abs(before - after).max())
    if not int8 and not difference <= TOLERANCE:
        raise TinaKitError(
            f"{path}: not written: as {form} it answers otherwise than the p-Model: probabilities "
            f"differ by up to {difference:.1g}"
        )
    write_output(path, content)
    accuracy = None
    if some is not None and some.labels:
        right = [float((p.argmax(1) == some.labels).mean() * 100) for p in (before, after)]
        accuracy = right[0], right[1]
    notes = [_UNTRIED] if form == "html" and page_check.node() is None else []
    if model.rejection is not None and form != "safetensors":
        notes.append(_NO_THRESHOLD)
    told = ". ".join(notes)
    return Exported(path, form, len(content), len(before), some is None, difference, accuracy, told)


def _content(model: PModel, module: nn.Module, form: Format) -> bytes:
    facts = {
        "classes": list(model.classes),
        "image_size": list(model.image_size),
        "input": "uint8 RGB images (N, 3, H, W), upright, of any size",
        "output": "probabilities (N, C) of the classes in their order",
        "made_by": f"tina-kit {tina_kit.__version__}",
    }
    if form == "html":
        return page(model, preprocessing(model.architecture, model.image_size))
    if form == "safetensors":
        told = preprocessing(model.architecture, model.image_size)
        return model.content({"preprocessing": told} if told else {})
    try:
        if form == "torch-export":
            return onnx_form.torch_program(module, facts)
        return onnx_form.onnx_model(module, {key: json.dumps(v) for key, v in facts.items()})
    except TinaKitError:
        raise
    except Exception as error:  # an exporter's; an architecture may do what it cannot express
        raise UserError(
            f"this architecture cannot be exported as {form}: {first_line(error)[:300]}"
        ) from None


def preprocessing(architecture: Architecture, size: tuple[int, int]) -> dict[str, Any] | None:
    """What happens to an image before the network, as numbers: pixel · `scale` + `offset` for each
    channel. None if the architecture does anything else to pixels."""
    levels = torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 1, 1)
    values = architecture.normalise(levels)[..., 0, 0].double()  # (256, 3)
    offset, scale = values[0], (values[255] - values[0]) / 255
    fitted = torch.arange(256).double()[:, None] * scale + offset
    if not torch.allclose(fitted, values, atol=1e-5):
        return None
    return {
        "resize": "cropped to the centre and resized by Pillow: ImageOps.fit, BILINEAR",
        "size": list(size),
        "scale": scale.tolist(),
        "offset": offset.tolist(),
    }


@contextmanager
def _runner(content: bytes, form: Format) -> Iterator[Probabilities]:
    """What answers with the file, read again from its bytes."""
    if form == "onnx":
        yield onnx_form.onnx_runner(content)
    elif form == "torch-export":
        yield onnx_form.torch_runner(content)
    elif form == "html":
        with page_check.page_runner(content) as answers:
            yield answers
    else:
        yield _again(content)


def _again(content: bytes) -> Probabilities:
    module = load_bytes(content).as_module()

    def answers(images: Tensor) -> np.ndarray[Any, Any]:
        with torch.inference_mode():
            return module(images).numpy()  # type: ignore[no-any-return]

    return answers


def _labelled(images: str | Path | None, classes: Sequence[str]) -> Labelled | None:
    if images is None:
        return None
    from tina_kit.zoo.given import image_paths

    folder = user_path(images)
    try:
        return labelled(folder, classes)
    except UserError:  # images without labels are enough to compare answers
        return Labelled(list(image_paths(folder)), [], f"images in {folder}")


def _images(some: Labelled | None) -> Iterator[Tensor]:
    """Each image in its own size, uint8 `(1, 3, H, W)`."""
    if some is None:
        random = torch.Generator().manual_seed(0)
        for height, width in _GENERATED:
            yield torch.randint(256, (2, 3, height, width), generator=random).byte()
        return
    for source in some.sources:
        try:
            yield torch.from_numpy(read_whole(str(source)).copy())[None]
        except Exception as error:  # as `read_images` does: a damaged image can raise anything
            raise UserError(f"{source}: this image cannot be read ({first_line(error)})") from None
