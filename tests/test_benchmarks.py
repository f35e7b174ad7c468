"""Every benchmark runs at a tiny size, so that none rots."""

from __future__ import annotations

import ast
import json
import sys
import time
from argparse import Namespace
from importlib import import_module
from pathlib import Path

import pytest
import torch

from tests.benchmarks import growth, sides, workers
from tests.forked import Forked, completed

FOLDER = Path(__file__).parent / "benchmarks"
FORKING = {"fuzz", "kills", "sweeps"}
"""Run in a process of their own, since their forks have none of the threads of the tests."""
PRINTED = {
    "p_models": ["zoo of 100 CNN-5K", "evaluating 1000 CNN-5K"],
    "classifiers": ["the kit alone: ", "zoo of 10 ResNet-20", "evaluating 200 ResNet-20"],
    "counts": ["fp32, bf16 alone: ", "fp32, the kit's evaluation: "],
    "tina_step": ["a training step of Tina", "optimiser", "matrix products: "],
    "service": ["1 clients: p50 ", "64 clients: p50 ", "none lost, none mixed up"],
    "exports": ["onnx: probabilities differ by at most", "torch-export: ", "safetensors: "],
    "startup": ["tina-kit generate"],
    "workers": ["six generators: ", "with 2 workers: ", "the same results.json"],
    "plans": ["| p-Models | 40 |", "| planning, s |", "| all stages in the store, min |"],
    "fuzz": [" 60 cases (", "run --dry-run", "tina_kit.load", " 0 faults"],
    "sweeps": ["kill 1: ", "a sweep of 3 points (", "0 faults, ", "each computed once: True"],
    "kills": ["1 SIGKILLs and 1 SIGTERMs at random moments", ": 0 faults. "],
}


def is_script(path: Path) -> bool:
    """Modules that only help the scripts have no `main`."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in body)


SCRIPTS = [path.stem for path in sorted(FOLDER.glob("*.py")) if is_script(path)]


class InThisProcess:
    """A side that needs no process of its own, which costs seconds of imports."""

    def __init__(self, module: str, function: str, given: Namespace) -> None:
        self.work = getattr(import_module(module), function)(given)

    def seconds(self) -> float:
        start = time.perf_counter()
        self.work()
        return time.perf_counter() - start

    def end(self) -> None:
        pass


def run(name: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--tiny", *words])
    monkeypatch.delenv("TINA_KIT_STORE", raising=False)
    threads = torch.get_num_threads()
    try:
        import_module(f"tests.benchmarks.{name}").main()
    finally:
        torch.set_num_threads(threads)


def run_apart(name: str) -> str:
    running = Forked([name, "--tiny"], cwd=FOLDER.parents[1], main=script)
    out, err = running.communicate()
    assert running.returncode == 0, out + err
    return out


def script(words: list[str]) -> None:
    sys.argv = words
    sys.exit(import_module(f"tests.benchmarks.{words[0]}").main())


def test_the_page_names_each() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in SCRIPTS if f"tests.benchmarks.{name}" not in page] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "growth"])
def test_it_runs(name: str, monkeypatch, capsys) -> None:
    if name in FORKING:
        printed = run_apart(name)
    else:
        monkeypatch.setattr(sides, "Side", InThisProcess)
        monkeypatch.setattr(workers, "completed", completed)
        run(name, monkeypatch)
        printed = capsys.readouterr().out
    assert printed.strip() and [line for line in PRINTED.get(name, []) if line not in printed] == []


@pytest.mark.slow
def test_growth_writes_a_table_and_a_plot(monkeypatch, capsys, tmp_path: Path) -> None:
    def here(what: str, count: int) -> dict[str, float]:
        run("growth", monkeypatch, "--one", what, str(count))
        found: dict[str, float] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return found

    monkeypatch.setattr(growth, "measured", here)
    run("growth", monkeypatch, str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"growth.md", "growth.png"}
    table = (tmp_path / "growth.md").read_text()
    for row in ("zoo, s", "fit, MiB", "evaluate, s", "all cached, s", "find all, s"):
        assert f"| {row} | " in table
    assert growth.slope([10, 100], [3, 30]) == pytest.approx(1)
    assert growth.slope([10, 100], [3, 300]) == pytest.approx(2)


@pytest.mark.slow
def test_each_side_has_a_process(capfd) -> None:
    given = Namespace(tiny=True, rounds=2, threads=1)
    found = sides.compare("a step", "tests.benchmarks.tina_step", "make_kit", "make_plain", given)
    assert len(found.rounds) == 2 and min(found.rounds) > 0
    assert str(found).startswith("a step: ") and "2 rounds" in str(found)


@pytest.mark.slow
def test_a_side_that_fails_ends_the_benchmark() -> None:
    with pytest.raises(RuntimeError, match="a side of the benchmark failed"):
        sides.compare("", "tests.benchmarks.tina_step", "lost", "make_plain", Namespace(threads=1))
