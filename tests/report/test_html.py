"""Pages are one file: escaped, without scripts, and without anything that a browser would fetch."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import pytest

from tina_kit.report.charts import Bar, bars, curves, matrix, ranked
from tina_kit.report.html import (
    document,
    element,
    figures,
    folded,
    items,
    notice,
    paragraph,
    picture,
    section,
    table,
)

EVIL = '</style><script>alert(1)</script>&"'


def test_text_is_escaped_wherever_it_stands() -> None:
    page = document(
        EVIL,
        section(EVIL, paragraph(EVIL), figures([(EVIL, EVIL, EVIL)]), notice(EVIL)),
        table([(EVIL, EVIL), (EVIL, EVIL)]),
        items([EVIL]),
        folded(EVIL, element("p", EVIL, title=EVIL)),
        bars([Bar(EVIL, 1, EVIL)], EVIL),
        curves({EVIL: [(0, 1)], "b": [(0, 2)]}, EVIL, EVIL),
        matrix([[1]], [EVIL], EVIL),
    )
    assert "<script" not in page
    assert page.count("</style>") == 1


def test_elements_are_closed_and_nothing_is_fetched() -> None:
    shown = picture(b"png", "png", "a picture")
    page = document("A", section("B", shown, table([("a", "b"), ("c", "")])))
    open_, urls = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            urls.extend(value for name, value in attrs if name in ("src", "href"))
            if tag not in ("img", "meta", "br"):
                open_.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_.pop() == tag

    Reader().feed(page)
    assert open_ == []
    assert urls == ["data:image/png;base64,cG5n"]
    assert "default-src 'none'" in unescape(page)
    assert not re.search(r"url\(|@import", page)


def test_a_bar_ends_where_its_value_is_on_the_axis() -> None:
    chart = bars([Bar("a", 10, "10", 5, 20), Bar("b", -20, "-20")])
    # The axis goes from -20 to 20.
    assert 'style="left:50.00%;width:25.00%"' in chart  # a: from 0 to 10
    assert 'style="left:62.50%;width:37.50%"' in chart  # its interval, from 5 to 20
    assert 'style="left:0.00%;width:50.00%"' in chart  # b
    axis = chart[chart.index('class="axis"') :]
    assert re.findall(r">(-?\d+)<", axis) == ["-20", "-10", "0", "10", "20"]


def test_a_difference_of_nothing_has_a_mark_where_its_mean_is() -> None:
    assert bars([Bar("a", 0, "0.0", -1, 1), Bar("b", 1, "1.0")]).count('class="mean"') == 1


@pytest.mark.parametrize("values", [[-3.3, 1.2], [-0.4, 7.9], [2.2, 2.9], [0.11, 0.9], [3, 4e3]])
def test_the_lowest_line_of_a_chart_has_a_number(values: list[float]) -> None:
    charts = [ranked(values, "x", "y"), curves({"a": list(enumerate(values))}, "x", "y")]
    if min(values) > 0:
        charts.append(curves({"a": list(enumerate(values))}, "x", "y", log_y=True))
    for chart in charts:
        assert 'style="bottom:0.00%"' in chart


def test_a_wide_matrix_says_that_it_scrolls() -> None:
    narrow, wide = (matrix([[1] * n] * n, ["a"] * n, "true") for n in (3, 10))
    assert "sideways" in wide and "sideways" not in narrow


def test_a_long_curve_is_thinned_and_ends_at_its_last_step() -> None:
    chart = curves({"a": [(float(x), float(x)) for x in range(1000)]}, "x", "y")
    assert chart.count("L") == 199
    assert "L100.00" in chart


@pytest.mark.parametrize("values", [[], [0.0], [1.0, 1.0], [-3.0, -1.0], [2.5, 1e9]])
def test_any_numbers_can_be_drawn(values: list[float]) -> None:
    assert "nan" not in ranked(values, "x", "y")
    assert "nan" not in bars([Bar("a", value, "") for value in values])
    points = [(float(x), abs(value) + 1) for x, value in enumerate(values)]
    assert "nan" not in curves({"a": points}, "x", "y", log_y=True)


def test_ranked_values_show_both_sides_of_zero() -> None:
    chart = ranked([1, -1, 3], "tasks", "points")
    assert chart.count('class="plus"') == chart.count('class="minus"') == 1
    assert 'd="M33.33 75.00' in chart  # the second of three, from zero, a quarter up from -1


def test_a_matrix_is_shaded_by_the_share_of_a_row() -> None:
    chart = matrix([[3, 1], [0, 4]], ["a", "b"], "true")
    assert "--share:0.750" in chart and "--share:0.250" in chart and "--share:1.000" in chart
    assert "·" in chart
