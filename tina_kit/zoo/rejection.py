"""When a p-Model answers that an image shows none of its classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from torch import Tensor

NONE = "none of these"

Percent = Annotated[FiniteFloat, Field(ge=0, le=100)]


class Rejection(BaseModel):
    """A threshold for p-Models of so many classes, and what it costs, as measured for a generator.

    An image is rejected if its score, the largest logit, is below `threshold`. The threshold is the
    score that `target` percent of the training images of `tasks` ID tasks (or of the first classes
    of each) miss in their own task's p-Model. own_rejected, foreign_accepted: what then happened to
    the `on` images ("test" or "validation") of `measured` tasks of the kind `split`: the percent of
    a task's own images that were rejected, and of all other classes' images that were accepted,
    each the mean over tasks.
    """

    model_config = ConfigDict(strict=True, frozen=True)
    classes: Annotated[int, Field(ge=1)]
    score: Literal["largest logit"]
    threshold: FiniteFloat
    target: Percent
    tasks: Annotated[int, Field(ge=1)]
    own_rejected: Percent
    foreign_accepted: Percent
    on: Literal["test", "validation"]
    measured: Annotated[int, Field(ge=1)]
    split: Literal["id", "ood"]

    @classmethod
    def read(cls, facts: Any) -> Rejection | None:
        """From a p-Model's metadata, which may have been altered by anybody: None if they have no
        threshold, or not in this form."""
        if not isinstance(facts, Mapping):
            return None
        try:
            return cls.model_validate(dict(facts))
        except ValidationError:
            return None

    def rejected(self, logits: Tensor) -> Tensor:
        """float32 `(N, C)` → bool `(N,)`, on the CPU."""
        return score(logits).cpu() < self.threshold


def for_classes(measured: Sequence[Rejection], classes: int) -> Rejection:
    """For p-Models of so many classes: as measured, else between the next fewer and more classes
    that were, on a logarithmic scale, and beyond those as for the nearest.

    measured: with increasing numbers of classes.
    """
    fewer = [each for each in measured if each.classes <= classes]
    more = [each for each in measured if each.classes >= classes]
    if not fewer or not more or fewer[-1] is more[0]:
        nearest = (fewer or more[:1])[-1]
        return nearest.model_copy(update={"classes": classes})
    low, high = fewer[-1], more[0]
    share = math.log(classes / low.classes) / math.log(high.classes / low.classes)
    between = {
        name: getattr(low, name) * (1 - share) + getattr(high, name) * share
        for name in ("threshold", "own_rejected", "foreign_accepted")
    }
    return low.model_copy(update={"classes": classes, **between})


def score(logits: Tensor) -> Tensor:
    """float32 `(..., C)` → `(...)`: the larger, the more an image looks like one of the classes."""
    return logits.float().amax(-1)
