"""Classifier selection that has rows for unseen classes, too."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from tina_generators.base import Selection
from tina_generators.options_compared import RidgeSelectionOptions
from tina_kit.api import Generator, Request, Zoo, save_tensors


class RidgeSelection(Generator):
    """Rows of classes that have none are predicted from their prompts, by kernel ridge regression
    from the prompts of the other classes to their rows: what text tells without a network."""

    learns_from = frozenset({"conditions"})
    base: Selection

    def __init__(self, options: RidgeSelectionOptions) -> None:
        pass

    def fit(self, zoo: Zoo) -> None:
        self.base = Selection.of_tasks(self.context, zoo.tasks, zoo.conditions, ridge=True)

    def generate(self, request: Request) -> Tensor:
        known = self.base.recognised(request.conditions)
        return self.base.start(known, request.conditions)[0]

    def save(self, folder: Path) -> None:
        save_tensors(folder / "classes.safetensors", self.base.tensors(), {})

    def load(self, folder: Path) -> None:
        tensors = load_file(folder / "classes.safetensors")
        self.base = Selection.from_tensors(self.context, tensors, ridge=True)
