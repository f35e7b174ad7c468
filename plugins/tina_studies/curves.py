"""How generators learn."""

from __future__ import annotations

from collections.abc import Sequence

from tina_kit.api import Trial
from tina_studies.described import Described, joined
from tina_studies.options import TrainingCurvesOptions


class TrainingCurves(Described[TrainingCurvesOptions]):
    """The training loss of every step (Figures 4b and 4c)."""

    def measure(self, generators: Sequence[str]) -> Sequence[Trial]:
        variants = self.options.variants or {"": {}}
        return [
            Trial(
                joined("" if variant and len(generators) == 1 else name, variant),
                "loss",
                name,
                overrides,
                measure="loss",
                variant=variant,
            )
            for variant, overrides in variants.items()
            for name in generators
        ]
