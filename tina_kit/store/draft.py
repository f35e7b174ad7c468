"""What a stage writes, and what is read of it once it is finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina_kit.api import save_tensors
from tina_kit.store.checkpoint import Checkpoint
from tina_kit.store.files import read_json, write_json

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Draft:
    """Where a stage writes: `folder` becomes the entry; `work` holds checkpoints until then."""

    folder: Path
    work: Path

    def checkpoint(self, name: str) -> Checkpoint:
        return Checkpoint(self.work / f"{name}.safetensors")

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        save_tensors(self.folder / name, tensors)

    def save_json(self, name: str, value: Any) -> None:
        write_json(self.folder / name, value)


@dataclass(frozen=True)
class Entry:
    """A finished result; it was verified when it was opened."""

    folder: Path

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors in a file, memory-mapped, so that only those that are used are read."""
        from safetensors.torch import load_file

        return load_file(self.folder / name)

    def json(self, name: str) -> Any:
        return read_json(self.folder / name)
