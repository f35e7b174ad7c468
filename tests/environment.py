"""Fresh virtual environments. Nothing here needs more than Python itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_LINKED = """\
import re
import sys
from importlib.metadata import distributions
from pathlib import Path

def named(found):
    return re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()

there = {named(found) for found in distributions(path=[sys.argv[2]])}
left_out = {"__pycache__"}
for found in distributions():
    plugin = any(point.group == "tina_kit.plugins" for point in found.entry_points)
    if plugin or named(found) in there:
        left_out |= {file.parts[0] for file in found.files or ()}
for place in sys.path:
    if place.endswith(("site-packages", "dist-packages")) and Path(place).is_dir():
        for path in Path(place).iterdir():
            link = Path(sys.argv[1], path.name)
            if path.name not in left_out and not link.is_symlink():
                link.symlink_to(path)
"""
"""Run by the Python whose packages are borrowed; the first of two on its path counts."""
_OFFLINE = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")


class Environment:
    """A virtual environment in the new folder `place`, with nothing of this process's in it.

    dependencies_of: a Python whose installed packages it sees, for a test that is fast and needs
    no network: all but tina-kit and what has plugins of it, so that these are missing until they
    are installed. Their console scripts are not there, and pip then installs without an index and
    without dependencies. None installs everything from the index.
    pip: whether there is one where nothing is borrowed, which takes seconds.
    """

    def __init__(self, place: Path, dependencies_of: str | None = None, pip: bool = True) -> None:
        self.place = place.resolve()
        self.bin = self.place / "bin"
        self.borrows = dependencies_of is not None
        words = ["--without-pip"] if self.borrows or not pip else []
        subprocess.run([sys.executable, "-m", "venv", *words, self.place], check=True)
        if dependencies_of is not None:
            self.borrow(dependencies_of)

    def borrow(self, python: str) -> None:
        """See the packages of another Python too: all but tina-kit, what has plugins of it, and
        those that are installed here."""
        borrowed = self.place / "borrowed"
        borrowed.mkdir()
        [site] = self.place.glob("lib/python*/site-packages")
        subprocess.run([python, "-c", _LINKED, borrowed, site], check=True)
        # A folder that a .pth file names comes last on the path, and its own .pth files, such as
        # that of an editable tina-kit, are not read.
        (site / "borrowed.pth").write_text(f"{borrowed}\n", encoding="utf-8")

    def run(self, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command as in a shell where the environment is active. Raises nothing; the result
        holds what it printed."""
        first, *others = map(str, words)
        if (self.bin / first).exists():
            command = [str(self.bin / first), *others]
        else:
            offline = _OFFLINE if (first, *others[:1]) == ("pip", "install") else ()
            command = [str(self.bin / "python"), "-m", first, *others, *offline]
        return subprocess.run(command, cwd=cwd, env=self._env(), capture_output=True, text=True)

    def _env(self) -> dict[str, str]:
        """Nothing that leads to another environment, to the user's packages or to their store."""
        other = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TINA_KIT_")
        env = {name: text for name, text in os.environ.items() if not name.startswith(other)}
        return {
            **env,
            "PATH": os.pathsep.join([str(self.bin), os.environ.get("PATH", os.defpath)]),
            "PYTHONNOUSERSITE": "1",
            "TINA_KIT_STORE": str(self.place / "store"),
        }


def copied(folder: Path, to: Path) -> Path:
    """A copy of a folder's sources."""
    return shutil.copytree(folder, to, ignore=shutil.ignore_patterns("__pycache__"))
