"""Classifier selection from the generic model trained for longer, the control for all training that
a generator and its zoo take beyond the generic model."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from tina_generators.options_compared import GenericPlusOptions
from tina_generators.rows import select, tasks_of
from tina_kit.api import Generator, Request, Zoo, save_tensors

_FILE = "generic-plus.safetensors"


class GenericPlus(Generator):
    """The task's classifier rows of the generic model, after more epochs of its own training. Only
    generated parameters are trained, since p-Models share the others with the zoo's."""

    learns_from = frozenset({"images"})
    reads_conditions = False
    vector: Tensor
    epochs: float

    def __init__(self, options: GenericPlusOptions) -> None:
        self.options = options

    def fit(self, zoo: Zoo) -> None:
        learning = self.context.learning
        self.epochs = self.options.epochs or learning.zoo_epochs
        self.vector = learning.train_generic(self.context.generic, self.epochs)

    def generate(self, request: Request) -> Tensor:
        tasks = tasks_of(request)
        return select(self.context, self.vector.expand(len(tasks), -1), tasks)

    def save(self, folder: Path) -> None:
        save_tensors(folder / _FILE, {"generic": self.vector}, {"epochs": self.epochs})

    def load(self, folder: Path) -> None:
        self.vector = load_file(folder / _FILE)["generic"]
