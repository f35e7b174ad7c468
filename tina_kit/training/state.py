"""The state of a training between two steps, and between the processes that resume it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tina_kit.api import TinaKitError, Training
from tina_kit.store import Checkpoint, NotFinite
from tina_kit.training.optimizer import ema_decay, learning_rate, make_optimizer, update_average
from tina_kit.training.ranks import Ranks
from tina_kit.training.sharing import handed_out
from tina_kit.training.snapshot import misfit, plain

LOSSES = 100  # loss points recorded per training
SAVING = 20  # spend at most about 5% of the time on checkpoints
CHECKED = 100  # check the loss at least this often, in steps


class TrainingState:
    """The module, optimiser and EMA weights of one training; saves and restores them. Only the
    first rank has an average, and checkpoints."""

    def __init__(
        self,
        module: nn.Module,
        training: Training,
        checkpoint: Checkpoint,
        label: str,
        ranks: Ranks,
    ) -> None:
        self.module = module
        self.training = training
        self.checkpoint = checkpoint
        self.label = label
        self.ranks = ranks
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(self.parameters, training)
        averaged = training.ema and ranks.first
        self.ema = [p.detach().clone() for p in self.parameters] if averaged else []
        self.step = 0
        self.losses: list[tuple[int, float]] = []
        self._every = max(1, training.steps // LOSSES)
        self._sum = torch.zeros((), device=self.parameters[0].device)
        self._next = 0.0
        self._restore()

    def update(self, loss: Tensor) -> bool:
        """Take one optimiser step by the gradients, which were those of this loss. Returns whether
        it was recorded."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.training, self.step)
        if self.training.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.training.clip)
        self.optimizer.step()
        if self.training.ema and self.ema:
            decay = ema_decay(self.training.ema, self.step)
            update_average(self.ema, self.parameters, 1 - decay)
        self._sum += loss
        self.step += 1
        recorded = self.step % self._every == 0 or self.step == self.training.steps
        if recorded:
            self._record()
        elif self.step == 1 or self.step % CHECKED == 0:
            self._mean_loss()
        return recorded

    def save_if_due(self) -> bool:
        """Save a checkpoint unless the last one is too recent. Returns whether it was saved."""
        due = self.step % self.training.checkpoint_every == 0 and time.monotonic() >= self._next
        if self.ranks.first and (due or self.step == self.training.steps):
            self._save()
            return True
        return False

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The module as it would be if the training ended here."""
        kept = [parameter.detach().clone() for parameter in self.parameters] if self.ema else []
        self._put(self.ema)
        self.module.eval()
        try:
            yield
        finally:
            self._put(kept)
            self.module.train()

    def finish(self) -> None:
        """All ranks end with the first one's weights and losses."""
        self._put(self.ema)
        self.losses[:] = map(tuple, self.ranks.tell(self.losses))
        self.ranks.copy(list(self.module.state_dict().values()))
        self.module.eval()

    def _put(self, weights: list[Tensor]) -> None:
        with torch.no_grad():
            for parameter, tensor in zip(self.parameters, weights):
                parameter.copy_(tensor)

    def _record(self) -> None:
        self.losses.append((self.step, self._mean_loss()))
        self._sum.zero_()

    def _mean_loss(self) -> float:
        """The mean loss since the last recorded one. Raises TinaKitError if it is not finite."""
        since = self.losses[-1][0] if self.losses else 0
        mean = float(self._sum) / (self.step - since)
        if not math.isfinite(mean):
            raise self._diverged(f"the loss is {mean} at step {self.step}")
        return mean

    def _diverged(self, what: str) -> TinaKitError:
        clip = "" if self.training.clip is None else "lower clip, "
        return TinaKitError(
            f"{self.label}: training diverged: {what}. Lower learning_rate, {clip}or set "
            "precision: fp32"
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
        # Large checkpoints are written less often, so that they cost little time.
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
        saved = handed_out(self.ranks, self._saved() if self.ranks.first else None)
        if saved is None:
            self.ranks.copy(list(self.module.state_dict().values()))
            return
        tensors, state = saved
        module: dict[str, Tensor] = {}
        slots: dict[int, dict[str, Any]] = {}
        for name, tensor in tensors.items():
            prefix, _, rest = name.partition(".")
            if prefix == "module":
                module[rest] = tensor
            elif prefix == "ema":
                self.ema[int(rest)].copy_(tensor)
            else:
                index, _, slot = rest.partition(".")
                parameter = self.parameters[int(index)]
                slots.setdefault(int(index), {})[slot] = _laid_out_as(parameter, tensor)
        self.module.load_state_dict(module)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.step = state["step"]
        self.losses += [(step, loss) for step, loss in state["losses"]]
        self._sum.fill_(state["sum"])

    def _saved(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last checkpoint, if this training can be continued from it."""
        saved = self.checkpoint.load()
        if saved and (problem := misfit(*saved, self.module, self.training)):
            self.checkpoint.discard(problem)
            return None
        return saved


def _laid_out_as(parameter: Tensor, slot: Tensor) -> Tensor:
    """The optimiser's state in the memory format of its parameter, since fused steps pair the two
    place by place in memory, while files hold tensors row by row."""
    return torch.empty_like(parameter).copy_(slot) if slot.ndim else slot
