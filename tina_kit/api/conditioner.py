"""What a conditioner promises. Shapes are named as in `dataset`."""

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

    modalities: which kinds of prompt it takes, "text" and "image".
    learns: whether it is trained on the dataset before it embeds anything (`fit`, `save`, `load`).
    image_size: side of the square images that suit it best; any size is taken.
    device: where it computes; the core sets it.
    """

    modalities: tuple[str, ...] = ("text",)
    padding_prompt: ClassVar[str] = "<->"
    learns: bool = False
    image_size: int = 32
    device: torch.device | None = None

    def fit(self, images: Images, class_names: Sequence[str], train: Train) -> None:
        """Learn from training images and the names of their classes; see `Context.train`. torch is
        seeded for it, so initial weights are drawn here."""

    def save(self, folder: Path) -> None:
        """Write all that `load` needs, as safetensors and JSON."""

    def load(self, folder: Path) -> None:
        """The inverse of `save`."""

    @property
    @abstractmethod
    def width(self) -> int:
        """D."""

    @abstractmethod
    def embed(self, prompts: Sequence[str]) -> Tensor:
        """Prompts → float32 `(len(prompts), D)`; each row depends on its own prompt alone."""

    def embed_images(self, images: Tensor) -> Tensor:
        """uint8 `(N, 3, H, W)` → float32 `(N, D)`, in the same space as `embed`.

        Raises UserError where "image" is not among `modalities`.
        """
        raise UserError(f"{type(self).__name__} takes no image prompts, only text")

    def gibberish(self, count: int, seed: int) -> Tensor:
        """float32 `(count, D)`: embeddings of prompts that mean nothing, for the control.

        Random letters; a conditioner that cannot embed them gives random vectors instead.
        """
        random = Random(seed)
        return self.embed(["".join(random.choices(ascii_lowercase, k=8)) for _ in range(count)])
