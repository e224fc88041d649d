"""Measured numbers and the cells they come from, with a few records in the place of finished cells."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from meddef_lib.engine.store import Store
from meddef_lib.paper import claims
from meddef_lib.paper.addresses import Address
from meddef_lib.results import evidence, measured
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.cells import audit, prepared, train
from meddef_lib.workbook.stored import Stored

CLEAN = Address(dataset="chest_xray", quantity="accuracy", variant="full")


@pytest.fixture
def found(tmp_path) -> Stored:
    """A smoke workbook with both data sets prepared and audited and every model there, but no records."""
    collected = Stored(workbook("smoke", store=Store(tmp_path)))
    book = collected.book
    summary = {"published_counts": False, "data_version": "phantoms", "mean": 0.5, "std": 0.2}
    counts = {"counts": {"test": {"NORMAL": 2, "PNEUMONIA": 2}}}
    repeated = {"exact_duplicate_files": 7, "exact_duplicate_groups": 3}
    vars(collected).update(
        data={name: SimpleNamespace(summary=summary | counts) for name in book.datasets},
        audits={name: SimpleNamespace(summary=repeated) for name in book.datasets},
        there=[(model, tmp_path) for name in book.datasets for model in book.models(name)],
        attacked=pd.DataFrame(),
        pruned=pd.DataFrame(),
    )
    return collected


def test_the_sizes_of_networks_are_the_papers_before_any_training_and_whatever_is_trained(found):
    """Smoke trains thin networks on phantoms; the printed counts are of the paper's, and can be compared."""
    book = found.book
    assert book.profile.model.width < 64
    for dataset in book.datasets:
        recipe = train.sizes(book, dataset)
        book.store.get(recipe)
        found.__dict__.pop("sizes", None)
        of_full = Address(dataset=dataset, quantity="parameters", variant="full")
        outcome = measured.of_run(found)[of_full]
        (printed,) = {value.value for value in found.paper.values.values() if value.address == of_full}
        assert round(outcome.value, 2) == printed
        assert (outcome.keys, outcome.phantom) == ((recipe.key,), False)


def test_duplicates_come_from_the_audit_and_other_counts_from_the_prepared_images(found):
    book = found.book
    duplicates = found.outcomes[Address(dataset="chest_xray", quantity="duplicates")]
    assert (duplicates.value, duplicates.keys) == (4, (audit.recipe(book, "chest_xray").key,))
    for where in ({"quantity": "images", "item": "test"}, {"quantity": "pixel_mean"}):
        of_images = found.outcomes[Address(dataset="chest_xray", **where)]
        assert of_images.keys == (prepared.recipe(book, "chest_xray").key,)


def test_the_other_training_of_a_variant_stands_beside_with_its_balanced_accuracy(found):
    main, other = found.book.modes("full")
    frames = [
        pd.DataFrame(
            {
                "image_id": [1, 2, 3, 4],
                "label": [0, 1, 1, 1],
                "clean_pred": answers,
                "adv_pred": 0,
                "mode": mode,
            }
        )
        for mode, answers in ((main, [0, 1, 1, 0]), (other, [1, 1, 1, 1]))
    ]
    of_model = {
        "dataset": "chest_xray",
        "variant": "full",
        "seed": 0,
        "attack": "pgd",
        "eps": 0.05,
        "key": "a",
    }
    vars(found)["attacked"] = pd.concat(frames, ignore_index=True).assign(**of_model)
    outcome = found.outcomes[CLEAN]
    assert outcome.value == 75
    assert (
        outcome.note
        == "trained_paper: Collapsed: PNEUMONIA for 100 % of the clean images; the number means nothing."
    )
    assert outcome.alternatives == pytest.approx(
        {
            "balanced_accuracy": 100 * (1 + 2 / 3) / 2,
            f"trained_{other}": 75,
            f"trained_{other}_balanced_accuracy": 50,
        }
    )


def guessing(found, chance):
    """Records of every network on 8 images of each data set; each answer is right with this chance."""
    rng = np.random.default_rng(0)
    frames = []
    for dataset, facts in found.datasets.items():
        classes = len(facts.classes)
        for model in found.book.models(dataset):
            for attack in ("fgsm", "pgd", "bim", "jsma"):
                for eps in (None,) if attack == "jsma" else (0.01, 0.05, 0.1):
                    labels = np.arange(8) % classes
                    answers = [
                        np.where(rng.random(8) < chance, labels, (labels + 1 + place) % classes)
                        for place in range(2)
                    ]
                    frame = {
                        "image_id": range(8),
                        "label": labels,
                        "clean_pred": answers[0],
                        "adv_pred": answers[1],
                    }
                    names = {
                        "dataset": dataset,
                        "variant": model.variant,
                        "mode": model.mode,
                        "seed": model.seed,
                    }
                    frames.append(pd.DataFrame(frame).assign(**names, attack=attack, eps=eps, key="k"))
    return pd.concat(frames, ignore_index=True)


def test_networks_that_have_not_learned_support_no_claim_and_refute_none(found):
    """A run of the paper's setting on 8 test images, one epoch and 24 training images decided 17 claims."""
    vars(found)["attacked"] = guessing(found, 0.3)
    of_networks = [
        one for address, one in found.outcomes.items() if address.variant and address.quantity == "accuracy"
    ]
    assert sum(bool(one.unlearned) for one in of_networks) > 0.9 * len(of_networks)
    for claim in claims.read():
        verdict = evidence.in_run(claim, found.outcomes, found.paper).verdict
        assert verdict.conclusion in ("undecided", "not_testable"), (claim.id, verdict.reason)


def test_a_pruned_network_is_judged_by_what_it_had_learned(found):
    """Pruning a good network to chance is a finding; pruning one that never learned is none."""
    good, pruned = guessing(found, 1.0), guessing(found, 0.3).assign(rate=0.8)
    vars(found).update(attacked=good, pruned=pruned)
    at_80 = Address(dataset="roct", quantity="accuracy", variant="full", rate_percent=80)
    assert found.outcomes[at_80].unlearned == ""


def test_a_network_pruned_from_one_that_never_learned_says_nothing(found):
    vars(found).update(attacked=guessing(found, 0.0), pruned=guessing(found, 1.0).assign(rate=0.8))
    at_80 = Address(dataset="roct", quantity="accuracy", variant="full", rate_percent=80)
    assert found.outcomes[at_80].unlearned.startswith("Not learned: balanced accuracy 0.0 %")
