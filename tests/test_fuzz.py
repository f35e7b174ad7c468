"""The fuzzer of tests/benchmarks finds what is wrong."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import fuzz


def busy(_: int) -> tuple[str, str]:
    end = time.process_time() + 2.2
    while time.process_time() < end:
        pass
    return "accepted", ""


def large(_: int) -> tuple[str, str]:
    return ("accepted", "") if len(b"x" * (600 << 20)) else ("", "")


def crash(_: int) -> tuple[str, str]:
    os._exit(3)


def hang(_: int) -> tuple[str, str]:
    time.sleep(60)
    return "accepted", ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("attempt", "told"),
    [(busy, "took 2."), (large, " MiB"), (crash, "crashed or hung"), (hang, "crashed or hung")],
)
def test_what_is_slow_large_or_gone_is_found(
    attempt: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if attempt is hang:
        monkeypatch.setattr(fuzz, "HANGING", 1.0)
    found = fuzz.fuzz("cases", [7], attempt, fuzz._taken())
    assert [number for number, _ in found.faults] == [7] and told in found.faults[0][1]


def test_the_cases_after_one_that_crashes_are_tried() -> None:
    taken = fuzz._taken()  # by these tests
    found = fuzz.fuzz("cases", range(4), lambda n: crash(n) if n == 1 else ("refused", ""), taken)
    assert found.words == {"refused": 3, "lost": 1} and [n for n, _ in found.faults] == [1]


@pytest.mark.parametrize(
    ("code", "text", "fault"),
    [
        (0, "fine\n", False),
        (2, "error: r.yaml:1:1: é\n", False),
        (1, "error: failed\n", True),
        (-11, "", True),
        (2, "Traceback (most recent call last):", True),
        (2, "error: KeyError: x (unexpected; --debug shows the traceback)", True),
        (2, "error: \x1b[2J", True),
        (2, "error: \udcff", True),
    ],
)
def test_what_a_command_may_not_say_is_found(code: int, text: str, fault: bool) -> None:
    assert bool(fuzz.judged(code, text)[1]) == fault


def test_a_case_can_be_drawn_again(tmp_path: Path) -> None:
    drawn = [fuzz.Recipes(tmp_path / name, 3).path(5).read_bytes() for name in "ab"]
    other = fuzz.Recipes(tmp_path / "c", 4).path(5).read_bytes()
    assert drawn[0] == drawn[1] != other
