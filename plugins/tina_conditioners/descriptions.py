"""Descriptions that were written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import yaml

from tina_conditioners.described import Described
from tina_conditioners.names import listed
from tina_conditioners.options import DescriptionsOptions
from tina_kit.api import Conditioner, UserError, name_index, name_key, read_text

DATA = Path(__file__).with_name("data")
PREFIX = "descriptions_"


class Descriptions(Described):
    """A YAML file tells a sentence for every class; names are looked up by their `name_key`.

    Every value is read as text, so that a class may be called `no` or `1`. A prompt that is no
    class of the file is an error: nothing falls back on its name.
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
        text = read_text(self._path)
        try:
            entries = list(_entries(yaml.compose(text, Loader=yaml.BaseLoader)))
        except (ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"{self._path}: is no YAML of `class name: sentence` ({reason})"
            ) from None
        places = [f"line {line}" for line, _, _ in entries]
        try:
            index = name_index([name for _, name, _ in entries], places)
        except UserError as error:
            raise UserError(f"{self._path}: {error}") from None
        return {key: entries[position][2] for key, position in index.items()}


def _entries(root: yaml.Node | None) -> Iterator[tuple[int, str, str]]:
    """Line, key and value of the entries of a mapping of texts, read from its nodes: YAML itself
    would let the last of two equal keys win."""
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("it is no mapping")
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not (isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)):
            raise ValueError(f"line {line}: a class name and one sentence are expected")
        if not value.value.strip():
            raise ValueError(f"line {line}: '{key.value}' has no sentence")
        yield line, key.value, " ".join(value.value.split())


def _shipped(name: str) -> Path:
    files = {path.stem.removeprefix(PREFIX): path for path in DATA.glob(f"{PREFIX}*.yaml")}
    if name not in files:
        known = ", ".join(sorted(files))
        raise UserError(f"descriptions: there is no set '{name}'; there are {known}")
    return files[name]
