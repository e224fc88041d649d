"""Recipes of data hold what the prepared pictures depend on, and nothing that they do not."""

import pytest

from meddef_lib.errors import DataError
from meddef_lib.params import read_dataset, read_profile
from meddef_lib.workbook.cells import audit, phantoms, prepared
from tests.known import book_of


@pytest.fixture(autouse=True)
def images(data_root):
    return data_root("roct")


def keys(**changed) -> dict[str, str]:
    """Key by kind of cell for the scans of the data root, with parameters changed."""
    overrides = {name.replace("__", "."): value for name, value in changed.items()}
    profile = read_profile("smoke", {"data.source": "folders", "image_size": 32} | overrides)
    dataset = read_dataset("roct", overrides)
    book = book_of(profile, dataset)
    audited = audit.recipe(book, "roct")
    made = {
        "examined": audited.inputs["examined"],
        "prepared": prepared.recipe(book, "roct"),
        "audit": audited,
    }
    return {kind: recipe.key for kind, recipe in made.items()}


def changed_by(**changed) -> set[str]:
    before, after = keys(), keys(**changed)
    return {kind for kind in before if before[kind] != after[kind]}


@pytest.mark.parametrize(
    "words",
    [
        {"roct__title": "Scans"},
        {"roct__doi": "10.1/2"},
        {"roct__archives": []},
        {"roct__releases": {}},
        {"roct__batch_size": 3},
        {"roct__mean": 0.5},
        {"roct__medmnist": None},
        {"roct__phantoms": None},
        {"data__phantoms": {"train": 10, "native_scale": 0.3}},
        {"chest_xray__preprocessing__clahe_clip": 3.0},
    ],
    ids=lambda words: next(iter(words)),
)
def test_what_changes_no_picture_changes_no_key(words):
    assert changed_by(**words) == set()


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ({"data__max_pixels": 10_000_000}, {"examined", "prepared", "audit"}),
        ({"roct__patients": "none"}, {"examined", "prepared", "audit"}),
        ({"data__split": "pooled"}, {"prepared", "audit"}),
        ({"data__split_seed": 1}, {"prepared", "audit"}),
        ({"data__limits": {"train": 8}}, {"prepared"}),
        ({"roct__preprocessing__median_size": 5}, {"prepared"}),
        ({"roct__preprocessing__clahe": False}, {"prepared"}),
        ({"roct__preprocessing__clahe_tiles": 4}, {"prepared"}),
        ({"image_size": 48}, {"prepared"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_changes_pictures_changes_the_keys_of_their_cells(settings, kinds):
    assert changed_by(**settings) == kinds


def test_a_setting_of_another_split_rule_or_of_a_step_that_is_off_does_not_count():
    off = {"roct__preprocessing__clahe": False}
    assert keys(**off, roct__preprocessing__clahe_clip=9) == keys(**off)


def test_what_was_left_out_counts_by_its_code_and_not_by_its_words(images, monkeypatch):
    from meddef_lib.data import reasons

    before = keys()
    (images / "OCT2017/train/CNV/notes.txt").write_text("text")
    after = keys()
    assert after != before
    monkeypatch.setattr(reasons, "CLAUSES", dict.fromkeys(reasons.CLAUSES, "other words"))
    assert keys() == after


def test_folders_are_those_of_the_file_which_makers_read(images):
    with pytest.raises(DataError, match=r"change them in params/datasets/roct\.yaml"):
        keys(roct__folders=["mine"])


def test_a_data_set_without_phantoms_says_so():
    dataset = read_dataset("roct", {"roct.phantoms": None})
    with pytest.raises(DataError, match=r"no made-up images of Retinal OCT .* data\.source=folders"):
        prepared.recipe(book_of(read_profile("smoke"), dataset), "roct")
    other = read_dataset("chest_xray", {"chest_xray.phantoms": "oct"})
    with pytest.raises(
        DataError, match=r"has the classes NORMAL, PNEUMONIA, and its phantoms \(oct\) show CNV"
    ):
        prepared.recipe(book_of(read_profile("smoke"), other), "chest_xray")


def test_phantoms_are_one_cell_whatever_stands_in_the_data_sets_file():
    profile = read_profile("smoke")
    one = prepared.recipe(book_of(profile, read_dataset("roct")), "roct").inputs["phantoms"]
    other = read_dataset("roct", {"roct.title": "x", "roct.mean": 0.5, "roct.patients": "none"})
    assert phantoms.recipe(book_of(profile, other), "roct").key == one.key
    larger = read_profile("smoke", {"data.phantoms.native_scale": 0.4})
    assert phantoms.recipe(book_of(larger, other), "roct").key != one.key
