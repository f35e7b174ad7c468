"""What a data set promises.

Tensors are named with their shapes, here and in the other contracts: N images, K classes of the
data set, T tasks, C classes of a task, D the width of a condition, P the length of a parameter
vector, M p-Models, B images of a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tina_kit.api.fingerprint import Fingerprinted

if TYPE_CHECKING:
    from torch import Tensor

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Images:
    """images: uint8 `(N, 3, H, W)`; labels: int64 `(N,)` in [0, K).

    left_out: a line for each image that is not among them because it cannot be read: its name in
    the data set, and why. The run folder keeps them.
    """

    images: Tensor
    labels: Tensor
    left_out: Sequence[str] = ()


class Dataset(Fingerprinted, ABC):
    """Labelled images. `files()` must name all that is read and be cheap (no decoding)."""

    superclasses: Sequence[int] | None = None
    """The superclass of each class, where they exist."""

    larger_than: int | None = None
    """Side of `load`'s images where their files hold larger ones, which `load_larger` reads; None
    where they do not."""

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """The K class names, in label order, each with a `name_key` of its own: they are prompts.

        Raises UserError when the data is missing, and where names are the same; `name_index` checks
        them, and says where each comes from.
        """

    @abstractmethod
    def load(self, split: Split) -> Images:
        """Decode one split. Raises UserError naming a file that is missing or broken."""

    def load_larger(self, index: Tensor, side: int) -> Tensor:
        """Training images again, for a conditioner that sees more of them than p-Models do. Called
        only for a side above `larger_than`.

        index: int64 `(B,)` among the images of `load("train")` → uint8 `(B, 3, side, side)`.
        Raises UserError naming a file that is missing or broken.
        """
        raise NotImplementedError(f"{type(self).__name__} sets larger_than without load_larger")
