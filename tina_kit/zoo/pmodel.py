"""One p-Model as a file: a safetensors file with everything in it that is needed to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tina_kit.api import Architecture, TinaKitError, UserError, printable, user_path
from tina_kit.store.output import write_output
from tina_kit.zoo.given import as_images
from tina_kit.zoo.pmodel_file import FORMAT, built, checked, read, require_finite

BATCH = 256  # images that pass through the network together; more only cost memory


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

    def __call__(self, images: Any) -> Tensor:
        """Logits, float32 `(N, C)`, of all that `predict` takes.

        Raises UserError as `predict` does, and where the weights are so large that they overflow.
        """
        pixels = as_images(images, self.image_size)
        if not len(pixels):
            return torch.empty(0, len(self.classes))
        device = next(chain(self.module.parameters(), self.module.buffers()), pixels).device
        with torch.inference_mode():
            parts = [
                self.module(self.architecture.normalise(batch.to(device)))
                for batch in pixels.split(BATCH)
            ]
        logits = torch.cat(parts)
        # -inf rules a class out, but not all of them.
        if bool((logits.isnan() | logits.isposinf()).any()) or bool(logits.isneginf().all(1).any()):
            raise UserError(
                "the p-Model's logits for these images are not finite numbers: its weights are too "
                "large to compute with"
            )
        return logits

    def predict(self, images: Any) -> list[str]:
        """The class of each image.

        images: paths of image files or of folders (all images in them and below, in the order of
            their names), Pillow images, uint8 arrays `(H, W, 3)`, `(H, W)` or `(N, 3, H, W)`, uint8
            tensors `(3, H, W)` or `(N, 3, H, W)`; one of them or a list. They are turned upright,
            cropped and resized as in training.
        Raises UserError for anything else, naming it, and for images that cannot be read.
        """
        logits = self(images)
        return [self.classes[index] for index in logits.argmax(1).tolist()]

    def save(self, path: str | Path) -> None:
        """Write the p-Model to a file that `tina_kit.load` reads, or into a device or FIFO.

        Raises TinaKitError where its weights are not finite numbers, and UserError where nothing
        can be written to `path`.
        """
        from safetensors.torch import save

        state = {name: tensor.contiguous() for name, tensor in self.module.state_dict().items()}
        require_finite(state)
        values = {
            "classes": list(self.classes),
            "image_size": list(self.image_size),
            **self.metadata,
        }
        checked(values, str(path))
        texts = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
        write_output(user_path(path), save(state, {"format": FORMAT, **texts}))


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
    """Read a p-Model that `tina-kit generate` wrote; the file may come from anybody.

    Raises UserError when it is none or damaged, when its weights are not finite or not those of its
    architecture, and when its architecture's plugin is not installed.
    """
    path = user_path(path)
    metadata, state = read(path)
    try:
        architecture = architecture_of(metadata.architecture, path)
        module = built(architecture, len(metadata.classes), state)
    except UserError as error:
        raise UserError(f"{path}: {printable(str(error), lines=True)}") from None
    height, width = metadata.image_size
    return PModel(module, architecture, metadata.classes, (height, width), metadata.others)


def architecture_of(settings: Mapping[str, Any], path: str | Path) -> Architecture:
    """The architecture that a file names as a recipe would. Raises UserError where it is not
    installed or does not take its options."""
    from tina_kit.plugins import discover
    from tina_kit.recipe.node import RecipeError
    from tina_kit.recipe.resolve import resolve_plain

    try:
        part = resolve_plain(settings, "architecture", str(path), discover(), elsewhere=True)
    except RecipeError as error:
        raise UserError(f"its architecture is not available here:\n{error}") from None
    except RecursionError:
        raise UserError("the options of its architecture are nested too deeply") from None
    try:
        return part.build()  # type: ignore[no-any-return]
    except TinaKitError:
        raise
    except Exception as error:  # whatever strange options lead to
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"its architecture does not take its options: {what}") from None
