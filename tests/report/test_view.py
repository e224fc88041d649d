"""What sections of the report have in common: what they say is missing, and whose models they show."""

from dataclasses import replace

import pytest

from meddef_lib.models import blocks
from meddef_lib.report import page
from meddef_lib.report.elements import device_and_precision
from meddef_lib.report.sections import anatomy, training
from meddef_lib.report.view import View
from meddef_lib.results.parts.anatomy import MSF_SCALES, of_map
from meddef_lib.workbook import results_file
from meddef_lib.workbook.book import Workbook, workbook


@pytest.fixture(autouse=True)
def nothing_made(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDDEF_STORE", str(tmp_path))


def of_book(book: Workbook) -> View:
    return View(results_file.parts(book))


def test_a_network_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="mine/full"):
        of_book(workbook("mini")).model_title("mine/full")


def test_what_is_missing_names_the_command_that_makes_it():
    book = workbook("smoke", datasets=["roct"], overrides=["attacks.eps=[0.01, 0.05]"])
    said = str(of_book(book).missing("the audit").html)
    assert "Not there yet: the audit." in said
    # as a shell takes it, and as HTML shows it
    assert "invoke reproduce --profile smoke --dataset roct --set &#39;attacks.eps=[0.01, 0.05]&#39;" in said
    said = str(of_book(workbook("mini")).missing("it").html)
    assert "<code>invoke reproduce --profile mini</code>" in said


def test_what_a_finished_run_does_not_ask_for_is_not_promised():
    document = results_file.parts(workbook("mini"))
    there = [dict(cell) | {"state": "there"} for cell in document["cells"]]
    said = str(View(dict(document) | {"cells": there}).missing("the least budgets").html)
    assert said == "This run has all that its parameters ask for, but not this: the least budgets."


def test_what_given_weights_cannot_have_is_not_promised():
    book = replace(workbook("mini", datasets=["chest_xray"]), given="0" * 64, given_name="theirs.pt")
    view = of_book(book)
    for block in (view.missing("the audit"), training.schedule_figure(view, "chest_xray")):
        assert str(block.html).startswith("Not part of an evaluation of given weights")
    assert view.made("04_epsilon_sweep.roct", []).notebook == ""


def test_the_front_page_says_what_was_set():
    said = " ".join(str(block.html) for block in page.summary(of_book(workbook("mini"))))
    assert "Changed from" not in said
    book = workbook("mini", overrides=["training.epochs=2"])
    said = " ".join(str(block.html) for block in page.summary(of_book(book)))
    assert "Changed from the profile's parameters: <code>training.epochs=2</code>" in said


def test_a_caption_names_the_seed_only_where_there_are_several():
    assert of_book(workbook("mini")).first_seed == ""
    assert of_book(workbook("mini", overrides=["seeds=[3, 4]"])).first_seed == ", seed 3"


@pytest.mark.parametrize(
    ("size", "side", "words"),
    [
        (64, 2, ["2 × 2 positions", "the pools of MSF to 4 and 8 only enlarge it", "sees 4 positions"]),
        (224, 7, ["7 × 7 positions", "MSF to 8 only", "sees 49 positions"]),
        (256, 8, ["8 × 8 positions; self-attention sees 64 positions"]),
    ],
)
def test_the_report_says_what_the_size_of_the_images_leaves(size, side, words, view_of):
    built = {"dataset": "chest_xray", "image_size": size, **of_map(size)}
    assert built["map_side"] == side
    said = str(anatomy.map_size(view_of(anatomy=[built]), "chest_xray").html)
    for word in words:
        assert word in said


def test_the_scales_of_msf_are_those_of_the_network():
    assert blocks.MSF.scales == MSF_SCALES


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ({"device": "cpu", "precision": "bfloat16"}, "cpu, bfloat16"),
        ({"device": "cuda", "precision": ""}, "cuda"),
    ],
)
def test_a_cell_says_its_device_and_precision(cell, said):
    assert device_and_precision(cell) == said


def test_a_picture_lies_beside_the_document_and_is_embedded(tmp_path):
    view = View({}, tmp_path)
    assert view.source("samples-roct") is None
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/samples-roct.webp").write_bytes(b"webp")
    assert view.source("samples-roct") == "data:image/webp;base64,d2VicA=="
    assert view.source("samples-chest_xray") is None


def test_a_figure_names_the_cells_that_are_there(view_of):
    model = {"id": "roct/full/clean/seed=0", "dataset": "roct", "main": True}
    there = {"id": f"attack/{model['id']}/pgd", "kind": "attack", "model": model["id"], "attack": "pgd"}
    made = {"key": "k", "state": "there", "seconds": 2.0, "device": "cpu", "precision": "", "commit": "c"}
    missing = {**there, "id": f"attack/{model['id']}/bim", "attack": "bim"}
    audit = {**there, "id": "audit/roct", "kind": "audit", "model": "", "attack": ""}
    cells = [{**there, **made, "settings": {"a": 1}}, {**missing, "state": "missing"}]
    view = view_of(cells=[*cells, {**audit, "state": "missing"}], models=[model])
    ids = view.cells("roct", "attack", "prune", main=True)
    assert ids == [cell["id"] for cell in cells]
    assert view.cells("roct", "attack", attacks=["bim"]) == [missing["id"]]
    assert view.cells("roct", "audit", "attack", main=False) == ["audit/roct"]
    assert view.cells("chest_xray", "audit", "attack") == []
    made_of = view.made("04_epsilon_sweep.roct", ids)
    assert made_of.notebook == "notebooks/04_epsilon_sweep.roct.html"
    assert [(cell["id"], cell["settings"]) for cell in made_of.cells] == [(there["id"], {"a": 1})]


@pytest.mark.parametrize(
    ("part", "columns"),
    [
        ("values", ["id", "published", "reproduced"]),
        ("readings", ["table", "training", "closest", "text"]),
        ("saliency", ["id", "images", "map_size"]),
        ("diagnostics", ["id", "rate_percent", "images", "unreliable"]),
    ],
)
def test_a_notebook_may_pick_columns_of_a_part_without_rows(view_of, part, columns):
    found = view_of("mini", **{part: []}).rows(part, dataset="hands")[columns]
    assert found.empty
    assert list(found.columns) == columns


def test_ids_are_shown_as_names():
    view = of_book(workbook("smoke"))
    assert view.words("table1/full/eps=0.05/fgsm") == "Table 1, MedDef (Full DAAM), epsilon 0.05, FGSM"
    assert view.words("table3/no_afd/rate=70/jsma") == "Table 3, MedDef w/o AFD, 70 % pruned, JSMA"
    assert view.words("per_class/roct/CNV/recall") == "Per class, Retinal OCT, CNV, recall"
    assert view.words("denominator/table4/no_afd_mfe") == "Denominator, Table 4, MedDef w/o AFD+MFE"
    assert view.words("rising_with_eps/table1") == "Rising with epsilon, Table 1"
    said = "roct, full, fgsm: accuracy above that of resnet18"
    assert view.titled(said) == "Retinal OCT, full, FGSM: accuracy above that of ResNet18"
