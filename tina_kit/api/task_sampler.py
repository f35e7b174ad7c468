"""What a task sampler promises. Shapes are named as in `dataset`."""

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
    """What a task sampler knows of a dataset: names in label order, and their superclasses.

    Raises UserError where names are empty or the same, or superclasses are not one for each.
    """

    names: Sequence[str]
    superclasses: Sequence[int] | None = None

    def __post_init__(self) -> None:
        name_index(self.names, [f"label {label}" for label in range(len(self.names))])
        if self.superclasses is not None and len(self.superclasses) != len(self.names):
            raise UserError(
                f"there are {len(self.superclasses)} superclasses for {len(self.names)} classes; "
                "give each class one"
            )


class TaskSampler(Fingerprinted, ABC):
    """Draws tasks from a dataset's classes (Section 5.1)."""

    options: TaskOptions

    @abstractmethod
    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        """`{"id": int64 (id, C), "ood": int64 (ood, C), ...}`, rows of distinct class indices.

        Further entries are test splits of the sampler's own, like `"unseen 40%"`. A task of fewer
        than C classes ends in -1. ID tasks are disjoint from all others as unordered sets; every
        class is drawn about equally often; more ID tasks leave the first ones as they were. Raises
        UserError when the dataset has too few classes.
        """

    def seen(self, classes: Classes, seed: int) -> Tensor | None:
        """int64 `(K',)`, sorted: the classes that anything trained may see; None for all of them.
        No ID task holds another."""
        return None
