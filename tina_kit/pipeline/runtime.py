"""Where and how stages are computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from tina_kit.store import Draft, Store
from tina_kit.training import (
    ALONE,
    Observers,
    Ranks,
    Trainer,
    keep_freed_memory,
    resolve_precision,
)

Recorded = Mapping[tuple[str, int | None], str]
"""(name of a stage, seed) → its key, as a run recorded it."""


@dataclass(frozen=True)
class Runtime:
    """store: where results are kept; observer: what watches the run.

    precision: of trainings, "fp32" or "bf16"; the only one of these that is part of keys.
    recorded: the keys of a finished run's stages, so that nothing that goes into a key, such as the
        images, is needed to find them.
    variant: the variant of a study that these stages belong to, "" for the recipe's own.
    ranks: the processes of this run.
    """

    store: Store
    device: torch.device
    precision: str
    observer: Observers = field(default_factory=Observers)
    recorded: Recorded = field(default_factory=dict)
    variant: str = ""
    ranks: Ranks = ALONE

    def __post_init__(self) -> None:
        keep_freed_memory()

    def trainer(
        self, label: str, draft: Draft, stream: str, seed: int, ranks: Ranks = ALONE
    ) -> Trainer:
        """ranks: those that take part; only in `SharedStage.train` may it be all of them."""
        return Trainer(
            label=label,
            stream=stream,
            seed=seed,
            device=self.device,
            precision=self.precision,
            checkpoints=draft.checkpoint,
            observer=self.observer,
            ranks=ranks,
        )

    @classmethod
    def of(
        cls,
        store: Store,
        device: torch.device,
        precision: str,
        observer: Observers | None = None,
        ranks: Ranks = ALONE,
    ) -> Runtime:
        """precision: a recipe's, which may be "auto"."""
        resolved = resolve_precision(precision, device)
        return cls(store, device, resolved, observer or Observers(), ranks=ranks)

    def for_precision(self, precision: str) -> Runtime:
        """The same for a recipe with another precision."""
        return replace(self, precision=resolve_precision(precision, self.device))

    def for_variant(self, variant: str) -> Runtime:
        """The same for a variant of the recipe, whose stages a finished run does not look up."""
        return replace(self, recorded={}, variant=variant)
