"""The generic model: one classifier over all classes that may be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from tina_kit.api import Architecture
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.images import ImagesStage, of_classes
from tina_kit.recipe import ResolvedComponent
from tina_kit.recipe.component import keyed
from tina_kit.recipe.schema import GenericOptions
from tina_kit.store import Draft
from tina_kit.training import autocast
from tina_kit.zoo.training import train_generic

AT_ONCE = 256  # images per batch when its accuracy is measured
_WEIGHTS, _LOSSES = "generic.safetensors", "losses.json"


class GenericStage(Stage):
    """component: the architecture; seen: int64 `(K',)`, the classes it is trained on, out of
    `class_count`; measurements: how often its accuracy is measured while it is trained, which a run
    that validates may ask for."""

    kind = "generic"
    version = 2

    def __init__(
        self,
        runtime: Runtime,
        images: ImagesStage,
        component: ResolvedComponent,
        options: GenericOptions,
        seen: Tensor,
        class_count: int,
        seed: int,
        measurements: int = 0,
    ) -> None:
        super().__init__(runtime, "generic", seed)
        self.measurements = measurements
        self.images, self.component, self.options = images, component, options
        self.seen, self.class_count = seen, class_count
        self._seed = seed

    @cached_property
    def architecture(self) -> Architecture:
        return self.component.build()  # type: ignore[no-any-return]

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "architecture": self.component.settings(),
            "training": keyed(self.options),
            "seed": self._seed,
            "precision": self.runtime.precision,
            "seen": seen_setting(self.seen, self.class_count),
        }

    @property
    def after(self) -> Sequence[Stage]:
        return (self.images,)

    def compute(self, draft: Draft) -> None:
        trainer = self.runtime.trainer(self.name, draft, "generic", self._seed)
        trainer.probe, trainer.measurements = self._accuracy, self.measurements
        images = of_classes(self.images.read("train"), self.seen, self.class_count)
        module = train_generic(
            self.architecture, images, len(self.seen), self.options, self._seed, trainer
        )
        draft.save_tensors(_WEIGHTS, module.state_dict())
        draft.save_json(_LOSSES, trainer.losses)

    def _accuracy(self, module: nn.Module) -> float:
        """Of a module on the runtime's device, on the validation images of its classes, in
        percent."""
        images = of_classes(self.images.read("test"), self.seen, self.class_count)
        device, right = self.runtime.device, 0
        with torch.no_grad(), autocast(self.runtime.precision, device):
            for pixels, labels in zip(images.images.split(AT_ONCE), images.labels.split(AT_ONCE)):
                logits = module(self.architecture.normalise(pixels.to(device)))
                right += int((logits.argmax(-1).cpu() == labels).sum())
        return 100 * right / len(images.labels)

    def losses(self) -> list[list[tuple[int, float]]]:
        """For each training: (step, mean loss since the point before)."""
        found: list[list[tuple[int, float]]] = self.entry.json(_LOSSES)
        return found

    @cached_property
    def module(self) -> nn.Module:
        """On the CPU, in eval mode, with a row for each class of `seen`, in their order."""
        module = self.architecture.build(len(self.seen))
        module.load_state_dict(self.entry.tensors(_WEIGHTS))
        return module.eval()

    @cached_property
    def state(self) -> dict[str, Tensor]:
        return dict(self.module.state_dict())

    @cached_property
    def vector(self) -> Tensor:
        """float32 `(P_K',)`: its generated parameters."""
        return self.architecture.layout(len(self.seen)).flatten(self.state)


def seen_setting(seen: Tensor, class_count: int) -> list[int] | None:
    """For keys: the classes that may be seen, None for all of them."""
    return None if len(seen) == class_count else seen.tolist()
