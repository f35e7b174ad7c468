"""How long `tina-kit list` and `--help` take, beside a bare interpreter.

Run `python tests/benchmarks/startup.py`; prints medians over runs that alternate all three.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROUNDS = 15
SCRIPT = str(Path(sysconfig.get_path("scripts")) / "tina-kit")
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "tina-kit list": [SCRIPT, "list"],
    "tina-kit --help": [SCRIPT, "--help"],
}

if __name__ == "__main__":
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            taken[name].append(time.perf_counter() - start)
    bare = statistics.median(taken["python -c pass"])
    for name, times in taken.items():
        middle = statistics.median(times)
        print(f"{name:<16} {middle:.3f} s, {middle / bare:.1f} times a bare interpreter")
