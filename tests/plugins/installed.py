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
HOOK = "def tina_kit_components():"
LISTED = PART.replace("return [", "return ").replace('"Dots.")]', '"Dots.")')
COMMAND = """
@hookimpl
def tina_kit_commands(app):
    @app.command()
    def dots(n: int = 3):
        "Print dots."
        print("." * n)
"""

AT_ONCE = {
    "raises": ("raise RuntimeError('no GPU\\nat all')", "import", "RuntimeError: no GPU", 1),
    "exits": ("import sys\nsys.exit(3)", "import", "SystemExit: 3", 2),
    "bases": ("class E(BaseException): pass\nraise E", "import", "E", 2),
    "lacks": ("import nowhere_at_all", "import", "No module named 'nowhere_at_all'", 1),
    "garbled": ("def f(:", "import", "SyntaxError: invalid syntax", 1),
    "unhooked": (
        PART + "@hookimpl\ndef tina_kit_component(): pass\n",
        *("register", "unknown hook tina_kit_component; did you mean 'tina_kit_components'?", 13),
    ),
    "misnamed": (
        PART.replace(':Dots"', '.Dots"', 1),
        *("components", "target must be 'module:attribute'", 12),
    ),
    "forgetful": (
        PART.replace("return [", "parts = ["),
        *("components", "tina_kit_components returned None, not a list of Components", 10),
    ),
    "untargeted": (
        PART.replace('f"{__name__}:Dots"', '"nowhere_at_all:Dots"'),
        *("target", "dataset dots: there is no module nowhere_at_all", 10),
    ),
    "newer": (
        PART.replace('"Dots.")', '"Dots.", api=2)'),
        *("api", "version 2 of tina_kit.api, which is newer", 10),
    ),
}
"""Ten plugins that fail at once: code, stage, reason and line."""
MORE_AT_ONCE = {
    "talks": ("input('Which one? ')\n" + PART, "import", "EOFError", 1),
    "generates": ("raise GeneratorExit", "import", "GeneratorExit", 1),
    "mumbles": (
        "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
        *("import", "E", 3),
    ),
    "empty": (
        "",
        "register",
        "implements none of the hooks tina_kit_components, tina_kit_commands",
        None,
    ),
    "unmarked": (
        PART + "def tina_kit_commands(app): pass\n",
        *("register", "tina_kit_commands is not marked with @hookimpl", 13),
    ),
    "greedy": (
        PART.replace(HOOK, "def tina_kit_components(kind, name):"),
        *("register", "tina_kit_components must take (), not (kind, name)", 10),
    ),
    "single": (
        LISTED,
        *("components", "returned a Component, not a list of Components", 10),
    ),
    "mixed": (
        PART.replace("return [", "return ['dots', "),
        *("components", "tina_kit_components returned 'dots', not a Component", 10),
    ),
    "kindless": (
        PART.replace('"dataset"', '"datset"'),
        *("components", "component 'dots': kind 'datset' is not one of", 12),
    ),
    "needy": (
        PART.replace('"Dots.")', '"Dots.", needs="torch")'),
        *("components", "component 'dots': needs must be a tuple of strings", 12),
    ),
    "older": (
        PART.replace('"Dots.")', '"Dots.", api=0)'),
        *("api", "version 0 of tina_kit.api, which is older", 10),
    ),
}


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
