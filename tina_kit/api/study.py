"""The contract of studies: evaluations beyond ID and OOD."""

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

    series, x: the curve and the x value, or the row and the column, to which it belongs.
    generator: the name of the generator's row in the recipe.
    overrides: dotted keys → values that override the recipe, as `--set` does.
    split: "ood", "id", or a test split that the task sampler defines.
    classes: draw tasks of this many classes instead of using the split's.
    variant: the name of the overrides in plans and logs; by default what they set.
    prompts: "text" (class names) or "image" (training images of each class).
    images: images per class whose mean embedding is the prompt.
    samples: p-Models that are generated for a task with different noise; see `shots`.
    shots: labelled training images per class that choose the best of the samples; 0 averages the
        samples' probabilities instead.
    conditioner: the study's option whose conditioner embeds the prompts at test time; training
        uses the recipe's.
    measure: "p-acc", or "loss" for the generator's training losses at all steps (x is not used).
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
    samples: int = 1
    shots: int = 0


class Study(Fingerprinted, ABC):
    """An evaluation beyond ID and OOD: trials that become one table and one plot.

    title, x_label: of table and plot. note: what to know when reading them.
    versus: the series that all others are compared with, paired by task.
    published: the paper's p-Acc in percent by (series, x), printed next to ours.
    """

    title: str = ""
    x_label: str = ""
    note: str = ""
    versus: str | None = None
    published: Mapping[tuple[str, str], float] = MappingProxyType({})

    @abstractmethod
    def trials(self, generators: Sequence[str]) -> Sequence[Trial]:
        """What to measure. generators: the names of the recipe's rows, in order."""
