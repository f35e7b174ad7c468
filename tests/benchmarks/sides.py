"""Two ways to do the same, timed side by side: a process for each, rounds that alternate them.

Each side has a process of its own, so that neither profits from what the other has set up (its
allocator, its threads, its caches).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from importlib import import_module

import torch


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as the plain way the kit is, over rounds; seconds: medians."""

    name: str
    rounds: list[float]
    kit_seconds: float
    plain_seconds: float

    def __str__(self) -> str:
        middle = statistics.median(self.rounds)
        return (
            f"{self.name}: {middle:.2f} times as fast "
            f"({min(self.rounds):.2f} to {max(self.rounds):.2f} in {len(self.rounds)} rounds; "
            f"{self.kit_seconds:.3f} s against {self.plain_seconds:.3f} s)"
        )


def compare(name: str, module: str, kit: str, plain: str, given: Namespace) -> Ratio:
    """kit, plain: functions of `module` that take the arguments and return what is to be timed;
    that is called once to warm up, then in rounds."""
    sides = [Side(module, function, given) for function in (kit, plain)]
    try:
        taken = [[side.seconds() for side in sides] for _ in range(given.rounds)]
    finally:
        for side in sides:
            side.end()
    return Ratio(
        name,
        [slow / fast for fast, slow in taken],
        statistics.median(fast for fast, _ in taken),
        statistics.median(slow for _, slow in taken),
    )


class Side:
    """A process that does one side's work whenever it is asked to."""

    def __init__(self, module: str, function: str, given: Namespace) -> None:
        words = [module, function, json.dumps(vars(given))]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.sides", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()  # it has warmed up

    def seconds(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> float:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a side of the benchmark failed")
        return float(line)


def serve(module: str, function: str, arguments: str) -> None:
    given = Namespace(**json.loads(arguments))
    torch.set_num_threads(given.threads)
    work = getattr(import_module(module), function)(given)
    work()
    print(0.0, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        work()
        print(time.perf_counter() - start, flush=True)


def arguments(description: str | None, **sizes: int) -> Namespace:
    """`--tiny`: a size that ends in seconds and says nothing about speed; `--rounds`, `--threads`
    and `sizes` with their defaults."""
    parser = ArgumentParser(description=description)
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    if given.tiny:
        given.rounds = 1
    torch.set_num_threads(given.threads)
    print(f"{given.threads} threads, torch {torch.__version__}")
    return given


if __name__ == "__main__":
    serve(*sys.argv[1:])
