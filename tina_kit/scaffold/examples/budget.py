from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from tina_kit.api import Component, Options, Study, Trial, Unit, hookimpl


class BudgetOptions(Options):
    budget: Annotated[int, Unit("epochs")] = Field(
        10_000, ge=1, description="of fine-tuning, for all ID tasks together"
    )
    epochs: Annotated[tuple[int, ...], Unit("epochs")] = Field(
        (2, 5, 10, 20), description="of fine-tuning for each task"
    )


class Budget(Study):
    """Many p-Models fine-tuned briefly or few fine-tuned for long, at the same cost?"""

    title = "p-Acc at one cost of the zoo"
    x_label = "epochs of fine-tuning per task"

    def __init__(self, options: BudgetOptions) -> None:
        self.options = options

    def trials(self, generators: Sequence[str]) -> Sequence[Trial]:
        shares = {n: max(1, self.options.budget // n) for n in self.options.epochs}
        return [
            Trial(name, n, name, {"finetune.epochs": n, "tasks.id": tasks})
            for name in generators
            for n, tasks in shares.items()
        ]


@hookimpl
def tina_kit_components() -> list[Component]:
    code = f"{__name__}:Budget"
    return [Component("study", "budget", code, f"{code}Options", "Many tasks or many epochs.")]
