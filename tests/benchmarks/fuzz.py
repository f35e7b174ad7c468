"""Hostile recipes, overrides and p-Model files: no traceback, nothing slow, nothing large.

Run `python -m tests.benchmarks.fuzz`; prints figures and every fault, and ends with exit code 1
where there is one. The same seed draws the same cases, whatever the counts; `--tiny` draws few;
`--keep DIR` keeps the input of each fault.

`validate` is asked about every recipe, `run --dry-run` about those that are valid, and some are
given to a process of their own. Cases run in forks of a process that has imported everything, so
that seconds (of the processor) and memory are those of the case: beyond what the imports take,
where torch is among them. One that takes HANGING seconds by the clock is given up.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from select import select
from typing import Any

from tests.benchmarks import mutations

ROOT = Path(__file__).parents[2]
SECONDS, MEBIBYTES = 2.0, 500
HANGING = 20.0
"""Seconds after which a case is given up."""
BATCH = 50
ACCEPTED = "accepted"
HEAVY = ("tina_kit.pipeline.run", "open_clip", "timm", "sentence_transformers")
"""What planning imports, for some recipes, and what takes seconds."""
RECIPE = """\
name: tiny
dataset: {use: shapes, train: 10, test: 5, size: 16}
tasks: {id: 12, ood: 6}
architecture: {use: cnn, widths: [4, 6]}
conditioner: {use: hashed-ngrams}
generic: {epochs: 1}
finetune: {epochs: 1, shard: 6}
evaluation: {id_tasks: 6}
generators:
  - {use: generic}
  - {use: taper-mixer, name: taper, hidden_size: 8}
  - {use: tina-dit, hidden_size: 32, depth: 1, heads: 4, tokenizer: {use: class-rows}}
  - {use: tina-dit, name: heir, inherit: tina-dit, hidden_size: 64, augmentations: []}
studies: [{use: scaling, key: tasks.id, values: [6, 12]}]
profiles: {small: {tasks.id: 6}}
"""
DRAWN = "dataset: {use: shapes, train: 4, test: 2}"
SET = [
    *("tasks.id", "tasks.classes", "dataset.train", "dataset.use", "finetune.shard", "seeds"),
    *(
        "architecture.widths",
        "conditioner.use",
        "generators.heir.depth",
        "generators.taper.experts",
    ),
    *("generators.tina-dit.hidden_size", "studies.scaling.values", "evaluation.on", "precision"),
]
"""Keys of it."""
CASES = {
    "recipes": (1600, 60, "mutated recipes"),
    "plans": (10_000, 3, "recipes that are planned, of those that are valid"),
    "sets": (100, 20, "strings of --set"),
    "models": (300, 10, "hostile p-Model files"),
    "alone": (20, 1, "recipes that a process of its own validates"),
}
"""How many by default and with `--tiny`, and what they are."""
Try = Callable[[int], tuple[str, str]]
"""The number of a case → what came of it in a word, and what is wrong with that; "" for nothing."""


@dataclass
class Figures:
    """What came of the cases of one kind."""

    kind: str
    words: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0
    largest: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)

    def add(self, number: int, word: str, wrong: str, seconds: float, mebibytes: int) -> None:
        self.words[word] = self.words.get(word, 0) + 1
        if word == ACCEPTED:
            self.accepted.append(number)
        self.slowest, self.largest = max(self.slowest, seconds), max(self.largest, mebibytes)
        if not wrong and seconds > SECONDS:
            wrong = f"took {seconds:.1f} s"
        if not wrong and mebibytes > MEBIBYTES:
            wrong = f"took {mebibytes} MiB"
        if wrong:
            self.faults.append((number, wrong))

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {word}" for word, count in sorted(self.words.items()))
        return (
            f"{self.kind:<18} {sum(self.words.values()):>5} cases ({counts}), slowest "
            f"{self.slowest:.2f} s, largest {self.largest} MiB, {len(self.faults)} faults"
        )


def fuzz(kind: str, numbers: Sequence[int], attempt: Try, beyond: int = 0) -> Figures:
    """Try the cases in forks of this process. beyond: mebibytes that do not count."""
    figures, left = Figures(kind), list(numbers)
    while left:
        batch = left[:BATCH]
        done = _in_a_fork(batch, attempt)
        for number, (word, wrong, seconds, mebibytes) in zip(batch, done):
            figures.add(number, word, wrong, seconds, max(0, mebibytes - beyond))
        if len(done) < len(batch):
            figures.add(batch[len(done)], "lost", "crashed or hung", 0.0, 0)
            done = [*done, ("", "", 0.0, 0)]
        left = left[len(done) :]
    return figures


def _in_a_fork(numbers: Sequence[int], attempt: Try) -> list[tuple[str, str, float, int]]:
    """Word, fault, seconds and mebibytes of each case, as far as they came."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(sink, "w") as pipe:
                for number in numbers:
                    print(json.dumps(_measured(number, attempt)), file=pipe, flush=True)
        finally:
            os._exit(0)
    os.close(sink)
    done, rest = [], b""
    with os.fdopen(source, "rb", buffering=0) as pipe:
        while select([pipe], [], [], HANGING)[0] and (piece := pipe.read(1 << 16)):
            *lines, rest = (rest + piece).split(b"\n")
            done += [tuple(json.loads(line)) for line in lines]
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return done


