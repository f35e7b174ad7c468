"""How what two keys are made of differs, setting by setting, and in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tina_kit.api import abridged
from tina_kit.store import content_key

Kind = Literal[
    "setting",
    "component",
    "component version",
    "local file",
    "files",
    "data",
    "classes",
    "tasks",
    "seed",
    "precision",
    "stage version",
    "reads",
    "new",
    "removed",
    "unfinished",
    "unknown",
]
_SECTIONS = {"generic": "generic", "zoo": "finetune"}
"""The section of a recipe that a kind of stage calls `training`."""
_HASH = 64  # hex digits at the end of a fingerprint, if a component reads files
_LONG = 60


@dataclass(frozen=True)
class Change:
    """setting: its dotted key in the recipe, or what else it is called; old, new: JSON values, None
    if it was not there; about: what else to say of it."""

    kind: Kind
    setting: str
    old: Any = None
    new: Any = None
    about: str = ""

    @property
    def identity(self) -> str:
        """The same for the same change in several stages."""
        merged = self.kind in ("tasks", "new", "removed", "unfinished")
        return json.dumps([self.kind] if merged else [self.kind, self.setting, self.old, self.new])

    def __str__(self) -> str:
        about = f" ({self.about})" if self.about else ""
        old, new = _short(self.old), _short(self.new)
        texts = {
            "component version": f"{self.setting}: version {old} → {new} of {self.about}",
            "local file": f"{self.setting}: the content of the local plugin file of {self.about}",
            "files": f"{self.setting}: the content of the files that it reads{about}",
            "data": f"{self.setting}: other data{about}",
            "stage version": f"tina-kit computes {self.setting} differently now (version {old} → "
            f"{new} of this stage)",
            "reads": f"{self.setting}: {self.about}",
            "new": f"nothing like this is stored{about}",
            "removed": f"the result was removed from the store{about}",
            "unfinished": f"the run ended before it was computed{about}",
            "unknown": f"{self.setting}: {self.about}",
        }
        return texts.get(self.kind, f"{self.setting}: {old} → {new}{about}")

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.kind,
            "setting": self.setting,
            "old": self.old,
            "new": self.new,
            "text": str(self),
        }


def _short(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.removeprefix("tina-kit/")
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def compact(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with tasks, which may be thousands, replaced by a summary."""
    if "tasks" not in settings:
        return dict(settings)
    tasks = settings["tasks"]
    by_split = tasks if isinstance(tasks, Mapping) else {"": tasks}
    summary = {
        split: {
            "count": len(rows),
            "classes": max((sum(c >= 0 for c in row) for row in rows), default=0),
            "content": content_key(rows),
        }
        for split, rows in by_split.items()
    }
    return {**settings, "tasks": summary}


