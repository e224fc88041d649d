"""A notebook opened by hand: it computes what it needs, where that is no work of months."""

import gc

import pytest
from markupsafe import Markup

from meddef_lib import paths
from meddef_lib.app import runner, session
from meddef_lib.app.estimates import Estimate
from meddef_lib.app.session import NotComputed, Session
from meddef_lib.errors import UserError
from meddef_lib.params import ParamsError, overrides_from_text
from meddef_lib.report.elements import Prose
from meddef_lib.report.section import Section
from meddef_lib.report.view import View
from meddef_lib.workbook import notebooks
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.kinds import every_cell
from meddef_lib.workbook.stored import Stored


def test_on_a_cpu_a_notebook_begins_nothing_of_a_profile_that_is_meant_for_a_gpu(monkeypatch, capsys):
    begun = []
    monkeypatch.setattr(session, "resolve_device", lambda wanted: "cpu")
    monkeypatch.setattr(runner, "compute", lambda book, needs, **_: begun.extend(needs) or {})
    monkeypatch.setattr(session.estimates, "estimate", lambda *_: Estimate(total_seconds=90, workers=2))

    def start(overrides):
        session.start("01_preprocessing", "mini", "chest_xray", overrides)

    with pytest.raises(NotComputed, match="invoke reproduce --profile mini --yes") as refused:
        start('{"image_size": 64, "needs_yes_on_cpu": true}')
    assert begun == []
    assert capsys.readouterr().out == ""
    agreed = str(refused.value).rpartition("overrides = ")[2].strip("'")
    assert overrides_from_text(agreed) == {"image_size": 64, "needs_yes_on_cpu": False}
    start(agreed)
    said = capsys.readouterr().out
    assert "To be computed: 5 steps (1 phantoms, 1 prepared, 1 examined, 1 audit, 1 stepwise)." in said
    assert "about 2 min with 2 workers" in said
    cells = every_cell(workbook("mini", overrides=["image_size=64"]))
    assert [recipe.key for recipe in begun] == [cells[recipe.id].key for recipe in begun]


def test_a_wrong_parameter_of_a_notebook_is_told_where_to_mend_it():
    with pytest.raises(ParamsError, match=r"^overrides training\.epoch: training\.epoch is not"):
        session.start("01_preprocessing", "mini", "chest_xray", '{"training.epoch": 3}')
    with pytest.raises(ParamsError, match=r"^overrides roct\.mean: mean is 'grey'; expected"):
        session.start("01_preprocessing", "mini", "chest_xray", '{"roct.mean": "grey"}')
    with pytest.raises(ParamsError, match=r"^overrides : '' has an empty name"):
        session.start("01_preprocessing", "mini", "chest_xray", '{"": 3}')
    with pytest.raises(ParamsError, match=r"overrides is .*; expected a JSON object"):
        session.start("01_preprocessing", "mini", "chest_xray", "training.epochs=3")


def test_what_is_there_is_shown_whatever_the_profile_is_meant_for(monkeypatch):
    monkeypatch.setattr(session, "resolve_device", lambda wanted: "cpu")
    monkeypatch.setattr(runner, "compute", lambda *_, **__: {})
    monkeypatch.setattr("meddef_lib.engine.store.Store.has", lambda *_: True)
    started = session.start("04_epsilon_sweep", "mini", "chest_xray", '{"needs_yes_on_cpu": true}')
    assert started.dataset == "chest_xray"
    folder = started.view.folder
    assert folder.is_dir()
    del started
    gc.collect()
    assert not folder.exists(), "its pictures go with it"


@pytest.fixture
def started():
    document = {"phantom": False, "paper_audit": [], "curves": [{"eps": 0.01}, {"eps": 0.05}]}
    (notebook,) = notebooks.chosen(["04"])
    return Session(Stored(workbook("mini")), "roct", View(document), notebook)


def test_a_section_is_shown_by_its_number_or_title(started, monkeypatch):
    blocks = [Prose(Markup("<p>first</p>")), Prose(Markup("<p>second</p>"))]
    sections = [
        Section(number="4.1, 4.4", title="Compression", order=1, draw=lambda view: blocks),
        Section(number="", title="The ledger", order=2, draw=lambda view: blocks[:1]),
    ]
    monkeypatch.setattr(session.section, "every", lambda: sections)
    for name in ("4.1", "4.4"):
        page = started.show(name)._repr_html_()
        assert page.count('<div class="meddef"><style>') == 1, "the page's style, once for all its blocks"
        assert page.index("first") < page.index("second")
    assert "second" not in started.show("The ledger")._repr_html_()
    with pytest.raises(ValueError, match=r"no section '4\.5'; it has 4\.1, 4\.4, The ledger"):
        started.show("4.5")


def test_what_one_function_draws_is_of_the_data_set_of_the_notebook(started):
    shown = started.show(lambda view, dataset: Prose(Markup("<p>{}</p>").format(dataset)))
    assert "roct" in shown._repr_html_()


def test_a_part_of_the_document_is_a_table(started):
    assert started.rows("curves", eps=0.05).to_dict("records") == [{"eps": 0.05}]
    with pytest.raises(UserError, match=r"curves has no column 'esp'; known are eps \(did you mean eps\?\)"):
        started.rows("curves", esp=0.05)


def test_a_notebook_of_another_checkout_is_refused(monkeypatch, tmp_path):
    other = tmp_path / "other"
    (other / "meddef_lib/app").mkdir(parents=True)
    (other / "meddef_lib/app/session.py").touch()
    (other / "notebooks").mkdir()
    monkeypatch.chdir(other / "notebooks")
    with pytest.raises(UserError, match=f"this notebook lies in {other}, and the library .* {paths.ROOT};"):
        session.start("04_epsilon_sweep", "mini", "chest_xray")
    for own in (paths.NOTEBOOKS, tmp_path):
        session.require_own_library(own)


def test_what_a_reader_got_wrong_is_a_sentence_in_a_notebook_and_no_traceback():
    refused = UserError("there is no attack 'pdg'; known are pgd")
    assert refused._render_traceback_() == ["UserError: there is no attack 'pdg'; known are pgd"]


def test_the_notebooks_are_listed_in_order_from_what_they_say_of_themselves(started):
    table = started.notebooks()
    assert list(table.frame["Notebook"])[:2] == ["00_start_here", "00_paper_audit"]
    assert len(table.frame) == len(list(paths.NOTEBOOKS.glob("*.ipynb")))
    assert (table.frame["What it shows"].str.len() > 20).all()
    assert '<a href="04_epsilon_sweep.ipynb">' in table._repr_html_()


def test_the_claims_are_those_of_the_sections_of_the_notebook():
    def claim(number, section):
        own = {"verdict": "mixed", "tested": number, "missing": 0, "for": [], "trained_alike": []}
        return {"id": f"c{number}", "section": section, "text": f"text {number}", **own, "in_paper": own}

    claims = [claim(1, "4.3"), claim(2, "4.8"), claim(3, "4.3, Table 1"), claim(4, "Abstract")]
    tested_in = {"c1": "4.3", "c2": "4.8", "c3": "4.3", "c4": "4.3"}
    document = {"phantom": False, "claims": claims, "tested_in": tested_in}
    (notebook,) = notebooks.chosen(["04"])
    html = Session(Stored(workbook("mini")), "roct", View(document), notebook).claims()._repr_html_()
    places = [html.find(f"text {number}</li>") for number in (4, 3, 1)]
    assert -1 < places[0] < places[1] < places[2], "those of the most comparisons first"
    assert "text 2</li>" not in html
    assert 'href="#claim' not in html, "which only the page has"
