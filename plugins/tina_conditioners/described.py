"""Conditioners that describe each class by a sentence instead of its name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from tina_kit.api import Conditioner, Images, Train


class Described(Conditioner):
    """A class's sentence, embedded by the nested conditioner `text`.

    The padding prompt is passed to `text` unchanged, and gibberish is `text`'s own. If `text` is
    trained, it learns the sentences as class names.
    """

    def __init__(self, text: Conditioner) -> None:
        self.text = text
        self.learns = text.learns

    @abstractmethod
    def sentences(self, names: Sequence[str]) -> Mapping[str, str]:
        """The sentence of every name. Raises UserError listing all names without one."""

    @property
    def width(self) -> int:
        return self.text.width

    def embed(self, prompts: Sequence[str]) -> Tensor:
        return self._ready().embed(self._described(prompts))

    def gibberish(self, count: int, seed: int) -> Tensor:
        return self._ready().gibberish(count, seed)

    def fit(self, images: Images, class_names: Sequence[str], train: Train) -> None:
        self._ready().fit(images, self._described(class_names), train)

    def save(self, folder: Path) -> None:
        self.text.save(folder)

    def load(self, folder: Path) -> None:
        self._ready().load(folder)

    def _described(self, prompts: Sequence[str]) -> list[str]:
        names = [prompt for prompt in prompts if prompt != self.padding_prompt]
        known = self.sentences(names) if names else {}
        return [known.get(prompt, self.text.padding_prompt) for prompt in prompts]

    def _ready(self) -> Conditioner:
        self.text.device = self.device
        return self.text
