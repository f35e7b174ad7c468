"""What is known of a component, as plain data. Imports neither its code nor torch."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tina_kit.plugins import Registered, Registry
from tina_kit.recipe.example import example
from tina_kit.recipe.explain import explained

_PLACE = r"(?:\d\w*(?:\.\d+)*|[A-Z]\b)"
_PAPER = re.compile(rf"\b(?:Sections?|Tables?|Figures?|Appendix) {_PLACE}(?:(?:, | and ){_PLACE})*")


def facts(entry: Registered) -> dict[str, Any]:
    """What `list --json` says of a component."""
    component = entry.component
    return {
        "kind": component.kind,
        "name": component.name,
        "full_name": entry.full_name,
        "summary": component.summary,
        "version": component.version,
        "api": component.api,
        "owner": entry.owner,
        "origin": entry.origin,
        "needs": list(component.needs),
        "missing": [{"module": module, "remedy": how} for module, how in entry.missing],
    }


def described(entry: Registered, registry: Registry) -> dict[str, Any]:
    """What `show --json` says of a component."""
    summary = entry.component.summary
    return {
        **facts(entry),
        "target": entry.component.target,
        "file": _defined_at(entry.component.target),
        "paper": _PAPER.findall(summary),
        "options": explained(entry),
        "example": example(entry, registry),
    }


def _defined_at(target: str) -> str | None:
    """`file:line` of a target, found without importing its module."""
    module, _, attribute = target.partition(":")
    try:
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            return None
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except (ImportError, OSError, SyntaxError, ValueError):
        return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute:
            return f"{spec.origin}:{node.lineno}"
    return spec.origin
