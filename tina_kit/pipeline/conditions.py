"""Prompts of a recipe's classes, embedded once by one conditioner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_kit.api import Conditioner, Images, UserError
from tina_kit.pipeline.frozen import through
from tina_kit.pipeline.images import Pictures, kept_as_prompts
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe import ResolvedPart
from tina_kit.store import Draft, Store
from tina_kit.training import Progress, Trainer, derived_seed, generator_for

GIBBERISH = 100  # prompts that mean nothing, from which the control draws
_TEXT, _IMAGE, _WEIGHTS = "conditions.safetensors", "images.safetensors", "conditioner"


@dataclass(frozen=True)
class Source:
    """What conditions are made from. pictures: the training images, for a conditioner that takes
    images of a side; images_stage: where they come from; seen: the classes that anything may learn
    from, None for all; precision: of training."""

    class_names: Sequence[str]
    pictures: Callable[[int], Pictures]
    images_stage: Stage
    seen: list[int] | None
    precision: str


def check_padding(conditioner: Conditioner, prompts: Sequence[str]) -> None:
    """Raise UserError where a class is called like the prompt of an absent one."""
    if conditioner.padding_prompt in prompts:
        raise UserError(
            f"'{conditioner.padding_prompt}' stands for an absent class and cannot name one"
        )


class Conditions:
    """The stages of one conditioner, and their results.

    A conditioner that learns does so once, on the training images, whatever the run's seed: it
    stands for a given encoder.
    """

    def __init__(
        self,
        part: ResolvedPart,
        source: Source,
        store: Store,
        device: torch.device,
        trainer: Callable[[str, Draft, str], Trainer],
        progress: Progress,
    ) -> None:
        self.part = part
        self.source = source
        self.store = store
        self.device = device
        self.progress = progress
        self._trainer = trainer

    @cached_property
    def conditioner(self) -> Conditioner:
        """Not yet trained, where it learns."""
        conditioner: Conditioner = self.part.build()
        conditioner.device = self.device
        return conditioner

    @cached_property
    def ready(self) -> Conditioner:
        """Trained, where it learns."""
        conditioner = self.conditioner
        if conditioner.learns and self.fit_stage is not None:
            conditioner.load(self.fit_stage.open(self.store).folder / _WEIGHTS)
        return conditioner

    # Stages.

    @cached_property
    def fit_stage(self) -> Stage | None:
        if not self.conditioner.learns:
            return None
        settings = {
            "conditioner": self.part.settings(),
            "seen": self.source.seen,
            "precision": self.source.precision,
            **self._side,
        }
        after = (self.source.images_stage,)
        return Stage("conditioner", "conditioner", settings, self._fit, after, version=2)

    @cached_property
    def text_stage(self) -> Stage:
        settings = {
            "conditioner": self.part.settings(),
            "prompts": list(self.source.class_names),
            "gibberish": GIBBERISH,
        }
        after = (self.fit_stage,) if self.fit_stage else ()
        return Stage("conditions", "conditions", settings, self._embed_text, after, version=2)

    @cached_property
    def image_stage(self) -> Stage:
        """Raises UserError when the conditioner takes no images."""
        if "image" not in self.conditioner.modalities:
            raise UserError(
                f"{self.part.where}: the conditioner {self.part.entry.full_name} takes no image "
                "prompts, only text; one that does is open-clip"
            )
        settings = {"conditioner": self.part.settings(), "gibberish": GIBBERISH, **self._side}
        after = (self.source.images_stage, *((self.fit_stage,) if self.fit_stage else ()))
        return Stage("conditions", "image-conditions", settings, self._embed_images, after)

    # Their results.

    @cached_property
    def rows(self) -> Tensor:
        """float32 `(K, D)`: every class's."""
        return self._text("classes")

    @cached_property
    def padding(self) -> Tensor:
        """float32 `(D,)`."""
        return self._text("padding")[0]

    @property
    def gibberish(self) -> Tensor:
        """float32 `(GIBBERISH, D)`."""
        return self._text("gibberish")

    @cached_property
    def image_rows(self) -> Tensor:
        """float32 `(N, D)`: every training image's."""
        return self._image("images")

    @property
    def image_gibberish(self) -> Tensor:
        """float32 `(GIBBERISH, D)`: of images of noise."""
        return self._image("gibberish")

    def image_of_each(self, classes: Tensor) -> Tensor:
        """int64 `(S,)` → float32 `(S, D)`: the first training image of each class, from which
        nothing learns (see `kept_as_prompts`). Embeds them where no stage has embedded all."""
        labels = self._pictures.labels
        order = labels.argsort(stable=True)
        places = order[torch.searchsorted(labels[order], classes)]
        if self.image_stage.cached(self.store):
            return self.image_rows[places]
        return self.ready.embed_images(self._pictures.read(places))

    def of_tasks(self, tasks: Tensor) -> Tensor:
        """int64 `(T, C)` → float32 `(T, C, D)`, the padding prompt where a class is absent."""
        return torch.cat([self.rows, self.padding[None]])[tasks]

    def of_images(self, tasks: Tensor, labels: Tensor, seed: int, count: int = 1) -> Tensor:
        """The same with random images of each class, which nothing that learns from images has
        seen, as its prompt: the mean of their embeddings, as long as they are on average.

        labels: int64 `(N,)` of the training images. count: different images of a class, or all that
        there are.
        """
        random = generator_for(seed, "image prompts")
        kept = kept_as_prompts(labels).nonzero().squeeze(1)
        order = kept[torch.randperm(len(kept), generator=random)]
        order = order[labels[order].argsort(stable=True)]  # by class, at random within
        counts = torch.bincount(labels[order], minlength=len(self.rows))
        named = tasks[tasks >= 0].unique()
        if missing := [self.source.class_names[c] for c in named if not counts[c]]:
            raise UserError(f"there is no training image to prompt with of {', '.join(missing)}")
        first = counts.cumsum(0) - counts
        pick = (torch.rand(tasks.shape, generator=random) * counts[tasks]).long()
        several = counts[tasks].clamp(min=1)[..., None]  # an absent class may have none
        place = first[tasks][..., None] + (pick[..., None] + torch.arange(count)) % several
        rows = self.image_rows[order[place.clamp(max=len(order) - 1)]]  # (T, C, count, D)
        if count == 1:
            rows = rows.squeeze(2)
        else:
            there = (torch.arange(count) < several)[..., None].float()  # later ones are repeated
            share = there / there.sum(2, keepdim=True)
            length = (rows.norm(dim=-1, keepdim=True) * share).sum(2)
            rows = F.normalize((rows * share).sum(2), dim=-1) * length
        return torch.where(tasks[..., None] < 0, self.padding, rows)

    # How they are computed.

    def _fit(self, draft: Draft) -> None:
        conditioner = self.conditioner
        names = self.source.class_names
        pictures = self._pictures
        keep = ~kept_as_prompts(pictures.labels)
        if self.source.seen is not None:
            keep &= torch.isin(pictures.labels, torch.tensor(self.source.seen))
        index = keep.nonzero().squeeze(1)
        images = Images(pictures.read(index), pictures.labels[index])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed("conditioner"))
            # One encoder for all seeds, so none of them may be its own.
            trainer = replace(self._trainer("conditioner", draft, "conditioner"), seed=0)
            conditioner.fit(images, names, trainer)
        folder = draft.folder / _WEIGHTS
        folder.mkdir()
        conditioner.save(folder)

    def _embed_text(self, draft: Draft) -> None:
        try:
            conditioner = self.ready
            check_padding(conditioner, self.source.class_names)
            tensors = {
                "classes": conditioner.embed(self.source.class_names),
                "padding": conditioner.embed([conditioner.padding_prompt]),
                "gibberish": conditioner.gibberish(GIBBERISH, derived_seed("gibberish")),
            }
        except UserError as error:
            raise UserError(f"{self.part.where}: conditioner: {error}") from error
        draft.save_tensors(_TEXT, tensors)

    def _embed_images(self, draft: Draft) -> None:
        pictures, embed = self._pictures, self.ready.embed_images
        random = generator_for("gibberish images")
        shape = pictures.read(torch.arange(1)).shape[1:]
        noise = torch.randint(256, (GIBBERISH, *shape), generator=random).byte()
        rows = through(
            lambda index: embed(pictures.read(index)),
            torch.arange(len(pictures.labels)),
            draft,
            "image-conditions",
            self.progress,
        )
        draft.save_tensors(_IMAGE, {"images": rows, "gibberish": embed(noise)})

    @cached_property
    def _pictures(self) -> Pictures:
        return self.source.pictures(self.conditioner.image_size)

    @property
    def _side(self) -> dict[str, int]:
        """What keys hold of the size of the pictures, where it is not the p-Models'."""
        side = self._pictures.side
        return {} if side is None else {"side": side}

    def _text(self, name: str) -> Tensor:
        return self.text_stage.open(self.store).tensors(_TEXT)[name]

    def _image(self, name: str) -> Tensor:
        return self.image_stage.open(self.store).tensors(_IMAGE)[name]
