"""The page is drawn from its folder alone: the document, the pictures and the notebooks beside it."""

import json
import os
import re
from html.parser import HTMLParser

import pytest

from meddef_lib.engine.store import Store
from meddef_lib.report import page
from meddef_lib.report.elements import Prose
from meddef_lib.report.section import Section
from meddef_lib.workbook import results_file
from meddef_lib.workbook.book import workbook

HOSTILE = "</title><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \x1b[31m\u202e $x_{$ \"'"


class Elements(HTMLParser):
    """Counts what a browser would make of a page."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(name for name, _ in attrs)))


def rendered(document, folder):
    return page.write(document, folder).read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    """A report's folder with the document of a run that made nothing."""
    found = results_file.document(workbook("mini", store=Store(tmp_path / "store")))
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / page.NUMBERS).write_text(json.dumps(found), encoding="utf-8")
    return folder


def test_a_page_needs_its_folder_and_nothing_else(folder, monkeypatch):
    monkeypatch.setenv("MEDDEF_STORE", "/nowhere")
    (folder / "notebooks").mkdir()
    (folder / "notebooks/04_epsilon_sweep.chest_xray.html").write_text("a page")
    index = page.from_folder(folder)
    said = index.read_text(encoding="utf-8")
    assert index == folder / "index.html"
    assert [file.name for file in folder.iterdir() if file.suffix == ".part"] == []
    assert '<a href="notebooks/04_epsilon_sweep.chest_xray.html">04_epsilon_sweep.chest_xray</a>' in said
    assert "03_ablation.chest_xray: not executed in this state" in said
    assert "What was not run" in said
    assert "Not there yet: the records of" in said


def test_what_tables_hold_lies_beside_the_page_and_nothing_of_an_earlier_one(folder):
    (folder / page.TABLES).mkdir()
    (folder / page.TABLES / "earlier.csv").write_text("a\n")
    (folder / page.TABLES / "mine.txt").write_text("the reader's own")
    said = page.from_folder(folder).read_text(encoding="utf-8")
    files = {file.name for file in (folder / page.TABLES).iterdir()}
    assert {"mine.txt", "claims.csv", "claims.tex", "paper-audit.csv"} <= files
    assert "earlier.csv" not in files
    linked = set(re.findall(r'href="tables/([^"]+)" download', said))
    assert linked == files - {"mine.txt"}
    assert (folder / page.TABLES / "claims.csv").read_text(encoding="utf-8").startswith("id,section,text")


def test_the_first_screen_says_the_answer_and_what_it_rests_on(folder):
    said = page.from_folder(folder).read_text(encoding="utf-8")
    assert "This test run on made-up images shows that the workbook runs" in " ".join(said.split())
    assert said.count('<li><span class="status') >= 5
    for target in re.findall(r'<li><span class="status[^>]*>[^<]*</span> <a href="#([^"]+)"', said):
        assert f'id="{target}"' in said, target


def test_the_images_of_a_run_are_counted_once(folder):
    found = json.loads((folder / page.NUMBERS).read_text(encoding="utf-8"))
    counts = {split: {"NORMAL": 8, "PNEUMONIA": 2} for split in ("train", "val", "test")}
    prepared = {"version": "no known release: train 5090, val 0, test 624", "image_size": 32}
    prepared |= {"counts": counts, "splits": dict.fromkeys(counts, 10)}
    found["data"]["chest_xray"]["prepared"] = prepared
    said = rendered(found, folder)
    assert "10 train, 10 val, 10 test images (no known release)" in said
    assert "5090" not in said, "those of the folder stand in the audit and the data card"


def test_a_run_that_has_decided_nothing_speaks_of_the_papers_own_tables(folder):
    found = json.loads((folder / page.NUMBERS).read_text(encoding="utf-8"))
    holds = found["counts"]["claims_in_paper"]["holds"]
    found["phantom"] = False
    none = dict.fromkeys(found["counts"]["claims_in_paper"], 0)
    found["counts"]["claims"] = none | {"not_testable": len(found["claims"])}
    said = " ".join(rendered(found, folder).split())
    assert f"decided none of the claims; by the paper's own tables {holds} claims hold, " in said
    for claim in found["claims"][:2]:
        claim["verdict"] = "holds"
    found["counts"]["claims"] = none | {"holds": 2, "not_testable": len(found["claims"]) - 2}
    assert "In this run, of 1 seed, 2 claims hold, 0 do not" in " ".join(rendered(found, folder).split())


