"""The wall time of a table of six generators with worker processes, against one process, with the
same number of threads for each stage; and whether `results.json` is the same.

Run `python -m tests.benchmarks.workers [--workers 2] [--rounds 1] [--on ray]`. Each side runs the
whole command line from an empty store, in turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory

RECIPE = """\
name: workers
dataset: {{use: shapes, train: 20, test: 10}}
tasks: {{id: {tasks}, ood: 20}}
architecture: {{use: cnn}}
conditioner: {{use: hashed-ngrams}}
generic: {{epochs: 1}}
finetune: {{epochs: 2, shard: 10}}
evaluation: {{id_tasks: 10}}
generators:
  - use: tina-dit
    name: a
    hidden_size: 128
    depth: 2
    heads: 4
    tokenizer: {{use: class-rows}}
    augmentations: []
    sampler: ddim
    sampling_steps: 1
    steps: {steps}
  - {{like: a, name: b, learning_rate: 2e-4}}
  - {{like: a, name: c, learning_rate: 6e-4}}
  - {{like: a, name: d, learning_rate: 8e-4}}
  - {{like: a, name: e, learning_rate: 16e-4}}
  - {{like: a, name: f, learning_rate: 32e-4}}
"""


def completed(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command, env = [sys.executable, "-m", "tina_kit", *words], {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True)


def timed(recipe: Path, folder: Path, *more: str) -> tuple[float, bytes]:
    """Wall seconds of a run, and its results."""
    words = ["run", str(recipe), "--output", str(folder / "runs"), *more]
    start = time.perf_counter()
    done = completed(*words, OMP_NUM_THREADS="1", TINA_KIT_STORE=str(folder / "store"))
    wall = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    [results] = folder.rglob("results.json")
    return wall, results.read_bytes()


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--on", help="a Ray cluster")
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    given = parser.parse_args()
    tasks, steps = (4, 2) if given.tiny else (40, given.steps)
    more = ["--workers", str(given.workers), *(["--on", given.on] if given.on else [])]
    with TemporaryDirectory() as name:
        recipe = Path(name, "workers.yaml")
        recipe.write_text(RECIPE.format(tasks=tasks, steps=steps))
        for number in range(given.rounds):
            one = timed(recipe, Path(name, f"one {number}"))
            several = timed(recipe, Path(name, f"several {number}"), *more)
            same = "the same" if one[1] == several[1] else "OTHER"
            print(
                f"six generators: {one[0]:.1f} s in one process, "
                f"{several[0]:.1f} s with {given.workers} workers: "
                f"{several[0] / one[0]:.2f} of it, {same} results.json"
            )


if __name__ == "__main__":
    main()
