"""The contract of generators: what they learn from and what they generate. Shape letters are
defined in `dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from tina_kit.api.architecture import Architecture
from tina_kit.api.fingerprint import Fingerprinted
from tina_kit.api.training import Step, Train

if TYPE_CHECKING:
    import torch
    from torch import Tensor


LearnsFrom = Literal["p-models", "images", "conditions"]


@dataclass(frozen=True)
class ImagePrompts:
    """Training images as prompts. rows: float32 `(N, D)`; labels: int64 `(N,)` in [0, K)."""

    rows: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Zoo:
    """ID tasks to learn from.

    tasks: int64 `(T, C)`, -1 where a task has fewer classes; conditions: float32 `(T, C, D)`, with
    the padding prompt in those positions.
    p_models: float32 `(T, P)`, for generators that learn from them; see `vectors`.
    images: image prompts, for generators with `prompts = "image"`.
    """

    tasks: Tensor
    conditions: Tensor
    p_models: Tensor | None = None
    images: ImagePrompts | None = None

    @property
    def vectors(self) -> Tensor:
        """float32 `(T, P)`: the p-Models. Raises RuntimeError if the generator's `learns_from`
        does not include them, since then none are trained."""
        if self.p_models is None:
            raise RuntimeError("a generator without 'p-models' in `learns_from` has no p-Models")
        return self.p_models


@dataclass(frozen=True)
class Request:
    """A request for p-Models of T tasks.

    conditions: float32 `(T, C, D)`.
    tasks: int64 `(T, C)`, class indices of the data set, -1 where a task has fewer classes; None
        if the prompts are not its classes.
    seed: random seed of the noise; equal requests give equal p-Models.
    """

    conditions: Tensor
    tasks: Tensor | None
    seed: int = 0


class Learning(Protocol):
    """What a generator may learn from besides the zoo: training images, never test images."""

    def sample(self, tasks: Tensor, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """int64 `(M, C)` tasks → `size` random images of each, as inputs of `forward_many`:
        float32 `(M, size, ...)`, and their targets, int64 `(M, size)` in [0, C)."""

    def loss(
        self,
        vectors: Tensor,
        tasks: Tensor,
        size: int,
        random: torch.Generator,
        flip: bool = False,
        step: Step | None = None,
    ) -> Tensor:
        """The mean cross-entropy of M p-Models on `size` random images of each one's task.

        vectors: float32 `(M, P)` on any device; tasks: int64 `(M, C)`; flip: whether images are
        flipped horizontally at random, for which p-Models must read images and not features.
        step: if `vectors` are those of `step.share(tasks)`; images are drawn for all M tasks.
        Returns a scalar, differentiable in `vectors`: to train a generator through its p-Models'
        own loss."""

    def finetune(self, start: Tensor, tasks: Tensor, epochs: float) -> Tensor:
        """Fine-tune M p-Models as the zoo does: float32 `(M, P)` initial parameter vectors, int64
        `(M, C)` tasks → float32 `(M, P)`."""

    def train_generic(self, start: Tensor, epochs: float) -> Tensor:
        """Train the generic model's generated parameters on the training images of all its classes,
        with the options of the generic model and a new learning-rate schedule: float32 `(P_K',)` →
        float32 `(P_K',)`. What is not generated stays frozen; frozen features are computed once,
        and so without augmentation."""

    @property
    def zoo_epochs(self) -> float:
        """How many passes over the training images of all the generic model's classes take as many
        images as fine-tuning the ID tasks."""


@dataclass(frozen=True)
class Context:
    """What a generator may know about the run; passed to `setup` before `fit`, `load` or
    `generate`.

    generic: float32 `(P_K',)`, the generic model's vector in `architecture.layout(K')`.
    generic_classes: int64 `(K',)`, the class of each of its rows: all K classes, or those that the
        task sampler allows to be seen in training.
    architecture: of the p-Models.
    class_count: K.
    classes: C of the zoo's tasks.
    width: D of the conditions; padding: float32 `(D,)`, the padding prompt's embedding.
    frozen: the generic model's state dict, for `architecture.forward_many`.
    device: where to compute; results are returned on the CPU.
    train: the training loop; only in `fit`.
    learning: the training images; only in `fit`.
    personalise: int64 `(T, C)` tasks → float32 `(T, P)`, the fine-tuned p-Models themselves. Only
        controls may use it on OOD tasks.
    inherited: for each `Row` option, the folder in which the named generator was saved.
    """

    architecture: Architecture
    classes: int
    class_count: int
    width: int
    padding: Tensor
    generic: Tensor
    generic_classes: Tensor
    frozen: Mapping[str, Tensor]
    device: torch.device
    train: Train
    learning: Learning
    personalise: Callable[[Tensor], Tensor]
    inherited: Mapping[str, Path] = field(default_factory=dict)


class Generator(Fingerprinted, ABC):
    """Maps conditions to parameter vectors.

    learns_from: any of "p-models", "images" and "conditions"; nothing else is computed for it or
        passed to it. Empty if there is nothing to fit: `fit`, `save` and `load` are then not
        called.
    reads_conditions: False for methods that use only class indices; the controls (shuffled and
        gibberish prompts, layers of other tasks) are run only for generators that read conditions.
    personalises: True for controls that use the p-Models of the requested tasks themselves.
    id_only: True for methods that need a task's own data and therefore cannot handle OOD tasks.
    prompts: "text" or "image": the kind of prompts it is trained on.
    """

    learns_from: frozenset[LearnsFrom] = frozenset({"p-models", "conditions"})
    reads_conditions: ClassVar[bool] = True
    personalises: ClassVar[bool] = False
    id_only: ClassVar[bool] = False
    prompts: str = "text"
    context: Context

    @property
    def learns(self) -> bool:
        """Whether there is anything to fit."""
        return bool(self.learns_from)

    def setup(self, context: Context) -> None:
        """Receive the context. Draw no random numbers here: torch is only seeded for `fit`."""
        self.context = context

    def fit(self, zoo: Zoo) -> None:
        """Learn from the ID tasks."""

    @abstractmethod
    def generate(self, request: Request) -> Tensor:
        """Return float32 `(T, P)` on the CPU, in `architecture.layout(C')` with C' ≥ C.

        The first C rows are the task's classes. Any further rows are other classes that the
        p-Model may predict; such predictions count as wrong. A logit of -inf says that a class has
        no row, and its images count as wrong too.
        """

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs, as safetensors and JSON."""

    def load(self, folder: Path) -> None:
        """The inverse of `save`, after `setup`."""