def _measured(number: int, attempt: Try) -> tuple[str, str, float, int]:
    with suppress(OSError):  # forget the peak of the case before
        Path("/proc/self/clear_refs").write_text("5")
    start = sum(os.times()[:4])  # its children's too
    word, wrong = attempt(number)
    return word, wrong, sum(os.times()[:4]) - start, _peak()


def _peak() -> int:
    """Mebibytes; 0 where the system does not tell."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) // 1024 if found else 0
    return 0


def command(words: Sequence[str]) -> tuple[str, str]:
    """Run a command line here."""
    from tina_kit.cli.app import invoke

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = invoke(list(words))
    return judged(code, out.getvalue() + err.getvalue())


def judged(code: int, text: str) -> tuple[str, str]:
    if code not in (0, 2):
        return f"exit {code}", text[-500:] or "no message"
    for sign in ("Traceback", "(unexpected; "):
        if sign in text:
            return sign, text[-500:]
    if not all(letter.isprintable() or letter in "\n\t" for letter in text):
        return "control character", ascii(text[-500:])
    return ("refused" if code else ACCEPTED), ""


class Recipes:
    """Copies of the recipes on drawn images, since little can be planned without data."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed = seed
        shutil.copytree(ROOT / "recipes", folder)
        (folder / "tiny.yaml").write_text(RECIPE)
        self.corpus: list[tuple[str, Path]] = []
        for path in sorted(folder.rglob("*.yaml")):
            text = path.read_text(encoding="utf-8")
            text = re.sub(r"^dataset:.*", DRAWN, text, flags=re.M)
            # A plan that compares names by a sentence transformer takes seconds to load it.
            text = text.replace("sentence-transformer", "hashed-ngrams")
            path.write_text(text, encoding="utf-8")
            often = 10 if path.name == "tiny.yaml" else 1
            self.corpus += [(path.read_text(encoding="utf-8"), path.parent)] * often
        self.base = folder / "tiny.yaml"

    def path(self, number: int) -> Path:
        random = Random(f"{self.seed} recipe {number}")
        text, folder = random.choice(self.corpus)
        path = folder / f"fuzz-{number}.yaml"
        path.write_bytes(mutations.recipe(random, text, [other for other, _ in self.corpus]))
        return path

    def validate(self, number: int) -> tuple[str, str]:
        return command(["validate", str(self.path(number))])

    def plan(self, number: int) -> tuple[str, str]:
        return command(["run", str(self.path(number)), "--dry-run", "--device", "cpu"])

    def set(self, number: int) -> tuple[str, str]:
        text = mutations.override(Random(f"{self.seed} set {number}"), SET)
        word, wrong = command(["validate", str(self.base), "--set", text])
        return word, wrong and f"--set {text!a}: {wrong}"

    def alone(self, number: int) -> tuple[str, str]:
        words = [sys.executable, "-m", "tina_kit", "validate", str(self.path(number))]
        done = subprocess.run(words, capture_output=True, timeout=HANGING)
        text = (done.stdout + done.stderr).decode("utf-8", "surrogateescape")
        return judged(done.returncode, text)


