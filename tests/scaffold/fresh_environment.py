"""From nothing to a plugin's first table: a fresh environment, tina-kit, a new plugin of all kinds.

    python -m tests.scaffold.fresh_environment

installs everything from the package index, as a researcher would; `--dependencies-of PYTHON` takes
the packages of that Python instead of downloading them (but never tina-kit or a plugin), as the
tests do. What is run of the plugin is what `tina-kit plugin new` prints and what its CI file says.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.environment import Environment

NAME = "made-afresh"
WHERE = """\
import sys, sysconfig
from importlib.metadata import entry_points
from pathlib import Path
import tina_kit
points = entry_points(group="tina_kit.plugins")
modules = [tina_kit, *(point.load() for point in points)]
files = {module.__name__: module.__file__ for module in modules}
site = sysconfig.get_path("purelib")
away = {name: file for name, file in files.items() if not Path(file).is_relative_to(site)}
sys.exit(f"from elsewhere: {away}" if away else None if len(files) > 1 else "there is no plugin")
"""
KINDS = "from tina_kit.cli.complete import PLUGIN_KINDS; print(*PLUGIN_KINDS)"


class Failed(Exception):
    """A step that is not green."""


class Steps:
    """Runs commands in an environment, says how long each took, and raises Failed."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def __call__(self, *words: str | Path, cwd: Path, told: str = "") -> str:
        told = told or " ".join(map(str, words))
        start = time.perf_counter()
        done = self.environment.run(*words, cwd=cwd)
        print(f"{time.perf_counter() - start:6.1f} s  {told}", flush=True)
        if done.returncode:
            raise Failed(
                f"{told}: exit code {done.returncode}\n{done.stdout}{done.stderr}".rstrip()
            )
        return done.stdout


def all_green(checkout: Path, work: Path, dependencies_of: str | None) -> None:
    """Raises Failed with what the first step that is not green has printed."""
    step = Steps(Environment(work / "environment", dependencies_of))
    step("pip", "install", checkout, cwd=work)
    step("python", "-c", WHERE, cwd=work, told="tina-kit is the installed one")
    kinds = step("python", "-c", KINDS, cwd=work, told="which kinds there are").split()
    chosen = [word for kind in kinds for word in ("--kind", kind)]
    printed = step("tina-kit", "plugin", "new", NAME, *chosen, cwd=work)
    folder = work / NAME
    workflow = (folder / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    checks = re.findall(r"- run: (.*)", workflow)
    unsaid = {"pip install", "pytest", "tina-kit run"} - _first_words(printed.splitlines())
    if unsaid or not {"pip install", "pytest"} <= _first_words(checks):
        raise Failed(f"what is printed does not say all ({unsaid}), or the CI file: {checks}")
    for line in dict.fromkeys(printed.splitlines() + checks):
        if not line.startswith("cd "):
            step(*shlex.split(line), cwd=folder)
    listed = json.loads(step("tina-kit", "list", "--json", cwd=work))
    brought = {part["name"] for part in listed if part["owner"] == NAME} | {"my-observer"}
    brought.update(step("tina-kit", "--help", cwd=work).split())
    missing = {f"my-{kind}" for kind in kinds} - brought
    if missing:
        raise Failed(f"tina-kit does not name the plugin's {', '.join(sorted(missing))}")
    if not list((folder / "runs").glob("*/diary.txt")):
        raise Failed("the plugin's observer wrote nothing")
    told = json.loads(step("tina-kit", "doctor", "--json", cwd=work))
    broken = [finding for finding in told["findings"] if finding["state"] == "broken"]
    if broken or told["plugins"]:
        raise Failed(f"tina-kit doctor is not content: {broken + told['plugins']}")


def _first_words(lines: Sequence[str]) -> set[str]:
    """Of each line: its first word, and the first two."""
    words = [line.split() for line in lines]
    return {" ".join(each[:count]) for each in words for count in (1, 2)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--dependencies-of", metavar="PYTHON", help="borrow its packages")
    parser.add_argument("--checkout", type=Path, default=Path(__file__).parents[2])
    asked = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tina-kit-") as work:
        try:
            all_green(asked.checkout.resolve(), Path(work), asked.dependencies_of)
        except Failed as failure:
            print(f"FAILED: {failure}", file=sys.stderr)
            return 1
    print(f"all green in {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
