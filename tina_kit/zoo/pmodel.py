"""A p-Model and its file: a safetensors file with everything that is needed to use it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, tee
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from tina_kit.api import Architecture, TinaKitError, UserError, abridged, printable, user_path
from tina_kit.store.output import write_output
from tina_kit.training import resolve_device
from tina_kit.zoo.answers import ranked, summary
from tina_kit.zoo.assembly import Assembly
from tina_kit.zoo.classifier import Classifier
from tina_kit.zoo.given import image_batches
from tina_kit.zoo.pmodel_file import (
    FORMAT,
    Metadata,
    built,
    checked,
    in_order,
    read,
    require_finite,
)
from tina_kit.zoo.rejection import NONE, Rejection

BATCH = 256  # images per forward pass; more only cost memory
NO_THRESHOLD = (
    f"this p-Model has no threshold for '{NONE}': its run did not measure one. Run the recipe "
    "again with --set evaluation.rejection=5, and generate from that run or a bundle of it"
)


class PModel:
    """A classifier for the requested classes.

    classes: their names, in logit order; image_size: (height, width) of its input in pixels;
    metadata: its origin, as in its file, which `info` sums up.
    """

    def __init__(
        self,
        module: nn.Module | Assembly,
        architecture: Architecture,
        classes: Sequence[str],
        image_size: tuple[int, int],
        metadata: Mapping[str, Any],
    ) -> None:
        self._module = module if isinstance(module, Assembly) else module.eval()
        self.architecture = architecture
        self.classes = tuple(classes)
        self.image_size = image_size
        self.metadata = dict(metadata)

    @property
    def module(self) -> nn.Module:
        """Takes images that are resized and normalised, float32 `(N, 3, H, W)`, to logits."""
        if isinstance(self._module, Assembly):
            self._module = self._module.built()
        return self._module

    def __call__(self, images: Any) -> Tensor:
        """Logits, float32 `(N, C)`, for any images that `predict` accepts.

        Raises UserError as `predict` does, and if the weights are so large that logits overflow.
        """
        parts = [self._logits(batch) for batch in image_batches(images, self.image_size)]
        return torch.cat(parts) if parts else torch.empty(0, len(self.classes))

    def predict(self, images: Any, reject: bool = False) -> list[str]:
        """Predict the class name of each image.

        images: paths of image files or folders (all images in them and their subfolders, sorted by
            name), patterns like "photos/*.jpg", Pillow images, uint8 arrays `(H, W, 3)`, `(H, W)`
            or `(N, 3, H, W)`, uint8 tensors `(3, H, W)` or `(N, 3, H, W)`; one of these, a list or
            an iterator. They are rotated upright, cropped and resized as in training.
        reject: answer "none of these" where `rejection` says so.
        Raises UserError for anything else, and for images that cannot be read.
        """
        logits = self(images)
        names = [self.classes[index] for index in logits.argmax(1).tolist()]
        if not reject:
            return names
        return [NONE if none else name for name, none in zip(names, self._rejected(logits))]

    def predict_proba(self, images: Any) -> Tensor:
        """Probabilities of the classes in their order, float32 `(N, C)` on the CPU, for any images
        that `predict` accepts. They are the softmax of the logits and not calibrated."""
        return _shares(self(images))

    def topk(self, images: Any, k: int = 3, reject: bool = False) -> list[list[tuple[str, float]]]:
        """For each image the `k` most probable classes with their probabilities, best first; all
        classes if there are fewer, and with `reject` none for images that show none of them. Raises
        UserError as `predict` does, and for k < 1."""
        logits = self(images)
        best = ranked(_shares(logits), self.classes, k)
        if not reject:
            return best
        return [[] if none else found for found, none in zip(best, self._rejected(logits))]

    @property
    def rejection(self) -> Rejection | None:
        """The threshold below which it answers "none of these", and what that costs; None if none
        was set for its generator."""
        return Rejection.read(self.metadata.get("rejection"))

    def _rejected(self, logits: Tensor) -> list[bool]:
        rejection = self.rejection
        if rejection is None:
            raise UserError(NO_THRESHOLD)
        return rejection.rejected(logits).tolist()

    def stream(self, images: Any, batch: int = BATCH) -> Iterator[Tensor]:
        """Probabilities of `batch` images at a time, float32 `(n, C)` on the CPU.

        images: as for `predict`, also an iterator without end; only one batch is held in memory.
        """
        if batch < 1:
            raise UserError(f"stream takes a batch of at least one image, not {batch}")
        for pixels in image_batches(images, self.image_size, batch):
            yield _shares(self._logits(pixels))

    def rows(
        self, paths: Iterable[str], top: int = 1, reject: bool = False
    ) -> Iterator[dict[str, Any]]:
        """For each image file `image` (its path) and `top`: the `top` most probable classes, a list
        of `class` and `probability`; with `reject` also `rejected`: whether it shows none of the
        classes. Files are read while the rows are taken."""
        if reject and self.rejection is None:
            raise UserError(NO_THRESHOLD)
        names, sources = tee(paths)
        for pixels in image_batches(sources, self.image_size, BATCH):
            logits = self._logits(pixels)
            none = self._rejected(logits) if reject else []
            for place, best in enumerate(ranked(_shares(logits), self.classes, top)):
                found = [{"class": name, "probability": share} for name, share in best]
                row = {"image": next(names), "top": found}
                yield {**row, "rejected": none[place]} if reject else row

    def _logits(self, pixels: Tensor) -> Tensor:
        """uint8 `(N, 3, height, width)` → float32 `(N, C)` on the model's device."""
        with torch.inference_mode():
            parts = [
                self.module(self.architecture.normalise(batch.to(self.device or batch.device)))
                for batch in pixels.split(BATCH)
            ]
        logits = torch.cat(parts)
        # -inf excludes a class, but at least one must remain.
        if bool((logits.isnan() | logits.isposinf()).any()) or bool(logits.isneginf().all(1).any()):
            raise UserError(
                "the p-Model's logits for these images are not finite: its weights are too large"
            )
        return logits

    @property
    def device(self) -> torch.device | None:
        """Where it computes; None for a module without weights, which computes where images are."""
        first = next(chain(self.module.parameters(), self.module.buffers()), None)
        return None if first is None else first.device

    def to(self, device: str | torch.device) -> PModel:
        """Move it to a device ("cpu", "cuda", "auto", …), and return it. Raises UserError if there
        is no such device."""
        self.module.to(resolve_device(device) if isinstance(device, str) else device)
        return self

    def as_module(self) -> nn.Module:
        """A plain module: uint8 RGB images `(N, 3, H, W)` of any size → probabilities `(N, C)`.

        Unlike `module`, which takes normalised images of the right size, it crops, resizes and
        normalises as training did, to the last bit, and has `classes` and `image_size`. It shares
        its weights with this p-Model, and knows no threshold for "none of these".
        """
        return Classifier(self.module, self.architecture, self.classes, self.image_size).eval()

    @property
    def parameters(self) -> int:
        """How many numbers its module learns or has been given."""
        return sum(tensor.numel() for tensor in self.module.parameters())

    @property
    def info(self) -> dict[str, Any]:
        """Plain data about it: `classes`, `image_size`, `parameters`, `architecture`; how it was
        made (`generator`, `run`, `prompts`, `seed`); `unseen` (classes that the run was not trained
        on), `expected`: the generator's p-Acc (`Expected`), and `rejection` (`Rejection`, as plain
        data). None for what its file lacks."""
        return summary(self.metadata, self.classes, self.image_size, self.parameters)

    def __repr__(self) -> str:
        height, width = self.image_size
        facts = self.info
        by = f" by {facts['generator']}" if facts["generator"] else ""
        kind = f"{facts['architecture']}, " if facts["architecture"] else ""
        return (
            f"<p-Model{by} of {len(self.classes)} classes ({abridged(self.classes, 10)}), {kind}"
            f"{self.parameters:,} parameters, images {height}×{width}>"
        )

    def save(self, path: str | Path) -> None:
        """Write the p-Model to a file that `tina_kit.load` reads, or into a device or FIFO.

        Raises TinaKitError if its weights are not finite, and UserError if `path` cannot be
        written.
        """
        write_output(user_path(path), self.content())

    def content(self, more: Mapping[str, Any] = MappingProxyType({})) -> bytes:
        """Its file's bytes, the same for equal p-Models. more: further metadata, any JSON values by
        name. Raises TinaKitError if its weights are not finite."""
        from safetensors.torch import save

        module = self._module
        whole = module.state if isinstance(module, Assembly) else module.state_dict()
        state = {name: tensor.contiguous() for name, tensor in whole.items()}
        require_finite(state)
        values = {
            "classes": list(self.classes),
            "image_size": list(self.image_size),
            **self.metadata,
            **more,
        }
        checked(values, "the p-Model")
        texts = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
        return in_order(save(state, {"format": FORMAT, **texts}))


