"""The base of all studies: title, labels and checks of names."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Generic, TypeVar

from tina_kit.api import Study, Trial, UserError
from tina_studies.options import StudyOptions

Chosen = TypeVar("Chosen", bound=StudyOptions)
SPLITS = {"id": "ID", "ood": "OOD"}


class Described(Study, Generic[Chosen]):
    """A study whose words are its options; a subclass says what is measured."""

    def __init__(self, options: Chosen) -> None:
        self.options = options
        self.title = options.title
        self.x_label = options.x_label
        self.note = options.note
        self.versus = options.versus
        self.published = {
            (row, column): value
            for row, columns in options.published.items()
            for column, value in columns.items()
        }

    def trials(self, generators: Sequence[str]) -> Sequence[Trial]:
        """Raises UserError for a name in the options that is neither the recipe's nor measured."""
        require("generators", "the recipe has no generator", self.named, generators)
        made = self.measure(self.options.generators or self.default(generators))
        rows = {trial.series: None for trial in made}
        if self.versus is not None:
            require("versus", "the study has no row", [self.versus], list(rows))
        # A generator may be left out of the study for once, and a split.
        known = [*rows, *generators]
        require("published", "there is no row", self.options.published, known)
        columns = {without_split(str(trial.x)) for trial in made}
        told = {without_split(column) for _, column in self.published}
        require("published", "there is no column", sorted(told), sorted(columns))
        return made

    @property
    def named(self) -> Collection[str]:
        """All generators that the options name."""
        return self.options.generators

    def default(self, generators: Sequence[str]) -> Sequence[str]:
        """What is measured where the options name no generator."""
        return generators

    @abstractmethod
    def measure(self, generators: Sequence[str]) -> Sequence[Trial]:
        """The trials of these generators."""


def require(option: str, complaint: str, wanted: Collection[str], known: Sequence[str]) -> None:
    """Raise UserError naming all that is not known, each with the nearest name."""
    missing = [f"'{name}'{_nearest(name, known)}" for name in wanted if name not in known]
    if missing:
        raise UserError(f"{option}: {complaint} {' or '.join(missing)}")


def _nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else f" (available: {', '.join(known)})"


def joined(*words: str) -> str:
    """The words that are there, as the name of a row, a column or a curve."""
    return ", ".join(word for word in words if word)


def without_split(name: str) -> str:
    for split in SPLITS.values():
        name = "" if name == split else name.removesuffix(f", {split}")
    return name
