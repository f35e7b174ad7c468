"""How familiar a generator is with each of some names, for whoever is still typing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tina_kit.api import UserError, name_index, name_key
from tina_kit.pipeline.personal import ReadyGenerator
from tina_kit.pipeline.seen import Familiarity

Status = Literal["known", "near", "strange", "wrong"]


@dataclass(frozen=True)
class Looked:
    """A name that was looked up.

    status: "known": the generator was trained on this class; "near": it was not, but on similar
    ones; "strange": on none that is similar, so that a p-Model is likely to be wrong about it;
    "wrong": it cannot be a class. known_as: the data set's spelling; nearest: the most similar seen
    classes with the cosines; problem: of a wrong name.
    """

    name: str
    status: Status
    known_as: str | None = None
    nearest: tuple[tuple[str, float], ...] = ()
    problem: str | None = None
    seen: bool = field(default=False)


def of_familiarity(familiarity: Familiarity) -> list[Looked]:
    strange = {id(each) for each in familiarity.unlike}
    return [
        Looked(
            each.name,
            "known" if each.seen else "strange" if id(each) in strange else "near",
            each.known,
            each.nearest,
            seen=each.seen,
        )
        for each in familiarity.classes
    ]


def looked_up(generator: ReadyGenerator, names: Sequence[str]) -> list[Looked]:
    """Each name for itself, so that one wrong name does not hide what the others are."""
    first: dict[str, int] = {}
    found: list[Looked] = []
    for number, name in enumerate(names, 1):
        try:
            name_index([name], [f"name {number}"])
            before = first.setdefault(name_key(name), number)
            if before != number:
                raise UserError(f"the same class as name {before}")
            found += of_familiarity(generator.familiarity([name]))
        except UserError as error:
            found.append(Looked(name, "wrong", problem=str(error)))
    return found
