"""What sections of the report have in common: what they say is missing, and whose models they show."""

from dataclasses import replace

import pytest

from meddef_lib.models import blocks
from meddef_lib.report.sections import front, learning
from meddef_lib.report.view import View, device_and_precision
from meddef_lib.workbook.book import Workbook, workbook
from meddef_lib.workbook.collected import Collected


@pytest.fixture(autouse=True)
def nothing_made(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDDEF_STORE", str(tmp_path))


def view_of(book: Workbook) -> View:
    return View(Collected(book))


def test_what_is_missing_names_the_command_that_makes_it():
    book = workbook("smoke", datasets=["roct"], overrides=["attacks.eps=[0.01, 0.05]"])
    said = str(view_of(book).missing("the audit").html)
    assert "Not there yet: the audit." in said
    # as a shell takes it, and as HTML shows it
    assert "invoke reproduce --profile smoke --dataset roct --set &#39;attacks.eps=[0.01, 0.05]&#39;" in said
    assert view_of(workbook("mini")).book.command == "invoke reproduce --profile mini"


def test_what_given_weights_cannot_have_is_not_promised():
    book = replace(workbook("mini", datasets=["chest_xray"]), given="0" * 64, given_name="theirs.pt")
    view = view_of(book)
    for block in (view.missing("the audit"), learning.schedule_figure(view)):
        assert str(block.html).startswith("Not part of an evaluation of given weights")
    assert view.made("04_epsilon_sweep.roct", []).notebook == ""


def test_the_front_page_says_what_was_set():
    said = " ".join(str(block.html) for block in front._scope(view_of(workbook("mini"))))
    assert "Changed from" not in said
    book = workbook("mini", overrides=["training.epochs=2"])
    said = " ".join(str(block.html) for block in front._scope(view_of(book)))
    assert "Changed from the profile's parameters: <code>training.epochs=2</code>" in said


def test_a_caption_names_the_seed_only_where_there_are_several():
    assert view_of(workbook("mini")).first_seed == ""
    assert view_of(workbook("mini", overrides=["seeds=[3, 4]"])).first_seed == ", seed 3"


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (64, ["2 × 2 positions", "the pools of MSF to 4 and 8 only enlarge it", "sees 4 positions"]),
        (224, ["7 × 7 positions", "MSF to 8 only", "sees 49 positions"]),
        (256, ["8 × 8 positions; self-attention sees 64 positions"]),
    ],
)
def test_the_report_says_what_the_size_of_the_images_leaves(size, words):
    said = str(learning.map_size(view_of(workbook("mini", overrides=[f"image_size={size}"]))).html)
    for word in words:
        assert word in said


def test_the_scales_of_msf_are_those_of_the_network():
    assert blocks.MSF.scales == learning.MSF_SCALES


@pytest.mark.parametrize(
    ("receipt", "said"),
    [
        ({"device": "cpu", "ran": {"precision": "bfloat16"}}, "cpu, bfloat16"),
        ({"device": "cuda", "ran": {}}, "cuda"),
        ({"device": "cpu"}, "cpu"),  # of a store from before makers told
    ],
)
def test_a_cell_says_its_device_and_precision(receipt, said):
    assert device_and_precision(receipt) == said