@dataclass
class Models:
    folder: Path
    seed: int

    def __post_init__(self) -> None:
        from PIL import Image

        from tina_kit.plugins import discover
        from tina_kit.recipe.resolve import resolve_plain
        from tina_kit.zoo.pmodel import PModel, load

        settings = {"use": "tina-kit/cnn", "widths": [4, 6]}
        part = resolve_plain(settings, "architecture", "fuzz", discover())
        architecture = part.build()
        facts = {"architecture": part.plain(), "generator": {"name": "x"}, "prompts": "text"}
        path = self.folder / "good.safetensors"
        names = ["red circle", "blue star", "sun"]
        PModel(architecture.build(3), architecture, names, (32, 32), facts).save(path)
        load(path)
        self.good = path.read_bytes()
        Image.new("RGB", (40, 30), "red").save(self.folder / "image.png")

    def path(self, number: int) -> Path:
        path = self.folder / f"fuzz-{number}.safetensors"
        path.write_bytes(mutations.model(Random(f"{self.seed} model {number}"), self.good))
        return path

    def load(self, number: int) -> tuple[str, str]:
        import torch

        import tina_kit
        from tina_kit.api import TinaKitError

        path = self.path(number)
        try:
            model = tina_kit.load(path)
            answers = model.predict([self.folder / "image.png"])
            state: dict[str, Any] = model.module.state_dict()
        except TinaKitError:
            return "refused", ""
        except Exception as error:
            return "raw exception", f"{type(error).__name__}: {error}"[:500]
        if not all(torch.isfinite(each).all() for each in state.values()):
            return "answers with NaN", "weights that are not finite"
        wrong = "" if answers[0] in model.classes else f"answers {answers!r}"[:500]
        return ACCEPTED, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="a few cases of each kind")
    for name, (count, few, what) in CASES.items():
        told = f"{what} ({count}; tiny: {few})"
        parser.add_argument(f"--{name}", type=int, help=told)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the inputs of faults")
    asked = parser.parse_args()
    for name, (count, few, _) in CASES.items():
        if getattr(asked, name) is None:
            setattr(asked, name, few if asked.tiny else count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TINA_KIT_STORE"] = str(folder / "store")
        os.environ.pop("TINA_KIT_DATA", None)
        os.environ["OMP_NUM_THREADS"] = "1"  # a fork has none of its parent's threads
        return _report(_all(asked, folder), asked.keep, folder)


def _all(asked: argparse.Namespace, folder: Path) -> list[Figures]:
    from tina_kit.cli.app import invoke

    with redirect_stdout(io.StringIO()):
        invoke(["list"])  # imports what a command imports
    recipes = Recipes(folder / "recipes", asked.seed)
    checked = fuzz("validate", range(asked.recipes), recipes.validate)
    overridden = fuzz("validate --set", range(asked.sets), recipes.set)
    alone = fuzz("validate, alone", range(asked.alone), recipes.alone)
    found = [checked, overridden, alone]
    if plans := checked.accepted[: asked.plans]:
        for module in HEAVY:
            with suppress(ImportError):
                import_module(module)
        found.append(fuzz("run --dry-run", plans, recipes.plan, _taken()))
    if asked.models:
        models = Models(folder, asked.seed)
        found.append(fuzz("tina_kit.load", range(asked.models), models.load, _taken()))
    return found


def _taken() -> int:
    """Mebibytes of a fork that does nothing."""
    return _in_a_fork([0], lambda _: ("", ""))[0][3]


def _report(found: list[Figures], keep: Path | None, folder: Path) -> int:
    for figures in found:
        print(figures)
        for number, wrong in figures.faults:
            print(f"  {figures.kind} {number}: {' '.join(wrong.split())}")
            if keep is not None and not figures.kind.endswith("--set"):
                keep.mkdir(parents=True, exist_ok=True)
                for source in folder.rglob(f"fuzz-{number}.*"):
                    shutil.copy(source, keep)
    return int(any(figures.faults for figures in found))


if __name__ == "__main__":
    sys.exit(main())
