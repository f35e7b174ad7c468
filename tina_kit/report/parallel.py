"""A plot of parallel coordinates: an upright axis for each option, a line for each point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from tina_kit.report.plot import COLOURS, INK, PAGE, STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = 5  # of an axis of many numbers


def plot_parallel(
    axes: Mapping[str, Sequence[Any]], p_acc: Sequence[float], title: str, path_stem: Path
) -> tuple[Path, Path]:
    """Write `path_stem.png` and `path_stem.svg`; the same call writes the same bytes.

    axes: for each option its value at every point; p_acc: of every point, in percent. Numbers are
    placed by size, on a logarithmic scale if they span two decades, anything else in order of
    appearance. Raises OSError if the files cannot be written.
    """
    from matplotlib import colormaps, style
    from matplotlib.figure import Figure

    scales = [_Scale(name, values) for name, values in axes.items()]
    scales.append(_Scale("p-Acc", p_acc, spread=True))
    order = sorted(range(len(p_acc)), key=lambda place: p_acc[place])
    best = max(order, key=lambda place: p_acc[place])
    shades = colormaps["Blues"]
    with style.context(["default", STYLE]):
        width = max(PAGE / 2, min(PAGE, 1.4 * len(scales)))
        figure = Figure(figsize=(width, 2.6), layout="constrained")
        plot = figure.add_subplot()
        plot.grid(False)
        for point in (*(p for p in order if p != best), best):
            heights = [scale.heights[point] for scale in scales]
            shade = shades(0.3 + 0.6 * scales[-1].heights[point])
            look: dict[str, Any] = {"color": shade, "alpha": 0.8}
            if point == best:
                look = {"color": COLOURS[1], "linewidth": 2.0}
            plot.plot(range(len(scales)), heights, **look)
        names = [scale.name.replace(".", ". ") for scale in scales]  # where they may be broken
        for place, scale in enumerate(scales):
            _draw(plot, place, scale)
        plot.set_xticks(
            range(len(scales)), [fill(name, 14, break_long_words=False) for name in names]
        )
        plot.set_xlim(-0.3, len(scales) - 0.5)
        plot.set_ylim(-0.05, 1.05)
        plot.tick_params(axis="x", length=0)
        plot.yaxis.set_visible(False)
        for side in ("left", "bottom"):
            plot.spines[side].set_visible(False)
        figure.suptitle(f"{title}; thick: the best point")
        return save(figure, title, path_stem)


class _Scale:
    """heights: of every point, in [0, 1]; ticks: their heights and labels."""

    def __init__(self, name: str, values: Sequence[Any], spread: bool = False) -> None:
        self.name = name
        if all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in values):
            self._of_numbers([float(each) for each in values], spread)
        else:
            self._of_names([_label(each) for each in values])

    def _of_numbers(self, values: list[float], spread: bool) -> None:
        low, high = min(values), max(values)
        log = not spread and low > 0 and high / low >= 100

        def height(value: float) -> float:
            if high == low:
                return 0.5
            if log:
                return math.log(value / low) / math.log(high / low)
            return (value - low) / (high - low)

        self.heights = [height(value) for value in values]
        known = sorted(set(values))
        if spread or len(known) > TICKS:
            shares = [place / (TICKS - 1) for place in range(TICKS)]
            known = [low * (high / low) ** s if log else low + s * (high - low) for s in shares]
        form = "{:.1f}" if spread else "{:.3g}"
        self.ticks = {height(value): form.format(value) for value in known}

    def _of_names(self, values: list[str]) -> None:
        known = list(dict.fromkeys(values))
        last = max(1, len(known) - 1)
        places = {name: place / last if len(known) > 1 else 0.5 for place, name in enumerate(known)}
        self.heights = [places[value] for value in values]
        self.ticks = {height: name for name, height in places.items()}


def _label(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 16 else f"{text[:15]}…"


def _draw(plot: Axes, place: int, scale: _Scale) -> None:
    plot.axvline(place, color=INK, linewidth=0.8)
    for height, label in scale.ticks.items():
        plot.annotate(
            label,
            (place, height),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=6,
            color=INK,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "linewidth": 0, "alpha": 0.7},
        )
