"""Two ways to do the same, timed side by side: rounds that alternate them, on as many threads."""

from __future__ import annotations

import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

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


def compare(
    name: str, kit: Callable[[], object], plain: Callable[[], object], rounds: int
) -> Ratio:
    """Both are called once to warm up, then alternately."""
    kit(), plain()
    taken = [(seconds(kit), seconds(plain)) for _ in range(rounds)]
    return Ratio(
        name,
        [slow / fast for fast, slow in taken],
        statistics.median(fast for fast, _ in taken),
        statistics.median(slow for _, slow in taken),
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def arguments(description: str | None, **sizes: int) -> Namespace:
    """`--tiny`: a size that ends in seconds and says nothing about speed; `--rounds`, `--threads`
    and `sizes` with their defaults."""
    parser = ArgumentParser(description=description)
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    if given.tiny:
        given.rounds = 1
    torch.set_num_threads(given.threads)
    print(f"{given.threads} threads, torch {torch.__version__}")
    return given
