"""Tables and figures: what is shown, what is copied, and that no text of a result becomes markup."""

import csv
import io
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from meddef_lib.report import elements
from meddef_lib.report.elements import (
    Figure,
    Made,
    Prose,
    Table,
    frame_table,
    text_of,
)
from meddef_lib.report.section import Section
from meddef_lib.results.statistics import p_text

HOSTILE = "</table><script>alert('\"&')</script>"
PICTURE = Markup('<svg role="img" aria-label="Two bars, 1 and 2."></svg>')


class Tags(HTMLParser):
    """What a browser sees: opened tags, and the text between them."""

    def __init__(self, page):
        super().__init__()
        self.opened, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.opened.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def table(**changes):
    frame = pd.DataFrame({"model": ["full", HOSTILE], "ours_percent": [97.5, np.nan], "n": [624, 1000]})
    return replace(frame_table(frame, id="table", caption="Accuracy"), **changes)


def figure(**changes):
    given = {"id": "figure", "caption": "Bars", "alt": "Two bars, 1 and 2.", "picture": PICTURE}
    return Figure(**(given | changes))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (np.float32("nan"), "–"),
        (pd.NA, "–"),
        (pd.NaT, "–"),
        (True, "yes"),
        (np.False_, "no"),
        (1234.5, "1,234.50"),
        (np.float32(0.5), "0.50"),
        (-0.001, "0.00"),
        (89_000, "89,000"),
        (np.int64(7), "7"),
        ("text", "text"),
    ],
)
def test_values_as_a_table_shows_them(value, shown):
    assert text_of(value) == shown


def test_numbers_stand_to_the_right_and_the_first_column_heads_its_rows():
    shown = table()
    assert [(column.title, column.align, column.heading) for column in shown.columns] == [
        ("Model", "left", True),
        ("Ours percent", "right", False),
        ("n", "right", False),
    ]
    assert shown.rows[0] == ["full", "97.50", "624"]
    assert shown.rows[1][1:] == ["–", "1,000"]


@pytest.mark.parametrize(("letters", "stacks"), [(elements.SENTENCE, False), (elements.SENTENCE + 1, True)])
def test_a_table_with_sentences_is_one_of_blocks_on_a_phone_and_keeps_its_roles(letters, stacks):
    frame = pd.DataFrame({"model": ["full"], "n": [1], "why": ["a" * letters]})
    shown = frame_table(frame, id="table", caption="Why")
    assert [column.wide for column in shown.columns] == [False, False, stacks]
    roles = [attributes.get("role") for tag, attributes in Tags(str(elements.block_html(shown))).opened]
    of_table = [role for role in roles if role in ("table", "rowgroup", "row", "rowheader", "cell")]
    assert of_table == (["table", "rowgroup", "row", "rowheader", "cell", "cell"] if stacks else [])


def test_a_table_of_more_columns_than_the_style_can_name_stays_a_table():
    wide = [elements.Column(f"{number}", wide=True) for number in range(elements.NAMED + 1)]
    row = ["said"] * len(wide)
    assert not table(columns=wide, rows=[row]).stacks
    assert table(columns=wide[1:], rows=[row[1:]]).stacks
    assert table(columns=wide, rows=[["–", *row[1:]]]).stacks, "a column that says nothing is not shown"
    style = (elements.TEMPLATES / "style.css").read_text()
    assert f"var(--{elements.NAMED})" in style
    assert f"var(--{elements.NAMED + 1})" not in style


def test_a_heading_said_by_the_style_ends_no_text_of_it():
    hostile = "\";}x\\\n'"
    drawn = str(elements.block_html(table(columns=[elements.Column(hostile, wide=True)] * 3)))
    (style,) = (found["style"] for tag, found in Tags(drawn).opened if tag == "table")
    assert style == "".join(f'--{place}:"\\22 ;}}x\\5c \\a \'";' for place in (1, 2, 3))


def test_no_text_of_a_result_becomes_markup():
    cell = dict.fromkeys(("id", "key", "device", "precision", "commit"), HOSTILE)
    made = Made(HOSTILE, [cell | {"seconds": 1.0, "settings": {HOSTILE: HOSTILE}}])
    data = pd.DataFrame({HOSTILE: [HOSTILE]})
    picture = Markup('<img alt="{}" src="data:,">').format("Two bars, 1 and 2.")
    for block in (
        table(caption=HOSTILE, id=HOSTILE, made=made),
        figure(caption=HOSTILE, id=HOSTILE, made=made, data=data, picture=picture),
        Prose(Markup("<p>{}</p>").format(HOSTILE)),
    ):
        seen = Tags(str(elements.block_html(block)))
        assert "script" not in {tag for tag, _ in seen.opened}
        assert any(HOSTILE in text for text in seen.texts), "it is there, as text"
        assert str(elements.block_html(block)) in block._repr_html_(), "a notebook shows the same"


def test_a_table_has_a_caption_scopes_and_what_to_copy():
    page = str(elements.block_html(table()))
    assert page.count("<caption>") == 1
    assert page.count('<th scope="col"') == 3
    assert page.count('<th scope="row">') == 2
    assert list(table().files) == ["csv", "tex"], "what lies beside the page"


