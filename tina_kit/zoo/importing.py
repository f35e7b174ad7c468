"""A zoo from p-Models that were trained elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tina_kit.api.errors import UserError
from tina_kit.api.messages import abridged
from tina_kit.plugins import Registry
from tina_kit.recipe import ResolvedComponent
from tina_kit.recipe.node import Node, RecipeError, Where
from tina_kit.recipe.overrides import override, parse_set
from tina_kit.recipe.resolve import Resolver
from tina_kit.zoo.archive import MANIFEST, TENSORS, ZooArchive, check_layout, read
from tina_kit.zoo.checkpoints import gather
from tina_kit.zoo.pmodel import architecture_of

Say = Callable[[str], None]
_NAMED = 10  # names of what is left out


def imported(
    source: Path, registry: Registry, architecture: str | None, sets: Sequence[str], say: Say
) -> ZooArchive:
    """Read and check a zoo's folder, or gather a folder of checkpoints; no code in a file is run.

    architecture: the component's name, needed for checkpoints; sets: `key=value` texts for its
    options; say: is told what is left out and how tensors were matched.

    Raises UserError for what is missing or does not fit.
    """
    if not source.is_dir():
        raise UserError(f"{source}: no such folder")
    if sets and architecture is None:
        raise UserError("--set: give the --architecture whose option it is")
    component = None if architecture is None else _architecture(architecture, sets, registry)
    if (source / MANIFEST).exists():
        return _copied(source, component, say)
    if component is None:
        raise UserError(
            f"{source}: there is no {MANIFEST} that says what the p-Models are; name their "
            "--architecture"
        )
    return _gathered(source, component, say)


def _architecture(name: str, sets: Sequence[str], registry: Registry) -> ResolvedComponent:
    where = Where(f"--architecture {name}", 0, 0, Path.cwd())
    node = Node({"use": Node(name, where)}, where)
    for text in sets:
        node = override(node, *parse_set(text))
    resolver = Resolver(registry)
    component = resolver.component(node, "architecture", "architecture")
    if component is None or resolver.problems:
        raise RecipeError(resolver.problems)
    return component


def _copied(source: Path, component: ResolvedComponent | None, say: Say) -> ZooArchive:
    archive = read(source)
    others = [path.name for path in source.iterdir() if path.name not in (MANIFEST, TENSORS)]
    _report(say, len(others), "files that do not belong to the zoo", others)
    built = (
        architecture_of(archive.architecture, source) if component is None else component.build()
    )
    check_layout(archive.layout, built.layout(archive.tasks.shape[1]), str(source))
    return archive


def _gathered(source: Path, component: ResolvedComponent, say: Say) -> ZooArchive:
    built = component.build()
    found = gather(source, built)
    _report(
        say, len(found.left_out), "files or class lists that belong to no p-Model", found.left_out
    )
    _report(
        say, found.ignored, "tensors that the architecture does not generate", found.ignored_names
    )
    if found.averaged:
        say(f"averaged weights (EMA) were taken for {found.averaged} p-Models")
    if found.by_order:
        say(
            f"the tensors of {found.by_order} p-Models have other names and were matched by their "
            "order, since all shapes agree"
        )
    origin = {
        "from": "p-Models",
        "left_out": found.ignored,
        "files_left_out": len(found.left_out),
        "matched_by_order": found.by_order,
        "averaged": found.averaged,
    }
    return ZooArchive(
        found.class_names,
        component.plain(),
        built.layout(found.tasks.shape[1]),
        found.tasks,
        found.vectors,
        origin,
    )


def _report(say: Say, count: int, what: str, names: Sequence[str]) -> None:
    """Log what an import leaves out. names: of them, each once."""
    if names:
        say(f"left out: {what} ({count}): {abridged(sorted(names), _NAMED)}")
