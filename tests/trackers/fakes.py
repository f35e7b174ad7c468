"""Trackers that fail, each in its own way; the worker's process imports them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Writes:
    """Writes what it is told to `told.txt`."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.file = Path(facts["folder"]) / "told.txt"
        self.write("facts", sorted(facts))

    def write(self, *words: object) -> None:
        with self.file.open("a") as file:
            file.write(f"{' '.join(map(str, words))}\n")

    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        self.write(name, step, sorted(values))

    def results(self, values: Mapping[str, float]) -> None:
        self.write("results", values)

    def close(self, status: str) -> None:
        self.write("close", status)


class RaisesAtFirst(Writes):
    def __init__(self, facts: Mapping[str, Any]) -> None:
        raise ConnectionError("no server\nat this address")


class RaisesInCurve(Writes):
    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        raise ValueError("the server is gone")


class RaisesInResults(Writes):
    def results(self, values: Mapping[str, float]) -> None:
        raise KeyError("results")


class RaisesAtTheEnd(Writes):
    def close(self, status: str) -> None:
        raise SystemExit("no more disk")


class Hangs(Writes):
    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        time.sleep(600)


class HangsAtFirst(Writes):
    def __init__(self, facts: Mapping[str, Any]) -> None:
        time.sleep(600)


class HangsAWhile(Writes):
    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        time.sleep(0.2 if step == 1 else 0)
        super().curve(name, step, values)


class Dies(Writes):
    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        os._exit(9)


class Prints(Writes):
    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        print("noise" * 10_000)
        print("noise", file=sys.stderr)