def _shares(logits: Tensor) -> Tensor:
    """Logits `(N, C)` → probabilities, float32 on the CPU."""
    return logits.float().softmax(1).cpu()


def load(path: str | Path) -> PModel:
    """Read a p-Model written by `tina-kit generate`; the file need not be trusted.

    Raises UserError if it is not a p-Model or is damaged, if its weights are not finite or do not
    fit its architecture, and if its architecture's plugin is not installed.
    """
    path = user_path(path)
    return _loaded(*read(path), path)


def load_bytes(content: bytes) -> PModel:
    """The same for the bytes of such a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "p-model.safetensors"
        path.write_bytes(content)
        return load(path)


def _loaded(metadata: Metadata, state: Mapping[str, Tensor], path: Path) -> PModel:
    try:
        architecture = architecture_of(metadata.architecture, path)
        module = built(architecture, len(metadata.classes), state)
    except UserError as error:
        raise UserError(f"{path}: {printable(str(error), lines=True)}") from None
    height, width = metadata.image_size
    return PModel(module, architecture, metadata.classes, (height, width), metadata.others)


def architecture_of(settings: Mapping[str, Any], path: str | Path) -> Architecture:
    """Build the architecture from the settings in a file. Raises UserError if it is not installed
    or rejects its options."""
    from tina_kit.plugins import discover
    from tina_kit.recipe.node import RecipeError
    from tina_kit.recipe.resolve import resolve_plain

    try:
        resolved = resolve_plain(settings, "architecture", str(path), discover(), elsewhere=True)
    except RecipeError as error:
        raise UserError(f"its architecture is not available here:\n{error}") from None
    except RecursionError:
        raise UserError("the options of its architecture are nested too deeply") from None
    try:
        return resolved.build()  # type: ignore[no-any-return]
    except TinaKitError:
        raise
    except Exception as error:  # unusual options can cause any error
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"its architecture rejects its options: {what}") from None
