"""The contract of data sets.

All contracts use these letters in shapes: N images, K classes in the data set, T tasks, C classes
per task, D the width of a condition, P the length of a parameter vector, M p-Models, B images per
batch.
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

    left_out: one line per image that was left out because it cannot be read: its name in the data
    set, and the reason. The run folder lists them.
    """

    images: Tensor
    labels: Tensor
    left_out: Sequence[str] = ()


class Dataset(Fingerprinted, ABC):
    """Labelled images. `files()` must name every file that is read, and be cheap (no decoding)."""

    superclasses: Sequence[int] | None = None
    """The superclass of each class, in label order; None if there are no superclasses."""

    drawn: bool = False
    """Whether the program draws the images itself. A few test images are then written to the run
    folder, for trying a classifier."""

    larger_than: int | None = None
    """The side of `load`'s images, in pixels, if `load_larger` can read larger ones from the same
    files; None if it cannot."""

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """The K class names, in label order. They serve as prompts, so each needs its own
        `name_key`.

        Raises UserError if the data is missing or two names are the same (`name_index` checks
        names and reports where each comes from).
        """

    @abstractmethod
    def load(self, split: Split) -> Images:
        """Decode one split. Raises UserError naming any file that is missing or damaged."""

    def load_larger(self, index: Tensor, side: int) -> Tensor:
        """Training images at a higher resolution, for a conditioner that takes larger images than
        p-Models do: int64 `(B,)` indices into `load("train")` → uint8 `(B, 3, side, side)`.

        side: in pixels, above `larger_than`. Raises UserError naming any file that is missing or
        damaged.
        """
        raise NotImplementedError(f"{type(self).__name__} sets larger_than without load_larger")
