"""Dot plots show each number at its place, and say under the pointer what it is."""

import re

import pandas as pd
import pytest

from meddef_lib.report.elements import macros
from meddef_lib.report.html_charts import OURS, PAPER, QUOTED, WORST, dot_plot, dots, stacked
from meddef_lib.results.watermark import WATERMARK

NONE = {"low": None, "high": None}
ROWS = [
    {"panel": "PGD", "row": "full <b>", "mark": PAPER, "x": 50.0, **NONE},
    {"panel": "PGD", "row": "full <b>", "mark": OURS, "x": 100.0, "low": 0.0, "high": 100.0, "hover": "ours"},
    {"panel": "PGD", "row": "full <b>", "mark": WORST, "x": 0.0, **NONE},
]


def percents(svg, tag, name):
    return [float(found) for found in re.findall(rf'<{tag} [^>]*?\b{name}="([\d.]+)%"', svg)]


def test_a_number_stands_where_the_axis_says():
    svg = str(dots(pd.DataFrame(ROWS), x_label="%"))
    assert percents(svg, "circle", "cx") == [50, 100]
    assert '<line x1="0%" x2="100%"' in svg, "the whisker"
    assert '<line class="tick" x1="0%" x2="0%"' in svg
    assert "<span>full &lt;b&gt;</span>" in svg
    assert "<title>ours</title>" in svg
    assert svg.count('<circle class="hollow"') == 2, "the paper's is hollow, in the plot and the key"


def test_each_panel_is_a_drawing_of_its_own_beside_the_names_of_its_rows():
    frame = pd.DataFrame([row | {"panel": panel} for panel in ("FGSM", "PGD") for row in ROWS])
    svg = str(dots(frame, x_label="%", smoke=True))
    panels = re.split('<div class="rows">', svg)[1:]
    for panel, title in zip(panels, ("FGSM", "PGD"), strict=True):
        assert "<span>full &lt;b&gt;</span></div><svg" in panel
        assert f">{title}</text>" in panel
        assert percents(panel, "circle", "cx") == [50, 100]
        assert all(words in panel for words in WATERMARK.split(" · ")), "one alone says so, too"


def test_a_quoted_range_is_a_box_and_what_says_nothing_is_faint():
    rows = [
        {"panel": "", "row": "a", "mark": QUOTED, "x": None, "low": 25.0, "high": 75.0},
        {"panel": "", "row": "a", "mark": OURS, "x": 30.0, **NONE, "faint": True},
    ]
    svg = str(dots(pd.DataFrame(rows), x_label="%"))
    assert percents(svg, "rect", "x") == [25]
    assert "width:max(4px, 50%)" in svg
    assert len(re.findall("<g [^>]*opacity=", svg)) == 1


@pytest.mark.parametrize("smoke", [True, False])
def test_phantoms_are_marked_and_others_not(smoke):
    drawn = dots(pd.DataFrame(ROWS), x_label="%", smoke=smoke)
    assert [words in drawn for words in WATERMARK.split(" · ")] == [smoke, smoke]


def test_a_line_is_drawn_and_what_lies_beyond_the_axis_stands_at_its_end():
    rows = [{"panel": "p", "row": "a", "mark": OURS, "x": -400.0, **NONE}]
    svg = str(dots(pd.DataFrame(rows), x_label="points", ends=(-100, 100), line=0))
    assert '<line class="dashed" x1="50%" x2="50%"' in svg
    assert percents(svg, "circle", "cx") == [0]


def test_several_states_are_one_picture_with_one_alternative():
    rows = [row | {"state": state} for state in "ab" for row in ROWS]
    drawn = dot_plot(pd.DataFrame(rows), 'An "alt".', by="state", x_label="%")
    assert drawn.startswith('<div role="img" aria-label="An &#34;alt&#34;.">')
    assert re.findall(r'data-state="(.)"', drawn) == ["a", "b"]


def test_a_bar_has_a_part_for_what_there_is_and_none_for_what_there_is_not():
    words = {"good": ("agrees", "good", "●"), "bad": ("differs", "bad", "▼"), "no": ("not run", "", "–")}
    drawn = stacked({"Table 1": {"good": 2, "bad": 1, "no": 0}}, words, "alt")
    assert ">●&#8239;2</span>" in drawn
    assert ">▼&#8239;1</span>" in drawn
    assert "not run" not in drawn
    both = macros("charts.html.j2").share(15, 6, 30)
    assert re.findall(r'class="(good|bad)" style="width:(\d+)%"', both) == [("good", "50"), ("bad", "20")]
