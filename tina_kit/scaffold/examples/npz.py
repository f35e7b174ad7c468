from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from tina_kit.api import Component, Dataset, Images, Options, Split, Unit, UserError, hookimpl


class NpzOptions(Options):
    file: Path = Field(description=".npz file: images (N, H, W, 3) of bytes, labels (N), names (K)")
    every: Annotated[int, Unit("images")] = Field(
        5, ge=2, description="one image in this many is a test image"
    )


class Npz(Dataset):
    def __init__(self, options: NpzOptions) -> None:
        self.options = options

    def files(self) -> Mapping[str, Path]:
        return {"images.npz": self.options.file}

    @property
    def class_names(self) -> Sequence[str]:
        return [str(name) for name in self._read("names")]

    def load(self, split: Split) -> Images:
        images = torch.from_numpy(self._read("images")).permute(0, 3, 1, 2).contiguous()
        labels = torch.from_numpy(self._read("labels")).long()
        rank = labels.argsort(stable=True).argsort()  # each class is split alike
        chosen = (rank % self.options.every == 0) == (split == "test")
        return Images(images[chosen], labels[chosen])

    def _read(self, name: str) -> NDArray[Any]:
        try:
            with np.load(self.options.file) as file:
                array: NDArray[Any] = file[name]
                return array
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{self.options.file}: cannot read {name} ({error}). Save the arrays images, "
                "labels and names with numpy.savez"
            ) from None


@hookimpl
def tina_kit_components() -> list[Component]:
    code = f"{__name__}:Npz"
    return [Component("dataset", "npz", code, f"{code}Options", "Images in one NumPy file.")]
