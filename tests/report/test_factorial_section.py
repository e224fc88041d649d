"""The section on architecture and training: a heat map, what it comes to, and a link from the claims."""

import pytest

from meddef_lib.paper.claims import read
from meddef_lib.report import section
from meddef_lib.report.elements import block_html
from meddef_lib.report.sections import claims, factorial

DATASET = "chest_xray"
PLACE = {"dataset": DATASET, "eps": 0.05, "n": 64}


def cell(variant, mode, accuracy, says_nothing=""):
    interval = {"ci_low": accuracy - 5, "ci_high": accuracy + 5, "clean_low": 85.5, "clean_high": 95.5}
    names = {"variant": variant, "mode": mode, "seed": 0, "says_nothing": says_nothing}
    return PLACE | names | interval | {"clean_accuracy": 90.5, "accuracy": accuracy, "balanced_accuracy": 7.0}


@pytest.fixture
def part():
    names = {"variant": "full", "other_variant": "resnet18_wide", "mode": "", "other_mode": ""}
    trainings = {"variant": "", "other_variant": "", "mode": "pgd", "other_mode": "clean"}
    measured = {"ci_low": -2.25, "ci_high": 9.5, "p": 0.001, "p_holm": 0.003}
    return {
        "cells": [
            cell("resnet18", "clean", 12.5),
            cell("full", "pgd", 45.5),
            cell("full", "paper", 75, "Collapsed: <one> answer."),
        ],
        "missing": [],
        "levels": [],
        "effects": [
            PLACE | names | measured | {"term": "architecture", "difference": -3.5},
            PLACE | trainings | measured | {"term": "training", "difference": 33.0, "eps": None},
        ],
        "sentences": [{"dataset": DATASET, "eps": 0.05, "text": "It <moves>."}],
        "sentence": "In all, it <moves>.",
    }


def test_each_network_and_training_is_a_cell_with_its_interval_under_the_pointer(view_of, part):
    figure = factorial.heat_map(view_of(factorial=part), DATASET)
    assert figure.picture.count(' title="') == 2 * 3, "clean and at one epsilon"
    assert "Worst case, epsilon 0.05: MedDef (Full DAAM), PGD training" in figure.picture
    assert "seed 0: 45.5\u00a0% [40.5,\u00a050.5], 64 images" in figure.picture
    alone = part | {"cells": [one | {"n": 1} for one in part["cells"]]}
    assert '[40.5,\u00a050.5], 1 image"' in factorial.heat_map(view_of(factorial=alone), DATASET).picture
    assert "Collapsed: &lt;one&gt; answer." in figure.picture
    assert "MedDef (Full DAAM), PGD training 46 %" in figure.alt
    assert len(figure.data) == 3
    assert figure.smoke


def test_every_effect_is_a_row_of_a_table(view_of, part):
    html = str(block_html(factorial.effects(view_of(factorial=part), DATASET)))
    assert "MedDef (Full DAAM) less Wide ResNet18" in html
    assert "PGD training less clean training" in html
    assert html.count("worst case, epsilon 0.05") >= 1
    for number in ("−3.5", "+33.0", "−2.2", "+9.5", "0.003"):
        assert number in html


def test_what_it_comes_to_is_said_as_the_document_says_it(view_of, part):
    view = view_of(factorial=part)
    blocks = factorial.SECTION.draw(view)
    assert "In all, it &lt;moves&gt;." in blocks[1].html
    assert "<li>It &lt;moves&gt;.</li>" in blocks[3].html
    assert "ResNet18, Wide ResNet18, MedDef (Full DAAM)" in blocks[0].html
    assert "paired over images" in blocks[0].html
    assert "over the seeds" in factorial.intro(view_of("mini", ["seeds=[0, 1]"], factorial=part)).html


def test_what_is_missing_is_said(view_of, part):
    view = view_of(factorial=part | {"cells": [], "effects": [], "sentences": []})
    assert "invoke reproduce" in factorial.heat_map(view, DATASET).html
    assert "no effect can be computed" in factorial.effects(view, DATASET).html


def test_claims_on_modules_and_the_ablation_lead_here_too(view_of):
    expected = {claim.id for claim in read() if claim.section.startswith(("3.3", "4.2"))}
    assert {claim.id for claim in read() if section.read_beside(claim.section)} == expected
    table = claims.draw(view_of("smoke"))[2]
    link = f'<a href="#{factorial.SECTION.anchor}">Architecture or training?</a>'
    assert sum(link in str(row[1]) for row in table.rows) == len(expected) > 10
    assert factorial.SECTION in section.every()
