"""The page's template and a notebook's page in a real browser."""

import io
import json
import re
from base64 import b64encode
from dataclasses import replace
from types import SimpleNamespace

import nbformat.v4 as v4
import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup
from matplotlib.figure import Figure as Drawing

from meddef_lib.engine.receipts import environment
from meddef_lib.report import comparing, elements, inline, layout, notebook_page
from meddef_lib.report.elements import Column, Figure, Made, Prose, Table, frame_table
from meddef_lib.report.html_charts import OURS, dot_plot
from meddef_lib.report.inline import svg
from meddef_lib.report.section import Section
from tests.browser import CHROMIUM, CUT, PHONE, UNFOLD, barriers, open_page, opened

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
    pytest.mark.xdist_group("browser"),
]
LONG = "attack/chest_xray/no_afd_mfe_msf/paper/seed=0/" * 4 + "pgd"
CELL = {"id": LONG, "key": "0f" * 32, "seconds": 61.5, "device": "cpu", "precision": "", "commit": "ab" * 20}
MADE = Made("notebooks/04_epsilon_sweep.roct.html", [CELL | {"settings": {}}])


def data_of(image):
    return b64encode(image.getvalue()).decode()


def figures():
    drawing = Drawing(figsize=(9, 3), layout="constrained")
    for axes in drawing.subplots(1, 2):
        axes.plot([0, 1, 2])
    photo, image = Drawing(figsize=(9, 3)), io.BytesIO()
    photo.subplots().imshow(np.eye(8))
    photo.savefig(image, format="png")
    data = pd.DataFrame({"x": range(3)})
    line, grey = "A rising line.", "A bright diagonal."
    yield Figure(
        "line", f"A line of {LONG}", line, svg(drawing, line, smoke=True), data, made=MADE, smoke=True
    )
    names = {"low": 10.0, "high": 60.0, "row": "a network with a name that is long", "mark": OURS, "x": 30.0}
    points = pd.DataFrame([names | {"panel": panel} for panel in ("FGSM", "PGD")])
    yield Figure("dots", "Two panels of dots", "Dots.", dot_plot(points, "Dots.", x_label="%"), points)
    yield Figure("gallery", "Images under attack", "A gallery.", gallery(), made=MADE, smoke=True)
    yield Figure(
        "photo",
        "A photograph",
        grey,
        Markup(f'<img alt="{grey}" src="data:image/png;base64,{data_of(image)}">'),
        made=MADE,
        smoke=True,
    )


def gallery():
    """Two networks, each under FGSM at two budgets and JSMA; what a network answers says what is shown."""

    def image(answer):
        return {"class": "CNV", "answer": answer, "confidence": 1.0, "map": [[0, 1], [0.5, 0]]}

    runs = (("fgsm", 0.01), ("fgsm", 0.05), ("jsma", None))
    entries = [
        {"name": f"gallery-{name}", "dataset": "one", "model": name, "images": [image("CNV")]}
        | {
            "states": [
                {"attack": attack, "eps": eps, "factor": 10, "images": [image(f"{name} {attack} {eps}")]}
                for attack, eps in runs
            ]
        }
        for name in ("plain", "full")
    ]
    view = SimpleNamespace(
        model_title=str.title, attack=str.upper, source=lambda name: "data:image/webp;base64,AAAA"
    )
    return inline.viewer(view, entries, entries[-1]["states"][1], "A gallery.")


def tables():
    wide = pd.DataFrame({f"column_{n}": np.linspace(0, 100, 4) for n in range(14)})
    yield replace(frame_table(wide, id="wide", caption="A wide table"), made=MADE, smoke=True)
    value = Markup('<span data-name="run" data-value="{0}">{0}</span>')
    verdicts = ["holds", *["mixed"] * 13]
    yield Table(
        "claims",
        "Claims </table><script>oops()</script>",
        [Column("Claim", heading=True), Column("In this run")],
        [[f"claim {number}", value.format(said)] for number, said in enumerate(verdicts)],
        pd.DataFrame({"id": range(14)}),
    )
    yield Table(
        "told",
        "A table with sentences",
        [Column("Place", heading=True), Column("n", "right"), Column('Why "so"?', wide=True)],
        [["here", "1", LONG], ["there", "2", "It is as it is."]],
        pd.DataFrame({"id": range(2)}),
    )
    for name in ("one", "other"):
        yield replace(frame_table(pd.DataFrame({"a": [1]}), id=f"of-{name}", caption=name), dataset=name)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A page from hand-made blocks, as the report's template writes it."""
    style, script = (Markup((elements.TEMPLATES / name).read_text()) for name in ("style.css", "script.js"))
    failure = {
        "id": LONG,
        "state": "failed",
        "text": "ValueError: $a$ <b>",
        "log": LONG,
        "traceback": LONG * 9,
    }
    sections = [
        (Section(number="4.3", title="Tables", order=1, draw=list), list(tables())),
        (Section(number="4.8", title="Pictures", order=2, draw=list), list(figures())),
    ]
    names = {"one": {"title": "One"}, "other": {"title": "Other"}}
    page = elements.template("page.html.j2").render(
        title="MedDef workbook: a page for tests",
        smoke=True,
        datasets=names,
        places=[layout.Place(one, layout.grouped(blocks)) for one, blocks in sections],
        at_once=layout.AT_ONCE,
        verdict_of=layout.verdict_of,
        chip=comparing.claim_chip,
        CLAIM_WORDS=comparing.CLAIM_WORDS,
        front=[Prose(Markup("<p>{}</p>").format(LONG)), Prose(Markup("not yet"), "missing")],
        cite=Prose(Markup("<p>Cite.</p>")),
        beside={"model-card.md": "model card"},
        failures=[SimpleNamespace(**failure)],
        pages={"04_epsilon_sweep.roct": True, "07_grad_cam.roct": False},
        pending=[],
        linked=["notebooks/04_epsilon_sweep.roct.html"],
        environment=environment(),
        made_at="2026-01-01 00:00 UTC",
        style=style,
        script=script,
    )
    notebook_page.require_self_contained(page, "the page")
    file = tmp_path_factory.mktemp("report") / "index.html"
    file.write_text(page, encoding="utf-8")
    return file


