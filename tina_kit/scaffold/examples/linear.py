from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import load_file
from tina_kit.api import (
    Component,
    Generator,
    Options,
    Request,
    UserError,
    Zoo,
    hookimpl,
    save_tensors,
)
from torch import Tensor


class LinearOptions(Options):
    ridge: float = Field(1.0, gt=0, description="penalty on the squared entries of the map")


class Linear(Generator):
    """A linear map from a task's prompts, in their order, to its parameter vector."""

    def __init__(self, options: LinearOptions) -> None:
        self.ridge = options.ridge

    def fit(self, zoo: Zoo) -> None:
        x, mean = zoo.conditions.flatten(1), zoo.vectors.mean(0)  # (T, C·D) and (P,)
        gram = x @ x.T + self.ridge * torch.eye(len(x))
        solved: Tensor = x.T @ torch.linalg.solve(gram, zoo.vectors - mean)  # (C·D, P)
        self.tensors = {"mean": mean, "map": solved}

    def generate(self, request: Request) -> Tensor:
        x = request.conditions.cpu().flatten(1)
        if x.shape[1] != len(self.tensors["map"]):
            raise UserError("this generator needs tasks of as many classes as it learned from")
        return self.tensors["mean"] + x @ self.tensors["map"]

    def save(self, folder: Path) -> None:
        save_tensors(folder / "map.safetensors", self.tensors)

    def load(self, folder: Path) -> None:
        self.tensors = load_file(folder / "map.safetensors")


@hookimpl
def tina_kit_components() -> list[Component]:
    code = f"{__name__}:Linear"
    return [Component("generator", "linear", code, f"{code}Options", "Ridge regression.")]
