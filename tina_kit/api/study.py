"""What a study promises: an evaluation beyond ID and OOD."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from tina_kit.api.fingerprint import Fingerprinted


@dataclass(frozen=True)
class Trial:
    """One measurement of a study: a generator of the recipe on one set of tasks.

    series, x: the curve and the place on it, or the row and the column, that it belongs to.
    generator: the name of the generator's row in the recipe.
    overrides: dotted keys → values laid on the recipe, as `--set` does.
    split: "ood", "id", or a test split of the task sampler's own.
    classes: tasks of so many classes are drawn in place of the split's.
    prompts: "text", the class names; "image", training images of each class.
    variant: the name of the overrides in plans and logs, by default what they set.
    images: how many of a class, of whose embeddings the mean is its prompt.
    conditioner: the option of the study whose conditioner embeds the prompts at test time; what
        the generator was trained on stays the recipe's.
    measure: "p-acc", or "loss", the training losses of the generator at all steps (x is not used).
    """

    series: str
    x: str | float
    generator: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    split: str = "ood"
    classes: int | None = None
    prompts: Literal["text", "image"] = "text"
    conditioner: str | None = None
    measure: Literal["p-acc", "loss"] = "p-acc"
    images: int = 1
    variant: str = ""


class Study(Fingerprinted, ABC):
    """An evaluation beyond ID and OOD: trials, which become one table and one plot.

    title, x_label: of both. note: what to know when reading them.
    versus: a series; every other one is compared with it, paired by task.
    published: the paper's p-Acc in percent by (series, x), printed beside ours.
    """

    title: str = ""
    x_label: str = ""
    note: str = ""
    versus: str | None = None
    published: Mapping[tuple[str, str], float] = MappingProxyType({})

    @abstractmethod
    def trials(self, generators: Sequence[str]) -> Sequence[Trial]:
        """What to measure. generators: the names of the recipe's rows, in order."""
