"""Charts for pages, as HTML and inline SVG in the page's own colours and type.

`plot.py` draws figures for papers with matplotlib. A page's charts instead fit a phone, a screen,
paper and the dark, and take milliseconds, since every run draws them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tina_kit.report.html import Markup, element, joined

COLOURS = 6  # of series, in the style; then they repeat with dashes
_MOST_POINTS = 200  # of a curve
_THIN = 1.0  # percent of the axis: a bar that is too narrow to be seen gets a mark
_FITS = 5  # columns of a matrix that a phone shows


@dataclass(frozen=True)
class Bar:
    """A line of a bar chart. text: what stands at its end; low, high: of its 95% interval, NaN if
    there is none; faint: whether it is only for comparison."""

    name: str
    value: float
    text: str
    low: float = math.nan
    high: float = math.nan
    faint: bool = False


def bars(rows: Sequence[Bar], unit: str = "") -> Markup:
    """A bar for each row, from zero, with its interval. unit: follows the numbers of the axis."""
    ends = [v for row in rows for v in (row.value, row.low, row.high) if math.isfinite(v)]
    scale = _Scale.of([0.0, *ends])
    lines = [
        element(
            "div",
            element("span", row.name, class_="name"),
            element("span", *_marks(row, scale), class_="track"),
            element("span", row.text, class_="value"),
            class_="bar faint" if row.faint else "bar",
        )
        for row in rows
    ]
    axis = element("div", *_ticks(scale, unit), class_="axis")
    return element("div", *lines, element("div", axis, class_="bar"), class_="bars")


def _marks(row: Bar, scale: _Scale) -> list[Markup]:
    grid = [element("i", class_="grid", style=f"left:{scale.at(t):.2f}%") for t in scale.ticks]
    marks = [*grid]
    if math.isfinite(row.value):
        first, last = sorted((scale.at(0), scale.at(row.value)))
        marks.append(element("b", style=f"left:{first:.2f}%;width:{last - first:.2f}%"))
        if last - first < _THIN:
            marks.append(element("i", class_="mean", style=f"left:{scale.at(row.value):.2f}%"))
    if math.isfinite(row.low):
        first, last = scale.at(row.low), scale.at(row.high)
        style = f"left:{first:.2f}%;width:{max(last - first, 0):.2f}%"
        marks.append(element("i", class_="interval", style=style))
    return marks


def _ticks(scale: _Scale, unit: str) -> list[Markup]:
    return [
        element("span", f"{_plain(tick)}{unit}", style=f"left:{scale.at(tick):.2f}%")
        for tick in scale.ticks
    ]


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    x_label: str,
    y_label: str,
    log_y: bool = False,
) -> Markup:
    """A curve for each series of (x, y), with a legend if there are several. log_y: all y > 0."""
    shown = {name: _thinned(points) for name, points in series.items() if points}
    across = _Scale.of([x for points in shown.values() for x, _ in points])
    heights = [y for points in shown.values() for _, y in points]
    up = _Scale.log(heights) if log_y else _Scale.of(heights, floor=True)
    lines = [
        _line([(across.at(x), 100 - up.at(y)) for x, y in points], number)
        for number, points in enumerate(shown.values())
    ]
    grid = [Markup(f'<path class="grid" d="M0 {100 - up.at(tick):.2f}H100"/>') for tick in up.ticks]
    legend = [
        element("li", element("i", class_=f"swatch {_colour(number)}"), name)
        for number, name in enumerate(shown)
    ]
    return _plotted(
        joined([*grid, *lines]),
        [(across.at(tick), _plain(tick)) for tick in across.ticks],
        [(up.at(tick), _plain(tick)) for tick in up.ticks],
        x_label,
        y_label,
        legend if len(legend) > 1 else [],
    )


def ranked(values: Sequence[float], x_label: str, y_label: str) -> Markup:
    """Numbers in order, each as a bar from zero: how many lie on which side of it, and how far."""
    ordered = sorted(values)
    up, width = _Scale.of([0.0, *ordered], floor=True), 100 / max(1, len(ordered))
    zero, parts = 100 - up.at(0), {"plus": "", "minus": ""}
    for place, value in enumerate(ordered):
        top = 100 - up.at(value)
        parts["plus" if value >= 0 else "minus"] += (
            f"M{place * width:.2f} {zero:.2f}V{top:.2f}h{0.86 * width:.3f}V{zero:.2f}z"
        )
    shapes = [Markup(f'<path class="{name}" d="{path}"/>') for name, path in parts.items() if path]
    grid = [Markup(f'<path class="grid" d="M0 {100 - up.at(tick):.2f}H100"/>') for tick in up.ticks]
    ticks = [(up.at(tick), _plain(tick, sign=True)) for tick in up.ticks]
    return _plotted(joined([*grid, *shapes]), [], ticks, x_label, y_label, [])


def matrix(counts: Sequence[Sequence[int]], names: Sequence[str], corner: str) -> Markup:
    """A confusion matrix: rows of true classes, shaded by their share. corner: what rows and
    columns are. Columns are numbered as the rows are, since names would make them too wide."""
    head = element(
        "tr",
        element("th", corner, scope="col"),
        *(element("th", str(number), scope="col") for number in range(1, len(names) + 1)),
    )
    rows = []
    for number, (name, row) in enumerate(zip(names, counts), 1):
        whole = max(1, sum(row))
        cells = [
            element(
                "td",
                str(count) if count else "·",
                class_="strong" if count > whole / 2 else None,
                style=f"--share:{count / whole:.3f}",
            )
            for count in row
        ]
        rows.append(element("tr", element("th", f"{number}  {name}", scope="row"), *cells))
    whole_table = element("table", element("thead", head), element("tbody", *rows), class_="matrix")
    hint = element("p", "Scroll sideways to see all columns →", class_="soft sideways")
    scrolling = element("div", whole_table, class_="scroll")
    return joined([hint, scrolling] if len(names) > _FITS else [scrolling])


@dataclass(frozen=True)
class _Scale:
    """Maps values to percent of an axis."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    @classmethod
    def of(cls, values: Sequence[float], floor: bool = False) -> _Scale:
        """A linear one, with three to six ticks at round numbers. floor: whether it begins at one,
        so that the line at its end has a number."""
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        if low == high:
            low, high = low - 0.5, high + 0.5
        raw = (high - low) / 4
        unit = 10 ** math.floor(math.log10(raw))
        step = next(unit * n for n in (1, 2, 2.5, 5, 10) if unit * n >= raw)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if floor:
            first = math.floor(low / step + 1e-9)
            low = min(low, step * first)
        ticks = tuple(step * number for number in range(first, last + 1))
        return cls(low, high, ticks)

    @classmethod
    def log(cls, values: Sequence[float]) -> _Scale:
        """A logarithmic one that begins at a tick, with ticks at 1, 2 and 5 of each decade, or at
        decades if many, or at round numbers if few."""
        low, high = (min(values), max(values)) if values else (1.0, 10.0)
        if low == high:
            low, high = low / 2, high * 2
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if math.log10(high / low) < 2.5 else (1,)
        all_ticks = [step * 10.0**decade for decade in decades for step in steps]
        start = max(tick for tick in all_ticks if tick <= low * (1 + 1e-9))
        ticks = tuple(tick for tick in all_ticks if start <= tick <= high)
        linear = cls.of([low, high], floor=True)
        if len(ticks) < 3 and linear.low > 0:
            start, ticks = linear.low, linear.ticks
        return cls(min(start, low), high, ticks, True)

    def at(self, value: float) -> float:
        if self.logarithmic:
            return 100 * math.log(value / self.low) / math.log(self.high / self.low)
        return 100 * (value - self.low) / (self.high - self.low)


