"""Measured numbers and the cells they come from, with a few records in the place of finished cells."""

from types import SimpleNamespace

import pandas as pd
import pytest

from meddef_lib.engine.store import Store
from meddef_lib.paper.addresses import Address
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.cells import audit, prepared, train
from meddef_lib.workbook.stored import Stored

SHAPES = {"head.weight": [2, 4], "head.bias": [3], "bn.running_mean": [9], "bn.num_batches_tracked": []}
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
        shapes={(name, variant): SHAPES for name in book.datasets for variant in book.profile.variants},
        attacked=pd.DataFrame(),
        pruned=pd.DataFrame(),
    )
    return collected


def test_the_size_of_a_network_comes_from_the_trainings_of_its_own_data_set(found):
    book = found.book
    for dataset in book.datasets:
        size = found.outcomes[Address(dataset=dataset, quantity="parameters", variant="full")]
        models = [model for model in book.models(dataset) if model.variant == "full"]
        assert len(models) == 2, "in two modes"
        assert size.value == 11 / 1e6, "running statistics are not trained"
        assert set(size.keys) == {train.recipe(book, model).key for model in models}


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
    assert outcome.alternatives == pytest.approx(
        {
            "balanced_accuracy": 100 * (1 + 2 / 3) / 2,
            f"trained_{other}": 75,
            f"trained_{other}_balanced_accuracy": 50,
        }
    )
