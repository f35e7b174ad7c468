"""Plots show what was measured, and are the same files every time."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tina_kit.report import plot as module
from tina_kit.report.plot import Point, plot

CURVES = {
    "tina": [Point(2, 95, 94, 96), Point(5, 90, 88, 91, published=91.5), Point(10, 80, 78, 83)],
    "generic": [Point(2, 60, 59, 61), Point(5, 50, 49, 51), Point(10, 40, math.nan, math.nan)],
}
BARS = {
    "class names": [Point("tina", 60, 58, 62), Point("taper-mixer", 50)],
    "sentences": [Point("tina", 55, 53, 57, published=56), Point("taper-mixer", math.nan)],
}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch):
    """`drawn(series, **options)`: the axes, not saved."""
    monkeypatch.setattr(module, "save", lambda figure, title, stem: figure)

    def draw(series, **options):
        return plot(series, "title", "x", "y", Path("none"), **options).axes[0]  # type: ignore[attr-defined]

    return draw


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.figure.legends[0].get_texts()]


@pytest.mark.parametrize("series", [CURVES, BARS], ids=["curves", "bars"])
def test_the_same_plot_is_the_same_two_files(series, tmp_path: Path) -> None:
    # A name with a dot is no suffix, and one with a $ no formula.
    stem = tmp_path / "tina-0.5"
    guesses = {"chance": {points[0].x: 10 for points in series.values()}}
    png, svg = plot(series, "p-Acc of $x", "classes", "p-Acc (%)", stem, guesses=guesses)
    assert (png.name, svg.name) == ("tina-0.5.png", "tina-0.5.svg")
    before = png.read_bytes(), svg.read_bytes()
    plot(series, "p-Acc of $x", "classes", "p-Acc (%)", stem, guesses=guesses)
    assert (png.read_bytes(), svg.read_bytes()) == before
    assert b"<title>p-Acc of $x</title>" in before[1] and b"<dc:date>" not in before[1]
    with Image.open(png) as image:
        assert image.width == pytest.approx(module.COLUMN * 300, abs=1)
        assert len(np.unique(np.asarray(image.convert("L")))) > 10


def test_the_users_own_style_changes_nothing(drawn) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 40, "lines.linewidth": 9}):
        axes = drawn(CURVES)
        assert axes.get_lines()[0].get_linewidth() == 1.3
        assert matplotlib.rcParams["font.size"] == 40


def test_a_curve_has_its_means_intervals_and_the_papers_values(drawn) -> None:
    axes = drawn(CURVES)
    (tina, *_), (generic, *_) = axes.containers
    assert tina.get_xydata().tolist() == [[2, 95], [5, 90], [10, 80]]
    assert generic.get_ydata().tolist() == [60, 50, 40]
    assert tina.get_color() != generic.get_color() and tina.get_marker() != generic.get_marker()
    bars = axes.containers[0][2][0].get_segments()
    assert [(low[1], high[1]) for low, high in bars] == [(94, 96), (88, 91), (78, 83)]
    (paper,) = [dots for dots in axes.collections if dots.get_label() == "paper"]
    assert paper.get_offsets().tolist() == [[5, 91.5]]
    assert legend(axes) == ["tina", "generic", "paper"]


def test_places_out_of_order_make_one_curve_from_left_to_right(drawn) -> None:
    axes = drawn({"a": [Point(3, 1), Point(1, 2), Point(2, math.nan)]})
    assert axes.get_lines()[0].get_xydata().tolist() == [[1, 2], [3, 1]]
    assert not axes.figure.legends


@pytest.mark.parametrize(
    ("places", "scale"),
    [
        ((1, 10, 100), "log"),
        ((1, 98, 99, 100), "log"),
        ((32, 128, 512, 1024), "log"),
        ((0, 10, 100), "linear"),
        ((1, 2, 4), "linear"),
        (tuple(range(10, 101, 10)), "linear"),
        ((7,), "linear"),
    ],
)
def test_the_scale_follows_the_places(drawn, places: tuple[float, ...], scale: str) -> None:
    axes = drawn({"a": [Point(place, 50) for place in places]})
    assert axes.get_xscale() == scale


def test_ticks_stand_at_the_places_unless_they_collide(drawn) -> None:
    axes = drawn({"a": [Point(place, 50) for place in (1, 10, 100, 1000)]})
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "100", "1000"]
    axes = drawn({"a": [Point(place, 50) for place in (1, 98, 99, 1000)]})
    axes.figure.draw_without_rendering()
    names = {label.get_text() for label in axes.get_xticklabels()}
    assert {"1", "10", "100", "1000"} <= names and "98" not in names


def test_texts_as_places_make_grouped_bars(drawn) -> None:
    axes = drawn(BARS)
    bars = [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in axes.patches]
    assert [height for _, height in bars] == [60, 50, 55]
    assert [round(x) for x, _ in bars] == [0, 1, 0] and bars[0][0] < bars[2][0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["tina", "taper-mixer"]
    assert {text.get_text() for text in axes.texts} == {"60.0", "50.0", "55.0"}
    assert legend(axes) == ["class names", "sentences", "paper"]


def test_many_bars_get_the_width_of_a_page_and_slanted_names(drawn) -> None:
    columns = [f"Mini-ImageNet variant {index}, OOD" for index in range(9)]
    axes = drawn({f"g{i}": [Point(column, 50) for column in columns] for i in range(9)})
    assert axes.figure.get_figwidth() == module.PAGE
    assert axes.get_xticklabels()[0].get_rotation() == 30 and not axes.texts
    # The ninth has the first one's colour, and a hatch.
    assert axes.patches[0].get_facecolor() == axes.patches[72].get_facecolor()
    assert axes.patches[0].get_hatch() != axes.patches[72].get_hatch()


def test_what_guessing_reaches_is_a_dashed_line_at_each_place_named_last(drawn) -> None:
    guesses = {"chance": {10: 10, 2: 50, 5: 20}, "largest class": {10: 15, 2: 60, 5: 25}}
    axes = drawn(CURVES, guesses=guesses)
    chance, largest = axes.get_lines()[-2:]
    assert chance.get_xydata().tolist() == [[2, 50], [5, 20], [10, 10]]
    assert largest.get_xydata().tolist() == [[2, 60], [5, 25], [10, 15]]
    assert chance.is_dashed() and largest.is_dashed()
    assert legend(axes)[-2:] == ["chance", "largest class"]
    axes = drawn(BARS, guesses={"chance": {"taper-mixer": 20}})
    (segment,) = axes.collections[-1].get_segments()
    assert segment.tolist() == [[0.55, 20], [1.45, 20]]
    assert legend(axes)[-1] == "chance"


def test_a_long_curve_is_drawn_as_means_and_says_so(drawn) -> None:
    axes = drawn({"a": [Point(step, step % 2 + 1) for step in range(1000)]}, log_y=True)
    (curve,) = axes.get_lines()
    assert len(curve.get_xdata()) == 200 and axes.get_xlabel() == "x (means of 5 points)"
    assert curve.get_xdata()[0] == 2 and set(np.round(curve.get_ydata(), 6)) == {1.4, 1.6}
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    axes.figure.draw_without_rendering()
    assert not any("$" in label.get_text() for label in axes.get_yticklabels())


def test_a_dense_curve_has_a_band(drawn) -> None:
    axes = drawn({"a": [Point(step, 5, 4, 6) for step in range(50)]})
    (band,) = axes.collections
    assert band.get_paths()[0].vertices[:, 1].min() == 4
    assert axes.get_xlabel() == "x"


def test_nothing_measured_is_an_empty_plot(tmp_path: Path) -> None:
    png, _ = plot({}, "", "x", "y", tmp_path / "empty")
    assert png.stat().st_size > 0
    plot({"a": [Point("b", math.nan)]}, "", "x", "y", tmp_path / "empty")


def test_matplotlib_is_loaded_late_and_never_its_global_state() -> None:
    code = (
        "import sys, tempfile, pathlib; from tina_kit.report.plot import plot, Point\n"
        "assert not any(name.startswith('matplotlib') for name in sys.modules)\n"
        "plot({'a': [Point(1, 2)]}, '', '', '', pathlib.Path(tempfile.mkdtemp()) / 'p')\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
