"""Several p-Models of a task."""

from __future__ import annotations

from collections.abc import Sequence

from tina_kit.api import Trial
from tina_studies.described import Described
from tina_studies.options import SamplesOptions

ONE, MEAN = "one p-Model", "mean of probabilities"


class Samples(Described[SamplesOptions]):
    """What a distribution over p-Models is good for: beside one p-Model, the mean of several, and
    the best of them by a few labelled training images."""

    def measure(self, generators: Sequence[str]) -> Sequence[Trial]:
        [generator] = generators
        curves = [(MEAN, 0), *((_best(shots), shots) for shots in self.options.shots)]
        return [
            *(Trial(ONE, number, generator) for number in self.options.numbers),
            *(
                Trial(curve, number, generator, samples=number, shots=shots if number > 1 else 0)
                for curve, shots in curves
                for number in self.options.numbers
            ),
        ]


def _best(shots: int) -> str:
    return f"best by {shots} image{'s' if shots > 1 else ''} a class"
