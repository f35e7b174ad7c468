"""One setting swept, in one curve or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tina_kit.api import Trial
from tina_studies.described import SPLITS, Described, joined
from tina_studies.options import ScalingOptions


class Scaling(Described[ScalingOptions]):
    """p-Acc over the values of a key: sizes of models and zoos (Figures 4a and 5), or sampling
    steps. A second key makes a curve for each of its values."""

    def __init__(self, options: ScalingOptions) -> None:
        super().__init__(options)
        self.x_label = options.x_label or options.key

    def default(self, generators: Sequence[str]) -> Sequence[str]:
        keys = (self.options.key, self.options.series_key or "")
        named = [_named(key, generators) for key in keys]
        return [name for name in generators if name in named] or generators

    def measure(self, generators: Sequence[str]) -> Sequence[Trial]:
        chosen = self.options
        curves: list[tuple[str, dict[str, Any]]] = [("", {})]
        if chosen.series_key is not None:
            key = chosen.series_key
            curves = [(self._label(value), {key: value}) for value in chosen.series_values]
        found = []
        for label, second in curves:
            for generator in generators:
                for split in chosen.splits:
                    name = "" if label and len(generators) == 1 else generator
                    mark = "" if split == "ood" else SPLITS.get(split, split)
                    series = joined(name, label, mark)
                    for place, value in zip(chosen.places or chosen.values, chosen.values):
                        overrides = {**chosen.also, **second, chosen.key: value}
                        found.append(Trial(series, place, generator, overrides, split))
        return found

    def _label(self, value: Any) -> str:
        text = "-".join(map(str, value)) if isinstance(value, list) else str(value)
        template = self.options.series_label
        if template:
            return template.replace("{}", text)
        return f"{str(self.options.series_key).rpartition('.')[2]} {text}"


def _named(key: str, generators: Sequence[str]) -> str | None:
    """The generator that a key goes to; a name may hold dots, and the longest that fits counts."""
    fitting = [name for name in generators if key.startswith(f"generators.{name}.")]
    return max(fitting, key=len, default=None)
