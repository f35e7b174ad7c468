"""The wall time of a table of six generators with worker processes, against one process, with the
same number of threads for each stage; and whether `results.json` is the same.

Run `python -m tests.benchmarks.workers [--workers 2] [--rounds 1] [--on ray]`. Each side runs the
whole command line from an empty store, in turns.
"""

from __future__ import annotations

import os
import resource
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
  - {{like: a, name: c, learning_rate: 4e-4}}
  - {{like: a, name: d, learning_rate: 8e-4}}
  - {{like: a, name: e, learning_rate: 16e-4}}
  - {{like: a, name: f, learning_rate: 32e-4}}
"""


def timed(recipe: Path, folder: Path, *more: str) -> tuple[float, float, bytes]:
    """Wall and CPU seconds of a run with all its workers, and its results."""
    words = [sys.executable, "-m", "tina_kit", "run", str(recipe), "--output", str(folder / "runs")]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TINA_KIT_STORE": str(folder / "store")}
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*words, *more], env=env, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    [results] = folder.rglob("results.json")
    return wall, cpu, results.read_bytes()


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
            same = "the same" if one[2] == several[2] else "OTHER"
            print(
                f"six generators: {one[0]:.1f} s (CPU {one[1]:.1f}) in one process, "
                f"{several[0]:.1f} s (CPU {several[1]:.1f}) with {given.workers} workers: "
                f"{several[0] / one[0]:.2f} of it, {same} results.json"
            )


if __name__ == "__main__":
    main()
