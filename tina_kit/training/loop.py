"""The one training loop: classifiers, p-Models and generators all go through it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tina_kit.api import Step, TinaKitError, Training
from tina_kit.store import Checkpoint, NotFinite
from tina_kit.training.precision import autocast
from tina_kit.training.progress import Progress, silent
from tina_kit.training.seeds import generator_for
from tina_kit.training.snapshot import misfit, plain

LOSSES = 100  # told of a training
SAVING = 20  # times as long as a checkpoint takes to write passes before the next one
CHECKED = 100  # at most so many steps from one look at the loss to the next


@dataclass
class Trainer:
    """Trains modules resumably. Each call takes the next checkpoint of `checkpoints`.

    label: of its progress; stream: what its random draws are seeded with beside the seed.
    checkpoints: names → Checkpoint, for instance a draft's `checkpoint`.
    losses: of each call, (step, mean loss since the one before) about a hundred times.
    """

    label: str
    stream: str
    seed: int
    device: torch.device
    precision: str
    checkpoints: Callable[[str], Checkpoint]
    progress: Progress = silent
    losses: list[list[tuple[int, float]]] = field(default_factory=list)

    def __call__(
        self, module: nn.Module, loss: Callable[[Step], Tensor], training: Training
    ) -> None:
        """Train `module` in place; it ends in eval mode, with its EMA weights where they are kept.

        Raises TinaKitError when the loss or a weight is no longer finite.
        """
        number = len(self.losses)
        checkpoint = self.checkpoints(f"train-{number}")
        run = _Run(module.to(self.device).train(), training, checkpoint, self.label)
        self.losses.append(run.losses)
        with self.progress(self.label, training.steps, run.step) as advance:
            while run.step < training.steps:
                random = generator_for(self.seed, self.stream, number, run.step)
                with autocast(self.precision, self.device):
                    value = loss(Step(run.step, random))
                run.update(value)
                advance(1)
        run.finish()


class _Run:
    """Module, optimiser and EMA weights of one training, and how to save and restore them."""

    def __init__(
        self, module: nn.Module, training: Training, checkpoint: Checkpoint, label: str
    ) -> None:
        self.module = module
        self.training = training
        self.checkpoint = checkpoint
        self.label = label
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = _optimizer(self.parameters, training)
        self.ema = [p.detach().clone() for p in self.parameters] if training.ema else []
        self.step = 0
        self.losses: list[tuple[int, float]] = []
        self._told = max(1, training.steps // LOSSES)
        self._sum = torch.zeros((), device=self.parameters[0].device)
        self._next = 0.0
        self._restore()

    def update(self, loss: Tensor) -> None:
        """One optimiser step."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.training, self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.training.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.training.clip)
        self.optimizer.step()
        if self.training.ema:
            decay = ema_decay(self.training.ema, self.step)
            torch._foreach_lerp_(self.ema, [p.detach() for p in self.parameters], 1 - decay)
        self._sum += loss.detach().float()
        self.step += 1
        last = self.step == self.training.steps
        if self.step % self._told == 0 or last:
            self._record()
        elif self.step == 1 or self.step % CHECKED == 0:
            self._mean_loss()
        due = self.step % self.training.checkpoint_every == 0 and time.monotonic() >= self._next
        if due or last:
            self._save()

    def finish(self) -> None:
        with torch.no_grad():
            for parameter, average in zip(self.parameters, self.ema):
                parameter.copy_(average)
        self.module.eval()

    def _record(self) -> None:
        self.losses.append((self.step, self._mean_loss()))
        self._sum.zero_()

    def _mean_loss(self) -> float:
        """Since the last one that was recorded. Raises TinaKitError where it is not finite."""
        since = self.losses[-1][0] if self.losses else 0
        mean = float(self._sum) / (self.step - since)
        if not math.isfinite(mean):
            raise self._diverged(f"the loss is {mean} before step {self.step}")
        return mean

    def _diverged(self, what: str) -> TinaKitError:
        clip = "" if self.training.clip is None else "set a smaller clip, "
        return TinaKitError(
            f"{self.label}: {what}: training diverged. Lower learning_rate, {clip}or compute in "
            "fp32 (precision: fp32)"
        )

    def _save(self) -> None:
        start = time.monotonic()
        state = {
            "step": self.step,
            "losses": self.losses,
            "sum": float(self._sum),
            "training": plain(self.training),
        }
        try:
            self.checkpoint.save(self._tensors(), state)
        except NotFinite as error:
            raise self._diverged(f"{error} after step {self.step}") from None
        end = time.monotonic()
        # A checkpoint of gigabytes is written so seldom that it costs little.
        self._next = end + SAVING * (end - start)

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"module.{name}": t for name, t in self.module.state_dict().items()}
        tensors |= {f"ema.{index}": tensor for index, tensor in enumerate(self.ema)}
        for index, slots in self.optimizer.state_dict()["state"].items():
            for name, value in slots.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{index}.{name}"] = value
        return tensors

    def _restore(self) -> None:
        saved = self.checkpoint.load()
        if saved is None:
            return
        tensors, state = saved
        if told := misfit(tensors, state, self.module, self.training):
            self.checkpoint.discard(told)
            return
        module: dict[str, Tensor] = {}
        slots: dict[int, dict[str, Any]] = {}
        for name, tensor in tensors.items():
            room, _, rest = name.partition(".")
            if room == "module":
                module[rest] = tensor
            elif room == "ema":
                self.ema[int(rest)].copy_(tensor)
            else:
                index, _, slot = rest.partition(".")
                slots.setdefault(int(index), {})[slot] = tensor
        self.module.load_state_dict(module)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.step = state["step"]
        self.losses += [(step, loss) for step, loss in state["losses"]]
        self._sum.fill_(state["sum"])


def learning_rate(training: Training, step: int) -> float:
    """Linear warm-up, then constant or a half cosine down to 0."""
    if step < training.warmup:
        return training.learning_rate * (step + 1) / training.warmup
    if training.schedule == "constant":
        return training.learning_rate
    part = (step - training.warmup) / max(1, training.steps - training.warmup)
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * part))


def ema_decay(decay: float, step: int) -> float:
    """At a few thousand steps a plain decay of 0.9999 would still be mostly initial weights."""
    return min(decay, (1 + step) / (10 + step))


def _optimizer(parameters: list[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=training.learning_rate,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
        )
    return torch.optim.AdamW(
        parameters,
        lr=training.learning_rate,
        betas=training.betas,
        weight_decay=training.weight_decay,
    )
