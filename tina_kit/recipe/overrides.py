"""Overrides by dotted keys, in `set:`, profiles and `--set`.

`generators.tina-dit.depth=3` applies to the row of that name or, if there is none, to all rows that
use that component; a row that is `like` another takes it from that one, unless it has an own value.
The value is parsed as YAML.
"""

from __future__ import annotations

from pathlib import Path

from tina_kit.plugins.registry import nearest
from tina_kit.recipe.node import Node, Problem, RecipeError, Where
from tina_kit.recipe.yaml12 import parse_scalar

NAMED_LISTS = ("generators", "studies")
LIKE = "like"
"""The key of a row that takes the options of another, which it names."""
MOST_ROWS = 1000
"""Maximum number of rows in one of these lists."""
MOST_STEPS = 20
"""Maximum number of steps in a dotted key."""


def part_name(node: Node) -> str | None:
    """The name of a row of `generators` or `studies`: `name`, or the bare name in `use`."""
    if isinstance(node.value, str):  # shorthand for {use: NAME}
        return node.value.rpartition("/")[2]
    if not isinstance(node.value, dict):
        return None
    for key in ("name", "use"):
        found = node.value.get(key)
        if found is not None and isinstance(found.value, str):
            return str(found.value).rpartition("/")[2] if key == "use" else str(found.value)
    return None


def parse_set(text: str) -> tuple[str, Node]:
    """Parse `key=value` from the command line into (dotted key, value)."""
    where = Where(f"--set {text}", 0, 0, Path.cwd())
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError([Problem(where, "", "write it as key=value")])
    return key.strip(), parse_scalar(value, where)


def override(root: Node, key: str, value: Node) -> Node:
    """Set the dotted `key` to `value`. Raises RecipeError if its path does not exist."""
    steps = key.split(".")
    if len(steps) > MOST_STEPS:
        message = f"a dotted key with more than {MOST_STEPS} steps"
        raise RecipeError([Problem(value.where, key, message)])
    return _set(root, steps, value, key)


def _set(node: Node, steps: list[str], value: Node, key: str) -> Node:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(node.value, dict):
        child = node.value.get(step)
        if step in NAMED_LISTS and rest and child is not None and isinstance(child.value, list):
            changed = Node(_set_named(child, rest, value, key), child.where)
        else:
            changed = _set(child or Node({}, value.where), rest, value, key)
        return Node({**node.value, step: changed}, node.where)
    if node.value is None:
        return _set(Node({}, value.where), steps, value, key)
    if isinstance(node.value, list):
        message = "lists can only be set as a whole: key=[...]"
    else:
        message = f"'{step}' cannot be set here: the key above it holds a single value"
    raise RecipeError([Problem(value.where, key, message)])


def _set_named(rows: Node, steps: list[str], value: Node, key: str) -> list[Node]:
    if len(rows.value) > MOST_ROWS:
        message = f"more than {MOST_ROWS} rows"
        raise RecipeError([Problem(rows.where, key, message)])
    names = [part_name(row) or "" for row in rows.value]
    # If no row has the name, it may be a component's: then all rows that use it are set, but not
    # those like others, which take it from these below their own values.
    for known in (names, _without_like(rows)):
        # Names may contain dots (tina-0.5): the longest matching name wins.
        for length in range(len(steps), 0, -1):
            name = ".".join(steps[:length])
            if name in known:
                return [
                    _set(row, steps[length:], value, key) if own == name else row
                    for row, own in zip(rows.value, known)
                ]
    message = f"there is no row '{steps[0]}'; {nearest(steps[0], names)}"
    raise RecipeError([Problem(value.where, key, message)])


def _without_like(rows: Node) -> list[str]:
    """See `components_of`; "" also for a row that is `like` another."""
    like = (isinstance(row.value, dict) and LIKE in row.value for row in rows.value)
    return ["" if is_like else name for name, is_like in zip(components_of(rows), like)]


def components_of(rows: Node) -> list[str]:
    """The bare name of each row's component, also of one that takes it from an earlier row; "" if
    a row has none."""
    found: dict[str | None, str] = {}
    names = []
    for row in rows.value:
        given = row.value if isinstance(row.value, dict) else {"use": row}
        use, like = given.get("use"), given.get(LIKE)
        if use is None and like is not None:
            component = found.get(str(like.value), "")
        else:
            component = "" if use is None else str(use.value).rpartition("/")[2]
        found[part_name(row)] = component
        names.append(component)
    return names
