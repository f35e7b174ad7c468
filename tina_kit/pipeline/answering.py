"""What is needed to answer requests for p-Models, wherever it comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from torch import Tensor

from tina_kit.api import Architecture, Conditioner, Generator
from tina_kit.pipeline.expected import expected
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.stages.fit import GeneratorRow
from tina_kit.training import Observers
from tina_kit.zoo.rejection import Rejection


class Candidate(ABC):
    """A generator that can be asked. name: of its row."""

    name: str

    @property
    @abstractmethod
    def flags(self) -> Generator:
        """A generator whose flags are read, and nothing else."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """As a recipe writes it, with every default."""

    @property
    @abstractmethod
    def expected(self) -> dict[str, Any] | None:
        """See `pipeline.expected.expected`."""

    @property
    @abstractmethod
    def rejection(self) -> Sequence[Rejection]:
        """When its p-Models answer "none of these", by their number of classes; none if that was
        not measured."""

    @abstractmethod
    def ready(self) -> Generator:
        """Ready to generate."""


class Answering(ABC):
    """name: of the run; seed: of the run; observer: watches p-Models being generated."""

    name: str
    seed: int
    observer: Observers

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """Of the data set."""

    @property
    @abstractmethod
    def seen(self) -> Tensor:
        """int64 `(K',)`: the classes that the run was trained on."""

    @property
    @abstractmethod
    def learned(self) -> set[int]:
        """The classes of the ID tasks."""

    @property
    @abstractmethod
    def image_size(self) -> tuple[int, int]: ...

    @property
    @abstractmethod
    def architecture(self) -> Architecture: ...

    @property
    @abstractmethod
    def architecture_settings(self) -> Mapping[str, Any]:
        """As a recipe writes it, with every default."""

    @property
    @abstractmethod
    def generic_state(self) -> Mapping[str, Tensor]:
        """The generic model's state dict."""

    @property
    @abstractmethod
    def conditioner(self) -> Conditioner:
        """Ready to embed."""

    @abstractmethod
    def check_images(self) -> None:
        """Raise UserError unless images can be prompts."""

    @property
    @abstractmethod
    def seen_rows(self) -> Tensor:
        """float32 `(K', D)`: the conditions of the classes of `seen`."""

    @property
    @abstractmethod
    def seen_images(self) -> Tensor:
        """float32 `(K', D)`: a training image of each of them, embedded."""

    @property
    @abstractmethod
    def candidates(self) -> Sequence[Candidate]:
        """The generators, in the recipe's order."""


class OfRun(Answering):
    """From a run's stages, which are read from the store on first use."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.name, self.seed = experiment.recipe.core.name, experiment.seed
        self.observer = experiment.runtime.observer

    @property
    def class_names(self) -> Sequence[str]:
        return self.experiment.class_names

    @property
    def seen(self) -> Tensor:
        return self.experiment.seen

    @cached_property
    def learned(self) -> set[int]:
        return set(self.experiment.tasks["id"].unique().tolist()) - {-1}

    @property
    def image_size(self) -> tuple[int, int]:
        return self.experiment.image_size

    @property
    def architecture(self) -> Architecture:
        return self.experiment.architecture

    @property
    def architecture_settings(self) -> Mapping[str, Any]:
        return self.experiment.recipe.architecture.plain()

    @property
    def generic_state(self) -> Mapping[str, Tensor]:
        return self.experiment.generic.state

    @property
    def conditioner(self) -> Conditioner:
        return self.experiment.conditions.encoder.ready

    def check_images(self) -> None:
        _ = self.experiment.conditions.images  # raises if the conditioner takes none

    @property
    def seen_rows(self) -> Tensor:
        return self.experiment.conditions.rows[self.seen]

    @property
    def seen_images(self) -> Tensor:
        return self.experiment.conditions.image_of_each(self.seen)

    @cached_property
    def candidates(self) -> Sequence[RowOfRun]:
        rows = self.experiment.recipe.generators
        return [RowOfRun(self.experiment, self.experiment.row(named)) for named in rows]


class RowOfRun(Candidate):
    """A row of the run's recipe."""

    def __init__(self, experiment: Experiment, row: GeneratorRow) -> None:
        self.experiment, self.row, self.name = experiment, row, row.name

    @property
    def flags(self) -> Generator:
        return self.row.flags

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.row.named.component.plain()

    @cached_property
    def expected(self) -> dict[str, Any] | None:
        experiment = self.experiment
        on = experiment.recipe.core.evaluation.on
        return expected(experiment.evaluation(self.row.named), experiment.class_names, on)

    @cached_property
    def rejection(self) -> Sequence[Rejection]:
        stage = self.experiment.rejection(self.row.named)
        if stage is None or (stage.name, stage.seed) not in stage.runtime.recorded:
            return ()
        return stage.read() if stage.cached else ()

    def ready(self) -> Generator:
        return self.row.ready()
