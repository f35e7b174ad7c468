"""From class names or images to p-Models, with a generator of a finished run or a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from tina_kit.api import (
    Generator,
    TinaKitError,
    UserError,
    as_words,
    name_index,
    name_key,
    read_images,
)
from tina_kit.pipeline.answering import Answering, Candidate
from tina_kit.pipeline.expected import of_request
from tina_kit.pipeline.generating import generate
from tina_kit.pipeline.remembered import Remembered
from tina_kit.pipeline.seen import Familiarity, SeenClasses
from tina_kit.pipeline.stages.conditions import check_padding
from tina_kit.pipeline.together import in_blocks
from tina_kit.plugins.registry import nearest
from tina_kit.zoo.assembly import Assembler
from tina_kit.zoo.pmodel import PModel
from tina_kit.zoo.rejection import for_classes

_AT_ONCE = 64  # prompts embedded together
_ORDINARY = 1e3  # weights below this leave no class without a logit


class ReadyGenerator:
    """A generator of a finished run or a bundle. What it needs is read on first use and kept.

    name: of the run's generator, by default the first that was trained on prompts of this kind,
        or the first that reads prompts at all.
    prompts: "text" for class names, "image" for one image per class (Section 5.4).
    """

    def __init__(self, source: Answering, name: str | None = None, prompts: str = "text"):
        if prompts == "image":
            source.check_images()
        self.source = source
        self.row = _row(source, name, prompts)
        if prompts == "image" and not self.row.flags.reads_conditions:
            raise UserError(f"{self.name} reads no prompts, and so no images; name the classes")
        self.prompts = prompts

    @property
    def name(self) -> str:
        return self.row.name

    def __repr__(self) -> str:
        return f"<generator {self.name} of {self.source.name}>"

    @overload
    def generate(
        self, classes: Sequence[str], images: Sequence[Path] = (), strict: bool = False
    ) -> PModel: ...
    @overload
    def generate(
        self,
        classes: Sequence[list[str]] | Sequence[tuple[str, ...]],
        images: Sequence[Sequence[Path]] = (),
        strict: bool = False,
    ) -> list[PModel]: ...
    def generate(self, classes, images=(), strict=False):  # type: ignore[no-untyped-def]
        """The p-Model for some classes, or those for several lists of classes at once.

        A p-Model names its classes as given. A class of the data set is recognised by its
        `name_key`, and its prompt is spelled as in the data set. `metadata["seen"]` says which
        classes the run was trained on, and how similar the others are to those (`Familiarity`);
        `metadata["expected"]`, how right the generator was on the run's own tasks (`expected`);
        `metadata["rejection"]`, when it may answer "none of these" (`Rejection`).

        images: with `prompts="image"`, one image file per class.
        strict: refuse classes that are too dissimilar to every seen one.
        Raises UserError for empty or duplicate names, and if the generator does not support the
        classes.
        """
        if not classes or isinstance(classes[0], str):
            return self._many([classes], [images], strict)[0]
        return self._many(classes, images or [()] * len(classes), strict)

    def _many(
        self,
        lists: Sequence[Sequence[str]],
        images: Sequence[Sequence[Path]],
        strict: bool,
    ) -> list[PModel]:
        asked = [self._ask(classes, files) for classes, files in zip(lists, images)]
        if strict:
            for each in asked:
                if each.seen.warning:
                    raise UserError(
                        f"{each.seen.warning}. Leave such classes out, or ask without --strict"
                    )
        made = self._made(asked)
        for model in made:
            if isinstance(model, TinaKitError):
                raise model
        return made  # type: ignore[return-value]

    def answers(self, lists: Sequence[Sequence[str]]) -> list[PModel | TinaKitError]:
        """What `generate` gives for each of several lists of classes, or the error that it raises;
        one list's error is not another's."""
        asked: list[_Asked | TinaKitError] = []
        for classes in lists:
            try:
                asked.append(self._ask(classes, ()))
            except TinaKitError as error:
                asked.append(error)
        made = iter(self._made([each for each in asked if isinstance(each, _Asked)]))
        return [next(made) if isinstance(each, _Asked) else each for each in asked]

    def familiarity(self, names: Sequence[str]) -> Familiarity:
        """How familiar the run is with some names, as `metadata["seen"]` says it. Raises UserError
        for duplicate names and for those that name no class."""
        known = self._known(names)
        return self._seen.familiarity(names, known, self._embed(names, known, ()))

    def _made(self, asked: Sequence[_Asked]) -> list[PModel | TinaKitError]:
        found: dict[int, PModel | TinaKitError] = {}
        groups: dict[tuple[int, bool], list[int]] = {}
        for number, each in enumerate(asked):  # a request has tasks or none
            groups.setdefault((len(each.classes), None not in each.known), []).append(number)
        for (_, known), alike in groups.items():
            found |= zip(alike, self._alike([asked[number] for number in alike], known))
        return [found[number] for number in range(len(asked))]

    def _alike(self, asked: Sequence[_Asked], known: bool) -> list[PModel | TinaKitError]:
        """For requests with equally many classes."""
        try:
            vectors = self._vectors(asked, known)
        except TinaKitError as error:
            if len(asked) == 1:
                return [error]
            return [self._alike([each], known)[0] for each in asked]
        found: list[PModel | TinaKitError] = []
        for each, vector in zip(asked, vectors):
            try:
                found.append(self._model(each, vector))
            except TinaKitError as error:
                found.append(error)
        return found

    def check(self, classes: Sequence[str]) -> list[int | None]:
        """The data set's index of each class, None if it has no such class. Raises UserError for
        classes that cannot be asked for."""
        if len(classes) < 2:
            raise UserError("a p-Model distinguishes at least two classes; name more")
        return self._known(classes)

    def _known(self, classes: Sequence[str]) -> list[int | None]:
        name_index(classes)
        known = [self._index.get(name_key(each)) for each in classes]
        if not self._generator.reads_conditions and None in known:
            unknown = [each for each, index in zip(classes, known) if index is None]
            raise UserError(
                f"{self.name} knows only the classes of the data set, and not "
                f"{', '.join(unknown)}; a generator that reads prompts takes any name"
            )
        return known

    def remember(self, lists: Iterable[Sequence[str]]) -> None:
        """Embed the names in many requests once, so that `generate` need not embed them again.
        Raises UserError with the number of the first that cannot be answered."""
        prompts: dict[str, None] = {}
        for number, classes in enumerate(lists, 1):
            try:
                prompts |= dict.fromkeys(self._prompts(classes, self.check(classes)))
            except UserError as error:
                raise UserError(f"task {number}: {error}") from None
        new = list(prompts)
        for first in range(0, len(new), _AT_ONCE):
            self._rows(new[first : first + _AT_ONCE])

    def _ask(self, classes: Sequence[str], images: Sequence[Path]) -> _Asked:
        known = self.check(classes)
        rows = self._embed(classes, known, images)
        return _Asked(classes, known, rows, self._seen.familiarity(classes, known, rows))

    def _embed(
        self, classes: Sequence[str], known: Sequence[int | None], images: Sequence[Path]
    ) -> Tensor:
        """float32 `(C, D)`."""
        if self.prompts == "image":
            conditioner = self.source.conditioner
            side = conditioner.image_size
            return conditioner.embed_images(torch.from_numpy(read_images(images, (side, side))))
        return self._rows(self._prompts(classes, known))

    @cached_property
    def _remembered(self) -> Remembered:
        """Starts with the classes that the run has embedded: loading a text encoder takes longer
        than generating a thousand p-Models."""
        names, seen = self.source.class_names, self.source.seen.tolist()
        return Remembered(zip([names[place] for place in seen], self.source.seen_rows))

    def _rows(self, prompts: Sequence[str]) -> Tensor:
        return self._remembered.rows(prompts, self.source.conditioner.embed)

    def _prompts(self, classes: Sequence[str], known: Sequence[int | None]) -> list[str]:
        names = self.source.class_names
        prompts = [as_words(c) if k is None else names[k] for c, k in zip(classes, known)]
        check_padding(self.source.conditioner, prompts)
        return prompts

    def _vectors(self, asked: Sequence[_Asked], known: bool) -> Tensor:
        """float32 `(T, P)`: for requests with equally many classes."""
        source, generator = self.source, self._generator
        tasks = torch.tensor([each.known for each in asked]) if known else None
        conditions = torch.stack([each.rows for each in asked])

        def ask(conditions: Tensor, tasks: Tensor | None, together: int) -> Tensor:
            return generate(
                generator, conditions, tasks, source.observer, source.seed, together=together
            )

        return in_blocks(generator, conditions, tasks, ask)

    def _model(self, asked: _Asked, vector: Tensor) -> PModel:
        source, classes = self.source, asked.classes
        if len(vector) != source.architecture.layout(len(classes)).size:
            raise UserError(f"{self.name} answers more classes than {', '.join(classes)}")
        module = self._assembled(vector, len(classes))
        height, width = source.image_size
        facts = {**self._facts, "seen": asked.seen.plain()}
        told = of_request(self.row.expected, source.class_names, asked.known)
        if told is not None:
            facts["expected"] = told
        if measured := self.row.rejection:
            facts["rejection"] = for_classes(measured, len(classes)).model_dump()
        model = PModel(module, source.architecture, classes, (height, width), facts)
        if bool((vector.abs() < _ORDINARY).all()):
            return model
        never = model(torch.zeros(1, 3, height, width, dtype=torch.uint8))[0].isneginf().tolist()
        if any(never):
            lost = ", ".join(each for each, no_row in zip(classes, never) if no_row)
            raise UserError(
                f"{self.name} has no classifier row for {lost}, so its p-Model would never give "
                "that answer; leave such classes out, or use a generator that makes rows from "
                "prompts"
            )
        return model

    @cached_property
    def _generator(self) -> Generator:
        return self.row.ready()

    @cached_property
    def _assembled(self) -> Assembler:
        return Assembler(self.source.architecture, self.source.generic_state)

    @cached_property
    def _seen(self) -> SeenClasses:
        return SeenClasses(self.source, self._generator, self.prompts)

    @cached_property
    def _index(self) -> dict[str, int]:
        return name_index(self.source.class_names)

    @cached_property
    def _facts(self) -> dict[str, object]:
        return {
            "architecture": dict(self.source.architecture_settings),
            "generator": {"name": self.name, **self.row.settings},
            "prompts": self.prompts,
            "seed": self.source.seed,
            "run": self.source.name,
        }


class _Asked:
    """classes: as given; known: the data set's index of each, None if it has no such class; rows:
    float32 `(C, D)`, their conditions."""

    def __init__(
        self,
        classes: Sequence[str],
        known: Sequence[int | None],
        rows: Tensor,
        seen: Familiarity,
    ) -> None:
        self.classes, self.known, self.rows, self.seen = classes, known, rows, seen


def _row(source: Answering, name: str | None, prompts: str) -> Candidate:
    candidates = source.candidates
    if name is not None:
        for each in candidates:
            if each.name == name:
                return each
        known = nearest(name, [each.name for each in candidates])
        raise UserError(f"unknown generator '{name}'; {known}")
    reading = [row for row in candidates if row.flags.reads_conditions]
    # Those trained on prompts of this kind first, in the recipe's order.
    for row in sorted(reading, key=lambda row: row.flags.prompts != prompts):
        return row
    raise UserError("no generator of this run reads prompts; name one with --generator")
