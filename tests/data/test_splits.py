"""Splits: the paper's own counts, patients apart, the same draw whatever the order of the listing."""

import numpy as np
import pandas as pd
import pytest

from meddef_lib.data import splits
from meddef_lib.data.patients import naming
from meddef_lib.data.sources.folders import list_folder
from meddef_lib.errors import DataError
from meddef_lib.paper import published
from meddef_lib.params import LimitParams, read_dataset

ROCT = read_dataset("roct")
CHEST = read_dataset("chest_xray")
PRINTED = published.read().datasets


def listing(dataset, rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Rows of split, class and file name as `list_folder` gives them."""
    images = pd.DataFrame(rows, columns=["split", "class_name", "name"])
    images["path"] = images["split"] + "/" + images["class_name"] + "/" + images.pop("name")
    images["label"] = images["class_name"].map(dataset.classes.index)
    images["patient"] = images["path"].map(naming("kermany").patient)
    return images.sort_values("path", ignore_index=True)


@pytest.fixture(scope="module")
def full_chest() -> pd.DataFrame:
    """As many files as the published archive, in Kaggle's folders, some with several films of a patient."""
    rows = []
    for split, normal, pneumonia in [("train", 1341, 3875), ("val", 8, 8), ("test", 234, 390)]:
        for number in range(normal):
            series = "NORMAL2-IM" if number % 2 else "IM"
            rows.append((split, "NORMAL", f"{series}-{number // 2:04d}-{1 + number % 3:04d}.jpeg"))
        for number in range(pneumonia):
            kind = "virus" if number % 3 == 0 else "bacteria"
            rows.append((split, "PNEUMONIA", f"person{int(number**0.9)}_{kind}_{number}.jpeg"))
    return listing(CHEST, rows)


@pytest.fixture(scope="module")
def oct_patients() -> pd.DataFrame:
    """OCT scans of patients with one to sixty scans, some of them with two classes, in train and test."""
    rng = np.random.default_rng(3)
    rows = []
    for patient in range(300):
        classes = rng.choice(4, size=2 if patient % 10 == 0 else 1, replace=False, p=[0.4, 0.2, 0.1, 0.3])
        for scan in range(int(1 + rng.pareto(1.5) * 4) % 60 + len(classes)):
            name = ROCT.classes[classes[scan % len(classes)]]
            rows.append(("train" if patient < 250 else "test", name, f"{name}-{1000 + patient}-{scan}.jpeg"))
    return listing(ROCT, rows)


def as_printed(images: pd.DataFrame, dataset, **options) -> bool:
    printed = PRINTED[dataset.id].model_dump(mode="json")
    return splits.has_published_counts(splits.counts(images, dataset), printed, **options)


def patients_in_two_splits(images: pd.DataFrame) -> int:
    return int((images.groupby("patient")["split"].nunique() > 1).sum())


@pytest.mark.parametrize("seed", [0, 1, 17])
def test_the_papers_own_chest_split_has_exactly_its_counts(full_chest, seed):
    found = splits.apply(full_chest, CHEST, rule="pooled", seed=seed)
    assert splits.counts(found, CHEST) == {
        "train": {"NORMAL": 1108, "PNEUMONIA": 2991},
        "val": {"NORMAL": 237, "PNEUMONIA": 641},
        "test": {"NORMAL": 238, "PNEUMONIA": 641},
    }
    assert found["split"].value_counts().to_dict() == {"train": 4099, "val": 878, "test": 879}
    assert as_printed(found, CHEST)
    assert not as_printed(full_chest, CHEST)
    assert not as_printed(found[1:], CHEST)
    assert not as_printed(found, CHEST, source="phantoms")
    assert not splits.has_published_counts(splits.counts(found, CHEST), None)


def test_the_release_is_recognised_by_its_counts(full_chest):
    assert splits.data_version(splits.listed(full_chest), CHEST) == (
        "Kaggle (chest-xray-pneumonia): train 5,216, val 16, test 624"
    )
    assert (
        splits.data_version(splits.listed(full_chest[1:]), CHEST)
        == "no known release: train 5,216, val 16, test 623"
    )


def test_published_counts_of_roct():
    rows = [
        (split, name, f"{name}-1-{number}.jpeg")
        for split, count in [("train", 20_871), ("val", 8), ("test", 242)]
        for name in ROCT.classes
        for number in range(count)
    ]
    images = pd.DataFrame(rows, columns=["split", "class_name", "path"])
    assert (
        splits.data_version(splits.listed(images), ROCT)
        == "Kaggle (kermany2018): train 83,484, val 32, test 968"
    )
    assert as_printed(images, ROCT)
    swapped = images.assign(class_name=images["class_name"].mask(images["split"] == "test", "CNV"))
    assert not as_printed(swapped, ROCT)


@pytest.mark.parametrize("rule", ["published", "pooled", "patient_disjoint"])
def test_a_split_depends_on_seed_and_names_alone(oct_patients, rule):
    before = oct_patients.copy()
    first = splits.apply(oct_patients, ROCT, rule=rule, seed=5)
    shuffled = splits.apply(oct_patients.sample(frac=1, random_state=0), ROCT, rule=rule, seed=5)
    pd.testing.assert_frame_equal(first, shuffled)
    pd.testing.assert_frame_equal(oct_patients, before)
    pd.testing.assert_frame_equal(first.drop(columns="split"), oct_patients.drop(columns="split"))
    other = splits.apply(oct_patients, ROCT, rule=rule, seed=6)
    assert 0.02 < (first["split"] != other["split"]).mean() < 0.7


def test_a_missing_file_moves_hardly_any_other_of_a_pooled_draw(full_chest):
    whole = splits.apply(full_chest, CHEST, rule="pooled", seed=0).set_index("path")["split"]
    less = splits.apply(full_chest.drop(index=1000), CHEST, rule="pooled", seed=0).set_index("path")["split"]
    assert (whole[less.index] != less).sum() <= 2


@pytest.mark.parametrize("seed", [0, 1])
def test_a_patient_disjoint_split_keeps_patients_apart_and_shares_near(full_chest, oct_patients, seed):
    for images, dataset in [(full_chest, CHEST), (oct_patients, ROCT)]:
        assert patients_in_two_splits(splits.apply(images, dataset, rule="pooled", seed=seed)) > 10
        found = splits.apply(images, dataset, rule="patient_disjoint", seed=seed)
        assert patients_in_two_splits(found) == 0
        shares = pd.crosstab(found["split"], found["class_name"], normalize="columns")
        for split, share in splits.PAPER_SHARES.items():
            assert shares.loc[split].sub(share).abs().max() < 0.03, (split, dataset.id)


def test_without_a_val_folder_a_tenth_of_trains_patients_becomes_val(oct_patients):
    found = splits.apply(oct_patients, ROCT, rule="published", seed=0)
    was_train = oct_patients["split"] == "train"
    assert (found["split"][~was_train] == "test").all()
    assert set(found["split"][was_train]) == {"train", "val"}
    assert patients_in_two_splits(found[was_train]) == 0
    by_class = (found["split"] == "val")[was_train].groupby(found["class_name"][was_train]).mean()
    assert by_class.sub(0.1).abs().max() < 0.02


def test_a_published_val_is_kept_and_test_alone_stays_test(full_chest):
    pd.testing.assert_frame_equal(splits.apply(full_chest, CHEST, rule="published", seed=0), full_chest)
    only_test = full_chest[full_chest["split"] == "test"].reset_index(drop=True)
    pd.testing.assert_frame_equal(splits.apply(only_test, CHEST, rule="published", seed=0), only_test)


def test_every_image_may_test(full_chest):
    found = splits.apply(full_chest, CHEST, rule="all", seed=0)
    assert set(found["split"]) == {"test"}
    assert len(found) == len(full_chest)


def test_patients_cannot_be_kept_apart_where_no_file_names_them():
    images = listing(ROCT, [("train", "CNV", f"scan{number}.jpeg") for number in range(5)])
    with pytest.raises(DataError, match="split=patient_disjoint cannot keep patients apart"):
        splits.apply(images, ROCT, rule="patient_disjoint", seed=0)


def test_limits_keep_the_proportions_and_are_drawn_by_seed(full_chest):
    limits = LimitParams(train=100, test=10)
    found = splits.limit(full_chest, limits, seed=0)
    assert splits.counts(found, CHEST) == {
        "train": {"NORMAL": 26, "PNEUMONIA": 74},
        "val": {"NORMAL": 8, "PNEUMONIA": 8},
        "test": {"NORMAL": 4, "PNEUMONIA": 6},
    }
    assert found["path"].is_monotonic_increasing
    pd.testing.assert_frame_equal(
        found, splits.limit(full_chest.sample(frac=1, random_state=1), limits, seed=0)
    )
    assert set(found["path"]) != set(splits.limit(full_chest, limits, seed=1)["path"])
    pd.testing.assert_frame_equal(splits.limit(full_chest, LimitParams(), seed=0), full_chest)


def test_a_small_draw_keeps_a_rare_class():
    images = listing(
        ROCT,
        [("train", "NORMAL", f"NORMAL-{number}-1.jpeg") for number in range(997)]
        + [("train", name, f"{name}-1-1.jpeg") for name in ("CNV", "DME", "DRUSEN")],
    )
    for count in (4, 5, 10, 999):
        found = splits.stratified_draw(images, count, seed=0)
        assert len(found) == count
        assert found["class_name"].nunique() == 4
    assert len(splits.stratified_draw(images, 2, seed=0)) == 2
    assert len(splits.stratified_draw(images, 5000, seed=0)) == 1000


@pytest.mark.real
def test_the_real_chest_sample_apart_by_patient(real_data):
    images = list_folder(real_data, CHEST).images
    found = splits.apply(images, CHEST, rule="patient_disjoint", seed=0)
    assert patients_in_two_splits(found) == 0
    assert splits.counts(found, CHEST)["test"]["NORMAL"] == pytest.approx(0.15 * 1529, abs=3)
    assert (
        splits.data_version(splits.listed(images), CHEST) == "no known release: train 5,090, val 0, test 588"
    )
