"""What each kind of component promises. Tensors are named with their shapes:

N images, K classes of the dataset, T tasks, C classes of a task, D the width of a condition,
P the length of a parameter vector, M p-Models, B images of a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tina_kit.api.errors import UserError
from tina_kit.api.layout import Layout
from tina_kit.api.names import name_index

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tina_kit.api.generation import Train
    from tina_kit.api.options import TaskOptions

Split = Literal["train", "test"]


class Fingerprinted:
    """Every part answers for the files it reads, so that cache keys need no paths."""

    def files(self) -> Mapping[str, str | Path]:
        """The files whose content the part's results depend on, by names that stay the same when
        the whole is moved. The core hashes them, again only when size or date have changed."""
        return {}

    def fingerprint(self) -> str:
        """A string that changes when anything else outside the options changes the results."""
        return ""

    def facts(self) -> Mapping[str, Any]:
        """What a reader of the run should know beyond the options, as JSON: told in the log and
        kept in `run.json`. Asked for whenever a run is planned, so it must be cheap."""
        return {}


@dataclass(frozen=True)
class Images:
    """images: uint8 `(N, 3, H, W)`; labels: int64 `(N,)` in [0, K).

    left_out: a line for each image that is not among them because it cannot be read: its name in
    the data set, and why. The run folder keeps them.
    """

    images: Tensor
    labels: Tensor
    left_out: Sequence[str] = ()


class Dataset(Fingerprinted, ABC):
    """Labelled images. `files()` must name all that is read and be cheap (no decoding)."""

    superclasses: Sequence[int] | None = None
    """The superclass of each class, where they exist."""

    larger_than: int | None = None
    """Side of `load`'s images where their files hold larger ones, which `load_larger` reads; None
    where they do not."""

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """The K class names, in label order, each with a `name_key` of its own: they are prompts.

        Raises UserError when the data is missing, and where names are the same; `name_index` checks
        them, and says where each comes from.
        """

    @abstractmethod
    def load(self, split: Split) -> Images:
        """Decode one split. Raises UserError naming a file that is missing or broken."""

    def load_larger(self, index: Tensor, side: int) -> Tensor:
        """Training images again, for a conditioner that sees more of them than p-Models do. Called
        only for a side above `larger_than`.

        index: int64 `(B,)` among the images of `load("train")` → uint8 `(B, 3, side, side)`.
        Raises UserError naming a file that is missing or broken.
        """
        raise NotImplementedError(f"{type(self).__name__} sets larger_than without load_larger")


@dataclass(frozen=True)
class Classes:
    """What a task sampler knows of a dataset: names in label order, and their superclasses.

    Raises UserError where names are empty or the same, or superclasses are not one for each.
    """

    names: Sequence[str]
    superclasses: Sequence[int] | None = None

    def __post_init__(self) -> None:
        name_index(self.names, [f"label {label}" for label in range(len(self.names))])
        if self.superclasses is not None and len(self.superclasses) != len(self.names):
            raise UserError(
                f"there are {len(self.superclasses)} superclasses for {len(self.names)} classes; "
                "give each class one"
            )


class TaskSampler(Fingerprinted, ABC):
    """Draws tasks from a dataset's classes (Section 5.1)."""

    options: TaskOptions

    @abstractmethod
    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        """`{"id": int64 (id, C), "ood": int64 (ood, C), ...}`, rows of distinct class indices.

        Further entries are test splits of the sampler's own, like `"unseen 40%"`. A task of fewer
        than C classes ends in -1. ID tasks are disjoint from all others as unordered sets; every
        class is drawn about equally often; more ID tasks leave the first ones as they were. Raises
        UserError when the dataset has too few classes.
        """

    def seen(self, classes: Classes, seed: int) -> Tensor | None:
        """int64 `(K',)`, sorted: the classes that anything trained may see; None for all of them.
        No ID task holds another."""
        return None


