"""Conditions: the prompts of a recipe's classes, embedded once by one conditioner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_kit.api import ByClass, Conditioner, Images, UserError
from tina_kit.pipeline.pictures import Pictures, kept_as_prompts
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.features import through
from tina_kit.pipeline.stages.images import ImagesStage
from tina_kit.recipe import ResolvedComponent
from tina_kit.store import Draft
from tina_kit.training import derived_seed, generator_for

GIBBERISH = 100  # number of meaningless prompts that the control draws from
_TEXT, _IMAGE, _WEIGHTS = "conditions.safetensors", "images.safetensors", "conditioner"


@dataclass(frozen=True)
class Source:
    """What conditions are made from. images: for a conditioner that takes or learns from images;
    seen: the classes that may be learned from, None for all."""

    class_names: Sequence[str]
    images: ImagesStage
    seen: list[int] | None


def check_padding(conditioner: Conditioner, prompts: Sequence[str]) -> None:
    """Raises UserError if a class has the name of the prompt for absent classes."""
    if conditioner.padding_prompt in prompts:
        raise UserError(
            f"'{conditioner.padding_prompt}' stands for an absent class and cannot name one"
        )


class Encoder:
    """One conditioner of a run, built once."""

    def __init__(self, runtime: Runtime, component: ResolvedComponent, source: Source) -> None:
        self.runtime, self.component, self.source = runtime, component, source

    @cached_property
    def untrained(self) -> Conditioner:
        """As built: if it learns, not yet trained."""
        conditioner: Conditioner = self.component.build()
        conditioner.device = self.runtime.device
        return conditioner

    @cached_property
    def stage(self) -> ConditionerStage | None:
        """The stage that trains it, None if it does not learn."""
        return ConditionerStage(self.runtime, self) if self.untrained.learns else None

    @cached_property
    def ready(self) -> Conditioner:
        """Ready to embed: if it learns, trained."""
        conditioner = self.untrained
        if self.stage is not None:
            conditioner.load(self.stage.entry.folder / _WEIGHTS)
        return conditioner

    @cached_property
    def pictures(self) -> Pictures:
        return Pictures(self.source.images, self.untrained.image_size)

    @property
    def side(self) -> dict[str, int]:
        """For keys: the size of the pictures, if it is not that of the p-Models' images."""
        side = self.pictures.side
        return {} if side is None else {"side": side}


class ConditionerStage(Stage):
    """A conditioner that learns does so once, on the training images, whatever the run's seed: it
    stands for a given encoder."""

    kind = "conditioner"
    version = 3

    def __init__(self, runtime: Runtime, encoder: Encoder) -> None:
        super().__init__(runtime, "conditioner")
        self.encoder = encoder

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "conditioner": self.encoder.component.settings(),
            "seen": self.encoder.source.seen,
            "precision": self.runtime.precision,
            **self.encoder.side,
        }

    @property
    def after(self) -> Sequence[Stage]:
        return (self.encoder.source.images,)

    def compute(self, draft: Draft) -> None:
        conditioner, source = self.encoder.untrained, self.encoder.source
        pictures = self.encoder.pictures
        keep = ~kept_as_prompts(pictures.labels)
        if source.seen is not None:
            keep &= torch.isin(pictures.labels, torch.tensor(source.seen))
        index = keep.nonzero().squeeze(1)
        images = Images(pictures.read(index), pictures.labels[index])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed("conditioner"))
            # One encoder for all seeds, so it must not depend on one of them.
            trainer = self.runtime.trainer(self.name, draft, "conditioner", seed=0)
            conditioner.fit(images, source.class_names, trainer)
        folder = draft.folder / _WEIGHTS
        folder.mkdir()
        conditioner.save(folder)


class TextConditionsStage(Stage):
    """The class names, the padding prompt and gibberish, embedded."""

    kind = "conditions"
    version = 2

    def __init__(self, runtime: Runtime, encoder: Encoder) -> None:
        super().__init__(runtime, "conditions")
        self.encoder = encoder

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "conditioner": self.encoder.component.settings(),
            "prompts": list(self.encoder.source.class_names),
            "gibberish": GIBBERISH,
        }

    @property
    def after(self) -> Sequence[Stage]:
        return (self.encoder.stage,) if self.encoder.stage else ()

    def compute(self, draft: Draft) -> None:
        try:
            conditioner = self.encoder.ready
            check_padding(conditioner, self.encoder.source.class_names)
            tensors = {
                "classes": conditioner.embed(self.encoder.source.class_names),
                "padding": conditioner.embed([conditioner.padding_prompt]),
                "gibberish": conditioner.gibberish(GIBBERISH, derived_seed("gibberish")),
            }
        except UserError as error:
            raise UserError(f"{self.encoder.component.where}: conditioner: {error}") from error
        draft.save_tensors(_TEXT, tensors)

    def read(self, name: str) -> Tensor:
        """ "classes", "padding" or "gibberish": float32 `(N, D)`."""
        return self.entry.tensors(_TEXT)[name]


