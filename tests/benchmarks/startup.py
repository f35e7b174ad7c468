"""The CPU seconds until `tina-kit` answers: `list`, `--help` and `validate` beside a bare
interpreter, also with ten plugins that fail at once, and `generate` beside `import torch`.

Run `python -m tests.benchmarks.startup`; prints medians over rounds that alternate all commands.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import sysconfig
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from tests.plugins.installed import AT_ONCE, install

SCRIPT = str(Path(sysconfig.get_path("scripts")) / "tina-kit")
BARE, TORCH = "python -c pass", 'python -c "import torch"'
LIGHT = {
    BARE: [sys.executable, "-c", "pass"],
    "tina-kit list": [SCRIPT, "list"],
    "tina-kit --help": [SCRIPT, "--help"],
    "tina-kit validate": [SCRIPT, "validate", "quickstart"],
}
BROKEN = " (ten broken)"


def seconds(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Of the processor, in the process itself and what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def generating(folder: Path, env: Mapping[str, str]) -> list[str]:
    """The command for a p-Model of a finished run, which is made here."""
    import tina_kit

    with patch.dict(os.environ, env):
        tina_kit.run("quickstart", profile="smoke", output=folder / "runs", observers=[])
    (done,) = (folder / "runs").glob("*/*")
    classes = ["--classes", "red circle,blue star"]
    return [SCRIPT, "generate", str(done), *classes, "-o", str(folder / "mine.safetensors")]


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        plain = {**os.environ, "TINA_KIT_STORE": str(folder / "store")}
        plain.pop("PYTHONDONTWRITEBYTECODE", None)  # else modules are compiled in every round
        for plugin, (code, *_) in AT_ONCE.items():
            install(folder / "plugins", plugin, code)
        path = os.pathsep.join([str(folder / "plugins"), os.environ.get("PYTHONPATH", "")])
        commands = {
            name + end: (command, env)
            for name, command in LIGHT.items()
            for end, env in (("", plain), (BROKEN, {**plain, "PYTHONPATH": path}))
            if not given.tiny or (name == BARE and not end)
        }
        commands[TORCH] = [sys.executable, "-c", "import torch"], plain
        commands["tina-kit generate"] = generating(folder, plain), plain
        taken: dict[str, list[float]] = {name: [] for name in commands}
        if not given.tiny:
            for command, env in commands.values():
                seconds(command, env)  # writes bytecode
        for _ in range(1 if given.tiny else given.rounds):
            for name, (command, env) in commands.items():
                taken[name].append(seconds(command, env))
    middle = {name: statistics.median(times) for name, times in taken.items()}
    for name, times in taken.items():
        than = TORCH if name == "tina-kit generate" else BARE
        print(
            f"{name:<32} {middle[name]:.2f} CPU s ({min(times):.2f} to {max(times):.2f}), "
            f"{middle[name] / middle[than]:.1f} times {than}"
        )


if __name__ == "__main__":
    main()
