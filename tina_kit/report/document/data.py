"""The data: counts, sample images, and right answers by class."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tina_kit.report.document.source import ClassImages, Source
from tina_kit.report.html import (
    Markup,
    element,
    folded,
    paragraph,
    picture,
    section,
    table,
)
from tina_kit.report.results import SELECTION
from tina_kit.report.statistics import Array

OPEN = 24  # classes that are shown at once
CARDS = 200  # classes with a card; the table has all of them


def data(source: Source) -> Markup:
    images, names = source.images, source.facts.classes
    main = source.facts.main or next(iter(source.facts.bare))
    accuracy = source.accuracy_by_class(main)
    order = sorted(range(len(names)), key=lambda n: (math.isnan(accuracy[n]), accuracy[n]))
    cards = [_card(names[n], n, images, accuracy[n]) for n in order[:CARDS]]
    parts: list[Markup] = [paragraph(_counts(source, images))]
    parts.append(paragraph(_explained(source, main), soft=True))
    parts.append(_gallery(cards[:OPEN]))
    if len(cards) > OPEN:
        parts.append(folded(f"{len(cards) - OPEN:,} more classes", _gallery(cards[OPEN:])))
    lines = _lines(source, images, main, accuracy)
    parts.append(folded("All classes as a table", table(lines, stack=False), paper=False))
    return section("Data and classes", *parts)


def _counts(source: Source, images: ClassImages | None) -> str:
    count = len(source.facts.classes)
    if images is None:
        return f"{count:,} classes. The store no longer has their images."
    height, width = images.size
    kind = "validation" if source.validating else "test"
    per_class = [f"{_range(images.train)} training", f"{_range(images.test)} {kind}"]
    left_out = sum(
        stage["left_out"]["count"] for stage in source.record["stages"] if "left_out" in stage
    )
    text = (
        f"{count:,} classes, {sum(images.train):,} training images and {sum(images.test):,} "
        f"{kind} images of {width}×{height} pixels; a class has {' and '.join(per_class)} images."
    )
    return text + (f" {left_out:,} images cannot be read and were left out." if left_out else "")


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _explained(source: Source, main: str) -> str:
    split = source.facts.split.upper()
    return (
        f"Sample images are training images. The bar is the share of a class's images that the "
        f"p-Models of {main} got right, in all {split} tasks together; the classes that it is "
        "worst at come first."
    )


def _card(name: str, place: int, images: ClassImages | None, accuracy: float) -> Markup:
    samples = [] if images is None else images.samples.get(place, ())
    shown = [picture(content, "jpeg", "") for content in samples]
    parts = [element("div", *shown, class_="samples")] if shown else []
    parts.append(element("strong", name))
    if images is not None:
        parts.append(element("span", f"{images.train[place]:,} + {images.test[place]:,} images"))
    if not math.isnan(accuracy):
        meter = element("i", element("b", style=f"width:{accuracy:.1f}%"), class_="meter")
        parts += [meter, element("span", f"{accuracy:.0f}% right", class_="right")]
    return element("li", *parts)


def _gallery(cards: list[Markup]) -> Markup:
    return element("ul", *cards, class_="classes")


def _lines(
    source: Source, images: ClassImages | None, main: str, accuracy: Array
) -> list[tuple[str, ...]]:
    base = source.facts.named(SELECTION)
    others = None if base is None or base == main else source.accuracy_by_class(base)
    lines = [("class", "training", "test", main, *([base] if base and others is not None else []))]
    for place, name in enumerate(source.facts.classes):
        counts = ("", "")
        if images is not None:
            counts = (f"{images.train[place]:,}", f"{images.test[place]:,}")
        values = [accuracy[place], *([] if others is None else [others[place]])]
        lines.append((name, *counts, *("" if math.isnan(v) else f"{v:.1f}" for v in values)))
    return lines
