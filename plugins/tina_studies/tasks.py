"""Tasks of other sizes, and tasks with classes that nothing trained has seen."""

from __future__ import annotations

from collections.abc import Sequence

from tina_kit.api import Trial
from tina_studies.described import Described
from tina_studies.options import ClassCountsOptions, UnseenClassesOptions


class ClassCounts(Described[ClassCountsOptions]):
    """More or fewer classes a task than the zoo's (Figure 6b)."""

    def measure(self, generators: Sequence[str]) -> Sequence[Trial]:
        return [
            Trial(name, count, name, classes=count)
            for name in generators
            for count in self.options.counts
        ]


class UnseenClasses(Described[UnseenClassesOptions]):
    """A growing share of unseen classes in a task (Table 2)."""

    def measure(self, generators: Sequence[str]) -> Sequence[Trial]:
        return [
            Trial(name, share, name, split=f"unseen {share}%")
            for name in generators
            for share in self.options.shares
        ]
