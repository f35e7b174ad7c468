"""The examples of the plugin guide, each cut into the pieces that a package keeps in files of its
own: the options, which must not import torch, the component, and the hook.

An example is one working file in `examples/`. A package calls its component after its kind, so
`Linear` becomes `MyGenerator`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from tina_kit.api.component import KINDS

PACKAGE = "my_plugin"
EXAMPLES = {
    "dataset": "npz",
    "task-sampler": "distant",
    "architecture": "mlp",
    "tokenizer": "flat",
    "conditioner": "ensemble",
    "generator": "linear",
    "augmentation": "jitter",
    "study": "budget",
    "observer": "diary",
    "command": "tensors_of",
}
"""The file of each kind, whose component has the same name."""
_WIDTH = 100


def component_name(kind: str) -> str:
    return f"my-{kind}"


def read_example(name: str) -> str:
    """The text of a file in `examples/`."""
    place = files("tina_kit.scaffold").joinpath("examples").joinpath(name)
    return place.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Example:
    """The example of a kind, renamed for a package called `my_plugin`."""

    kind: str

    @property
    def file(self) -> str:
        return EXAMPLES[self.kind]

    @property
    def module(self) -> str:
        """The module of the package that holds the component."""
        return self.kind.replace("-", "_")

    @property
    def target(self) -> str:
        """What the component's class, or the command's function, is called in the package."""
        words = component_name(self.kind).split("-")
        return "_".join(words) if self.kind == "command" else "".join(map(str.title, words))

    @property
    def options(self) -> str:
        """The classes of its options."""
        return "\n\n\n".join(text for text, node in self._pieces if _is_options(node))

    @property
    def code(self) -> str:
        """The component's module, without the hook."""
        pieces = [t for t, node in self._pieces if not (_is_options(node) or _is_hook(node))]
        text = "\n\n\n".join(pieces)
        imports = [imports_for(text, [self])]
        if self.kind in KINDS:
            imports.append(f"from {PACKAGE}.options import {self.target}Options")
        return "\n\n".join(imports) + f"\n\n\n{text}\n"

    @property
    def hook(self) -> str:
        """The hook, which imports the observer or the command only when it is called."""
        [text] = [text for text, node in self._pieces if _is_hook(node)]
        head, body = text.split(":\n", 1)
        return f"{head}:\n    from {PACKAGE}.{self.module} import {self.target}\n\n{body}"

    @property
    def summary(self) -> str:
        """What the component's declaration says in one line."""
        [call] = [
            node
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Component"
        ]
        return str(ast.literal_eval(call.args[4]))

    @property
    def test(self) -> str:
        """Its test, for a package."""
        text = read_example(f"test_{self.file}.py")
        text = text.replace(f"from {self.file} import", f"from {PACKAGE}.{self.module} import")
        text = text.replace(f'    plugins = ["{self.file}.py"]\n', "")
        text = text.replace(f'"use": "{self.file}"', f'"use": "{component_name(self.kind)}"')
        return self._renamed(text.replace('"colours.npz"', '"recipes/colours.npz"'))

    @property
    def imports(self) -> Iterator[tuple[str, ast.alias | None]]:
        """Each module that is imported whole (None), or from which a name is imported."""
        for node in self._tree.body:
            if isinstance(node, ast.Import):
                yield from ((ast.unparse(alias), None) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.module or "", alias) for alias in node.names)

    @cached_property
    def _tree(self) -> ast.Module:
        return ast.parse(read_example(f"{self.file}.py"))

    @cached_property
    def _pieces(self) -> list[tuple[str, ast.stmt]]:
        """Each class and function with its text, renamed; comments above it belong to it."""
        lines = read_example(f"{self.file}.py").splitlines()
        found, start = [], 0
        for node in self._tree.body:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                text = "\n".join(lines[start : node.end_lineno]).strip("\n")
                found.append((self._renamed(text), node))
            start = node.end_lineno or start
        return found

    def _renamed(self, text: str) -> str:
        [name] = [
            node.name
            for node in self._tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
            and not (_is_options(node) or _is_hook(node))
        ]
        return re.sub(rf"(?<![.\w])(Test)?{name}(Options)?\b", rf"\1{self.target}\2", text)


def imports_for(code: str, examples: Sequence[Example]) -> str:
    """The import statements that code cut from examples needs, in the order that ruff asks for."""
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    whole, names = set(), dict[str, set[str]]()
    for example in examples:
        for module, alias in example.imports:
            if alias is None and module.split()[-1].partition(".")[0] in used:
                whole.add(module)
            elif alias is not None and (alias.asname or alias.name) in used:
                names.setdefault(module, set()).add(ast.unparse(alias))
    statements = [(module, f"import {module}") for module in sorted(whole)]
    statements += [(module, _from(module, names[module])) for module in sorted(names)]
    standard = [text for module, text in statements if _is_standard(module)]
    others = [text for module, text in statements if not _is_standard(module)]
    return "\n\n".join("\n".join(part) for part in (standard, others) if part)


def _from(module: str, names: set[str]) -> str:
    ordered = sorted(names, key=lambda name: (not name[0].isupper(), name))
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in ordered), ")"])


def _is_standard(module: str) -> bool:
    return re.split(r"[. ]", module)[0] in sys.stdlib_module_names


def _is_options(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and node.name.endswith("Options")


def _is_hook(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("tina_kit_")