class ImageConditionsStage(Stage):
    """The training images and images of noise, embedded."""

    kind = "conditions"

    def __init__(self, runtime: Runtime, encoder: Encoder) -> None:
        super().__init__(runtime, "image-conditions")
        self.encoder = encoder

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "conditioner": self.encoder.component.settings(),
            "gibberish": GIBBERISH,
            **self.encoder.side,
        }

    @property
    def after(self) -> Sequence[Stage]:
        trained = (self.encoder.stage,) if self.encoder.stage else ()
        return (self.encoder.source.images, *trained)

    def compute(self, draft: Draft) -> None:
        pictures, embed = self.encoder.pictures, self.encoder.ready.embed_images
        random = generator_for("gibberish images")
        shape = pictures.read(torch.arange(1)).shape[1:]
        noise = torch.randint(256, (GIBBERISH, *shape), generator=random).byte()
        rows = through(
            lambda index: embed(pictures.read(index)),
            torch.arange(len(pictures.labels)),
            draft,
            self.name,
            self.runtime.observer,
        )
        draft.save_tensors(_IMAGE, {"images": rows, "gibberish": embed(noise)})

    def read(self, name: str) -> Tensor:
        """ "images" or "gibberish": float32 `(N, D)`."""
        return self.entry.tensors(_IMAGE)[name]


class Conditions:
    """The prompts of a run, embedded by one conditioner."""

    def __init__(self, runtime: Runtime, component: ResolvedComponent, source: Source) -> None:
        self.component, self.source = component, source
        self.encoder = Encoder(runtime, component, source)
        self.text = TextConditionsStage(runtime, self.encoder)
        self._images = ImageConditionsStage(runtime, self.encoder)

    @property
    def images(self) -> ImageConditionsStage:
        """Raises UserError if the conditioner takes no images."""
        if "image" not in self.encoder.untrained.modalities:
            raise UserError(
                f"{self.component.where}: the conditioner {self.component.entry.full_name} "
                "accepts only text prompts; open-clip also accepts images"
            )
        return self._images

    @cached_property
    def rows(self) -> Tensor:
        """float32 `(K, D)`: of every class."""
        return self.text.read("classes")

    @cached_property
    def padding(self) -> Tensor:
        """float32 `(D,)`."""
        return self.text.read("padding")[0]

    @property
    def gibberish(self) -> Tensor:
        """float32 `(GIBBERISH, D)`."""
        return self.text.read("gibberish")

    @cached_property
    def image_rows(self) -> Tensor:
        """float32 `(N, D)`: of every training image."""
        return self.images.read("images")

    @property
    def image_gibberish(self) -> Tensor:
        """float32 `(GIBBERISH, D)`: of images of noise."""
        return self.images.read("gibberish")

    def image_of_each(self, classes: Tensor) -> Tensor:
        """int64 `(S,)` → float32 `(S, D)`: the first training image of each class, from which
        nothing learns (see `kept_as_prompts`). Embeds them unless a stage has embedded all."""
        pictures = self.encoder.pictures
        first = ByClass(pictures.labels).take(classes, torch.zeros_like(classes))
        if self.images.cached:
            return self.image_rows[first]
        return self.encoder.ready.embed_images(pictures.read(first))

    def of_tasks(self, tasks: Tensor) -> Tensor:
        """int64 `(T, C)` → float32 `(T, C, D)`, the padding prompt for absent classes."""
        return torch.cat([self.rows, self.padding[None]])[tasks]

    def of_images(self, tasks: Tensor, labels: Tensor, seed: int, count: int = 1) -> Tensor:
        """The same with random images of each class as its prompt, which nothing that learns from
        images has seen: the mean of their embeddings, scaled to their mean length.

        labels: int64 `(N,)` of the training images. count: how many images of a class, or all of
        them if it has fewer.
        """
        random = generator_for(seed, "image prompts")
        kept = kept_as_prompts(labels).nonzero().squeeze(1)
        order = kept[torch.randperm(len(kept), generator=random)]
        images = ByClass(labels, len(self.rows), order)
        named = tasks[tasks >= 0].unique()
        if missing := [self.source.class_names[c] for c in named if not images.counts[c]]:
            raise UserError(f"no training images for the prompts of {', '.join(missing)}")
        first = images.places(tasks, torch.rand(tasks.shape, generator=random))
        index = images.take(tasks[..., None], first[..., None] + torch.arange(count))
        rows = self.image_rows[index]  # (T, C, count, D)
        if count == 1:
            rows = rows.squeeze(2)
        else:
            several = images.counts[tasks].clamp(min=1)[..., None]
            there = (torch.arange(count) < several)[..., None].float()  # later ones are repeated
            share = there / there.sum(2, keepdim=True)
            length = (rows.norm(dim=-1, keepdim=True) * share).sum(2)
            rows = F.normalize((rows * share).sum(2), dim=-1) * length
        return torch.where(tasks[..., None] < 0, self.padding, rows)
