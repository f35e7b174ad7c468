"""Variants of a recipe side by side: comparisons over data sets, and ablations."""

from __future__ import annotations

from collections.abc import Sequence

from tina_kit.api import Trial
from tina_studies.described import SPLITS, Described, joined
from tina_studies.options import VariantsOptions

CONTROLS = {
    "shuffled": "shuffled prompts",
    "gibberish": "gibberish prompts",
    "other-layers": "another task's layers",
    "mean-layers": "mean of all tasks' layers",
}
_SHOWN = {**SPLITS, **dict.fromkeys(CONTROLS, SPLITS["ood"])}


class Variants(Described[VariantsOptions]):
    """Rows are generators (Table 1) or variants (Table 3). A column tells its split; the name of
    the only generator is left out of it. Controls, which are measured on the OOD tasks, are rows
    in the OOD column."""

    def measure(self, generators: Sequence[str]) -> Sequence[Trial]:
        by_generator = self.options.rows == "generators"
        found = []
        for variant, overrides in self.options.variants.items():
            for generator in generators:
                for split in self.options.splits:
                    row, column = (
                        (generator, variant)
                        if by_generator
                        else (variant, generator if len(generators) > 1 else "")
                    )
                    row = joined(row, CONTROLS.get(split, ""))
                    column = joined(column, _SHOWN.get(split, split))
                    found.append(Trial(row, column, generator, overrides, split, variant=variant))
        return found