def test_a_section_with_nothing_to_show_is_no_heading(folder, monkeypatch):
    empty, full = (
        Section(number="", title=title, order=1, draw=lambda view, of=blocks: of)
        for title, blocks in (("Of nothing", []), ("Of something", [Prose("<p>There.</p>")]))
    )
    monkeypatch.setattr(page.layout, "every", lambda: [empty, full])
    found = json.loads((folder / page.NUMBERS).read_text(encoding="utf-8"))
    said = rendered(found, folder)
    assert "Of something" in said
    assert "Of nothing" not in said


def test_what_failed_is_told_from_the_document(folder):
    found = json.loads((folder / page.NUMBERS).read_text(encoding="utf-8"))
    failure = {"id": "train/a", "state": "failed", "text": "no memory", "log": "", "traceback": ""}
    found["run"]["failures"] = [failure]
    assert "<strong>train/a</strong> (failed): no memory" in rendered(found, folder)


def test_what_others_call_things_is_text_on_the_page(tmp_path):
    """Titles, and what failed in which words: neither an element nor a hidden character comes of them."""
    said = json.dumps(HOSTILE)
    book = workbook("mini", overrides=[f"title={said}", f"chest_xray.title={said}"], store=Store(tmp_path))
    found = results_file.document(book)
    failure = {"id": HOSTILE, "state": "failed", "text": HOSTILE, "log": HOSTILE, "traceback": HOSTILE}
    found["run"]["failures"] = [failure]
    drawn = rendered(found, tmp_path)
    elements = Elements(drawn).found
    assert [tag for tag, _ in elements].count("script") == 1, "our own"
    assert not any("onerror" in names for _, names in elements)
    assert drawn.count("alert(1)") > 10, "shown at all"
    assert drawn.count("\\u001b[31m\\u202e") >= drawn.count("&lt;script&gt;alert(1)")
    assert not {"\x1b", "\u202e"} & set(drawn)


def deep(file):
    file.write_text('{"a":' * 100_000)


def huge(file):
    with file.open("wb") as stream:
        stream.truncate(2**40)


@pytest.mark.parametrize(
    "make",
    [
        lambda file: None,
        lambda file: file.write_text("{"),
        lambda file: file.write_bytes(b"\xff"),
        lambda file: file.write_text("9" * 5000),
        lambda file: file.mkdir(),
        lambda file: file.symlink_to("/dev/zero"),
        lambda file: file.symlink_to(file),
        os.mkfifo,
        deep,
        huge,
    ],
    ids=["none", "cut", "latin", "digits", "folder", "endless", "circle", "pipe", "deep", "huge"],
)
def test_a_folder_without_a_document_is_refused_in_a_sentence(tmp_path, make):
    make(tmp_path / page.NUMBERS)
    with pytest.raises(page.NoDocument, match=r"has no results.json that can be read"):
        page.from_folder(tmp_path)


def test_a_document_that_does_not_fit_its_schema_is_refused(folder):
    found = json.loads((folder / page.NUMBERS).read_text(encoding="utf-8"))
    found["values"][0]["status"] = "agrees"
    (folder / page.NUMBERS).write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(page.NoDocument, match=r"values\[0\].status"):
        page.from_folder(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda found: found["claims"][3].update(id="mine"),
            r"\$\.claims\[3\]\.id is 'mine', of which it says nothing else; take it from where it came",
        ),
        (
            lambda found: found["names"]["datasets"].pop("chest_xray"),
            "something that its page is drawn from is not there",
        ),
        (lambda found: found["run"]["parameters"].pop("seeds"), "seeds"),
        (lambda found: found["run"]["parameters"].update(data=[]), "list"),
    ],
    ids=["claim", "name", "key", "type"],
)
def test_a_document_whose_parts_do_not_fit_one_another_is_refused(folder, change, said):
    found = json.loads((folder / page.NUMBERS).read_text(encoding="utf-8"))
    change(found)
    (folder / page.NUMBERS).write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(page.NoDocument, match=rf"results\.json was changed .*{said}"):
        page.from_folder(folder)
