"""The printed page in a real browser: what long tables cost in sheets of paper."""

import re

import pandas as pd
import pytest
from markupsafe import Markup

from meddef_lib.report import comparing, elements
from meddef_lib.report.elements import Table, columns, frame_table
from tests.browser import CHROMIUM, opened

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
    pytest.mark.xdist_group("browser"),
]
ROWS = 40
SHEET = re.compile(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]")


def numbers():
    """As many rows as columns, which say nothing that takes a second line."""
    return frame_table(
        pd.DataFrame({f"c{n}": range(ROWS) for n in range(12)}), id="numbers", caption="Numbers"
    )


def reasons():
    """A row a number, with the comparisons behind it under a click in its ninth and last column."""
    compared = Markup("<li>MedDef (Full DAAM), FGSM, epsilon 0.01: at least 95 % (91 and 97, p = 1)</li>")
    why = comparing.folded(Markup("<p>undecided (9):</p><ul>{}</ul>").format(compared * 9))
    titles = columns("Number", *"abcdefg", "Status")
    rows = [[f"number {number}", *"1234567", why] for number in range(ROWS)]
    return Table("reasons", "Reasons", titles, rows, pd.DataFrame({"number": range(ROWS)}))


def sheets(folder, table, *, unfolded):
    """The width and height of each sheet of paper that a section with this table alone takes."""
    style = (elements.TEMPLATES / "style.css").read_text(encoding="utf-8")
    block = elements.macros("elements.html.j2").block(table, folded=True)
    file = folder / "page.html"
    page = f"<!doctype html><style>{style}</style><main><section><h2>A section</h2>{block}</section></main>"
    file.write_text(page, encoding="utf-8")
    with opened(file) as (page, _):
        if unfolded:
            page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
        printed = page.pdf(prefer_css_page_size=True)
    return [(float(width), float(height)) for width, height in SHEET.findall(printed)]


def test_a_folded_table_takes_no_sheet_of_its_own(tmp_path):
    ((width, height),) = sheets(tmp_path, reasons(), unfolded=False)
    assert height > width


def test_what_a_click_shows_in_a_cell_lies_across_few_sheets(tmp_path):
    found = sheets(tmp_path, reasons(), unfolded=True)
    assert all(width > height for width, height in found)
    assert len(found) <= 8, "five rows a sheet at least"


def test_a_long_table_of_numbers_stands_on_one_upright_sheet(tmp_path):
    ((width, height),) = sheets(tmp_path, numbers(), unfolded=True)
    assert height > width
