"""The contract of task samplers. Shape letters are defined in `dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tina_kit.api.errors import UserError
from tina_kit.api.fingerprint import Fingerprinted
from tina_kit.api.names import name_index

if TYPE_CHECKING:
    from torch import Tensor

    from tina_kit.api.options import TaskOptions


@dataclass(frozen=True)
class Classes:
    """What a task sampler knows about a data set: class names in label order, and superclasses.

    Raises UserError if names are empty or the same, or unless there is one superclass per class.
    """

    names: Sequence[str]
    superclasses: Sequence[int] | None = None

    def __post_init__(self) -> None:
        name_index(self.names, [f"label {label}" for label in range(len(self.names))])
        if self.superclasses is not None and len(self.superclasses) != len(self.names):
            raise UserError(
                f"{len(self.superclasses)} superclasses for {len(self.names)} classes; give one "
                "per class"
            )


class TaskSampler(Fingerprinted, ABC):
    """Draws tasks from a data set's classes (Section 5.1)."""

    options: TaskOptions

    @abstractmethod
    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        """`{"id": int64 (id, C), "ood": int64 (ood, C), ...}`: rows of distinct class indices.

        Further entries are additional test splits, like `"unseen 40%"`. A task of fewer than C
        classes ends in -1. No ID task has the same set of classes as a task of another split. All
        classes are drawn about equally often. Asking for more ID tasks does not change the first
        ones. Raises UserError if the data set has too few classes.
        """

    def seen(self, classes: Classes, seed: int) -> Tensor | None:
        """int64 `(K',)`, sorted: the classes that may be used in training, None for all. ID tasks
        contain no others."""
        return None
