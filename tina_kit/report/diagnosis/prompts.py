"""Rules about prompts that tell a generator too little."""

from __future__ import annotations

import re

import numpy as np

from tina_kit.api import abridged
from tina_kit.report.diagnosis.finding import Finding, Findings
from tina_kit.report.facts import Facts

# Numbers, WordNet's ids, and numbered placeholders.
_NO_WORD = re.compile(
    r"[\W\d_]*|[nv]\d{8}|(class|classe|category|cat|label|cls|c|id|folder|dir|group|type)\W*_?\d+",
    re.I,
)
_FEW = 0.1  # the share of names that may be no words
CLOSE = 0.05
"""Two classes are too alike if their conditions are closer than this share of the usual distance
between two classes."""
_COMPARED = 2000  # classes


def no_words(facts: Facts) -> Findings:
    """Class names that say nothing to a text conditioner, such as `n02084071` or `class_7`."""
    if not facts.readers:
        return
    found = [name for name in facts.classes if _NO_WORD.fullmatch(name.strip())]
    if len(found) <= _FEW * len(facts.classes):
        return
    yield Finding(
        "no-words",
        "bad",
        "Class names are no words, so their embeddings say nothing about the classes.",
        f"{len(found):,} of {len(facts.classes):,}: {abridged(found, 5)}.",
        "Rename the folders to what they show (apple, red_fox), take a conditioner that describes "
        "each class (descriptions), or prompt with images (prompts: image).",
    )


def too_alike(facts: Facts) -> Findings:
    """Classes whose prompts a conditioner embeds almost alike."""
    rows = facts.conditions
    if not facts.readers or rows is None or len(rows) < 3:
        return
    rows = rows[:_COMPARED].astype(np.float64)
    rows = rows - rows.mean(0)  # as generators see them: most of their direction is shared
    squares = (rows**2).sum(1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0))
    first, second = np.triu_indices(len(rows), 1)
    apart = distances[first, second]
    usual = float(np.median(apart))
    close = np.flatnonzero(apart < CLOSE * usual) if usual > 0 else np.arange(len(apart))
    if not len(close):
        return
    order = close[np.argsort(apart[close], kind="stable")]
    pairs = [f"{facts.classes[first[n]]} / {facts.classes[second[n]]}" for n in order.tolist()]
    nearest = apart[order[0]] / usual if usual > 0 else 0.0
    yield Finding(
        "prompts-alike",
        "bad",
        "Prompts of some classes are closer to each other than a generator can tell.",
        f"{len(pairs):,} pair{'s' * (len(pairs) > 1)} of classes, the closest at {nearest:.1%} of "
        f"the usual distance: {abridged(pairs, 3)}.",
        "Give these classes names that say what differs, or take another conditioner or images as "
        "prompts.",
    )
