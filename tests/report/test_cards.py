"""The cards beside a page say what the document says, of phantoms and of real images."""

import json
import re

import pytest

from meddef_lib.engine.store import Store
from meddef_lib.report import cards
from meddef_lib.report.view import View
from meddef_lib.workbook import results_file
from meddef_lib.workbook.book import workbook

NETWORK = {"dataset": "chest_xray", "variant": "full"}


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    """The document of a run that made nothing."""
    store = Store(tmp_path_factory.mktemp("store"))
    return json.loads(json.dumps(results_file.document(workbook("mini", store=store))))


@pytest.fixture
def filled(nothing):
    """The same with a few measured numbers of one network and one audit."""
    found = json.loads(json.dumps(nothing))
    for row in found["curves"]:
        if row["variant"] == "full" and row["quantity"] == "accuracy":
            row |= {"ours": 41.25, "ci_low": 30.0, "ci_high": 53.5}
    id = "chest_xray/full/clean/seed=0"
    check = {"name": "losses", "status": "fail", "text": "The losses do not agree."}
    found["diagnostics"] = [{"id": id, "rate_percent": 0, "unreliable": True, "checks": [check]}]
    counts = {"train": {"NORMAL": 11, "PNEUMONIA": 22}}
    prepared = {"version": "a release", "image_size": 32, "counts": counts, "splits": {"train": 33}}
    patients = {"reading": "number", "one_patient_is": "person<k>", "patients": 7, "in_two_splits_in_use": 2}
    audit = {
        "files": {"images": 34, "clutter": 1},
        "problems": [{"path": "a.jpeg", "reason": "is cut off"}],
        "copies": [{"kind": "near", "groups": 3, "superfluous": 4, "across_splits": 1, "across_classes": 0}],
        "patients": [patients],
        "shortcuts": [
            {"shortcut": "size", "balanced_accuracy": 0.635, "low": 0.52, "high": 0.9, "chance": 0.5}
        ],
    }
    found["data"]["chest_xray"] = {"prepared": prepared, "audit": audit}
    return found


def test_the_model_card_has_the_measured_numbers_with_intervals(filled):
    said = cards.texts(View(filled))[cards.MODELS]
    of_full = said.partition("## Chest X-ray (pneumonia): MedDef")[2]
    assert "| PGD | 0.05 | 41.2\u00a0% (30.0 to 53.5) |" in of_full
    assert of_full.count("| JSMA | none |") == 1, "which has no epsilon"
    assert "The losses do not agree." in of_full
    assert "Not for clinical use" in said
    assert "made-up images (phantoms)" in said


def test_the_data_card_has_counts_patients_and_faults(filled):
    said = cards.texts(View(filled))[cards.DATA]
    assert "| train | 11 | 22 | 33 |" in said
    assert "a.jpeg is cut off" in said
    assert "3 groups, 4 files too many; 1 group across splits" in said
    assert "7, of whom 2 on two sides of the split in use" in said
    assert (
        "size alone: balanced accuracy 63.5\u00a0% (52.0\u00a0% to 90.0\u00a0%), by chance 50.0\u00a0%"
        in said
    )
    assert "person&lt;k>" in said, "a name is no markup"


def test_names_of_others_are_no_markdown(filled):
    hostile = "a\n# b ![c](http://d.example/e) | `f`"
    filled["data"]["chest_xray"]["audit"]["problems"][0]["path"] = hostile
    filled["run"]["overrides"] = {hostile: "x" * 400}
    made = cards.texts(View(filled))
    assert r"a # b !\[c\](http://d.example/e) \| \`f\` is cut off" in made[cards.DATA]
    assert "--set 'a # b ![c](http://d.example/e) | 'f'=\"x" in made[cards.MODELS]
    assert "x\"'`, commit" in made[cards.MODELS], "and nothing is cut"


def test_cards_of_real_images_do_not_speak_of_phantoms(filled):
    filled["phantom"] = False
    made = cards.texts(View(filled))
    assert not any("made up" in said or "made-up" in said.partition("\n")[2] for said in made.values())
    assert "- Source: doi:10.17632/rscbjbr9sj, licence CC BY 4.0" in made[cards.DATA]


def test_a_run_that_made_nothing_has_cards_that_say_so(nothing):
    made = cards.texts(View(nothing))
    assert "- Training: not there" in made[cards.MODELS]
    assert "- Accuracy: not measured" in made[cards.MODELS]
    assert "- Not prepared in this run" in made[cards.DATA]
    assert "not audited in this run" in made[cards.DATA]
    assert not any(re.search(r"\bNone\b|\{\{", said) for said in made.values())
