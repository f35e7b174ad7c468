"""One p-Model as a file: a safetensors file with everything in it that is needed to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tina_kit.api import Architecture, TinaKitError, UserError
from tina_kit.store.disk import OUTPUT_REMEDY, explaining
from tina_kit.store.files import replacing

FORMAT = "tina-kit p-Model 1"


class PModel:
    """A classifier for the classes that somebody named.

    classes: their names, in the order of the logits; image_size: (height, width) it was made for;
    metadata: where it comes from.
    """

    def __init__(
        self,
        module: nn.Module,
        architecture: Architecture,
        classes: Sequence[str],
        image_size: tuple[int, int],
        metadata: Mapping[str, Any],
    ) -> None:
        self.module = module.eval()
        self.architecture = architecture
        self.classes = tuple(classes)
        self.image_size = image_size
        self.metadata = dict(metadata)

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 `(N, 3, H, W)` → logits, float32 `(N, C)`."""
        with torch.inference_mode():
            logits: Tensor = self.module(self.architecture.normalise(images))
            return logits

    def predict(self, images: Tensor | str | Path | Sequence[str | Path]) -> list[str]:
        """The class of each image: uint8 `(N, 3, H, W)`, or paths of image files (one alone is a
        list of one), which are resized as in training."""
        if isinstance(images, (str, Path)):
            images = [images]
        if not isinstance(images, Tensor):
            read = [read_image(Path(path), self.image_size) for path in images]
            if not read:
                return []
            images = torch.stack(read)
        return [self.classes[index] for index in self(images).argmax(1).tolist()]

    def save(self, path: Path) -> None:
        from safetensors.torch import save_file

        metadata = {
            "format": FORMAT,
            "classes": json.dumps(list(self.classes), ensure_ascii=False),
            "image_size": json.dumps(list(self.image_size)),
            **{key: json.dumps(value, ensure_ascii=False) for key, value in self.metadata.items()},
        }
        state = {name: tensor.contiguous() for name, tensor in self.module.state_dict().items()}
        with explaining(path.parent, OUTPUT_REMEDY), replacing(path) as draft:
            save_file(state, draft, metadata=metadata)


def assemble(
    architecture: Architecture, generic: Mapping[str, Tensor], vector: Tensor, classes: int
) -> nn.Module:
    """The whole module of one p-Model: generated parameters, the rest from the generic model.

    generic: the generic model's state; vector: float32 `(P,)` in `architecture.layout(classes)`.
    """
    generated = architecture.layout(classes).unflatten(vector)
    module = architecture.build(classes)
    module.load_state_dict({**generic, **generated})
    return module.eval()


def load(path: str | Path) -> PModel:
    """Read a p-Model that `tina-kit generate` wrote.

    Raises UserError when the file is none, or when its architecture's plugin is not installed.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, framework="pt") as file:
            raw = file.metadata() or {}
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: no p-Model can be read here: {error}") from None
    if raw.get("format") != FORMAT:
        raise UserError(f"{path}: this is no p-Model of tina-kit (format {raw.get('format')!r})")
    metadata = {key: json.loads(value) for key, value in raw.items() if key != "format"}
    classes, size = metadata.pop("classes"), metadata.pop("image_size")
    architecture = architecture_of(metadata["architecture"], path)
    module = architecture.build(len(classes))
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise TinaKitError(f"{path}: its weights do not fit its architecture: {error}") from None
    return PModel(module, architecture, classes, (size[0], size[1]), metadata)


def architecture_of(settings: Mapping[str, Any], path: str | Path) -> Architecture:
    """The architecture that a file names as a recipe would. Raises UserError where it is not
    installed."""
    from tina_kit.plugins import discover
    from tina_kit.recipe.node import RecipeError
    from tina_kit.recipe.resolve import resolve_plain

    try:
        part = resolve_plain(settings, "architecture", str(path), discover())
    except RecipeError as error:
        raise UserError(f"its architecture is not available here:\n{error}") from None
    return part.build()  # type: ignore[no-any-return]


def read_image(path: Path, size: tuple[int, int]) -> Tensor:
    """An image file, upright and cropped and resized to (height, width): uint8 `(3, H, W)`.

    Raises UserError where it is none.
    """
    import numpy as np
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            fitted = ImageOps.fit(
                ImageOps.exif_transpose(image).convert("RGB"),
                (size[1], size[0]),
                Image.Resampling.BILINEAR,
            )
    # Pillow calls a broken PNG a syntax error.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: this image cannot be read ({error})") from None
    return torch.from_numpy(np.asarray(fitted).transpose(2, 0, 1).copy())
