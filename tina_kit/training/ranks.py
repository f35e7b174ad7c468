"""The processes that train together, each a rank: how they meet, what they tell each other, and
what is said when one of them is lost.

torchrun and `tina-kit run --devices` start them alike and name them in the environment.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from tina_kit.api import TinaKitError, UserError
from tina_kit.store.process import has_ended, this_process
from tina_kit.training.launching import LAUNCHED, LOST, end_with_parent

ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
BUCKET = 1 << 25
"""Entries that are summed in one message: enough to hide its latency, few beside a network."""
_PATIENCE = timedelta(days=30)  # a rank that waits for a long stage of the first is not lost
_FAILED, _RANK = "tina-kit-failed", "tina-kit-rank-"
_REASON_S = 3.0  # how long a lost rank may take to say why


class LostRank(TinaKitError):
    """Another process of the run has ended."""


@dataclass(eq=False)
class Ranks:
    """index: of this process, 0 for the one that speaks and keeps results; count: of all.

    Every collective call is made by all ranks in the same order. It raises LostRank if one is gone.
    """

    index: int = 0
    count: int = 1
    _store: Any = field(default=None, repr=False)  # torch.distributed's
    _processes: list[dict[str, Any]] = field(default_factory=list, repr=False)
    _subjects: set[str] = field(default_factory=set, repr=False)
    _lost: bool = False

    @classmethod
    def of_environment(cls) -> Ranks:
        """As torchrun says in the environment; a single one without it. Nothing is opened."""
        if not all(name in os.environ for name in ENVIRONMENT):
            return cls()
        return cls(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))

    @property
    def several(self) -> bool:
        return self.count > 1

    @property
    def first(self) -> bool:
        """Whether this is the rank that speaks and keeps results."""
        return self.index == 0

    def claim(self, device: str) -> None:
        """Make `cuda` mean a GPU of this rank's own. Raises UserError if there is none for it, or
        if ranks cannot use the device; there may be more ranks than cores."""
        if self.several:
            place = int(os.environ["LOCAL_RANK"])
            check_devices(place + 1 if kind_of(device) == "cuda" else 1, device)
            if kind_of(device) == "cuda":
                torch.cuda.set_device(place)

    def join(self, device: torch.device) -> None:
        """Wait for the other ranks. Messages go by gloo, tensors on GPUs by NCCL."""
        if not self.several:
            return
        end_with_parent()
        if self.first and LAUNCHED in os.environ:
            signal.signal(LOST, self._told_of_loss)
        import torch.distributed as dist
        from torch.distributed.rendezvous import rendezvous

        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        with self._together():
            self._store, _, _ = next(rendezvous("env://"))
            dist.init_process_group(
                backend, store=self._store, rank=self.index, world_size=self.count,
                timeout=_PATIENCE,
            )  # fmt: skip
            self._store.set(f"{_RANK}{self.index}", json.dumps(this_process()))
            found = [self._store.get(f"{_RANK}{index}") for index in range(self.count)]
            self._processes = [json.loads(text) for text in found]

    def leave(self) -> None:
        """End the connections, once all that is asked of the ranks is done."""
        if self.several:
            import torch.distributed as dist

            dist.destroy_process_group()

    def tell(self, message: Any = None) -> Any:
        """The first rank's message, as JSON values; the others' is ignored."""
        if not self.several:
            return message
        text = bytearray(json.dumps(message).encode())
        length = torch.tensor([len(text)])
        self._broadcast(length)
        received = torch.zeros(int(length), dtype=torch.uint8)
        if self.first:
            received = torch.frombuffer(text, dtype=torch.uint8)
        self._broadcast(received)
        return json.loads(bytes(received.tolist()))

    def once(self, subject: str) -> bool:
        """Whether this is the first time that the subject comes up."""
        new = subject not in self._subjects
        self._subjects.add(subject)
        return new

    def copy(self, tensors: Sequence[Tensor]) -> None:
        """Give the tensors the first rank's values, bit by bit, whatever their dtype and layout."""
        for tensor in tensors if self.several else ():
            if not tensor.numel():
                continue
            plain = tensor.detach().contiguous().reshape(-1)
            self._broadcast(plain.view(torch.uint8))
            if not self.first and plain.data_ptr() != tensor.data_ptr():  # it is a copy
                tensor.detach().copy_(plain.view(tensor.shape))

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the ranks, the same bits on all of them. The tensors
        are on one device, of one dtype."""
        import torch.distributed as dist

        for some in _buckets(tensors):
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in some])
            with self._together():
                dist.all_reduce(flat)
            parts = flat.split([tensor.numel() for tensor in some])
            for tensor, part in zip(some, parts):
                tensor.detach().copy_(part.view(tensor.shape))

    def fail(self, reason: str) -> None:
        """Leave word for the first rank why this one ends."""
        if self._store is not None:
            with suppress(RuntimeError):
                self._store.set(_FAILED, f"rank {self.index}: {reason}")

    def _broadcast(self, tensor: Tensor) -> None:
        import torch.distributed as dist

        with self._together():
            dist.broadcast(tensor, 0)

    @contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # as torch.distributed says that a connection is closed
            raise self._loss() from error

    def _told_of_loss(self, *_: object) -> None:
        if not self._lost:
            raise self._loss()

    def _loss(self) -> LostRank:
        self._lost = True
        return LostRank(
            f"{self._reason()}, which ends all {self.count}. Finished stages and checkpoints are "
            "kept; run the same command to resume, with as many ranks as you like"
        )

    def _reason(self) -> str:
        """Why a rank is lost, as far as it has said so or can be seen."""
        until = time.monotonic() + _REASON_S
        while time.monotonic() < until:
            with suppress(RuntimeError):  # the store is gone with the first rank
                if self._store is not None and self._store.check([_FAILED]):
                    return str(self._store.get(_FAILED).decode())
            for index, process in enumerate(self._processes):
                if has_ended(process):
                    return f"rank {index} (process {process['pid']}) was killed"
            time.sleep(0.1)
        return "the connection to another rank was lost"


ALONE = Ranks()


def kind_of(device: str) -> str:
    """The type of the device that `--device` names, where `auto` is what torch finds."""
    if device != "auto":
        return device.partition(":")[0]
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return "cpu" if found is None else found.type


def check_devices(count: int, device: str) -> None:
    """Raise UserError unless this machine has `count` devices of the kind that `device` names: GPUs
    for `cuda`, cores for `cpu`."""
    kind = kind_of(device)
    if kind not in ("cpu", "cuda"):
        raise UserError(
            f"--devices {count}: several ranks train on CPUs or CUDA GPUs, not on {kind}; add "
            "--device cpu"
        )
    if ":" in device:
        raise UserError(
            f"--devices {count}: it uses the first {count} devices; write --device {kind} without "
            "a number, and choose GPUs with CUDA_VISIBLE_DEVICES"
        )
    there = torch.cuda.device_count() if kind == "cuda" else cores()
    if count > there:
        what = ("GPU", "GPUs") if kind == "cuda" else ("core", "cores")
        raise UserError(
            f"--devices {count}: this machine has {there} {what[there != 1]}; write --devices "
            f"{there}{' or less' if there > 1 else ''}"
        )


def cores() -> int:
    """The CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    some: list[Tensor] = []
    for tensor in tensors:
        if some and sum(each.numel() for each in some) + tensor.numel() > BUCKET:
            yield some
            some = []
        some.append(tensor)
    if some:
        yield some