def _plotted(
    content: Markup,
    across: Sequence[tuple[float, str]],
    up: Sequence[tuple[float, str]],
    x_label: str,
    y_label: str,
    legend: Sequence[Markup],
) -> Markup:
    """The drawing stretches with the page, while lines and letters keep their size."""
    svg = Markup(
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{content}</svg>'
    )
    return element(
        "div",
        element("div", y_label, class_="label"),
        element(
            "div",
            *(element("span", text, style=f"bottom:{at:.2f}%") for at, text in up),
            class_="ups",
        ),
        element("div", svg, class_="area"),
        element(
            "div",
            *(element("span", text, style=f"left:{at:.2f}%") for at, text in across),
            class_="axis",
        ),
        element("div", x_label, class_="below"),
        *([element("ul", *legend, class_="legend")] if legend else []),
        class_="chart",
    )


def _line(points: Sequence[tuple[float, float]], number: int) -> Markup:
    path = "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return Markup(f'<path class="line {_colour(number)}" d="{path}"/>')


def _colour(number: int) -> str:
    """Classes of the style for a series."""
    return f"c{number % COLOURS}" + (" dashed" if number // COLOURS % 2 else "")


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The means of neighbours, if there are too many to draw."""
    every = math.ceil(len(points) / _MOST_POINTS)
    parts = [points[first : first + every] for first in range(0, len(points), every)]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]


def _plain(value: float, sign: bool = False) -> str:
    value = round(value, 10) + 0.0  # no minus before zero
    return f"{value:+,.6g}" if sign and value else f"{value:,.6g}"
