"""Whether a report is rendered again: whenever its note does not say that it need not be."""

import re
from dataclasses import replace

import pytest

from meddef_lib.app import freshness
from meddef_lib.workbook.book import workbook


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A workbook whose report is rendered, as far as its note says."""
    monkeypatch.setenv("MEDDEF_REPORTS", str(tmp_path / "reports"))
    book = workbook("mini")
    folder = freshness.folder_of(book)
    (folder / "notebooks").mkdir(parents=True)
    for name in ("index.html", "results.json", "notebooks/04_epsilon_sweep.chest_xray.html"):
        (folder / name).write_text("rendered", encoding="utf-8")
    freshness.note(book, folder)
    return book


def test_a_report_is_current_until_its_files_change(book):
    assert freshness.is_current(book)
    (freshness.folder_of(book) / "notebooks/04_epsilon_sweep.chest_xray.html.99.part").write_text("another's")
    assert freshness.is_current(book), "what another call is writing is no part of the report"
    (freshness.folder_of(book) / "index.html").write_text("half a page")
    assert not freshness.is_current(book)


def test_a_flipped_bit_beside_the_page_makes_it_no_longer_current(book):
    beside = freshness.folder_of(book) / "notebooks/04_epsilon_sweep.chest_xray.html"
    beside.write_text("rendereD", encoding="utf-8")
    assert not freshness.is_current(book)


def test_other_parameters_have_a_report_of_their_own_whatever_their_order():
    plain, one, other, same = (
        freshness.folder_of(workbook("mini", overrides=overrides)).name
        for overrides in (
            (),
            ("attacks.steps=3", "image_size=64"),
            ("attacks.steps=4", "image_size=64"),
            ("image_size=64", "attacks.steps=3"),
        )
    )
    assert plain == "mini"
    assert re.fullmatch(r"mini\+[0-9a-f]{8}", one)
    assert len({plain, one, other}) == 3
    assert same == one
    given = replace(workbook("mini", overrides=["image_size=64"]), given="0" * 64)
    assert re.fullmatch(r"mini-resnet18-00000000\+[0-9a-f]{8}", freshness.folder_of(given).name)


@pytest.mark.parametrize("left", ["", '{"files": {"index', "{}", "null"])
def test_a_note_that_says_nothing_makes_no_report_current(book, left):
    (freshness.folder_of(book) / freshness.NOTE).write_text(left, encoding="utf-8")
    assert not freshness.is_current(book)


def test_a_note_is_whole_or_absent(book, monkeypatch):
    folder = freshness.folder_of(book)
    freshness.forget(folder)
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: pytest.fail("killed"))
    with pytest.raises(pytest.fail.Exception):
        freshness.note(book, folder)
    assert not (folder / freshness.NOTE).exists()
