"""The rows of `generators` and `studies`, of which one may take the options of another."""

from __future__ import annotations

from collections.abc import Sequence

from tina_kit.plugins.registry import nearest
from tina_kit.recipe.component import NamedComponent
from tina_kit.recipe.node import Node, merge, without
from tina_kit.recipe.overrides import LIKE, MOST_ROWS, part_name
from tina_kit.recipe.resolve import Resolver
from tina_kit.recipe.schema import CHANCE, LARGEST, unfit_as_name

_BELOW = 1000  # more layers than there are; see Where.layer


def rows_of(
    node: Node | None, key: str, kind: str, resolver: Resolver
) -> tuple[NamedComponent, ...]:
    """The resolved rows of the list `key`; what is wrong with one is reported."""
    if node is None:
        return ()
    if not isinstance(node.value, list):
        resolver.report(node.where, key, f"must be a list of {key}")
        return ()
    if len(node.value) > MOST_ROWS:
        resolver.report(node.where, key, f"more than {MOST_ROWS} {key}")
        return ()
    rows: list[NamedComponent] = []
    before: dict[str, Node | None] = {}  # the rows so far, whole; None for what is wrong
    for row in node.value:
        name = part_name(row) or f"{len(before)}"
        _check_name(row, f"{key}.{name}", name, list(before), resolver)
        whole: Node | None = row
        if key == "generators" and isinstance(row.value, dict) and LIKE in row.value:
            whole = _like(row, f"{key}.{name}", before, resolver)
        before[name] = whole
        if whole is None:
            continue
        bare = without(whole, "name") if isinstance(whole.value, dict) else whole
        first = len(resolver.problems)
        component = resolver.component(bare, kind, f"{key}.{name}")
        _tell_once(resolver, first)
        if component is not None:
            rows.append(NamedComponent(name, component))
    return tuple(rows)


def _check_name(row: Node, key: str, name: str, before: Sequence[str], resolver: Resolver) -> None:
    given = row.value.get("name") if isinstance(row.value, dict) else None
    if given is not None and not isinstance(given.value, str):
        resolver.report(given.where, f"{key}.name", "must be text")
    elif given is not None and (wrong := unfit_as_name(given.value)):
        resolver.report(given.where, f"{key}.name", wrong)
    if name in (CHANCE, LARGEST):
        resolver.report(row.where, key, "this name is reserved for a table row")
    if name in before:
        message = "duplicate row name; give one of them another `name`"
        resolver.report(row.where, key, message)


def _like(row: Node, key: str, before: dict[str, Node | None], resolver: Resolver) -> Node | None:
    """The row with the options of the earlier row that it names with `like`, which its own
    override; None after reporting a problem."""
    named, own = row.value[LIKE], without(row, LIKE)
    base = before.get(named.value) if isinstance(named.value, str) else None
    if base is None and named.value in [*before]:
        return None  # which has been told
    if base is None:
        what = "must be the name of an earlier row"
        if isinstance(named.value, str):
            what = f"there is no earlier row '{named.value}'; {nearest(named.value, [*before])}"
        resolver.report(named.where, f"{key}.{LIKE}", what)
        return None
    if "name" not in row.value:
        message = f"give this row a `name`: it takes its options from '{named.value}'"
        resolver.report(row.where, key, message)
        return None
    # Below its own options: these may leave one of the others without effect.
    taken = base.on_lower(_BELOW)
    if not isinstance(taken.value, dict):
        taken = Node({"use": taken}, taken.where)  # shorthand, like `- oracle`
    use, theirs = row.value.get("use"), taken.value.get("use")
    if use is not None and theirs is not None and use.value != theirs.value:
        message = (
            f"'{named.value}' is a {theirs.value}, which has other options: leave out `{LIKE}`"
        )
        resolver.report(use.where, f"{key}.use", message)
        return None
    return merge(taken, own)


def _tell_once(resolver: Resolver, first: int) -> None:
    """Drop those of the problems from the number `first` on that another row has passed on."""
    told = {(problem.where, problem.message) for problem in resolver.problems[:first]}
    new = resolver.problems[first:]
    resolver.problems[first:] = [each for each in new if (each.where, each.message) not in told]


def check_rows(generators: Sequence[NamedComponent], resolver: Resolver) -> None:
    """Report options that name another row, but not an earlier one."""
    before: list[str] = []
    for row in generators:
        for option, name in row.component.rows().items():
            if name not in before:
                key = f"generators.{row.name}.{option}"
                message = f"there is no earlier row '{name}'; {nearest(name, before)}"
                resolver.report(row.component.where, key, message)
        before.append(row.name)
