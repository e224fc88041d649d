"""What is tried in a notebook: the same numbers as the records, the same steps as the data set, sentences."""

import os

import cv2
import numpy as np
import pandas as pd
import pytest

from meddef_lib.app import trials
from meddef_lib.data.prepared import load
from meddef_lib.engine.store import Store
from meddef_lib.errors import UserError
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.cells import attack, prepared
from meddef_lib.workbook.stored import Stored
from tests.test_workbook import made_once

X_RAYS = "chest_xray"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The workbook of a whole mini run."""
    folder = made_once(tmp_path_factory, "mini", "--profile", "mini")
    return workbook("mini", store=Store(folder / "store"))


@pytest.fixture(scope="module")
def tried(book):
    return trials.Trials(Stored(book), X_RAYS)


@pytest.fixture(autouse=True)
def store(book, monkeypatch):
    monkeypatch.setenv("MEDDEF_STORE", str(book.store.root))


@pytest.mark.parametrize(("recipe", "rate"), [(attack.recipe, 0.0), (attack.pruned, 0.3)])
def test_what_is_tried_is_what_was_recorded(book, tried, recipe, rate):
    model = tried.model_of("full")
    stored = pd.read_parquet(book.store.folder(recipe(book, model, "bim")) / "records.parquet")
    stored = stored[np.isclose(stored["rate"], rate)].reset_index(drop=True)
    tried_on, found = tried.attacked("full", len(stored), "bim", 0.05, rate)
    assert tried_on == model
    numbers = ["image_id", "clean_confidence", "adv_confidence", "linf", "l2", "steps_used"]
    pd.testing.assert_frame_equal(found[numbers], stored[numbers])
    shown = tried.records("full", "bim", eps=0.05, rate=rate)
    pd.testing.assert_frame_equal(found, shown)
    assert set(shown["label"]) == set(book.datasets[X_RAYS].classes)


def test_other_images_and_budgets_are_attacked_and_nothing_is_stored(book, tried):
    before = sorted(book.store.root.rglob("receipt.json"))
    ids = tried.images("test")["image_id"].tolist()[:2]
    _, found = tried.attacked("resnet18", ids, "fgsm", 0.02, 0.0)
    assert found["image_id"].tolist() == ids
    assert found["linf"].max() <= 0.02 + 1e-6
    assert trials.right(found.assign(adv_pred=found["label"]), "adv_pred").startswith(
        "2 of n = 2 right, 100.0 % [34.2,"
    )
    assert sorted(book.store.root.rglob("receipt.json")) == before


def test_a_file_takes_the_steps_of_the_data_set(book, tried, tmp_path):
    images = tried.images("test")
    one = images.iloc[0]
    data = load(book.store.folder(prepared.recipe(book, X_RAYS)))
    (row,) = np.flatnonzero(data.index["image_id"] == one["image_id"])
    for image in (one["image_id"], one["file"]):
        np.testing.assert_array_equal(tried.picture(image).seen, data.images[row])
    assert (tried.picture(one["file"], clahe=True).seen != data.images[row]).any()
    recorded = tried.records("full", "pgd", eps=0.05, rate=0.0).set_index("image_id")
    said = tried.answered("full", one["file"])
    known = recorded.loc[one["image_id"]]
    assert said.probabilities[known["clean_pred"]] == pytest.approx(known["clean_confidence"], abs=1e-5)
    assert sum(said.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize(("shape", "ending"), [((40, 90, 3), "png"), ((7, 5), "jpg"), ((600, 30), "png")])
def test_an_image_of_ones_own_may_have_any_size_and_colours(tried, tmp_path, shape, ending):
    file = tmp_path / f"own.{ending}"
    assert cv2.imwrite(str(file), np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8))
    said = tried.answered("resnet18", file, grad_cam=ending == "jpg")
    assert said.picture.seen.shape == (32, 32)
    assert (said.grad_cam is not None) == (ending == "jpg")


def test_a_name_that_is_no_text_is_drawn_all_the_same(tried, tmp_path):
    file = tmp_path / os.fsdecode(b"\xff\n.png")
    file.write_bytes(cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes())
    name = tried.picture(file).name
    assert name == r"\udcff .png"
    name.encode()


def test_an_image_that_is_named_twice_counts_once_and_one_of_training_is_refused(tried):
    of_train = tried.images("train")["image_id"].tolist()[0]
    of_test = tried.images("test")["image_id"].tolist()[0]
    _, found = tried.attacked("full", [of_test, of_test], "fgsm", 0.02, 0.0)
    assert found["image_id"].tolist() == [of_test]
    with pytest.raises(UserError, match=f"the image {of_train} is of train; .* test images alone"):
        tried.attacked("full", [of_test, of_train], "fgsm", 0.02, 0.0)


def test_what_cannot_be_tried_is_refused_in_a_sentence(book, tried, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.png").write_text("words, words", encoding="utf-8")
    for call, words in (
        (
            lambda: tried.answered("full", "absent.png"),
            rf"{tmp_path}{os.sep}absent.png is not there",
        ),
        (lambda: tried.answered("full", "notes.png"), "notes.png is text, not an image"),
        (
            lambda: tried.answered("fulll", "notes.png"),
            "no network 'fulll'; .*did you mean full.*in full resnet18/clean",
        ),
        (
            lambda: tried.attacked("full", 4, "pdg", 0.05, 0),
            "no attack 'pdg'.*did you mean pgd",
        ),
        (lambda: tried.attacked(None, 4, "pgd", 0.05, 0), "no network None; known are"),
        (lambda: tried.attacked("full", 4, ["pgd"], 0.05, 0), r"no attack \['pgd'\]; known"),
        (lambda: tried.records("full", None, eps=0.05, rate=0.0), "no records of None at"),
        (lambda: tried.images(None), "no split None; known are"),
        (lambda: tried.attacked("full", 4, "jsma", 0.05, 0), "JSMA has no eps"),
        (lambda: tried.attacked("full", 4, "pgd", None, 0), "PGD needs an eps"),
        (lambda: tried.attacked("full", 4, "pgd", 1.5, 0), "eps is 1.5"),
        (lambda: tried.attacked("full", 4, "pgd", "0.05", 0), "eps is '0.05'"),
        (lambda: tried.records("full", "pgd", eps="0.05", rate=0.0), "eps is '0.05'"),
        (lambda: tried.records("full", "pgd", eps=0.05, rate=None), "pruning rate is None"),
        (lambda: tried.picture(None), "image is None; expected an id"),
        (lambda: tried.picture("a\0b.png"), "image is .*, which cannot be followed"),
        (lambda: tried.picture("~no such person/a.png"), "image is .*, which cannot be followed"),
        (lambda: tried.attacked("full", 4, "pgd", 0.05, 1), "pruning rate is 1"),
        (lambda: tried.attacked("full", 0, "pgd", 0.05, 0), "images is 0"),
        (
            lambda: tried.attacked("full", 2.5, "pgd", 0.05, 0),
            "images is 2.5; expected at least 1, or a list",
        ),
        (lambda: tried.attacked("full", True, "pgd", 0.05, 0), "images is True"),
        (lambda: tried.attacked("full", 4, "pgd", True, 0), "eps is True"),
        (lambda: tried.attacked("full", [True], "pgd", 0.05, 0), "no image has the id True"),
        (lambda: tried.picture(True), "image is True; expected an id"),
        (lambda: tried.attacked("full", [7], "pgd", 0.05, 0), "no image has the id 7"),
        (lambda: tried.images("tset"), "no split 'tset'.*did you mean test"),
        (
            lambda: tried.picture("notes.png", clah=True),
            "no step has clah; .*did you mean clahe",
        ),
        (lambda: tried.picture("notes.png", clahe_clip=-1), "clahe_clip is -1"),
        (
            lambda: tried.records("full", "pgd", eps=0.2, rate=0.0),
            "no records of 'pgd' at eps=0.2; this run has fgsm 0.05",
        ),
    ):
        with pytest.raises(UserError, match=words):
            call()
    empty = workbook("mini", store=Store(tmp_path / "empty"))
    with pytest.raises(UserError, match="has not been computed; `invoke reproduce --profile mini` makes it"):
        trials.Trials(Stored(empty), X_RAYS).answered("full", tried.images("test")["file"].iloc[0])
