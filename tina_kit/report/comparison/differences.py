"""What differs between runs, besides their results: recipe, versions, hardware and data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tina_kit.api import abridged
from tina_kit.recipe.schema import LISTS, CoreOptions
from tina_kit.recipe.yaml12 import dump

KINDS = ("recipe", "versions", "hardware", "data")
_WITHOUT_EFFECT = {"description", "time", "resources"}  # on the results of a recipe
_ABSENT = "–"
Flat = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """kind: one of KINDS; key: dotted; values: by the run's label, without runs that lack it."""

    kind: str
    key: str
    values: Mapping[str, Any]

    def cells(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The key, and each run's value as a recipe would write it."""
        return (self.key, *(self._text(label) for label in labels))

    def _text(self, label: str) -> str:
        if label not in self.values:
            return _ABSENT
        value = self.values[label]
        return value if isinstance(value, str) else dump(value, flow=True).strip()


def differences(
    recipes: Mapping[str, Mapping[str, Any]], records: Mapping[str, Mapping[str, Any]]
) -> list[Difference]:
    """By kind, and in the order of recipe and record.

    recipes: label → the recipe with every default; records: label → the content of `run.json`.
    """
    found = list(_different("recipe", {k: _of_recipe(v) for k, v in recipes.items()}))
    others = [each.key.removesuffix("use") for each in found if each.key.endswith(".use")]
    found = [
        each
        for each in found
        if not _row_is_missing(each, recipes)
        # Of different components, only the options that all of them have say something.
        and (len(each.values) == len(recipes) or not each.key.startswith(tuple(others)))
    ]
    found += _rows(recipes)
    order = list(dict.fromkeys(key for recipe in recipes.values() for key in recipe))
    found.sort(key=lambda each: order.index(each.key.partition(".")[0]))
    for kind, of in (("versions", _versions), ("hardware", _hardware), ("data", _data)):
        found += _different(kind, {label: of(record) for label, record in records.items()})
    return [*found, *_classes(records)]


def images_key(record: Mapping[str, Any]) -> str | None:
    """The key of a run's own images stage: runs with the same key have the same test images."""
    keys = (stage["key"] for stage in record["stages"] if stage["name"] == "images")
    return next(keys, None)


def _different(kind: str, sides: Mapping[str, Flat]) -> Iterator[Difference]:
    for key in dict.fromkeys(key for flat in sides.values() for key in flat):
        values = {label: flat[key] for label, flat in sides.items() if key in flat}
        first = next(iter(values.values()))
        if len(values) < len(sides) or any(value != first for value in values.values()):
            yield Difference(kind, key, values)


def _of_recipe(recipe: Mapping[str, Any]) -> Flat:
    said = dict(_flat({key: value for key, value in recipe.items() if key not in _WITHOUT_EFFECT}))
    return {**_defaults(), **said}


@cache
def _defaults() -> Flat:
    """What a recipe means that was recorded before there was an option of its own."""
    options = CoreOptions(name="any").model_dump(mode="json", exclude={"name", *_WITHOUT_EFFECT})
    return dict(_flat(options))


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves by dotted keys; rows of generators and studies go by their names."""
    if isinstance(value, list) and value and key in LISTS:
        value = {row["name"]: {k: v for k, v in row.items() if k != "name"} for row in value}
    if isinstance(value, Mapping) and value:
        for name, child in value.items():
            yield from _flat(child, f"{key}.{name}".lstrip("."))
    else:
        yield key, value


def _row_is_missing(difference: Difference, recipes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether it is an option of a row that some runs lack altogether, which is told once."""
    return any(
        difference.key.startswith(f"{key}.{name}.")
        for key in LISTS
        for name, having in _having(recipes, key).items()
        if len(having) < len(recipes)
    )


def _rows(recipes: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for key in LISTS:
        for name, having in _having(recipes, key).items():
            if len(having) < len(recipes):
                yield Difference("recipe", f"{key}.{name}", having)


def _having(recipes: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, dict[str, str]]:
    """Name of a row → label of each run that has it → its component."""
    rows: dict[str, dict[str, str]] = {}
    for label, recipe in recipes.items():
        for row in recipe.get(key) or ():
            rows.setdefault(row["name"], {})[label] = row["use"]
    return rows


def _versions(record: Mapping[str, Any]) -> Flat:
    git = record.get("git") or {}
    return {
        "tina-kit": record.get("tina_kit"),
        "git.commit": str(git.get("commit"))[:10],
        "git.dirty": git.get("dirty"),
        **record.get("versions", {}),
        "plugins": sorted(record.get("plugins", ())),
    }


def _hardware(record: Mapping[str, Any]) -> Flat:
    return {
        **{key: record.get(key) for key in ("device", "precision")},
        **record.get("hardware", {}),
    }


def _data(record: Mapping[str, Any]) -> Flat:
    stages = record["stages"]
    left_out = sum(stage.get("left_out", {}).get("count", 0) for stage in stages)
    facts = record.get("components", {})
    return {
        "images (key)": str(images_key(record))[:10],
        "images left out": left_out,
        "classes": len(record["data"]["classes"]),
        **dict(_flat({f"{key} (fact)": value for key, value in facts.items()})),
    }


def _classes(records: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    names = {label: record["data"]["classes"] for label, record in records.items()}
    shared = set.intersection(*(set(some) for some in names.values()))
    own = {label: [n for n in some if n not in shared] for label, some in names.items()}
    if any(own.values()):
        values = {label: abridged(some, 3) for label, some in own.items() if some}
        yield Difference("data", "classes that not all have", values)
    elif len({tuple(some) for some in names.values()}) > 1:
        values = {label: abridged(some, 3) for label, some in names.items()}
        yield Difference("data", "order of the classes", values)
