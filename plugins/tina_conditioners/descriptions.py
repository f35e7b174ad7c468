"""Descriptions from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import yaml

from tina_conditioners.described import Described
from tina_conditioners.names import listed
from tina_conditioners.options import DescriptionsOptions
from tina_kit.api import Conditioner, UserError, name_key, read_text

DATA = Path(__file__).with_name("data")
PREFIX = "descriptions_"
LARGEST = 4 << 20
"""Maximum size of a file in bytes."""


class Descriptions(Described):
    """Reads a sentence for every class from a YAML file; names are looked up by `name_key`.

    All values are read as text, so that a class may be named `no` or `1`. A prompt that is not in
    the file is an error; there is no fallback to its name. Messages give line numbers but do not
    quote the file, since a recipe may name any file.
    """

    def __init__(self, options: DescriptionsOptions, text: Conditioner) -> None:
        super().__init__(text)
        self.options = options

    def files(self) -> Mapping[str, str | Path]:
        return {"file": self._path}

    def sentences(self, names: Sequence[str]) -> Mapping[str, str]:
        table = self._table
        if missing := [name for name in names if name_key(name) not in table]:
            raise UserError(
                f"{self._path}: no description of {len(set(missing))} of {len(set(names))} "
                f"classes: {listed(missing, table)}. Add a line `name: sentence` for each"
            )
        return {name: table[name_key(name)] for name in names}

    @cached_property
    def _path(self) -> Path:
        return self.options.file or _shipped(str(self.options.set))

    @cached_property
    def _table(self) -> dict[str, str]:
        """The `name_key` of each class → its sentence."""
        text = read_text(self._path, LARGEST)
        try:
            return _table(yaml.compose(text, Loader=yaml.BaseLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            reason = f"line {mark.line + 1}: invalid YAML" if mark else "invalid YAML"
        except RecursionError:
            reason = "it is nested too deeply"
        except (ValueError, yaml.YAMLError) as error:
            reason = str(error).partition("\n")[0]
        raise UserError(f"{self._path}: not a YAML file of `class name: sentence` ({reason})")


def _table(root: yaml.Node | None) -> dict[str, str]:
    """The entries of a mapping of strings, read from its nodes to detect duplicate keys."""
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("it is not a mapping")
    table: dict[str, str] = {}
    lines: dict[str, int] = {}
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not (isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)):
            raise ValueError(f"line {line}: expected a class name and one sentence")
        name, sentence = name_key(key.value), " ".join(value.value.split())
        if not name:
            raise ValueError(f"line {line}: this class has an empty name")
        if not sentence:
            raise ValueError(f"line {line}: this class has no sentence")
        if name in table:
            raise ValueError(
                f"line {line}: this class is already described in line {lines[name]}; case, "
                "spaces, underscores and Unicode forms are ignored"
            )
        table[name], lines[name] = sentence, line
    return table


def _shipped(name: str) -> Path:
    files = {path.stem.removeprefix(PREFIX): path for path in DATA.glob(f"{PREFIX}*.yaml")}
    if name not in files:
        known = ", ".join(sorted(files))
        raise UserError(f"descriptions: unknown set '{name}'; available: {known}")
    return files[name]
