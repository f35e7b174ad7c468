"""A JSON Schema (2020-12) for recipes with the installed components, for editors and validators.

It rejects unknown keys, options and components, and values of the wrong type or range. It is a
little more lenient than the loader: the content of `set` and `profiles` is not checked, a recipe
that extends another may omit required keys, and rules that relate several options are left to the
loader, as are the options of a row that takes its component from another (`like`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tina_kit.api.component import KINDS, import_attribute
from tina_kit.api.options import Options
from tina_kit.plugins import Registered, Registry
from tina_kit.plugins.failure import in_one_line
from tina_kit.plugins.guard import Guard
from tina_kit.plugins.registry import UnknownComponent
from tina_kit.recipe.overrides import LIKE
from tina_kit.recipe.schema import LISTS, REQUIRED, SLOTS, CoreOptions

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
_SEED: Schema = {"type": "integer", "minimum": 0, "exclusiveMaximum": 2**30}
_LIKE: Schema = {
    LIKE: {
        "type": "string",
        "description": "an earlier row, whose options this one takes where it gives none",
    }
}
_ONE_LIST = {
    "requires": 'packages that must be installed, like ["tina-kit>=0.1"]',
    "plugins": "Python files with your own components, relative to the recipe",
}


def recipe_schema(registry: Registry, skipped: Callable[[str], None]) -> Schema:
    """The schema. skipped: called with a message for each component whose options cannot be
    imported."""
    builder = _Builder(registry, skipped)
    slots = {slot: _reference(kind) for slot, kind in SLOTS.items()}
    rows: Schema = {
        key: {"type": "array", "minItems": 1 if key == "generators" else 0, "items": _reference(k)}
        for key, k in LISTS.items()
    }
    core = builder.options(CoreOptions, "recipe")
    free: Schema = {"type": "object", "description": "dotted keys → values"}
    meta: Schema = {
        "extends": {"type": "string", "description": "the recipe that this one extends"},
        "set": free,
        "profiles": {"type": "object", "additionalProperties": free},
        "seed": {"anyOf": [_SEED, {"type": "array", "items": _SEED, "minItems": 1}]},
        **{key: {**_TEXTS, "description": text} for key, text in _ONE_LIST.items()},
    }
    kinds = {kind: builder.kind(kind) for kind in KINDS}
    whole = {f"whole-{kind}": builder.whole(kind) for kind in KINDS}
    return {
        "$schema": DIALECT,
        "title": "a tina-kit recipe",
        "type": "object",
        "properties": {**meta, **core["properties"], **slots, **rows},
        "additionalProperties": False,
        "if": {"anyOf": [{"required": ["extends"]}, {"required": ["set"]}]},
        "else": {
            "required": list(REQUIRED),
            "properties": {
                **{slot: _reference(f"whole-{kind}") for slot, kind in SLOTS.items()},
                **{k: {"items": _reference(f"whole-{kind}")} for k, kind in LISTS.items()},
            },
        },
        "$defs": {**kinds, **whole, **builder.definitions},
    }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


class _Builder:
    def __init__(self, registry: Registry, skipped: Callable[[str], None]) -> None:
        self.definitions: Schema = {}
        self.names: dict[str, dict[str, list[str]]] = {kind: {} for kind in KINDS}
        self.required: dict[str, list[str]] = {}
        for kind in KINDS:
            for entry in registry.of_kind(kind):
                self._add(registry, entry, skipped)

    def options(self, model: type[Options], prefix: str) -> Schema:
        """pydantic's schema of an options class, with its own definitions moved to the top."""
        schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}:{{model}}")
        for name, definition in schema.pop("$defs", {}).items():
            self.definitions[f"{prefix}:{name}"] = _with_properties(definition)
        return _with_properties(schema)

    def kind(self, kind: str) -> Schema:
        """`NAME`, or a mapping whose options depend on its `use`."""
        known = [name for names in self.names[kind].values() for name in names]
        local: Schema = {"type": "string", "pattern": "^local/"}  # in a local plugin file
        use: Schema = {"anyOf": [{"enum": known}, local], "description": f"which {kind} to use"}
        chosen: list[Schema] = [
            {
                "if": {"properties": {"use": {"enum": names}}, "required": ["use"]},
                "then": {"$ref": f"#/$defs/{definition}"},
            }
            for definition, names in self.names[kind].items()
        ]
        named: Schema = {"use": use, **(_LIKE if kind == "generator" else {})}
        return {
            "if": {"type": "string"},
            "then": use,
            "else": {"allOf": [{"type": "object", "properties": named}, *chosen]},
        }

    def whole(self, kind: str) -> Schema:
        """The required options of a component in a recipe that extends no other."""
        demands = [
            {
                "if": {"properties": {"use": {"enum": names}}, "required": ["use"]},
                "then": {"required": self.required[definition]},
            }
            for definition, names in self.names[kind].items()
            if self.required[definition]
        ]
        # Only the task sampler may be left out: `tasks: {id: 20}`.
        needs: Schema = {} if kind == "task-sampler" else {"required": ["use"]}
        whole: Schema = {"if": {"type": "object"}, "then": {"allOf": [needs, *demands]}}
        if kind != "generator":
            return whole
        return {"if": {"required": [LIKE]}, "then": {"required": ["name"]}, "else": whole}

    def _add(self, registry: Registry, entry: Registered, skipped: Callable[[str], None]) -> None:
        component = entry.component
        try:
            registry.get(component.kind, entry.full_name)  # imports its options
        except UnknownComponent as error:
            skipped(f"skipped {component.kind} {entry.full_name}: {error}")
            return
        definition = f"{component.kind}:{entry.full_name.replace('/', ':')}"
        with Guard() as guard:
            schema = self.options(import_attribute(component.options), definition)
        if guard.error is not None:
            skipped(f"skipped {component.kind} {entry.full_name}: {in_one_line(guard.error)}")
            return
        own: Schema = {"use": True}
        if component.kind in LISTS.values():
            own["name"] = {"type": "string", "description": "name of the row"}
        if component.kind == "generator":
            own |= _LIKE
        self.required[definition] = schema.pop("required", [])
        self.definitions[definition] = {
            **schema,
            "description": component.summary,
            "properties": {**own, **schema["properties"]},
        }
        names = {registry.shortest_name(entry), entry.full_name}
        self.names[component.kind][definition] = sorted(names)


def _with_properties(schema: Schema) -> Schema:
    given = schema.get("properties", {})
    return {**schema, "properties": {name: _property(option) for name, option in given.items()}}


def _property(given: Schema) -> Schema:
    """One option; a nested component refers to the schema of its kind. The description repeats the
    unit, since editors show nothing else."""
    plain = {key: value for key, value in given.items() if key != "kind"}
    if "unit" in given:
        plain["description"] = f"{given.get('description', '')} ({given['unit']})".strip()
    kind = given.get("kind")
    if kind is None:
        return plain
    shown: Schema = {key: plain[key] for key in ("description", "default") if key in plain}
    if given.get("type") == "array":
        return {**shown, "type": "array", "items": _reference(kind)}
    return {**shown, **_reference(kind)}