class Architecture(Fingerprinted, ABC):
    """A p-Model architecture: what is generated, and how many p-Models run at once.

    `inputs` is where a frozen feature extractor belongs: with `frozen_features` its results are
    computed once and kept, and `forward_many` runs only what is generated.
    """

    frozen_features: bool = False
    """Whether `inputs` runs a part of the network and not just `normalise`."""

    @abstractmethod
    def build(self, classes: int) -> nn.Module:
        """A fresh module: float32 images `(B, 3, H, W)` → logits `(B, classes)`.

        Its parameters include every one of `layout(classes)` under the same name.
        """

    def initial(self, classes: int) -> nn.Module:
        """The module that the generic model's training starts from; `build` unless pretrained."""
        return self.build(classes)

    @abstractmethod
    def layout(self, classes: int) -> Layout:
        """The generated parameters for `classes` classes."""

    @abstractmethod
    def normalise(self, images: Tensor) -> Tensor:
        """uint8 `(..., 3, H, W)` → float32 of the same shape, as `build`'s module takes them."""

    def inputs(self, module: nn.Module, images: Tensor) -> Tensor:
        """uint8 `(N, 3, H, W)` → float32 `(N, ...)`, what `forward_many` takes.

        module: the generic model, on the device of `images`, in eval mode.
        """
        return self.normalise(images)

    @abstractmethod
    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        """M p-Models at once: float32 `(M, P)`, `(M, B, ...)` → logits `(M, B, classes)`.

        frozen: the generic model's state, on the same device, for parameters that are not
        generated.
        """


@dataclass(frozen=True)
class Token:
    """A chunk of a parameter vector, as the transformer sees it.

    entries: which entries of the vector it holds, in order.
    layer: the layer they come from.
    group: tokens of one group share encoder, decoder and (having none) position; they have one
        size. A group of one token has a position of its own.
    class_index: the class it belongs to, whose condition it is joined with; None for none.
    """

    entries: tuple[int, ...]
    layer: str
    group: str
    class_index: int | None = None


class Tokenizer(Fingerprinted, ABC):
    """Cuts parameter vectors into tokens (Section 4.2)."""

    @abstractmethod
    def tokens(self, layout: Layout) -> tuple[Token, ...]:
        """The tokens of a vector in `layout`; every entry lies in exactly one token."""


class Conditioner(Fingerprinted, ABC):
    """Embeds prompts (Section 4.1).

    modalities: which kinds of prompt it takes, "text" and "image".
    learns: whether it is trained on the dataset before it embeds anything (`fit`, `save`, `load`).
    image_size: side of the square images that suit it best; any size is taken.
    device: where it computes; the core sets it.
    """

    modalities: tuple[str, ...] = ("text",)
    padding_prompt: ClassVar[str] = "<->"
    learns: bool = False
    image_size: int = 32
    device: torch.device | None = None

    def fit(self, images: Images, class_names: Sequence[str], train: Train) -> None:
        """Learn from training images and the names of their classes; see `Context.train`. torch is
        seeded for it, so initial weights are drawn here."""

    def save(self, folder: Path) -> None:
        """Write all that `load` needs, as safetensors and JSON."""

    def load(self, folder: Path) -> None:
        """The inverse of `save`."""

    @property
    @abstractmethod
    def width(self) -> int:
        """D."""

    @abstractmethod
    def embed(self, prompts: Sequence[str]) -> Tensor:
        """Prompts → float32 `(len(prompts), D)`; each row depends on its own prompt alone."""

    def embed_images(self, images: Tensor) -> Tensor:
        """uint8 `(N, 3, H, W)` → float32 `(N, D)`, in the same space as `embed`.

        Raises UserError where "image" is not among `modalities`.
        """
        raise UserError(f"{type(self).__name__} takes no image prompts, only text")

    def gibberish(self, count: int, seed: int) -> Tensor:
        """float32 `(count, D)`: embeddings of prompts that mean nothing, for the control.

        Random letters; a conditioner that cannot embed them gives random vectors instead.
        """
        random = Random(seed)
        return self.embed(["".join(random.choices(ascii_lowercase, k=8)) for _ in range(count)])


class Augmentation(Fingerprinted, ABC):
    """Changes both sides of (p-Model, prompts) pairs alike (Section 4.3)."""

    @abstractmethod
    def __call__(
        self,
        vectors: Tensor,
        conditions: Tensor,
        mask: Tensor,
        layout: Layout,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`(B, P)`, `(B, C, D)`, bool `(B, C)` → the same shapes, drawn afresh from `generator`
        (on the CPU). vectors: as they are in p-Models, not normalised. mask: which places hold a
        class; the others hold the padding prompt."""
