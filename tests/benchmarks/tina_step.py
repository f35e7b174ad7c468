"""A training step of Tina, against a plain PyTorch transformer of the same size in fp32 with AdamW,
clipping and EMA; where the kit's step spends its time (host: drawing and preparing a batch, and the
loss); and the share of the machine's matrix peak.

Run `python -m tests.benchmarks.tina_step`. CNN-5K in chunks, 10 prompts: 22 tokens.
"""

from __future__ import annotations

import copy
import statistics
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial

import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_generators.options import TinaDiTOptions
from tina_generators.tina_dit import TinaDiT
from tina_tokenizers.options import LayerChunksOptions
from tina_tokenizers.tokenizers import LayerChunks
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.sides import arguments, compare
from tina_kit.api import Context, Step, Training, Zoo
from tina_kit.training import generator_for, keep_freed_memory, resolve_precision
from tina_kit.training.loop import make_optimizer, update_average
from tina_kit.training.precision import autocast

CLASSES, WIDTH, BATCH, HIDDEN, DEPTH, HEADS = 10, 512, 64, 512, 12, 8
TOKENS = 11 + CLASSES + 1  # chunks of CNN-5K, prompts, time
CPU, CNN5K, ZOO = torch.device("cpu"), CNN(CNNOptions()), 200
Loss = Callable[[Step, nn.Module], Tensor]
TRAINING = Training(steps=1, learning_rate=4e-4, clip=0.1, ema=0.999)


class Plain(nn.Module):
    """PyTorch's own encoder layers on tokens of one width."""

    def __init__(self, hidden: int, depth: int, width: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            hidden, HEADS, 4 * hidden, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.encode, self.decode = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.blocks(self.encode(x)))


class PlainStep:
    def __init__(self, network: nn.Module, tokens: Tensor) -> None:
        self.network, self.tokens = network, tokens
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=4e-4)
        self.average = copy.deepcopy(network)

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        F.mse_loss(self.network(self.tokens), self.tokens).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 0.1)
        self.optimizer.step()
        with torch.no_grad():
            for mean, new in zip(self.average.parameters(), self.network.parameters()):
                mean.lerp_(new, 0.001)


class KitStep:
    """The step that `TinaDiT.fit` asks for, as the training loop takes it, each part timed."""

    def __init__(self, hidden: int, depth: int, batch: int) -> None:
        options = TinaDiTOptions(
            hidden_size=hidden, depth=depth, heads=HEADS, batch_size=batch, augmentations=()
        )
        tina = TinaDiT(options, LayerChunks(LayerChunksOptions()))
        tina.setup(self._context())
        random = torch.Generator().manual_seed(0)
        tasks = torch.rand(ZOO, CLASSES, generator=random).argsort(1)
        conditions = torch.randn(ZOO, CLASSES, WIDTH, generator=random)
        size = CNN5K.layout(CLASSES).size
        tina.fit(Zoo(tasks, conditions, torch.randn(ZOO, size, generator=random), None))
        self.network, self.batch = tina.network, batch
        self.parameters = list(self.network.parameters())
        self.optimizer = make_optimizer(self.parameters, TRAINING)
        self.average = [p.detach().clone() for p in self.parameters]
        self.precision = resolve_precision("auto", CPU)
        self.spent: dict[str, list[float]] = {}
        self.steps = 0
        self.network.forward = partial(self._time, "forward", self.network.forward)  # type: ignore[method-assign]

    def _context(self) -> Context:
        def kept(module: nn.Module, loss: Loss, training: Training) -> None:
            self.loss = loss

        layout = CNN5K.layout(CLASSES)
        return Context(
            architecture=CNN5K,
            classes=CLASSES,
            class_count=CLASSES,
            width=WIDTH,
            padding=torch.zeros(WIDTH),
            generic=torch.zeros(layout.size),
            generic_classes=torch.arange(CLASSES),
            frozen={},
            device=CPU,
            train=kept,
            learning=None,  # type: ignore[arg-type]
            personalise=lambda tasks: tasks,
            inherited={},
        )

    def __call__(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        step = Step(self.steps, generator_for(0, "fit", self.steps))
        start = time.perf_counter()
        with autocast(self.precision, CPU):
            loss = self.loss(step, self.network)
        taken = time.perf_counter() - start - self.spent["forward"][-1]
        self.spent.setdefault("host", []).append(taken)
        self._time("backward", loss.backward)
        self._time("clip", lambda: nn.utils.clip_grad_norm_(self.parameters, 0.1))
        self._time("optimiser", self.optimizer.step)
        self._time("average", lambda: update_average(self.average, self.parameters, 0.001))
        self.steps += 1

    def _time(self, name: str, work, *given):  # type: ignore[no-untyped-def]
        start = time.perf_counter()
        result = work(*given)
        self.spent.setdefault(name, []).append(time.perf_counter() - start)
        return result


def peak(precision: str, size: int) -> float:
    """GFLOP/s of a large matrix product."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    a @ b
    start = time.perf_counter()
    for _ in range(3):
        a @ b
    return 3 * 2 * size**3 / (time.perf_counter() - start) / 1e9


def make_kit(given: Namespace) -> KitStep:
    keep_freed_memory()
    return KitStep(*size_of(given))


def make_plain(given: Namespace) -> PlainStep:
    hidden, depth, batch = size_of(given)
    return PlainStep(Plain(hidden, depth, 576), torch.randn(batch, TOKENS, 576))


def size_of(given: Namespace) -> tuple[int, int, int]:
    return (32, 1, 4) if given.tiny else (HIDDEN, DEPTH, BATCH)


def main() -> None:
    given = arguments(__doc__)
    kit = make_kit(given)
    sizes = [
        sum(p.numel() for p in network.parameters()) / 1e6
        for network in (kit.network, make_plain(given).network)
    ]
    print(f"{sizes[0]:.1f} M parameters against {sizes[1]:.1f} M, {TOKENS} tokens, {kit.precision}")
    name = "a training step of Tina, against plain PyTorch in fp32"
    print(compare(name, "tests.benchmarks.tina_step", "make_kit", "make_plain", given))
    for _ in range(1 + given.rounds):
        kit()
    spent = {name: statistics.median(times[1:]) for name, times in kit.spent.items()}
    for name, middle in spent.items():
        print(f"  {name:<9} {1000 * middle:8.1f} ms, {100 * middle / sum(spent.values()):.0f}%")
    blocks = sum(p.numel() for p in kit.network.blocks.parameters() if p.ndim == 2)
    products = 6 * blocks * kit.batch * TOKENS / 1e9  # forward and backward
    rate = products / (spent["forward"] + spent["backward"])
    top = peak(kit.precision, 64 if given.tiny else 2048)
    share = f"{100 * rate / top:.0f}% of this machine's {top:.0f}"
    print(f"  matrix products: {rate:.0f} GFLOP/s, {share}")


if __name__ == "__main__":
    main()
