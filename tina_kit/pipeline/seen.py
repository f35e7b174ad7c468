"""Whether a run has seen the classes of a request, and how similar the others are to those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_kit.api import Generator
from tina_kit.pipeline.answering import Answering

NEAREST = 3  # seen classes listed for a prompt
APART = 20  # one in 20 seen classes may be farther from the others than the limit
_AT_ONCE = 1024  # rows compared with all others at a time


@dataclass(frozen=True)
class AskedClass:
    """A class of a request.

    name: as requested.
    known: the data set's spelling, None if the data set has no such class.
    seen: whether the run was trained on images of the data set's class of this name.
    in_tasks: whether the generator has learned from ID tasks with it; True if it learns from none.
    nearest: seen classes and the cosines of their conditions with the prompt's, most similar
        first. Empty for the name of a seen class, but not for an image, whatever its name.
    """

    name: str
    known: str | None
    seen: bool
    in_tasks: bool
    nearest: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        quoted = f"'{self.name}'" if "," in self.name else self.name
        same = self.known in (None, self.name)
        return quoted if same else f"{quoted} (the data set's {self.known})"


@dataclass(frozen=True)
class Familiarity:
    """How familiar a run is with the requested classes, in the space of its conditioner.

    by: the kind of prompts, "text" or "image".
    limit: for each seen class, take the cosine with the nearest other one; the limit is the largest
        value that at least 95% of the seen classes reach (their 5th percentile). Text prompts are
        compared with the names of the seen classes, images with one training image of each.
    """

    by: str
    limit: float
    classes: tuple[AskedClass, ...]

    @property
    def lines(self) -> Iterator[str]:
        """Lines for the log about every class."""
        seen = [asked for asked in self.classes if asked.seen]
        for label, some in (
            ("seen in training", [asked for asked in seen if asked.in_tasks]),
            ("seen in training, but in no ID task", [a for a in seen if not a.in_tasks]),
        ):
            if some:
                yield f"{label}: {', '.join(map(str, some))}"
        for asked in self.classes:
            if asked.nearest:
                unseen = "" if asked.seen else "not seen in training; "
                near = ", ".join(f"{name} ({cosine:.2f})" for name, cosine in asked.nearest)
                by = " by its image" if self.by == "image" else ""
                yield f"{asked}: {unseen}nearest seen classes{by}: {near}"

    @property
    def unlike(self) -> list[AskedClass]:
        """The classes that are less similar to every seen class than the limit."""
        return [each for each in self.classes if each.nearest and each.nearest[0][1] < self.limit]

    @property
    def warning(self) -> str:
        """Which classes are less similar to every seen class than the limit; "" if none is."""
        far = self.unlike
        if not far:
            return ""
        names = ", ".join(f"{asked} ({asked.nearest[0][1]:.2f})" for asked in far)
        return (
            f"{names}: less similar to every seen class than 95% of the seen classes are to their "
            f"nearest other one ({self.limit:.2f} or more), so the p-Model is likely to be wrong "
            f"about {'it' if len(far) == 1 else 'them'}"
        )

    def plain(self) -> dict[str, Any]:
        """For JSON; `read` is the inverse."""
        classes = [{**vars(c), "nearest": [list(pair) for pair in c.nearest]} for c in self.classes]
        return {**vars(self), "classes": classes}

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Familiarity:
        """From a p-Model's metadata, where they are under `seen`."""
        classes = (
            AskedClass(**{**c, "nearest": tuple((name, cosine) for name, cosine in c["nearest"])})
            for c in plain["classes"]
        )
        return cls(plain["by"], plain["limit"], tuple(classes))


class SeenClasses:
    """The classes that a generator's run was trained on, with which requests are compared.

    by: "text" or "image".
    """

    def __init__(self, source: Answering, generator: Generator, by: str) -> None:
        self._names, self._by = source.class_names, by
        # A control that fine-tunes on a task's own images has seen all of its classes.
        everything = set(range(len(self._names)))
        self._trained = everything if generator.personalises else set(source.seen.tolist())
        self._learned = source.learned if generator.learns else self._trained
        self._places = source.seen.tolist()
        rows = source.seen_rows if by == "text" else source.seen_images
        self._limit, self._rows = round(limit_of(rows), 4), _unit(rows)

    def familiarity(
        self, classes: Sequence[str], known: Sequence[int | None], conditions: Tensor
    ) -> Familiarity:
        """classes: as requested; known: the data set's index of each, None if it has no such class;
        conditions: float32 `(C, D)`, their prompts' embeddings."""
        best = min(NEAREST, len(self._rows))
        cosines, places = (_unit(conditions) @ self._rows.T).topk(best, dim=1)
        asked = []
        for name, index, values, nearest in zip(classes, known, cosines.tolist(), places.tolist()):
            is_seen = index in self._trained
            near = [
                (self._names[self._places[place]], round(cosine, 4))
                for cosine, place in zip(values, nearest)
            ]
            asked.append(
                AskedClass(
                    name,
                    None if index is None else self._names[index],
                    is_seen,
                    index in self._learned,
                    () if is_seen and self._by == "text" else tuple(near),
                )
            )
        return Familiarity(self._by, self._limit, tuple(asked))


def limit_of(rows: Tensor) -> float:
    """`Familiarity.limit`. rows: float32 `(K', D)`, the seen classes' conditions."""
    unit = _unit(rows)
    nearest = []
    for part in torch.arange(len(unit)).split(_AT_ONCE):
        cosines = unit[part] @ unit.T
        cosines[torch.arange(len(part)), part] = -1.0
        nearest.append(cosines.amax(1))
    return float(torch.cat(nearest).sort().values[len(unit) // APART])


def _unit(rows: Tensor) -> Tensor:
    return F.normalize(rows.double(), dim=1)
