"""Plots of studies as PNG and SVG, sized for one column of a paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's colour-blind-safe palette, with grey instead of black, on which error bars would
# not show, and yellow last, which is faint on white. Markers, dashes and hatches distinguish curves
# in greyscale.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555", "#F0E442"]
MARKERS = "osD^vPX*"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)))
HATCHES = ("", "////", "....")
GUESSED = ((3, 2), (1, 2))  # dashes of the lines for guessing
GREY, INK = "#666666", "#333333"
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "figure.titlesize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # names may contain a $
    "svg.hashsalt": "tina-kit",  # makes identifiers in the file reproducible
}
COLUMN, PAGE = 3.4, 7.0  # inches: the widths of a column and of a page
MARKED = 20  # curves with more points have no markers and no logarithmic x axis
SMOOTHED = 200  # curves with far more points are drawn as about this many means
LABELLED = 12  # maximum number of bars that are labelled with their values


@dataclass(frozen=True)
class Point:
    """A point of a curve, or a bar. x: a number, or a category's name. mean, low, high: an estimate
    and its 95% interval, NaN if there is none. published: the paper's value."""

    x: float | str
    mean: float
    low: float = math.nan
    high: float = math.nan
    published: float | None = None


def plot(
    series: Mapping[str, Sequence[Point]],
    title: str,
    x_label: str,
    y_label: str,
    path_stem: Path,
    *,
    guesses: Mapping[str, Mapping[float | str, float]] | None = None,
    log_y: bool = False,
) -> tuple[Path, Path]:
    """Write `path_stem.png` and `path_stem.svg`; the same call writes the same bytes.

    Draws curves if all x are numbers, otherwise grouped bars. guesses: p-Acc of guessing, by its
    name and x. Raises OSError if the files cannot be written.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    places = list(dict.fromkeys(point.x for points in series.values() for point in points))
    groups: list[str] | None = None
    textual = any(isinstance(place, str) for place in places)
    wide = textual and (len(places) > 5 or len(places) * len(series) > 16)
    # "default" first, so that the user's own matplotlibrc has no effect.
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(PAGE if wide else COLUMN, 2.4), layout="constrained")
        axes = figure.add_subplot()
        if textual:
            groups = [str(place) for place in places]
            _bars(axes, series, groups)
            _name_groups(axes, figure, groups)
        else:
            every = _smoothing(series)
            x_label += f" (means of {every} points)" if every > 1 else ""
            _curves(axes, {name: _means(points, every) for name, points in series.items()})
        for (name, values), dashes in zip((guesses or {}).items(), GUESSED):
            _guess(axes, name, values, groups, dashes)
        if log_y:
            axes.set_yscale("log")
            _name_decades(axes.yaxis)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        figure.suptitle(fill(title, int(17 * figure.get_figwidth())))
        _legend(figure, axes, len(series) > 1, ("paper", *(guesses or ())))
        return save(figure, title, path_stem)


def _bars(axes: Axes, series: Mapping[str, Sequence[Point]], places: list[str]) -> None:
    """A group of bars for each category."""
    width = (0.8 if len(series) > 1 else 0.6) / len(series)
    labelled = len(places) * len(series) <= LABELLED
    for index, (name, points) in enumerate(series.items()):
        known = [point for point in points if not math.isnan(point.mean)]
        shift = (index - (len(series) - 1) / 2) * width
        at = [places.index(str(point.x)) + shift for point in known]
        axes.bar(
            at,
            [point.mean for point in known],
            width * 0.92,
            label=name,
            color=COLOURS[index % len(COLOURS)],
            hatch=HATCHES[index // len(COLOURS) % len(HATCHES)],
            edgecolor="white",
            linewidth=0,
            yerr=_errors(known),
            error_kw={"elinewidth": 0.8, "capsize": 1.5, "capthick": 0.8, "ecolor": INK},
        )
        _published(axes, at, known, INK)
        for x, point in zip(at, known) if labelled else ():
            top = max(value for value in (point.mean, point.high) if not math.isnan(value))
            above: dict[str, Any] = {"xytext": (0, 1.5), "textcoords": "offset points"}
            axes.annotate(f"{point.mean:.1f}", (x, top), ha="center", fontsize=6, **above)


def _name_groups(axes: Axes, figure: Figure, places: list[str]) -> None:
    """Label the groups, on several lines or, if a word is too long, slanted."""
    letters = int(figure.get_figwidth() * 13 / len(places))
    if max(len(word) for place in places for word in place.split() or [""]) > letters:
        axes.set_xticks(range(len(places)), places, rotation=30, ha="right", rotation_mode="anchor")
        figure.set_figheight(figure.get_figheight() + 0.03 * max(map(len, places)))
    else:
        axes.set_xticks(range(len(places)), [fill(place, max(letters, 1)) for place in places])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(places) - 0.5)


def _curves(axes: Axes, series: Mapping[str, Sequence[Point]]) -> None:
    """A curve for each series, with error bars or, if there are many points, a band."""
    dense = any(len(points) > MARKED for points in series.values())
    for index, (name, points) in enumerate(series.items()):
        known = sorted((p for p in points if not math.isnan(p.mean)), key=lambda p: float(p.x))
        x = [float(point.x) for point in known]
        y = [point.mean for point in known]
        look: dict[str, Any] = {
            "label": name,
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
        }
        if dense:
            axes.plot(x, y, **look)
            low, high = [point.low for point in known], [point.high for point in known]
            axes.fill_between(x, low, high, color=look["color"], alpha=0.2, linewidth=0)
        else:
            look |= {"marker": MARKERS[index % len(MARKERS)], "elinewidth": 0.8, "capsize": 2}
            axes.errorbar(x, y, _errors(known), **look)
        _published(axes, x, known, look["color"])
    if not dense:
        _scale(axes, sorted({float(p.x) for points in series.values() for p in points}))


def _scale(axes: Axes, places: list[float]) -> None:
    """Use a logarithmic axis if x spans two decades, or one decade and is then spaced more evenly.
    Put ticks at the points if they do not overlap."""
    from matplotlib.ticker import NullLocator

    names = [f"{place:g}" for place in places]
    gap = _smallest_gap(places)
    if places and places[0] > 0:
        logarithmic = _smallest_gap([math.log(place) for place in places])
        span = places[-1] / places[0]
        if span >= 100 or (span >= 10 and logarithmic > gap):
            axes.set_xscale("log")
            _name_decades(axes.xaxis)
            gap = logarithmic
    if gap > 0.022 * max(map(len, names), default=0):
        axes.set_xticks(places, names)
        axes.xaxis.set_minor_locator(NullLocator())


def _smallest_gap(places: Sequence[float]) -> float:
    """The smallest distance between neighbours, as a share of the axis."""
    gaps = np.diff(places)
    return float(gaps.min() / gaps.sum()) if len(gaps) else 1.0


def _name_decades(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers: at 1, 2 and 5 of each decade if there are few
    decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 300 else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _smoothing(series: Mapping[str, Sequence[Point]]) -> int:
    """How many neighbouring points of a long curve to average."""
    longest = max((len(points) for points in series.values()), default=0)
    return math.ceil(longest / SMOOTHED) if longest > 2 * SMOOTHED else 1


def _means(points: Sequence[Point], every: int) -> Sequence[Point]:
    if every == 1:
        return points
    points = sorted(points, key=lambda point: float(point.x))
    parts = [points[first : first + every] for first in range(0, len(points), every)]
    columns = [np.array([(p.x, p.mean, p.low, p.high) for p in part], float) for part in parts]
    return [Point(*column.mean(0).tolist()) for column in columns]


def _errors(points: Sequence[Point]) -> list[list[float]]:
    """Distances below and above the means; NaN draws no error bar."""
    return [[p.mean - p.low for p in points], [p.high - p.mean for p in points]]


def _published(axes: Axes, at: Sequence[float], points: Sequence[Point], edge: str) -> None:
    found = [(x, p.published) for x, p in zip(at, points) if p.published is not None]
    if found:
        look: dict[str, Any] = {"s": 16, "facecolor": "white", "edgecolor": edge, "linewidth": 0.8}
        axes.scatter(*zip(*found), marker="d", label="paper", zorder=4, **look)


def _guess(
    axes: Axes,
    name: str,
    values: Mapping[float | str, float],
    groups: list[str] | None,
    dashes: tuple[int, int],
) -> None:
    look: dict[str, Any] = {"color": GREY, "linestyle": (0, dashes), "linewidth": 1}
    if groups is None:
        axes.plot(*zip(*sorted((float(x), y) for x, y in values.items())), label=name, **look)
    else:
        at = np.array([groups.index(str(place)) for place in values])
        axes.hlines(list(values.values()), at - 0.45, at + 0.45, label=name, **look)


def _legend(figure: Figure, axes: Axes, several: bool, last: Sequence[str]) -> None:
    """A legend below the axes with each name once, in as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    known = dict(sorted(zip(labels, handles), key=lambda pair: pair[0] in last))
    if not several and len(known) < 2:
        return
    columns = max(1, int(17 * figure.get_figwidth() / (max(map(len, known)) + 5)))
    figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=columns)
    # Grow the figure, so that the legend does not shrink the axes.
    figure.set_figheight(figure.get_figheight() + 0.16 * math.ceil(len(known) / columns))


def save(figure: Figure, title: str, stem: Path) -> tuple[Path, Path]:
    """Write `stem.png` and `stem.svg`, in which no date is recorded."""
    png, svg = (stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "svg"))
    figure.savefig(png, dpi=300, metadata={"Title": title, "Software": None})
    figure.savefig(svg, metadata={"Title": title, "Date": None, "Creator": None})
    return png, svg
