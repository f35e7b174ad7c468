"""What each kind of component promises. Tensors are named with their shapes:

N images, K classes of the dataset, T tasks, C classes of a task, D the width of a condition,
P the length of a parameter vector, M p-Models, B images of a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tina_kit.api.layout import Layout

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tina_kit.api.options import TaskOptions

Split = Literal["train", "test"]


class Fingerprinted:
    """Every part answers for the files it reads, so that cache keys need no paths."""

    def fingerprint(self) -> str:
        """A string that changes when files outside the options change the part's results."""
        return ""


@dataclass(frozen=True)
class Images:
    """images: uint8 `(N, 3, H, W)`; labels: int64 `(N,)` in [0, K)."""

    images: Tensor
    labels: Tensor


class Dataset(Fingerprinted, ABC):
    """Labelled images. `fingerprint()` must cover the data and be cheap (no decoding)."""

    superclasses: Sequence[int] | None = None
    """The superclass of each class, where they exist."""

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """The K class names, in label order. Raises UserError when the data is missing."""

    @abstractmethod
    def load(self, split: Split) -> Images:
        """Decode one split. Raises UserError naming a file that is missing or broken."""


class TaskSampler(Fingerprinted, ABC):
    """Draws tasks from a dataset's classes (Section 5.1)."""

    options: TaskOptions

    @abstractmethod
    def draw(self, class_names: Sequence[str], seed: int) -> dict[str, Tensor]:
        """`{"id": int64 (id, C), "ood": int64 (ood, C)}`, rows of distinct class indices.

        ID and OOD tasks are disjoint as unordered sets; every class is drawn about equally
        often; more ID tasks leave the first ones as they were. Raises UserError when the
        dataset has too few classes.
        """


class Architecture(Fingerprinted, ABC):
    """A p-Model architecture: what is generated, and how many p-Models run at once.

    `inputs` is where a frozen feature extractor belongs: whatever it returns is computed once
    and kept, and `forward_many` runs only what is generated.
    """

    @abstractmethod
    def build(self, classes: int) -> nn.Module:
        """A fresh module: float32 images `(B, 3, H, W)` → logits `(B, classes)`.

        Its parameters include every one of `layout(classes)` under the same name.
        """

    @abstractmethod
    def layout(self, classes: int) -> Layout:
        """The generated parameters for `classes` classes."""

    @abstractmethod
    def normalise(self, images: Tensor) -> Tensor:
        """uint8 `(..., 3, H, W)` → float32 of the same shape, as `build`'s module takes them."""

    def inputs(self, module: nn.Module, images: Tensor) -> Tensor:
        """uint8 `(N, 3, H, W)` → float32 `(N, ...)`, what `forward_many` takes."""
        return self.normalise(images)

    @abstractmethod
    def forward_many(self, vectors: Tensor, inputs: Tensor, classes: int) -> Tensor:
        """M p-Models at once: `(M, P)`, `(M, B, ...)` → logits `(M, B, classes)`."""


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
    """Embeds prompts (Section 4.1)."""

    modalities: ClassVar[tuple[str, ...]] = ("text",)
    padding_prompt: ClassVar[str] = "<->"

    @property
    @abstractmethod
    def width(self) -> int:
        """D."""

    @abstractmethod
    def embed(self, prompts: Sequence[str]) -> Tensor:
        """Prompts → float32 `(len(prompts), D)`; each row depends on its own prompt alone."""

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
        self, vectors: Tensor, conditions: Tensor, layout: Layout, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """`(B, P)`, `(B, C, D)` → the same shapes, drawn afresh from `generator` (on the CPU)."""


@dataclass(frozen=True)
class Zoo:
    """Pairs to learn from.

    vectors: float32 `(T, P)`; tasks: int64 `(T, C)`; conditions: float32 `(T, C, D)`.
    """

    vectors: Tensor
    tasks: Tensor
    conditions: Tensor


@dataclass(frozen=True)
class Request:
    """What a generator is asked for: T tasks at once.

    conditions: float32 `(T, C, D)`.
    tasks: int64 `(T, C)`, the dataset's class indices; None where the prompts are no classes of it.
    seed: of the noise; the same request gives the same p-Models.
    """

    conditions: Tensor
    tasks: Tensor | None
    seed: int = 0


@dataclass(frozen=True)
class Step:
    """One training step. `generator` (CPU) is seeded by the run's seed and the step alone, so a
    resumed run draws what an undisturbed one draws."""

    index: int
    generator: torch.Generator


@dataclass(frozen=True)
class Training:
    """Settings of the one training loop. `schedule`: the shape of the learning rate after
    `warmup` steps. `ema`: the final decay; it warms up as (1 + step) / (10 + step)."""

    steps: int
    learning_rate: float
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.0
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    warmup: int = 0
    schedule: Literal["constant", "cosine"] = "cosine"
    clip: float | None = None
    ema: float | None = None
    checkpoint_every: int = 100


@dataclass(frozen=True)
class Context:
    """What a generator may know of the run; given to `setup` before `fit`, `load` or `generate`.

    generic: float32 `(P_K,)`, the generic model's vector in `architecture.layout(class_count)`.
    classes: C of the tasks the zoo was made for.
    width: D of the conditions.
    train: `train(module, loss, training)` trains a module in place (its EMA weights at the end,
        where `training.ema` is set), resumably, with progress; `loss(step)` draws its own batch
        and returns a scalar.
    personalise: int64 `(T, C)` tasks → float32 `(T, P)`, the fine-tuned p-Models themselves.
        Only a control may use it on an OOD task.
    """

    architecture: Architecture
    classes: int
    class_count: int
    width: int
    generic: Tensor
    device: torch.device
    train: Callable[[nn.Module, Callable[[Step], Tensor], Training], None]
    personalise: Callable[[Tensor], Tensor]


class Generator(Fingerprinted, ABC):
    """Maps conditions to parameter vectors.

    learns: False where there is nothing to fit; then `fit`, `save` and `load` are not called.
    reads_conditions: False for methods that look only at class indices; the controls with
        shuffled and gibberish prompts are run for those that do read them.
    """

    learns: ClassVar[bool] = True
    reads_conditions: ClassVar[bool] = True
    context: Context

    def setup(self, context: Context) -> None:
        self.context = context

    def fit(self, zoo: Zoo) -> None:
        """Learn from the ID tasks' p-Models."""

    @abstractmethod
    def generate(self, request: Request) -> Tensor:
        """→ float32 `(T, P)` on the CPU, in `architecture.layout(C')` with C' ≥ C.

        The first C rows are the task's classes. Rows beyond them are other classes that the
        p-Model may also answer; such an answer is counted as wrong.
        """

    def save(self, folder: Path) -> None:
        """Write all that `load` needs, as safetensors and JSON."""

    def load(self, folder: Path) -> None:
        """The inverse of `save`, after `setup`."""


class Study(ABC):
    """An evaluation beyond ID and OOD."""

    @abstractmethod
    def run(self, run: Any) -> Mapping[str, Any]:
        """Rows and plots of the study."""
