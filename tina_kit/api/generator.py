"""What a generator promises, what it learns from and what it is asked. Shapes are named as in
`dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from tina_kit.api.architecture import Architecture
from tina_kit.api.fingerprint import Fingerprinted
from tina_kit.api.training import Train

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

    tasks: int64 `(T, C)`, -1 where a task has fewer classes; conditions: float32 `(T, C, D)`, the
    padding prompt there.
    p_models: float32 `(T, P)`, for generators that learn from them; see `vectors`.
    images: prompts for generators whose `prompts` are images.
    """

    tasks: Tensor
    conditions: Tensor
    p_models: Tensor | None = None
    images: ImagePrompts | None = None

    @property
    def vectors(self) -> Tensor:
        """float32 `(T, P)`: the p-Models. Raises RuntimeError where the generator's `learns_from`
        does not name them: then none were made."""
        if self.p_models is None:
            raise RuntimeError("a generator without 'p-models' in `learns_from` has no p-Models")
        return self.p_models


@dataclass(frozen=True)
class Request:
    """What a generator is asked for: T tasks at once.

    conditions: float32 `(T, C, D)`.
    tasks: int64 `(T, C)`, the dataset's class indices, -1 where a task has fewer classes; None
        where the prompts are no classes of it.
    seed: of the noise; the same request gives the same p-Models.
    """

    conditions: Tensor
    tasks: Tensor | None
    seed: int = 0


class Learning(Protocol):
    """What a generator may learn from beside the zoo: the training images, never test images."""

    def sample(self, tasks: Tensor, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """int64 `(M, C)` tasks → `size` random images of each, as `forward_many` takes them:
        inputs `(M, size, ...)` and int64 `(M, size)` targets in [0, C)."""

    def finetune(self, start: Tensor, tasks: Tensor, epochs: float) -> Tensor:
        """The one fine-tuning routine: `(M, P)` from where to start, int64 `(M, C)` → `(M, P)`."""


@dataclass(frozen=True)
class Context:
    """What a generator may know of the run; given to `setup` before `fit`, `load` or `generate`.

    generic: float32 `(P_K',)`, the generic model's vector in `architecture.layout(K')`.
    generic_classes: int64 `(K',)`, the dataset's class of each of its rows: all K classes, or
        those that the task sampler lets be seen.
    architecture: of the p-Models.
    class_count: K.
    classes: C of the tasks the zoo was made for.
    width: D of the conditions; padding: float32 `(D,)`, the padding prompt's.
    frozen: the generic model's state, for `architecture.forward_many`.
    device: where to compute; what a generator gives back lies on the CPU.
    train: the one training loop; only in `fit`.
    learning: the training images; only in `fit`.
    personalise: int64 `(T, C)` tasks → float32 `(T, P)`, the fine-tuned p-Models themselves.
        Only a control may use it on an OOD task.
    inherited: for each option of kind `row`, the folder that the named generator was saved to.
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

    learns_from: any of "p-models", "images" and "conditions"; nothing else is made for it or
        given to it. Empty where there is nothing to fit: then `fit`, `save` and `load` are not
        called.
    reads_conditions: False for methods that look only at class indices; the controls with
        shuffled and gibberish prompts are run for those that do read them.
    personalises: True for a control that looks at the p-Models of the very tasks it is asked for.
    id_only: True for methods that need a task's own data and so have no answer for OOD tasks.
    prompts: "text" or "image", what it is trained on.
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
        """Draws nothing: torch is seeded by the run only when `fit` is called."""
        self.context = context

    def fit(self, zoo: Zoo) -> None:
        """Learn from the ID tasks."""

    @abstractmethod
    def generate(self, request: Request) -> Tensor:
        """→ float32 `(T, P)` on the CPU, in `architecture.layout(C')` with C' ≥ C.

        The first C rows are the task's classes. Rows beyond them are other classes that the
        p-Model may also answer; such an answer is counted as wrong, and so is a logit of -inf,
        which says that there is no row for a class.
        """

    def save(self, folder: Path) -> None:
        """Write all that `load` needs, as safetensors and JSON."""

    def load(self, folder: Path) -> None:
        """The inverse of `save`, after `setup`."""
