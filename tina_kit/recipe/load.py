"""Loads a recipe: applies extends, set, profile and --set, then checks the result as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tina_kit.api import UserError
from tina_kit.plugins import Registry
from tina_kit.plugins.discovery import load_file
from tina_kit.plugins.registry import nearest
from tina_kit.recipe.effects import words_of
from tina_kit.recipe.missing import absent
from tina_kit.recipe.node import Node, Problem, RecipeError, Where, merge, without
from tina_kit.recipe.overrides import override, parse_set
from tina_kit.recipe.paths import located
from tina_kit.recipe.recipe import Recipe
from tina_kit.recipe.resolve import Resolver, plain_node
from tina_kit.recipe.rows import check_rows, rows_of
from tina_kit.recipe.schema import LISTS, REQUIRED, SLOTS, CoreOptions
from tina_kit.recipe.shipped import recipe_file
from tina_kit.recipe.source import written
from tina_kit.recipe.yaml12 import dump

OWN = ("name", "description", "time")  # not inherited by recipes that extend this one
_META = ("extends", "set", "profiles", "requires", "plugins", "seed")
# Layers above the recipes', which go up to 1.
_PROFILE, _SETS, _STUDY = 2, 3, 4
MOST_PROFILES = 100
MOST_OVERRIDES = 500
KEYS = (*_META, *CoreOptions.model_fields, *SLOTS, *LISTS)


def load_recipe(
    path: Path,
    registry: Registry,
    *,
    profile: str | None = None,
    sets: Sequence[str] | Mapping[str, Any] = (),
    seeds: Sequence[int] | None = None,
    recorded: bool = False,
) -> Recipe:
    """Read and check a recipe. Raises RecipeError listing every mistake in it.

    path: a file, or the name of a shipped recipe if there is no such file.
    sets: `key=value` strings or a mapping of dotted keys, applied last; seeds: replace the
    recipe's; recorded: whether a run wrote the recipe, with every default, so that options without
    effect are accepted.
    """
    path = recipe_file(path)
    source = source_of(path)
    return resolved(
        path, source, registry, profile=profile, sets=sets, seeds=seeds, recorded=recorded
    )


def source_of(path: Path) -> Node:
    """A recipe as it is written, merged with those that it extends; its values are not checked.

    path: a file, or the name of a shipped recipe.
    """
    lower: Node | None = None
    chain = written(recipe_file(path))
    for layer, node in zip(range(-2 * len(chain) + 2, 1, 2), reversed(chain)):
        if node.value and not node.value.keys() & set(KEYS):
            message = "not a recipe: it has none of the keys of a recipe"
            raise RecipeError([Problem(node.where, "", message)])
        node = without(node.on(layer) if layer else node, "extends")
        if lower is not None:
            node = merge(without(lower, *OWN), node)
        settings = node.value.get("set")
        lower = _apply(without(node, "set"), settings, "set", layer + 1) if settings else node
    assert lower is not None
    return lower


def resolved(
    path: Path,
    source: Node,
    registry: Registry,
    *,
    profile: str | None = None,
    sets: Sequence[str] | Mapping[str, Any] = (),
    seeds: Sequence[int] | None = None,
    recorded: bool = False,
) -> Recipe:
    """Check the result of `source_of`, as `load_recipe` does."""
    source = _with_profile(source, profile)
    overrides = _overrides(sets)
    for key, value in overrides:
        source = override(source, key, value.on(_SETS))
    if seeds is not None:
        where = Where("--seeds", 0, 0, Path.cwd())
        source = without(source, "seed")
        source = override(source, "seeds", Node([Node(seed, where) for seed in seeds], where))
    told = (*(f"{key}={dump(value.plain(), flow=True).strip()}" for key, value in overrides),)
    return replace(_resolve(path, source, registry, recorded), profile=profile, sets=told)


def _overrides(sets: Sequence[str] | Mapping[str, Any]) -> list[tuple[str, Node]]:
    if isinstance(sets, Mapping):
        return [
            (key, plain_node(value, Where(f"set {key}", 0, 0, Path.cwd())))
            for key, value in sets.items()
        ]
    return [parse_set(text) for text in sets]


def _with_profile(source: Node, name: str | None) -> Node:
    profiles = source.value.get("profiles")
    source = without(source, "profiles")
    if profiles is not None and not isinstance(profiles.value, dict):
        raise RecipeError([Problem(profiles.where, "profiles", "must be a mapping of profiles")])
    if profiles is not None and len(profiles.value) > MOST_PROFILES:
        message = f"more than {MOST_PROFILES} profiles"
        raise RecipeError([Problem(profiles.where, "profiles", message)])
    if name is None:
        return source
    known = dict(profiles.value) if profiles is not None else {}
    if name not in known:
        problem = f"unknown profile '{name}'; {nearest(name, list(known))}"
        raise UserError(
            f"{source.where.source}: {problem if known else 'this recipe has no profiles'}"
        )
    return _apply(source, known[name], f"profiles.{name}", _PROFILE)


def _apply(source: Node, overrides: Node, key: str, layer: int) -> Node:
    if not isinstance(overrides.value, dict):
        message = "must be a mapping of overrides, like `tasks.id: 20`"
        raise RecipeError([Problem(overrides.where, key, message)])
    if len(overrides.value) > MOST_OVERRIDES:
        message = f"more than {MOST_OVERRIDES} overrides"
        raise RecipeError([Problem(overrides.where, key, message)])
    for dotted, value in overrides.items():
        source = override(source, dotted, value.on(layer))
    return source


def _resolve(path: Path, source: Node, registry: Registry, recorded: bool = False) -> Recipe:
    keys = source.value
    resolver = Resolver(registry, recorded, words_of(keys.get("studies")))
    for key, node in keys.items():
        if key not in KEYS:
            resolver.report(node.where, key, f"unknown key; {resolver.nearest(key, KEYS)}")
    for key in REQUIRED:
        if key not in keys:
            resolver.report(source.where, key, "this key is required")
    plugins = _load_plugins(keys.get("plugins"), registry, resolver)
    _check_requires(keys.get("requires"), resolver)

    core = resolver.validate(CoreOptions, _core(source, path, resolver), "")
    components = {**keys, "tasks": _tasks(keys.get("tasks"), source.where)}
    slots: dict[str, Any] = {
        slot: resolver.component(components[slot], kind, slot)
        for slot, kind in SLOTS.items()
        if slot in components
    }
    lists: dict[str, Any] = {
        key: rows_of(keys.get(key), key, kind, resolver) for key, kind in LISTS.items()
    }
    check_rows(lists["generators"], resolver)
    if "generators" in keys and not lists["generators"] and not resolver.problems:
        resolver.report(keys["generators"].where, "generators", "list at least one generator")
    if resolver.problems:
        raise RecipeError(_in_order(resolver.problems))
    return Recipe(
        path=path, source=source, core=core, **slots, **lists, registry=registry, plugins=plugins
    )


def vary(recipe: Recipe, overrides: Mapping[str, Any], where: Where) -> Recipe:
    """The recipe with some dotted keys overridden, as by `--set`.

    where: the location that errors in the overrides name.
    """
    source = recipe.source
    for key, value in overrides.items():
        source = override(source, key, plain_node(value, where).on(_STUDY))
    return _resolve(recipe.path, source, recipe.registry)


def _tasks(node: Node | None, where: Where) -> Node:
    """Fill in the default component, so that `tasks: {id: 20}` is enough."""
    fallback = Node({"use": Node("balanced-permutations", where)}, where)
    return fallback if node is None else merge(fallback, node)


def _core(source: Node, path: Path, resolver: Resolver) -> Node:
    keys = {k: v for k, v in source.items() if k in CoreOptions.model_fields}
    keys.setdefault("name", Node(path.stem, source.where))
    seed = source.value.get("seed")
    if seed is not None:
        if "seeds" in keys:
            resolver.report(seed.where, "seed", "give either seed or seeds, not both")
        else:
            keys["seeds"] = Node(seed.value if isinstance(seed.value, list) else [seed], seed.where)
    return Node(keys, source.where)


def _load_plugins(node: Node | None, registry: Registry, resolver: Resolver) -> tuple[Path, ...]:
    if node is None:
        return ()
    if not isinstance(node.value, list):
        resolver.report(node.where, "plugins", "must be a list of Python files")
        return ()
    files = []
    for child in node.value:
        if not isinstance(child.value, str):
            resolver.report(child.where, "plugins", "must be the path to a Python file")
            continue
        try:
            file = located(child)
            wrong = absent(file, regular=True)
        except UserError as error:
            wrong = str(error)
        if wrong:
            resolver.report(child.where, "plugins", wrong)
            continue
        if failure := load_file(registry, file, f"named in {child.where}"):
            resolver.report(child.where, "plugins", str(failure))
        files.append(file)
    return tuple(files)


def _check_requires(node: Node | None, resolver: Resolver) -> None:
    if node is None:
        return
    if not isinstance(node.value, list):
        resolver.report(node.where, "requires", 'must be a list, like ["tina-kit>=0.1"]')
        return
    for child in node.value:
        try:
            wanted = Requirement(child.value if isinstance(child.value, str) else "")
            installed = version(wanted.name)
            fits = wanted.specifier.contains(installed, prereleases=True)
        except ValueError:  # includes InvalidRequirement and versions with too many digits
            message = 'must be a requirement, like "tina-kit>=0.1"'
            resolver.report(child.where, "requires", message)
        except PackageNotFoundError:
            message = f"{wanted.name} is not installed: pip install '{child.value}'"
            resolver.report(child.where, "requires", message)
        else:
            if not fits:
                message = f"requires {child.value}, but {installed} is installed"
                resolver.report(child.where, "requires", message)


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda p: (p.where.source, p.where.line, p.where.column, p.key))


def profiles_of(source: Node) -> list[str]:
    """The names of the profiles in the result of `source_of`."""
    profiles = source.value.get("profiles")
    return list(profiles.value) if profiles is not None and isinstance(profiles.value, dict) else []


def profile_names(path: Path) -> list[str]:
    """The names of the profiles of a recipe and those that it extends."""
    return profiles_of(source_of(path))
