"""The assumptions: complete entries, read strictly."""

from pathlib import Path

import pytest

from meddef_lib.paper import assumptions
from meddef_lib.params import ParamsError

LEDGER = assumptions.read()


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
        assumptions.read(file)
