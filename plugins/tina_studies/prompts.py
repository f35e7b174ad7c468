"""Prompts that a generator was not trained on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tina_kit.api import Conditioner, Trial
from tina_studies.described import Described
from tina_studies.options import ImagePromptsOptions, SentencePromptsOptions

NAMES, SENTENCES = "class names", "sentences"
TEXT, IMAGE = "text prompts", "image prompts"


class SentencePrompts(Described[SentencePromptsOptions]):
    """A sentence about each class in place of its name (Figure 6c)."""

    def __init__(self, options: SentencePromptsOptions, sentences: Conditioner) -> None:
        super().__init__(options)
        self.sentences = sentences

    def measure(self, generators: Sequence[str]) -> Sequence[Trial]:
        return [
            Trial(series, name, name, conditioner=conditioner)
            for series, conditioner in ((NAMES, None), (SENTENCES, "sentences"))
            for name in generators
        ]


class ImagePrompts(Described[ImagePromptsOptions]):
    """Training images of each class as its prompt (Figure 6a), zero-shot and after a little
    training on such prompts. Text prompts stand beside each for comparison."""

    def __init__(self, options: ImagePromptsOptions) -> None:
        super().__init__(options)
        self.x_label = options.x_label or ("few-shot training" if options.few_shot else "generator")

    @property
    def named(self) -> Collection[str]:
        return (*self.options.generators, *self.options.few_shot.values())

    def measure(self, generators: Sequence[str]) -> Sequence[Trial]:
        if not self.options.few_shot:
            return [
                *(Trial(TEXT, name, name) for name in generators),
                *(trial for name in generators for trial in self._of_images(name, name)),
            ]
        places = self.options.places
        zero: str | float = "zero-shot" if isinstance(places[0], str) else 0
        rows = {zero: generators[0], **dict(zip(places, self.options.few_shot.values()))}
        return [
            *(Trial(TEXT, place, generators[0]) for place in rows),
            *(trial for place, name in rows.items() for trial in self._of_images(place, name)),
        ]

    def _of_images(self, place: str | float, generator: str) -> list[Trial]:
        return [
            Trial(
                IMAGE if count == 1 else f"{IMAGE}, mean of {count}",
                place,
                generator,
                prompts="image",
                images=count,
            )
            for count in self.options.images
        ]