def test_csv_holds_every_digit_and_reads_back():
    frame = pd.DataFrame({"a": ["x,y", 'say "no"', "two\nlines"], "b": [1 / 3, np.nan, 1e-9]})
    text = frame_table(frame, id="t", caption="c").files["csv"]
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["a", "b"]
    assert [row[0] for row in rows[1:]] == list(frame["a"])
    assert float(rows[1][1]) == 1 / 3
    assert rows[2][1] == ""


def test_latex_escapes_what_latex_would_read():
    frame = pd.DataFrame({"50 %_of #": [r"a\b{c}", "x & y ~ ^ <|> $5", "[0.1, 0.2]", "two\nlines"]})
    text = frame_table(frame, id="table1", caption="Caption of 10 % – mostly").latex
    lines = text.splitlines()
    assert lines[1:4] == [
        r"\caption{Caption of 10 \% -- mostly}",
        r"\label{table1}",
        r"\begin{tabular}{l}",
    ]
    assert r"50 \%\_of \# \\" in lines
    assert r"a\textbackslash{}b\{c\} \\" in lines
    assert r"x \& y \textasciitilde{} \textasciicircum{} \textless{}\textbar{}\textgreater{} \$5 \\" in lines
    assert r"{[}0.1, 0.2] \\" in lines, "not the option of the row's end before it"
    assert r"two lines \\" in lines


def test_latex_has_the_decimals_of_its_table():
    frame = pd.DataFrame({"a": [0.12345], "b": [np.nan], "c": [None]})
    assert "0.123 & -- & --" in frame_table(frame, id="t", caption="c", decimals=3).latex
    assert "0.12345 & -- & --" in Table("t", "c", [], [], frame).latex, (
        "without decimals none is rounded away"
    )


def test_a_p_value_never_reads_as_nothing():
    frame = pd.DataFrame({"variant": ["a", "b", "c"], "p": [0.0, 0.004, 0.25]})
    shown = frame_table(frame, id="t", caption="c", texts={"p": p_text})
    assert [row[1] for row in shown.rows] == ["< 0.001", "0.004", "0.25"]
    assert shown.columns[1].align == "right"
    assert r"a & \textless{} 0.001 \\" in shown.latex
    assert "b,0.004" in shown.files["csv"]


@pytest.mark.parametrize("alt", ["", "  ", "Bars"])
def test_a_figure_needs_a_text_alternative_of_its_own(alt):
    with pytest.raises(ValueError, match="figure needs a text alternative"):
        figure(alt=alt)


def test_the_picture_itself_says_the_text_alternative():
    with pytest.raises(ValueError, match="does not say its text alternative"):
        figure(picture=Markup("<svg></svg>"))
    alt = "Is 1 < 2 & \"two\" > 'one'?"
    drawn = Markup('<img alt="{}" src="data:,">').format(alt)
    assert figure(alt=alt, picture=drawn).alt == alt


def test_smoke_is_written_on_every_table_and_figure():
    for block in (table(smoke=True), figure(smoke=True)):
        assert "<strong>Made-up images.</strong>" in elements.block_html(block)
    for block in (table(), figure()):
        assert "moke" not in elements.block_html(block)


def test_missing_things_and_notes_look_their_part():
    assert '<p class="missing">not yet</p>' in elements.block_html(Prose(Markup("not yet"), "missing"))
    assert '<div class="note">careful</div>' in elements.block_html(Prose(Markup("careful"), "note"))


def test_anchors_are_plain_and_differ():
    titles = [("3.1", "Data"), ("4.1, 4.4", "Trade-off"), ("", "Claims & more")]
    anchors = [Section(number=number, title=title, order=0, draw=list).anchor for number, title in titles]
    assert anchors == ["s3-1-data", "s4-1-4-4-trade-off", "sclaims-more"]


def test_a_column_in_which_no_row_says_anything_is_left_out():
    made = frame_table(
        pd.DataFrame({"model": ["a", None], "x": [1.0, None], "y": [None, float("nan")]}), id="t", caption="C"
    )
    shown = Tags(elements.block_html(made))
    assert [attrs.get("scope") for tag, attrs in shown.opened if tag == "th"] == ["col", "col", "row", "row"]
    assert "Y" not in shown.texts
    assert made.files["csv"].startswith("model,x,y\n"), "what is copied keeps it"


def test_no_line_ends_in_what_is_read_as_one_number():
    shown = elements.block_html(Prose(Markup("<p>62 % [31, 81] % of x % y, in %</p>")))
    assert "62\u00a0% [31,\u00a081]\u00a0% of x % y, in %" in shown
    shown = elements.block_html(
        Prose(Markup("<p>9.5 [−1, +2], p = 0.3 (p &lt; 0.001); steps p of 3; <code>seeds=[0, 1]</code></p>"))
    )
    assert "9.5 [−1,\u00a0+2], p\u00a0=\u00a00.3 (p\u00a0&lt;\u00a00.001); steps p of 3" in shown
    assert "seeds=[0, 1]" in shown, "what is copied into a shell stays as it is"
