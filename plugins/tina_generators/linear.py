"""A linear path beside Tina's transformer, from conditions to parameter tokens."""

from __future__ import annotations

import math

from torch import Tensor, nn

from tina_generators.groups import Groups

RANK = 64  # of how a class's row depends on the other classes


class LinearPath(nn.Module):
    """What each class adds to the parameters of a task, beside what the transformer makes of them.

    Shared entries get a sum over the classes, each a linear map of its condition. A class's row
    gets a linear map of its condition, and one of the product of its condition with the sum of all,
    whether the row is a token of its own or lies in a token with others. From a classifier that is
    trained to the end, a transformer alone finds these terms late: the gradient that all tasks
    share outweighs what differs between them.

    groups: of the tokens; width: D of the conditions; classes: C of the tasks.
    """

    def __init__(self, groups: Groups, width: int, classes: int) -> None:
        super().__init__()
        self.scale = 1 / math.sqrt(classes)
        self.one = nn.Linear(width, RANK, bias=False)
        self.all = nn.Linear(width, RANK, bias=False)
        self.sums, self.own, self.mixed = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for number, (name, size) in enumerate(groups.size.items()):
            if groups.rows(name) is None:
                self.sums[str(number)] = nn.Linear(
                    width, len(groups.index[name]) * size, bias=False
                )
            else:
                self.own[str(number)] = nn.Linear(width, groups.row_size, bias=False)
                self.mixed[str(number)] = nn.Linear(RANK, groups.row_size, bias=False)

    def initialise(self) -> None:
        """Add nothing at first."""
        for linear in (*self.sums.values(), *self.own.values(), *self.mixed.values()):
            nn.init.zeros_(linear.weight)  # type: ignore[arg-type]
        for linear in (self.one, self.all):
            nn.init.normal_(linear.weight, std=1 / math.sqrt(linear.in_features))

    def forward(
        self, conditions: Tensor, groups: Groups, present: Tensor | None
    ) -> dict[str, Tensor]:
        """conditions: `(B, C, D)`; present: bool `(B, C)`, None for all classes. Returns for each
        group what is added to its tokens, `(B, tokens of it, entries)`."""
        if present is not None:
            conditions = conditions * present[..., None]
        total = conditions.sum(1) * self.scale  # (B, D)
        product = self.one(conditions) * self.all(total)[:, None]  # (B, C, RANK)
        added: dict[str, Tensor] = {}
        for number, (name, size) in enumerate(groups.size.items()):
            rows = groups.rows(name, conditions.device)
            if rows is None:
                added[name] = self.sums[str(number)](total).unflatten(-1, (-1, size))
            else:
                every = self.own[str(number)](conditions) + self.mixed[str(number)](product)
                owner, place = rows
                added[name] = every[:, owner, place]
        return added
