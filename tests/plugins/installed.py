"""Distributions as pip would install them, in a folder that goes on PYTHONPATH."""

from __future__ import annotations

from pathlib import Path

PART = """\
from tina_kit.api import Component, Options, hookimpl

class DotsOptions(Options):
    pass

class Dots:
    def __init__(self, options):
        pass

@hookimpl
def tina_kit_components():
    return [Component("dataset", "dots", f"{__name__}:Dots", f"{__name__}:DotsOptions", "Dots.")]
"""
TORN = {
    "raises": "raise RuntimeError('no GPU')",
    "exits": "import sys; sys.exit(3)",
    "crashes": "import os; os.abort()",
    "lacks": "import a_package_that_is_nowhere",
    "unhooked": PART + "\n@hookimpl\ndef tina_kit_unheard_of(): pass\n",
    "misnamed": PART.replace(':Dots"', '.Dots"', 1),
    "untargeted": PART.replace('f"{__name__}:Dots"', '"nowhere_at_all:Dots"'),
    "newer": PART.replace('"Dots.")', '"Dots.", api=2)'),
    "prints": "print('hello')\n" + PART,
    "sleeps": "import time; time.sleep(3)\n" + PART,
}
"""Ten broken plugins."""


def install(folder: Path, name: str, code: str, version: str = "1.0") -> Path:
    """Install the distribution `name` with one module of that name; returns the module's file."""
    folder.mkdir(parents=True, exist_ok=True)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[tina_kit.plugins]\n{name} = {name}\n")
    module = folder / f"{name}.py"
    module.write_text(code)
    return module
