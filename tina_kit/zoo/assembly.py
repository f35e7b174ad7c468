"""The modules of p-Models, from generated parameters and the rest of the generic model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tina_kit.api import Architecture

Forms = Mapping[str, tuple[torch.dtype, torch.Size]]


def assemble(
    architecture: Architecture, generic: Mapping[str, Tensor], vector: Tensor, classes: int
) -> nn.Module:
    """The complete module of a p-Model: generated parameters, and the rest from the generic model.

    generic: the generic model's state dict; vector: float32 `(P,)` in
    `architecture.layout(classes)`.
    """
    return Assembly(architecture, _state(architecture, generic, vector, classes), classes).built()


@dataclass(frozen=True)
class Assembly:
    """A module that is not built yet. state: its state dict, of which no tensor may be changed."""

    architecture: Architecture
    state: Mapping[str, Tensor]
    classes: int

    def built(self) -> nn.Module:
        module = self.architecture.build(self.classes)
        module.load_state_dict(dict(self.state))
        return module.eval()


class Assembler:
    """Modules with the parameters that it is given, built only when somebody needs them: most
    p-Models are just saved, and building one takes longer than writing its file.

    generic: the generic model's state dict.
    """

    def __init__(self, architecture: Architecture, generic: Mapping[str, Tensor]) -> None:
        self.architecture, self.generic = architecture, generic
        self._forms: dict[int, Forms] = {}

    def __call__(self, vector: Tensor, classes: int) -> nn.Module | Assembly:
        """vector: as in `assemble`, whose errors it raises."""
        alone = vector.detach().cpu().clone()  # it may be a row of many
        state = _state(self.architecture, self.generic, alone, classes)
        if classes not in self._forms:
            self._forms[classes] = _forms(self.architecture.build(classes).state_dict())
        found = Assembly(self.architecture, state, classes)
        # Otherwise building converts what it can, and says what does not fit.
        return found if _forms(state) == self._forms[classes] else found.built()


def _state(
    architecture: Architecture, generic: Mapping[str, Tensor], vector: Tensor, classes: int
) -> dict[str, Tensor]:
    return {**generic, **architecture.layout(classes).unflatten(vector)}


def _forms(state: Mapping[str, Tensor]) -> Forms:
    return {name: (tensor.dtype, tensor.shape) for name, tensor in state.items()}
