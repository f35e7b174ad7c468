from typing import Annotated

import torch
from pydantic import Field
from tina_kit.api import Classes, Component, TaskOptions, TaskSampler, Unit, UserError, hookimpl
from torch import Tensor


class DistantOptions(TaskOptions):
    shared: Annotated[int, Unit("classes")] = Field(
        5, ge=0, description="classes that an ID and an OOD task may share"
    )


class Distant(TaskSampler):
    """No ID task is near an OOD task."""

    options: DistantOptions

    def __init__(self, options: DistantOptions) -> None:
        self.options = options

    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        count = len(classes.names)
        ood = self._some(self.options.ood, count, 2 * seed, [])
        far = [set(task) - {-1} for task in ood.tolist()]
        return {"id": self._some(self.options.id, count, 2 * seed + 1, far), "ood": ood}

    def _some(self, wanted: int, count: int, seed: int, far: list[set[int]]) -> Tensor:
        random, longest = torch.Generator().manual_seed(seed), self.options.classes
        sizes = range(self.options.smallest or longest, longest + 1)
        kept: dict[frozenset[int], Tensor] = {}
        for _ in range(10 * wanted):  # whole permutations hold every class equally often
            for task in torch.randperm(count, generator=random).split(longest):
                size = sizes[len(kept) % len(sizes)]
                key, limit = frozenset(task[:size].tolist()), min(self.options.shared, size - 1)
                if len(task) == longest and all(len(key & other) <= limit for other in far):
                    kept.setdefault(key, task.where(torch.arange(longest) < size, -1))
                if len(kept) == wanted:
                    return torch.stack(list(kept.values()))
        raise UserError(
            f"{count} classes do not give {wanted} tasks of {longest} so far apart; ask for fewer "
            "tasks or allow more shared classes"
        )


@hookimpl
def tina_kit_components() -> list[Component]:
    code = f"{__name__}:Distant"
    return [Component("task-sampler", "distant", code, f"{code}Options", "OOD tasks far from ID.")]
