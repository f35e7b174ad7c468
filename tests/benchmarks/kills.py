"""Whether runs that are killed at random moments end as if nothing had happened.

Run `python -m tests.benchmarks.kills`; `--kills`, `--terms` and `--seed` choose how many SIGKILLs
and SIGTERMs there are, and when; `--tiny` sends two. One recipe is run, killed and run again on one
store until it gets through, then on a new store, until all signals were sent. Each time the results
and every file in the store must be those of an undisturbed run, nothing may be left over, and every
`run.json` must say what became of its run. Prints figures and whatever went wrong; the exit code is
1 then.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tina_kit import cli
from tina_kit.pipeline.record import status_of
from tina_kit.store import read_json

RECIPE = """\
name: killed
precision: fp32
dataset: {use: shapes, train: 10, test: 5, size: 16}
tasks: {id: 12, ood: 6}
architecture: {use: cnn, widths: [4, 6]}
conditioner: {use: hashed-ngrams}
generic: {epochs: 7}
finetune: {epochs: 4, shard: 6}
evaluation: {id_tasks: 6}
generators:
  - {use: classifier-selection}
  - use: tina-dit
    hidden_size: 32
    depth: 1
    heads: 4
    tokenizer: {use: class-rows}
    augmentations: []
    sampling_steps: 2
    steps: 110
  - {use: oracle}
"""
TINY = re.sub(r"(steps: 1|epochs: )\d+", r"\g<1>2", RECIPE)
"""With trainings of hardly any steps."""
PATIENCE_S = 120.0


def fork(folder: Path, command: str, recipe: Path, *words: str) -> int:
    """Start a command in a process of its own, for which torch need not be imported again."""
    child = os.fork()
    if child:
        return child
    code: Any = 1
    try:
        log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ["TINA_KIT_STORE"] = str(folder / "store")
        cli.main([command, str(recipe), "--output", str(folder / f"{command}s"), *words])
    except SystemExit as done:
        code = done.code
    finally:
        os._exit(code if isinstance(code, int) else 1)


def preload() -> None:
    """Import once for all runs what they import, the optimisers' share of torch among it."""
    import torch._dynamo  # noqa: F401

    import tina_kit.cli.app
    import tina_kit.pipeline.plan
    import tina_kit.pipeline.run
    import tina_kit.plugins

    tina_kit.plugins.discover()


def ended(child: int, seconds: float) -> int | None:
    """The exit code, negative for a signal; None when it is not over after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.001)


def files_of(store: Path) -> dict[str, str]:
    """The hashes of all results."""
    return {
        f"{entry.parent.relative_to(store)}/{name}": facts["sha256"]
        for entry in sorted(store.glob("[!.]*/*/entry.json"))
        for name, facts in read_json(entry)["files"].items()
    }


def results_of(folder: Path) -> str:
    newest = max((folder / "runs" / "killed").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return (newest / "results.json").read_text()


@dataclass
class Trial:
    """Runs on one store, until one gets through. fates: exit codes by the runs' processes."""

    recipe: Path
    folder: Path
    fates: dict[int, int] = field(default_factory=dict)
    slowest: float = 0.0  # seconds from SIGTERM to the end

    def disturb(self, number: int, delay: float) -> bool:
        """Send a signal to a run after so many seconds; False where the run was over before."""
        child = fork(self.folder, "run", self.recipe)
        code = ended(child, delay)
        if code is not None:
            self.fates[child] = code
            return False
        os.kill(child, number)
        sent = time.monotonic()
        code = ended(child, PATIENCE_S)
        if code is None:
            os.kill(child, signal.SIGKILL)
            raise TimeoutError(f"signal {number} had not ended a run after {PATIENCE_S} seconds")
        if number == signal.SIGTERM:
            self.slowest = max(self.slowest, time.monotonic() - sent)
        self.fates[child] = code
        return True

    def finish(self) -> int:
        child = fork(self.folder, "run", self.recipe)
        code = ended(child, PATIENCE_S)
        self.fates[child] = -1 if code is None else code
        return self.fates[child]

    def faults(self, undisturbed: Path) -> Iterator[str]:
        if self.finish():
            yield f"the last run ended with {(self.folder / 'log').read_text()[-2000:]}"
            return
        if results_of(self.folder) != results_of(undisturbed):
            yield "other results"
        if files_of(self.folder / "store") != files_of(undisturbed / "store"):
            yield "other files in the store"
        hidden = (path for path in self.folder.rglob(".*") if path.name != ".names")
        yield from (f"left over: {path}" for path in hidden)
        if "Traceback" in (self.folder / "log").read_text():
            yield f"a traceback in {self.folder / 'log'}"
        for path in (self.folder / "runs").glob("killed/*"):
            yield from self._lies(path)

    def _lies(self, run: Path) -> Iterator[str]:
        record = read_json(run / "run.json")
        code, status = self.fates[record["pid"]], status_of(record)
        right = {0: ["done"], 143: ["interrupted", "done"], -9: ["killed", "done"]}.get(code, [])
        if status not in right:
            yield f"{run}: the run ended with {code}, and is said to be {status}"
        if status == "interrupted" and record["signal"] != "SIGTERM":
            yield f"{run}: interrupted by {record['signal']}"
        if (status == "done") > (run / "report.md").is_file():
            yield f"{run}: done without a report"


def try_all(kills: int, terms: int, seed: int, folder: Path, text: str = RECIPE) -> list[str]:
    """Prints figures; returns what went wrong."""
    draw = random.Random(seed)
    signals = [signal.SIGKILL] * kills + [signal.SIGTERM] * terms
    draw.shuffle(signals)
    recipe = folder / "recipe.yaml"
    recipe.write_text(text, encoding="utf-8")
    whole = Trial(recipe, folder / "whole")
    whole.folder.mkdir()
    start = time.monotonic()
    if whole.finish():
        return [(whole.folder / "log").read_text()]
    seconds = time.monotonic() - start
    faults: list[str] = []
    codes: Counter[int] = Counter()
    slowest, trials = 0.0, 0
    while signals:
        trial = Trial(recipe, folder / str(trials))
        trial.folder.mkdir()
        while signals:
            start = time.monotonic()
            if not trial.disturb(signals[-1], draw.uniform(0, seconds)):
                if len(trial.fates) == 1:  # a whole run: the machine is less busy than before
                    seconds = min(seconds, time.monotonic() - start)
                break
            signals.pop()
        found = list(trial.faults(whole.folder))
        faults += found
        codes.update(trial.fates.values())
        slowest, trials = max(slowest, trial.slowest), trials + 1
        if not found:
            shutil.rmtree(trial.folder)
    print(
        f"{kills} SIGKILLs and {terms} SIGTERMs at random moments of a run of {seconds:.1f} s, on "
        f"{trials} stores (seed {seed}): {len(faults)} faults. {codes[-9]} runs were killed, "
        f"{codes[143]} interrupted ({slowest:.1f} s after SIGTERM at most), {codes[0]} done"
    )
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="one SIGKILL and one SIGTERM")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--terms", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.tiny:
        chosen.kills = chosen.terms = 1
    preload()
    with tempfile.TemporaryDirectory() as place:
        text = TINY if chosen.tiny else RECIPE
        wrong = try_all(chosen.kills, chosen.terms, chosen.seed, Path(place), text)
        print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