def test_the_report_s_page_asks_for_nothing_and_fits_a_phone(report):
    found = open_page(report)
    assert found.outside_requests == []
    assert found.errors == []
    assert not found.scrolls_sideways


SMALLEST_WORDS = """of => Math.min(...[...of.querySelectorAll('text')].map(text => {
  const drawn = text.getScreenCTM();
  return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(drawn.a, drawn.b);
}))"""


def test_the_words_of_charts_are_read_on_a_phone_without_a_touch(report):
    with opened(report) as (page, found):
        page.evaluate(UNFOLD)
        for name in ("line", "dots"):
            frame = page.locator(f"#{name} .picture")
            assert frame.evaluate(SMALLEST_WORDS) >= 8.5, name
            assert frame.evaluate("of => of.scrollWidth <= of.clientWidth"), f"{name} fits"
        panels = page.locator("#line .panels > svg"), page.locator("#dots .dots > svg")
        assert [one.count() for one in panels] == [2, 2]
        for one in panels:
            upper, lower = (one.nth(place).bounding_box() for place in (0, 1))
            assert lower["y"] >= upper["y"] + upper["height"], "one below the other"
        page.set_viewport_size({"width": 1280, "height": 900})
        for one in panels:
            left, right = (one.nth(place).bounding_box() for place in (0, 1))
            assert right["x"] >= left["x"] + left["width"], "side by side"
    assert found.errors == []


def test_on_a_phone_a_row_with_sentences_is_a_block_that_says_its_columns(report):
    with opened(report) as (page, _):
        page.evaluate(UNFOLD)
        table, cell = page.locator("#told table"), page.locator("#told tbody td").nth(1)
        assert table.bounding_box()["width"] <= page.locator("#told .scroll").bounding_box()["width"]
        label = "of => getComputedStyle(of, '::before').content"
        assert cell.evaluate(label) == r'"Why \"so\"?: "', "the heading of its column"
        assert not page.locator("#told thead").is_visible()
        assert page.locator("#told").get_by_role("cell").count() == 4
        assert page.locator("#told").get_by_role("rowheader").count() == 2
        page.set_viewport_size({"width": 1280, "height": 900})
        assert cell.evaluate(label) == "none"
        assert page.locator("#told thead").is_visible()


def test_nothing_stops_a_reader_on_a_phone(report):
    with opened(report) as (page, _):
        page.evaluate(UNFOLD)
        assert barriers(page) == []


def test_what_a_narrower_window_cuts_can_be_reached_and_shows_it(report):
    with opened(report) as (page, _):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.evaluate(UNFOLD)
        page.set_viewport_size(PHONE)
        page.wait_for_timeout(500)
        cut = page.evaluate(CUT)
        marked = """[...document.querySelectorAll('.cut[tabindex="0"]')].length"""
        assert cut
        assert page.evaluate(marked) == len(cut)


