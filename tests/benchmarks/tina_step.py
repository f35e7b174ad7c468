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
from tina_kit.training.optimizer import make_optimizer, update_average
from tina_kit.training.precision import autocast

CLASSES, WIDTH, BATCH, HIDDEN, DEPTH, HEADS = 10, 512, 64, 512, 12, 8
CHUNKS, CHUNK, TIME = 11, 576, 257  # tokens of CNN-5K and entries of each; width of the time token
TOKENS = CHUNKS + CLASSES + 1
CPU, CNN5K, ZOO = torch.device("cpu"), CNN(CNNOptions()), 200
Loss = Callable[[Step, nn.Module], Tensor]
TRAINING = Training(steps=1, learning_rate=4e-4, clip=0.1, ema=0.999)


class Plain(nn.Module):
    """PyTorch's own encoder layers; as in G.pt, each token has an encoder and a decoder."""

    def __init__(self, hidden: int, depth: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            hidden, HEADS, 4 * hidden, 0.0, "gelu", batch_first=True, norm_first=True
        )
        widths = [TIME, *[WIDTH] * CLASSES, *[CHUNK] * CHUNKS]
        self.encoders = nn.ModuleList(nn.Linear(width, hidden) for width in widths)
        self.positions = nn.Parameter(torch.zeros(len(widths), hidden))
        self.blocks = nn.TransformerEncoder(layer, depth, nn.LayerNorm(hidden), False)
        self.decoders = nn.ModuleList(nn.Linear(hidden, CHUNK) for _ in range(CHUNKS))

    def forward(self, tokens: list[Tensor]) -> Tensor:
        x = torch.stack([encode(x) for encode, x in zip(self.encoders, tokens)], 1)
        x = self.blocks(x + self.positions)
        made = zip(self.decoders, x[:, -CHUNKS:].unbind(1))
        return torch.stack([decode(token) for decode, token in made], 1)


class PlainStep:
    def __init__(self, hidden: int, depth: int, batch: int) -> None:
        self.network = Plain(hidden, depth)
        self.tokens = [torch.randn(batch, e.in_features) for e in self.network.encoders]  # type: ignore[arg-type]
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=4e-4)
        self.average = copy.deepcopy(self.network)

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        clean = torch.stack(self.tokens[-CHUNKS:], 1)
        F.mse_loss(self.network(self.tokens), clean).backward()
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
    return PlainStep(*size_of(given))


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
