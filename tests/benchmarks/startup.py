"""How long `tina-kit list` and `--help` take, beside a bare interpreter, and with ten plugins that
fail at once.

Run `python -m tests.benchmarks.startup`; prints medians over runs that alternate all of them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.plugins.installed import AT_ONCE, install

ROUNDS = 15
SCRIPT = str(Path(sysconfig.get_path("scripts")) / "tina-kit")
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "tina-kit list": [SCRIPT, "list"],
    "tina-kit --help": [SCRIPT, "--help"],
}
BROKEN = " (ten broken)"

if __name__ == "__main__":
    taken: dict[str, list[float]] = {name + end: [] for end in ("", BROKEN) for name in COMMANDS}
    with TemporaryDirectory() as folder:
        for name, (code, *_) in AT_ONCE.items():
            install(Path(folder), name, code)
        path = os.environ.get("PYTHONPATH", "")
        broken = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, path])}
        for _ in range(ROUNDS):
            for name, command in COMMANDS.items():
                for end, env in (("", None), (BROKEN, broken)):
                    start = time.perf_counter()
                    subprocess.run(command, check=True, capture_output=True, env=env)
                    taken[name + end].append(time.perf_counter() - start)
    bare = statistics.median(taken["python -c pass"])
    for name, times in taken.items():
        middle = statistics.median(times)
        print(f"{name:<29} {middle:.3f} s, {middle / bare:.1f} times a bare interpreter")
