"""Where a long stage was when it was stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina_kit.store.disk import STORE_REMEDY, explaining
from tina_kit.store.files import replacing

if TYPE_CHECKING:
    from torch import Tensor


class Checkpoint:
    """One safetensors file that is replaced in one step: tensors and JSON state together."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        from safetensors.torch import save_file

        with explaining(self.path.parent, STORE_REMEDY), replacing(self.path) as draft:
            whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            save_file(whole, draft, metadata={"state": json.dumps(state)})

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What was saved last; None where nothing was, or what was saved cannot be read."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return tensors, json.loads(file.metadata()["state"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None
