"""Drawings as HTML: the same bytes every time, ids of their own, and smoke that cannot be cut off."""

import base64
import html
import io
import re

from matplotlib.figure import Figure
from PIL import Image

from meddef_lib.report import inline
from meddef_lib.report.notebook_page import require_self_contained
from meddef_lib.report.view import View
from meddef_lib.results.watermark import WATERMARK

ALT = "A line of accuracy that falls from 90 to 10 %, & \"then\" rises; 'so' < 1."


def drawing():
    figure = Figure(figsize=(3, 2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1, 2], [90, 10, 40], marker="o", label="full")
    axes.fill_between([0, 1, 2], [80, 5, 30], [95, 20, 50], alpha=0.2)
    axes.set_xlabel("epsilon")
    axes.legend()
    return figure


def ids(svg):
    return re.findall(r'\bid="([^"]+)"', svg)


def test_the_same_drawing_is_the_same_bytes():
    assert inline.svg(drawing(), ALT) == inline.svg(drawing(), ALT)


def test_two_drawings_on_a_page_share_no_id_and_each_finds_its_own():
    one, other = inline.svg(drawing(), ALT), inline.svg(drawing(), "Another line.")
    assert ids(one)
    assert len(ids(one)) == len(set(ids(one)))
    assert not set(ids(one)) & set(ids(other))
    for svg in (one, other):
        used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)
        assert used
        assert {first or second for first, second in used} <= set(ids(svg))


def panels(count):
    """A drawing with so many panels and a legend of two lines."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    for number, axes in enumerate(figure.subplots(1, count, squeeze=False).flat):
        axes.plot([0, 1], [number, 1], marker="o", label="full")
        axes.plot([0, 1], [1, number], marker="s", label="none")
        axes.fill_between([0, 1], [0, 1], hatch="//")
        axes.set_title(f"panel {number}")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def test_each_panel_and_each_line_of_the_legend_is_a_part_that_finds_what_it_needs():
    svg = inline.svg(panels(3), ALT)
    parts = re.findall(r"<svg\b.*?</svg>", svg)
    words = [re.findall(r">([^<>]+)</text>", part) for part in parts]
    titles = [[word for word in of_panel if word.startswith("panel")] for of_panel in words[:3]]
    assert titles == [["panel 0"], ["panel 1"], ["panel 2"]]
    assert words[3:] == [["full"], ["none"]]
    assert svg.count("<svg") == svg.count("</svg>") == 5
    assert svg.count("<g") == svg.count("</g>")
    used = {first or second for first, second in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)}
    assert used == set(ids(svg)), "markers, clips and hatches"


def test_a_part_shows_its_panel_and_no_other():
    parts = re.findall(r'<svg [^>]*viewBox="([^"]+)">(.*?)</svg>', inline.svg(panels(2), ALT))
    (left, _, width, _), (right, *_) = ([float(value) for value in box.split()] for box, _ in parts[:2])
    assert left + width < right
    for box, content in parts:
        start, top, width, height = (float(value) for value in box.split())
        for x, y in re.findall(r'<text [^>]*\bx="([\d.]+)" y="([\d.]+)"', content):
            assert start <= float(x) <= start + width
            assert top <= float(y) <= top + height


def test_only_what_is_wider_than_a_phone_could_show_is_left_as_wide_as_it_is():
    assert 'class="long"' in inline.svg(panels(1), ALT)
    assert 'class="long"' not in inline.svg(panels(2), ALT)


def test_text_stays_text_and_the_alternative_is_said():
    svg = inline.svg(drawing(), ALT)
    assert "epsilon</text>" in svg
    start = '<div class="panels" role="img" aria-label="A line of accuracy that falls from 90 to 10 %, &amp; '
    assert svg.startswith(start)
    assert "&lt; 1." in svg
    assert "<?xml" not in svg
    require_self_contained(svg, "the picture")


def test_a_photograph_is_an_embedded_image(tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / "samples-roct.webp")
    entry = {"name": "samples-roct", "dataset": "roct"}
    view = View({"pictures": {"samples": [entry]}}, tmp_path)
    assert inline.photographed(view, "samples", "roct") == entry
    assert inline.photographed(view, "samples", "chest_xray") is None
    page = inline.photograph(view, entry, ALT)
    assert "&lt; 1." in page
    data = base64.b64decode(re.search(r"base64,([^\"]+)", page)[1])
    assert Image.open(io.BytesIO(data)).format == "WEBP"
    require_self_contained(page, "the picture")


def test_without_its_file_a_photograph_is_said_in_words(tmp_path):
    said = inline.photograph(View({}, tmp_path), {"name": "samples-roct"}, ALT)
    assert ALT in html.unescape(said)
    assert "missing" in said


def test_smoke_is_stamped_on_the_drawing_itself():
    assert inline.svg(drawing(), ALT, smoke=True) != inline.svg(drawing(), ALT)
    assert WATERMARK not in inline.svg(drawing(), ALT)
    assert WATERMARK in inline.svg(drawing(), ALT, smoke=True)
    assert inline.svg(panels(3), ALT, smoke=True).count(WATERMARK) == 3, "on each panel"


def test_a_name_in_a_drawing_is_no_formula_and_no_element():
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    name = "<b>$x_{$ & $\\frac$"
    axes.set_title(name)
    axes.plot([0, 1], [0, 1], label=name)
    axes.set_xticks([0, 1], [name, "b"])
    axes.legend()
    assert inline.svg(figure, ALT).count(html.escape(name, quote=False)) == 3