def changes(kind: str, row: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """How the compact settings of two stages of one kind differ. row: the generator's name."""
    if "use" in new:  # images: those of the data set itself, and `on`
        found = list(_of_component("dataset", _without_on(old), _without_on(new)))
        on = [settings.get("on", "test") for settings in (old, new)]
        return [*found, *_of_value("evaluation.on", *on)]
    return [
        change
        for name in dict.fromkeys((*new, *old))
        if old.get(name) != new.get(name)
        for change in _of_setting(kind, row, name, old.get(name), new.get(name))
    ]


def _without_on(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "on"}


def _of_setting(kind: str, row: str, name: str, old: Any, new: Any) -> Iterator[Change]:
    if name == "training":
        yield from _of_value(_SECTIONS.get(kind, name), old, new)
    elif name == "rejection":
        yield from _of_value("evaluation.rejection", old, new)
    elif name == "seed":
        yield Change("seed", "seed", old, new)
    elif name == "precision":
        yield Change("precision", "precision", old, new)
    elif name == "tasks":
        before, after = _tasks_in_words(old), _tasks_in_words(new)
        yield Change("tasks", "tasks", before, after, "other ones" if before == after else "")
    elif name in ("prompts", "seen") and isinstance(new or old, Sequence) and kind != "evaluate":
        before, after = _lists(old, new)
        yield Change("classes", _CLASSES[name], before, after)
    elif name == "imported":
        yield Change("files", "zoo")
    elif _is_component(old) or _is_component(new):
        place = f"generators.{row}" if name == "generator" else name
        yield from _of_component(place, old or {}, new or {})
    else:
        yield from _of_value(name, old, new)


_CLASSES = {"prompts": "class names", "seen": "classes that may be learned from"}


def _is_component(value: Any) -> bool:
    return isinstance(value, Mapping) and {"use", "version"} <= value.keys()


def _of_component(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    if old.get("use") != new.get("use"):
        yield Change("component", place, old.get("use"), new.get("use"))
        return
    use = str(new["use"]).removeprefix("tina-kit/")
    if old.get("version") != new.get("version"):
        yield Change("component version", place, old.get("version"), new.get("version"), use)
    if old.get("code") != new.get("code"):
        yield Change("local file", place, old.get("code"), new.get("code"), use)
    yield from _of_value(place, old.get("options", {}), new.get("options", {}))
    yield from _of_fingerprint(place, old.get("fingerprint", ""), new.get("fingerprint", ""))
    inner = [each.get("components", {}) for each in (old, new)]
    for name in dict.fromkeys((*inner[1], *inner[0])):
        yield from _of_nested(f"{place}.{name}", inner[0].get(name), inner[1].get(name))


def _of_nested(place: str, old: Any, new: Any) -> Iterator[Change]:
    if _is_component(old) and _is_component(new):
        yield from _of_component(place, old, new)
    elif isinstance(old, Sequence) and isinstance(new, Sequence):
        names = [[each["use"] for each in several] for several in (old, new)]
        if names[0] != names[1]:
            yield Change("component", place, names[0], names[1])
            return
        for number, pair in enumerate(zip(old, new)):
            yield from _of_component(f"{place}.{number}", *pair)
    elif old != new:
        yield Change("component", place, *(each and each.get("use") for each in (old, new)))


def _of_fingerprint(place: str, old: str, new: str) -> Iterator[Change]:
    """A component's own fingerprint is followed by the hash of its files' content."""
    if old == new:
        return
    own = [text[:-_HASH] if len(text) >= _HASH else text for text in (old, new)]
    if own[0] == own[1] or not any(own):
        yield Change("files", place)
    else:
        yield Change("data", place)


def _of_value(place: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if old.get("use") != new.get("use"):
            yield Change("component", place, old.get("use"), new.get("use"))
            return
        for name in dict.fromkeys((*new, *old)):
            if old.get(name) != new.get(name):
                below = f"{place}.{name}" if place else name
                yield from _of_value(below, old.get(name), new.get(name))
    elif old != new:
        yield Change("setting", place, old, new)


def _tasks_in_words(summary: Mapping[str, Any] | None) -> str | None:
    if summary is None:
        return None
    names = {"": "", "id": "ID ", "ood": "OOD "}
    return ", ".join(
        f"{each['count']} {names.get(split, f'{split} ')}tasks of {each['classes']} classes"
        for split, each in summary.items()
    )


def _lists(old: Any, new: Any) -> tuple[str, str]:
    """Two lists of names or numbers, told by what they do not share."""
    one, two = ([] if each is None else list(each) for each in (old, new))
    lost, added = ([e for e in a if e not in set(b)] for a, b in ((one, two), (two, one)))
    texts = [f"{len(each)}" if each else "all" for each in (one, two)]
    extra = [(lost, "without"), (added, "with")]
    told = [f"{word} {abridged(map(str, some))}" for some, word in extra if some]
    if one and two:
        texts[1] += f" ({', '.join(told) or 'in another order'})"
    return texts[0], texts[1]


def of_recipes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """How two recipes differ that are written with every default (`Recipe.plain`)."""
    return list(_of_value("", _by_name(old), _by_name(new)))


def _by_name(recipe: Mapping[str, Any]) -> dict[str, Any]:
    left_out = ("name", "description", "time", "studies", "plugins")
    rows = {row["name"]: row for row in recipe["generators"]}
    return {**{k: v for k, v in recipe.items() if k not in left_out}, "generators": rows}
