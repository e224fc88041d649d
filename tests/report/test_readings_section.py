"""The section on readings: the closest is framed, and numbers stand under the pointer."""

import pytest

from meddef_lib.report.html_charts import Cell, heat_maps
from meddef_lib.report.sections import readings

DATASET = "chest_xray"


def row(training="tables", closest="descend", noise=2.5):
    values = [{"variant": "full", "position": 0.05, "printed": 98.83, "reproduced": 97.5}]
    numbers = {
        "agreement": 0.75,
        "ci_low": 0.5,
        "ci_high": 1.0,
        "distance": 1.33,
        "images": 48,
        "values": values,
    }
    return {
        "dataset": DATASET,
        "table": "table2",
        "name": "Table 2",
        "quantity": "accuracy",
        "attack": "pgd",
        "training": training,
        "text": "Closest: <this>.",
        "variants": ["full"],
        "positions": [0.05],
        "statements": 14,
        "closest": closest,
        "not_told_apart": ["noise"] if closest else [],
        "readings": [
            {"reading": name, "told_apart": name == "described", **numbers, "distance": distance}
            for name, distance in (("descend", 1.33), ("noise", noise), ("described", 1.33))
        ],
    }


def test_numbers_stand_under_the_pointer_and_in_the_table(view_of):
    view = view_of(readings=[row(), row("clean")])
    figure = readings.agreements(view, DATASET)
    assert figure.picture.count(' title="') == 3
    assert "paper 98.83, ours 97.50" in figure.picture
    assert "agreement 75\u00a0% [50,\u00a0100], 1.3 points away, 48 images" in figure.picture
    assert "Table 2, PGD (as in the tables): steps that lower the loss" in figure.alt
    assert len(figure.data) == 3
    both = readings.overview(view, DATASET)
    assert [cells[1] for cells in both.rows] == ["as in the tables", "clean training"]
    assert both.rows[0][3:] == [
        "steps that lower the loss",
        "75 % [50, 100], 1.3 points",
        "75 % [50, 100], 1.3 points",
        "uniform noise",
    ]
    others = readings.other_trainings(view, DATASET)
    assert others.picture.count(' title="') == 3
    assert others.caption != readings.agreements(view, DATASET).caption, "two regions are told apart by it"
    assert "&lt;this&gt;" in readings.sentences(view, DATASET).html


def test_one_image_is_one(view_of):
    alone = row()
    alone["readings"] = [one | {"images": 1} for one in alone["readings"]]
    assert ", 1 image, " in readings.agreements(view_of(readings=[alone]), DATASET).caption


def test_a_tie_has_no_winner(view_of):
    view = view_of(readings=[row(noise=1.33)])
    figure = readings.agreements(view, DATASET)
    assert "Table 2, PGD (as in the tables): steps that lower the loss = uniform noise." in figure.alt
    assert figure.picture.count('class="closest"') == 2, "and not the described one, which is told apart"
    (cells,) = readings.overview(view, DATASET).rows
    assert (cells[2], cells[-1]) == ("steps that lower the loss = uniform noise", "–")


def test_without_a_closest_one_none_is_framed_or_named(view_of):
    view = view_of(readings=[row(closest=None)])
    drawn = readings.agreements(view, DATASET)
    assert "none is named the closest" in drawn.alt
    assert "Framed" not in drawn.caption
    assert readings.overview(view, DATASET).rows[0][2:4] == ["–", "–"], "no column for the one training"
    assert "on no other training" in readings.other_trainings(view, DATASET).html


def test_what_is_missing_is_said(view_of):
    view = view_of(readings=[])
    assert "invoke reproduce" in readings.agreements(view, DATASET).html


def test_every_reading_and_tie_is_explained(view_of):
    said = str(readings.explanations(view_of()).html)
    assert "uniform noise = a random start without effective steps" in said
    assert said.count("<dt>") > 20


@pytest.mark.parametrize("frame", ["closest", "near", ""])
def test_a_cell_is_framed_by_what_it_is(frame):
    panels = {"panel": {"column": {"a": Cell(0.8, hover="said", frame=frame)}}}
    drawn = heat_maps(["a", "b"], panels, "alt", corner=("made", "printed"), smoke=())
    assert (f'class="{frame}"' in drawn) == bool(frame)
    assert ">80</td>" in drawn
    assert drawn.count("<tr>") == 2, "a row without cells is none"
    assert "made ↓ printed →" in drawn