def test_choosing_finding_and_sorting_work_and_no_text_became_a_script(report):
    with opened(report) as (page, found):
        assert "oops" in page.locator("#claims summary").inner_text()
        rows = page.locator("#claims tbody tr:visible")
        assert rows.count() == 0, "folded"
        page.locator("#claims > summary").click()
        assert rows.count() == 14
        page.locator("select[name=run]").select_option("holds")
        assert rows.count() == 1
        assert page.locator("#claims output").inner_text() == "1 of 14 rows"
        page.locator("select[name=run]").select_option("")
        page.locator("#claims input[type=search]").fill("claim 1")
        assert rows.count() == 5, "1 and 10 to 13"
        page.locator("#claims thead button").first.click()
        page.locator("#claims thead button").first.click()
        assert rows.first.inner_text().startswith("claim 9") or rows.first.inner_text().startswith("claim 13")
        panels = [page.locator(f"main [data-dataset={name}]") for name in ("one", "other")]
        assert [panel.is_visible() for panel in panels] == [True, False]
        page.locator(".datasets input").nth(1).check()
        assert [panel.is_visible() for panel in panels] == [False, True]
        page.goto(f"{page.url.partition('#')[0]}#of-one")
        assert panels[0].is_visible(), "a link to what another data set has shows it"
        for link in page.locator("a[href^='#']").all():
            target = link.get_attribute("href")
            known = ("#claims", "#cells")  # of sections that this page has not
            assert target in known or page.locator(target).count() == 1, f"{target} leads nowhere"
    assert found.errors == []


def test_images_under_attack_are_chosen_by_keys(report):
    with opened(report) as (page, found):
        page.locator("#gallery > summary").click()
        shown = page.locator("#gallery .viewer")
        words, answer = shown.locator("[aria-live]"), shown.locator("tbody td span").nth(2)
        assert words.inner_text() == "Full, FGSM, epsilon 0.05; what it adds is shown × 10"
        assert answer.inner_text() == "full fgsm 0.05, 100\u00a0%"
        row = shown.locator("tbody use").nth(2)
        assert row.get_attribute("y") == "-4"
        shown.locator("[data-choice=epsilon] :checked").focus()
        page.keyboard.press("ArrowLeft")
        assert answer.inner_text() == "full fgsm 0.01, 100\u00a0%"
        assert row.get_attribute("y") == "-2"
        shown.locator("[data-choice=network] :checked").focus()
        page.keyboard.press("ArrowLeft")
        assert (answer.inner_text(), row.get_attribute("href")) == (
            "plain fgsm 0.01, 100\u00a0%",
            "#sheet-gallery-plain",
        )
        shown.locator("[data-choice=attack] :checked").focus()
        page.keyboard.press("ArrowRight")
        assert words.inner_text() == "Plain, JSMA; what it adds is shown × 10"
        assert shown.locator("[data-choice=epsilon] input").first.is_disabled(), "it has none"
        assert shown.locator("tbody td").nth(4).locator("rect").count() == 2, "values of the map above 0"
    assert found.errors == []


def test_every_row_has_a_link_that_leads_to_it(report):
    with opened(report) as (page, found):
        page.goto(f"{page.url.partition('#')[0]}#claims-row-5")
        row = page.locator("#claims-row-5")
        assert row.is_visible(), "its table is unfolded"
        assert "claim 4" in row.inner_text()
        assert row.locator("a.permalink").get_attribute("href") == "#claims-row-5"
    assert found.errors == []


def test_the_text_comes_before_the_contents_for_who_tabs(report):
    with opened(report) as (page, _):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.hash") == "#contents", "a way past the text"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main') !== null")
        contents, text = (page.locator(name).bounding_box() for name in ("nav.contents", "main"))
        assert contents["x"] < text["x"], "and stand left of it"


def test_a_notebook_s_page_asks_for_nothing_and_fits_a_phone(tmp_path):
    shown = [
        v4.new_code_cell(
            f"value = '{LONG}'",
            execution_count=1,
            outputs=[v4.new_output("display_data", {"text/html": block._repr_html_()})],
        )
        for block in (*figures(), *tables())
    ]
    formula = "$$" + " + ".join(f"x_{{{n}}}^2" for n in range(40)) + "$$"
    words = v4.new_markdown_cell(f"# A title\n\n{formula}\n\nand $\\epsilon \\leq 0.1$; `{LONG}`")
    printed = v4.new_code_cell("loop", execution_count=1, outputs=[v4.new_output("stream", text=LONG * 3)])
    notebook = v4.new_notebook(cells=[words, printed, *shown], metadata={"language_info": {"name": "python"}})
    file = tmp_path / "page.html"
    file.write_text(
        notebook_page.render(json.loads(json.dumps(notebook)), title="A notebook"), encoding="utf-8"
    )
    found = open_page(file)
    assert found.outside_requests == []
    assert found.errors == []
    assert not found.scrolls_sideways


def test_the_browser_finds_what_is_wrong(tmp_path):
    file = tmp_path / "bad.html"
    wide = '<div style="width: 900px">wide</div>'
    file.write_text(f'<img alt="x" src="x.png"><script>nothing()</script>{wide}', encoding="utf-8")
    found = open_page(file)
    assert [url.rsplit("/", 1)[1] for url in found.outside_requests] == ["x.png"]
    assert any(re.search("nothing is not defined", error) for error in found.errors)
    assert found.scrolls_sideways
