"""The contract of conditioners. Shape letters are defined in `dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from random import Random
from string import ascii_lowercase
from typing import TYPE_CHECKING, ClassVar

from tina_kit.api.errors import UserError
from tina_kit.api.fingerprint import Fingerprinted

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tina_kit.api.dataset import Images
    from tina_kit.api.training import Train


class Conditioner(Fingerprinted, ABC):
    """Embeds prompts (Section 4.1).

    modalities: the kinds of prompts it accepts: "text", "image" or both.
    learns: whether it is trained on the dataset before it embeds anything (`fit`, `save`, `load`).
    image_size: preferred side of square images, in pixels; it must accept any size.
    device: where it computes; set by the core.
    """

    modalities: tuple[str, ...] = ("text",)
    padding_prompt: ClassVar[str] = "<->"
    learns: bool = False
    image_size: int = 32
    device: torch.device | None = None

    def fit(self, images: Images, class_names: Sequence[str], train: Train) -> None:
        """Learn from training images and their class names; see `Context.train`.

        Draw initial weights here: torch is seeded just before the call.
        """

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs, as safetensors and JSON."""

    def load(self, folder: Path) -> None:
        """The inverse of `save`."""

    @property
    @abstractmethod
    def width(self) -> int:
        """D, the length of an embedding."""

    @abstractmethod
    def embed(self, prompts: Sequence[str]) -> Tensor:
        """Prompts → float32 `(len(prompts), D)`; each row depends only on its own prompt."""

    def embed_images(self, images: Tensor) -> Tensor:
        """uint8 `(N, 3, H, W)` → float32 `(N, D)`, in the same space as `embed`.

        Raises UserError if "image" is not among `modalities`.
        """
        raise UserError(f"{type(self).__name__} accepts only text prompts, not images")

    def gibberish(self, count: int, seed: int) -> Tensor:
        """float32 `(count, D)`: embeddings of meaningless prompts, for the control.

        By default random letters; a conditioner that cannot embed them returns random vectors.
        """
        random = Random(seed)
        return self.embed(["".join(random.choices(ascii_lowercase, k=8)) for _ in range(count)])
