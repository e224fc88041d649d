"""The ledger: complete entries, read strictly; real parameters, values of the run."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from meddef_lib import params
from meddef_lib.paper import published
from meddef_lib.params import ParamsError
from meddef_lib.results.parts import ledger
from meddef_lib.results.parts.ledger import Assumption
from tests.known import KNOWN

LEDGER = ledger.read()
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
    found = SimpleNamespace(profile=profile, datasets=DATASETS)
    rows = {row["id"]: row for row in ledger.rows(found)}
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
    with pytest.raises(ParamsError, match=r"model\.drop, which does not exist"):
        ledger.value_of("model.drop", PAPER, DATASETS)


def test_ids_are_unique() -> None:
    assert len({entry.id for entry in LEDGER}) == len(LEDGER) >= 30


def test_the_open_places_that_are_known_are_all_in_it() -> None:
    network = {"afd_order", "attention_on", "msf_scales", "attention_over", "head_inputs", "dropout"}
    network |= {"pretrained", "block_layers", "ablated_blocks"}
    training = {
        "baseline_training",
        "attacks_in_training",
        "exposure",
        "validation_exposure",
        "attacked_images",
    }
    training |= {"loss", "crafted_in", "third_phase_eps", "phase_lengths", "safety", "kept_epoch"}
    training |= {"augmentation", "seeds", "batch_size", "learning_rate"}
    data = {"data_version", "chest_split", "patients", "duplicates", "preprocessing_order", "min_max"}
    data |= {"denoising", "clahe_settings"}
    attacks = {"pixel_range", "step_size_per_eps", "pgd_start", "which_iterate", "jsma_kind", "jsma_target"}
    attacks |= {
        "jsma_eps",
        "success_rate",
        "pruned_eps",
        "pruning_scope",
        "pruned_training",
        "headline",
        "jsma_budget",
    }
    assert {entry.id for entry in LEDGER} >= network | training | data | attacks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "assumptions:\n  - {id: a, topic: t, says: [], we: w, why: y, fixed: f}\n",
            "assumptions.a.says is \\[\\]; expected at least 1",
        ),
        (
            "assumptions:\n  - {id: a, topic: t, says: [{where: x, text: y}], we: w, why: y}\n",
            "assumptions.a: .*either a parameter or a reason",
        ),
        ("assumptions: [", "not YAML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "assumptions.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError, match=message):
        ledger.read(file)
