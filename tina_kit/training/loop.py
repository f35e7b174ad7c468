"""The training loop of classifiers, p-Models and generators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor, nn

from tina_kit.api import Observer, Step, StepInfo, Training
from tina_kit.store import Checkpoint
from tina_kit.training.optimizer import learning_rate
from tina_kit.training.precision import autocast
from tina_kit.training.ranks import ALONE, Ranks
from tina_kit.training.seeds import generator_for
from tina_kit.training.sharing import Sharing
from tina_kit.training.state import TrainingState

Probe = Callable[[nn.Module], float | None]
"""Measures a module that is being trained, in eval mode and with its EMA weights; None where that
is not possible (yet)."""


@dataclass
class Trainer:
    """Trains modules with checkpoints. Each call uses its own checkpoint.

    label: its name in events; stream: seeds its random draws, together with the seed.
    checkpoints: name → Checkpoint, for example a draft's `checkpoint`.
    losses: for each call about a hundred pairs (step, mean loss since the previous pair).
    summed: how many models' losses a loss is the sum of, whose mean observers are told.
    probe: gives the p-Acc that observers are told, `measurements` times in a training, on the first
        rank alone. It must draw no random numbers of torch's own, so that results do not depend on
        it.
    ranks: the processes that take part, each in the same calls; checkpoints are those of the first.
    """

    label: str
    stream: str
    seed: int
    device: torch.device
    precision: str
    checkpoints: Callable[[str], Checkpoint]
    observer: Observer = field(default_factory=Observer)
    losses: list[list[tuple[int, float]]] = field(default_factory=list)
    summed: int = 1
    probe: Probe | None = None
    measurements: int = 0
    ranks: Ranks = ALONE

    def __call__(
        self,
        module: nn.Module,
        loss: Callable[[Step, nn.Module], Tensor],
        training: Training,
    ) -> None:
        """Train `module` in place; afterwards it is in eval mode, with its EMA weights if any.

        Raises TinaKitError if the loss or a weight is not finite.
        """
        number = len(self.losses)
        checkpoint = self.checkpoints(f"train-{number}")
        run = TrainingState(
            module.to(self.device).train(), training, checkpoint, self.label, self.ranks
        )
        self.losses.append(run.losses)
        self._tell(run, number)
        sharing = Sharing(self.ranks, module, self.label, training.accumulate)

        def of_part(step: Step) -> Tensor:
            with autocast(self.precision, self.device):
                return loss(step, module)

        while run.step < training.steps:
            random = partial(generator_for, self.seed, self.stream, number, run.step)
            whole = sharing.gradients(of_part, run.step, random, run.parameters)
            if whole is None:
                break
            recorded = run.update(whole)
            self._tell(run, number, recorded)
            if run.save_if_due():
                self.observer.checkpoint(self.label, run.step)
        run.finish()

    def _tell(self, run: TrainingState, number: int, recorded: bool = False) -> None:
        info = StepInfo(self.label, run.step, run.training.steps, number)
        if recorded:
            rate = learning_rate(run.training, run.step - 1)
            p_acc, loss = self._measured(run), run.losses[-1][1] / self.summed
            info = replace(info, loss=loss, learning_rate=rate, p_acc=p_acc)
        self.observer.step(info)

    def _measured(self, run: TrainingState) -> float | None:
        """The p-Acc at a recorded step, None unless it is due and this is the first rank."""
        if self.probe is None or not self.ranks.first:
            return None
        before = run.losses[-2][0] if len(run.losses) > 1 else 0
        passed = [at * self.measurements // run.training.steps for at in (before, run.step)]
        if passed[0] == passed[1]:
            return None
        with run.averaged():
            return self.probe(run.module)
