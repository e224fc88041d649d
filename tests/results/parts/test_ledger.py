"""The ledger: real parameters, values of the run."""

import pytest

from meddef_lib import params
from meddef_lib.paper import assumptions, published
from meddef_lib.paper.assumptions import Assumption
from meddef_lib.results.parts import ledger
from tests.known import KNOWN

LEDGER = assumptions.read()
DATASETS = {name: params.read_dataset(name) for name in params.dataset_ids()}
PAPER = params.read_profile("paper", known=KNOWN)


@pytest.mark.parametrize("entry", LEDGER, ids=lambda entry: entry.id)
def test_every_entry_is_complete_and_its_parameter_exists(entry: Assumption) -> None:
    assert all((entry.topic, entry.we, entry.why, *(saying.where and saying.text for saying in entry.says)))
    if entry.parameter:
        ledger.value_of(entry.parameter, PAPER, DATASETS)


def test_a_setting_that_the_text_contradicts_twice_is_allowed_both_ways() -> None:
    facts = {fact.key: fact for fact in published.read().facts}
    assert {facts["model.dropout"].value, *facts["model.dropout"].also} == {0.2, 0.3}
    default = params.read_profile("paper", known=KNOWN).model.dropout
    assert default in (0.2, 0.3)


def test_rows_have_the_value_of_the_run() -> None:
    profile = params.read_profile(
        "paper", {"model.dropout": 0.2, "training.loss": "add", "eps_units": "standardised"}, known=KNOWN
    )
    rows = {row["id"]: row for row in ledger.rows(LEDGER, profile, DATASETS)}
    assert rows["dropout"]["value"] == 0.2
    assert rows["loss"]["value"] == "add"
    assert (rows["pixel_range"]["parameter"], rows["pixel_range"]["value"]) == ("eps_units", "standardised")
    assert rows["baseline_training"]["value"]["resnet18"] == ["clean", "paper"]
    assert rows["denoising"]["value"] == "median"
    assert rows["which_iterate"]["parameter"] is None
    assert rows["which_iterate"]["sensitivity"] is True
    assert rows["dropout"]["sensitivity"] is False


def test_a_data_set_outside_the_run_has_no_value() -> None:
    assert ledger.value_of("roct.preprocessing.denoise", PAPER, {}) is None


def test_a_parameter_that_does_not_exist_is_named() -> None:
    with pytest.raises(params.ParamsError, match=r"model\.drop, which does not exist"):
        ledger.value_of("model.drop", PAPER, DATASETS)
