"""Pictures of a judgement: its confusion matrix and its worst mistakes."""

from __future__ import annotations

import math
from io import BytesIO
from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np

from tina_kit.report.judged import Judgement
from tina_kit.report.plot import INK, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACROSS = 6  # pictures in a row
_SIDE = 96  # of a picture, in pixels
_NUMBERED = 25  # classes up to which cells show their counts
_NAMED = 60  # classes up to which rows show their names


def confusion_png(judgement: Judgement) -> bytes:
    """The confusion matrix as PNG; shades are shares of a row's images."""
    from matplotlib import style
    from matplotlib.figure import Figure

    counts, names = np.asarray(judgement.confusion), judgement.classes
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(3 + 0.28 * len(names), 14)
    with style.context(["default", STYLE, {"axes.grid": False}]):
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts) if len(names) <= _NUMBERED else ():
            if count:
                colour = "white" if shares[row, column] > 0.5 else INK
                axes.text(column, row, str(count), ha="center", va="center", color=colour)
        if len(names) <= _NAMED:
            short = [shorten(name, 24, placeholder="…") or name[:24] for name in names]
            axes.set_xticks(range(len(names)), short, rotation=90)
            axes.set_yticks(range(len(names)), short)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.set_title(f"{judgement.accuracy:.1f}% of {judgement.images:,} images")
        return _png(figure, "Confusion matrix")


def mistakes_png(judgement: Judgement) -> bytes:
    """The worst mistakes as one picture (PNG): each image, its class and what it was taken for."""
    from matplotlib import style
    from matplotlib.figure import Figure

    from tina_kit.api.images import read_images

    worst = judgement.mistakes
    rows = max(1, math.ceil(len(worst) / _ACROSS))
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(1.25 * _ACROSS, 1.6 * rows + 0.3), layout="constrained")
        figure.suptitle("The mistakes it was most certain of" if worst else "No mistakes")
        for place, each in enumerate(worst):
            axes = figure.add_subplot(rows, _ACROSS, place + 1)
            pixels = each.image
            if isinstance(pixels, str):
                [pixels] = read_images([pixels], (_SIDE, _SIDE))
            axes.imshow(np.moveaxis(np.asarray(pixels), 0, -1))
            axes.set_axis_off()
            true, taken = (
                shorten(judgement.classes[n], 20, placeholder="…") or judgement.classes[n][:20]
                for n in (each.true, each.predicted)
            )
            axes.set_title(f"{true}\n→ {taken} {100 * each.probability:.0f}%", fontsize=6)
        return _png(figure, "Worst mistakes")


def _png(figure: Figure, title: str) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=200, metadata={"Title": title, "Software": None})
    return file.getvalue()
