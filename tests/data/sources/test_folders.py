"""Kermany's folders with all their clutter, and the sentences for a root that is none."""

import os
from pathlib import Path

import pandas as pd
import pytest

from meddef_lib.data.reasons import clause
from meddef_lib.data.sources import folders
from meddef_lib.data.sources.folders import list_folder
from meddef_lib.errors import DataError
from meddef_lib.params import read_dataset

ROCT = read_dataset("roct")
CHEST = read_dataset("chest_xray")


def make(folder: Path, *names: str) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return folder


def make_chest(folder: Path, *splits: str) -> Path:
    for split in splits or ("train", "test"):
        make(folder, f"{split}/NORMAL/IM-0001-0001.jpeg", f"{split}/PNEUMONIA/person1_virus_6.jpeg")
    return folder


def make_roct(folder: Path) -> Path:
    for split in ("train", "val", "test"):
        make(folder, *(f"{split}/{name}/{name}-{number}-1.jpeg" for number, name in enumerate(ROCT.classes)))
    return folder


def refused(root: Path | None, dataset) -> str:
    with pytest.raises(DataError) as error:
        list_folder(root, dataset)
    return str(error.value)


def test_columns_and_order(tmp_path):
    make(make_roct(tmp_path / "OCT2017"), "train/DME/DME-77-2.jpeg")
    listing = list_folder(tmp_path, ROCT)
    assert list(listing.images.columns) == list(folders.COLUMNS)
    assert list(listing.images["path"]) == sorted(listing.images["path"])
    row = listing.images.set_index("path").loc["train/DME/DME-77-2.jpeg"]
    assert row.to_dict() == {"split": "train", "class_name": "DME", "label": 1, "patient": "77"}
    assert listing.images["label"].dtype == "int64"
    assert listing.folder == tmp_path / "OCT2017"
    assert listing.problems == listing.clutter == ()


@pytest.mark.parametrize(
    "place",
    ["OCT2017", "OCT2017 ", "oct2017/OCT2017 ", "oct2017", "CellData/OCT", "ZhangLabData/CellData/OCT", "."],
)
def test_the_folder_is_found_wherever_the_archives_put_it(tmp_path, place):
    make_roct(tmp_path / place)
    listing = list_folder(tmp_path, ROCT)
    assert listing.folder.resolve() == (tmp_path / place).resolve()
    assert len(listing.images) == 12


def test_the_root_may_be_the_data_set_itself_under_any_name(tmp_path):
    make_chest(tmp_path / "films of full resolution", "test")
    assert len(list_folder(tmp_path / "films of full resolution", CHEST).images) == 2


def test_another_data_set_is_not_taken_for_this_one(tmp_path):
    make_chest(tmp_path / "chest_xray")
    assert "holds no folder OCT2017" in refused(tmp_path / "chest_xray", ROCT)
    assert "holds no folder OCT2017" in refused(tmp_path, ROCT)


def test_a_linked_data_set_is_followed(tmp_path):
    make_chest(tmp_path / "elsewhere" / "copy")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "chest_xray").symlink_to(tmp_path / "elsewhere" / "copy")
    listing = list_folder(tmp_path / "root", CHEST)
    assert len(listing.images) == 4
    assert listing.problems == ()


def test_class_and_split_folders_in_any_case(tmp_path):
    make(
        tmp_path,
        "chest_xray/Train/Normal/IM-0001-0001.JPEG",
        "chest_xray/TEST/pneumonia /person1_virus_6.jpg",
    )
    images = list_folder(tmp_path, CHEST).images
    assert images[["split", "class_name"]].to_numpy().tolist() == [["test", "PNEUMONIA"], ["train", "NORMAL"]]


def test_the_copy_inside_the_chest_archive_is_not_counted_twice(tmp_path):
    make_chest(tmp_path / "chest_xray", "train", "val", "test")
    make_chest(tmp_path / "chest_xray" / "chest_xray", "train", "val", "test")
    make(tmp_path / "chest_xray" / "__MACOSX", "chest_xray/train/NORMAL/._IM-0001-0001.jpeg")
    listing = list_folder(tmp_path, CHEST)
    assert listing.folder == tmp_path / "chest_xray"
    assert len(listing.images) == 6
    assert listing.clutter == ("__MACOSX", "chest_xray")


def test_the_fuller_of_two_copies_is_taken(tmp_path):
    make_chest(tmp_path / "chest_xray", "val")
    make_chest(tmp_path / "chest_xray" / "chest_xray", "train", "test")
    listing = list_folder(tmp_path, CHEST)
    assert listing.folder == tmp_path / "chest_xray" / "chest_xray"
    assert listing.clutter == ("..",)


def test_clutter_is_no_problem_and_other_files_are(tmp_path):
    data = make_chest(tmp_path / "chest_xray")
    make(
        data,
        ".DS_Store",
        "train/.DS_Store",
        "train/NORMAL/._IM-0001-0001.jpeg",
        "train/NORMAL/Thumbs.db",
        "notes.txt",
        "train/NORMAL/readme.txt",
        "train/NORMAL/more/IM-0002-0001.jpeg",
        "train/COVID/1.jpeg",
        "train/IM-0003-0001.jpeg",
    )
    listing = list_folder(tmp_path, CHEST)
    assert len(listing.images) == 4
    assert listing.clutter == (
        ".DS_Store",
        "notes.txt",
        "train/.DS_Store",
        "train/NORMAL/._IM-0001-0001.jpeg",
        "train/NORMAL/Thumbs.db",
    )
    reasons = {problem["path"]: clause(problem) for problem in listing.problems}
    assert reasons == {
        "train/COVID": "is a folder; only the folders NORMAL and PNEUMONIA are read here",
        "train/IM-0003-0001.jpeg": "is a file; only the folders NORMAL and PNEUMONIA are read here",
        "train/NORMAL/more": "is a folder of images (1), one too deep to be read; move them into the one "
        "above",
        "train/NORMAL/readme.txt": "is a file; only .jpeg, .jpg and .png files are read",
    }


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_a_split_goes_by_the_names_that_others_give_it(tmp_path, name):
    data = make_chest(tmp_path / "chest_xray", "train", "test")
    make(data, f"{name}/NORMAL/IM-0007-0001.jpeg")
    listing = list_folder(tmp_path, CHEST)
    assert list(listing.images.query("split == 'val'")["path"]) == [f"{name}/NORMAL/IM-0007-0001.jpeg"]
    assert listing.problems == listing.clutter == ()


def test_a_folder_of_images_that_is_left_out_is_named_as_a_problem(tmp_path):
    data = make_chest(tmp_path / "chest_xray")
    make(data, "holdout/NORMAL/a.jpeg", "holdout/b.png", "holdout/._b.png", "papers/read.pdf")
    listing = list_folder(tmp_path, CHEST)
    assert [(problem["path"], clause(problem)) for problem in listing.problems] == [
        ("holdout", "is a folder of images (2); only the folders train, val and test are read here")
    ]
    assert listing.clutter == ("papers",)


def test_images_one_folder_deeper_are_not_to_be_downloaded_again(tmp_path):
    make(tmp_path / "chest_xray", "test/NORMAL/a.jpeg", "test/PNEUMONIA/virus/b.jpeg", "test/PNEUMONIA/c.txt")
    text = refused(tmp_path, CHEST)
    deeper = tmp_path / "chest_xray/test/PNEUMONIA/virus"
    assert f"{deeper} holds 1 images: move them into the folder of their class" in text
    assert "download" not in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NORMAL/a.jpeg", "holds NORMAL, but in no folder train, val or test: put them into one"),
        ("chest_xray/PNEUMONIA/a.jpeg", "chest_xray holds PNEUMONIA, but in no folder train, val or test"),
        ("pneumoniamnist_64.npz", "pneumoniamnist_64.npz is there; use it with data.source=medmnist"),
        ("ChestXRay2017.zip", "ChestXRay2017.zip` unpacks it"),
    ],
)
def test_what_is_there_is_not_to_be_downloaded_again(tmp_path, name, words):
    text = refused(make(tmp_path, name), CHEST)
    assert words in text
    assert "download" not in text


def test_loops_and_other_traps_are_problems(tmp_path):
    data = make_chest(tmp_path / "chest_xray")
    normal = data / "train" / "NORMAL"
    (normal / "self.jpeg").symlink_to("self.jpeg")
    (normal / "dangling.jpeg").symlink_to("nowhere.jpeg")
    (normal / "linked.jpeg").symlink_to("IM-0001-0001.jpeg")
    (data / "train" / "again").symlink_to(data, target_is_directory=True)
    (data / "chest_xray").symlink_to(".", target_is_directory=True)
    (data / "val").symlink_to("val")
    os.mkfifo(normal / "pipe.jpeg")
    (normal / os.fsdecode(b"IM-\xff.jpeg")).touch()

    listing = list_folder(tmp_path, CHEST)
    assert "train/NORMAL/linked.jpeg" in set(listing.images["path"])
    assert len(listing.images) == 5
    assert "chest_xray" in listing.clutter
    reasons = {problem["path"]: clause(problem) for problem in listing.problems}
    assert reasons == {
        "train/again": "is a folder; only the folders NORMAL and PNEUMONIA are read here",
        "train/NORMAL/self.jpeg": "is a symbolic link to nothing",
        "val": "is a symbolic link to nothing",
        "train/NORMAL/dangling.jpeg": "is a symbolic link to nothing",
        "train/NORMAL/pipe.jpeg": "is a named pipe, a device or a socket, not a file",
        "train/NORMAL/IM-\\udcff.jpeg": "has a name that is not printable text; rename it",
    }


@pytest.mark.parametrize("dataset", [ROCT, CHEST], ids=lambda dataset: dataset.id)
def test_a_refused_root_says_what_to_download_and_where_to_put_it(tmp_path, dataset):
    (tmp_path / "file").touch()
    for root, complaint in [
        (None, "no data root is given; set MEDDEF_DATA or --data-root"),
        (tmp_path / "missing", f"the data root {tmp_path / 'missing'} does not exist"),
        (tmp_path / "file", "is not a folder"),
        (tmp_path, f"the data root {tmp_path} holds no folder {dataset.folders[0]}"),
    ]:
        text = refused(root, dataset)
        assert complaint in text
        assert dataset.archives[0] in text
        assert f"{dataset.folders[0]}/train/{dataset.classes[0]}" in text
        assert f"invoke fetch --dataset {dataset.id}" in text


def test_a_data_set_without_archives_says_where_its_images_go():
    own = CHEST.model_copy(update={"archives": (), "doi": None, "medmnist": None})
    assert folders.how_to_get(own, None) == (
        "Put the images of Chest X-ray (pneumonia) under DATA_ROOT, so that there is a folder "
        "DATA_ROOT/chest_xray/train/NORMAL."
    )


def test_a_class_without_images_is_refused(tmp_path):
    data = make_chest(tmp_path / "chest_xray")
    for split in ("train", "test"):
        (data / split / "PNEUMONIA" / "person1_virus_6.jpeg").rename(data / split / "PNEUMONIA" / "film.tiff")
    text = refused(tmp_path, CHEST)
    assert f"{data} has no readable image of PNEUMONIA" in text
    assert CHEST.archives[0] in text


def test_each_of_some_splits_can_be_required_to_hold_each_class(tmp_path):
    data = make(make_chest(tmp_path / "chest_xray", "train"), "test/NORMAL/IM-0009-0001.jpeg")
    images = list_folder(tmp_path, CHEST).images
    folders.require_every_class(images, CHEST, data, splits=("train",))
    with pytest.raises(DataError, match=r"the test split of .* has no readable image of PNEUMONIA"):
        folders.require_every_class(images, CHEST, data, splits=("train", "test"))
    with pytest.raises(DataError, match=r"the val split of .* has no readable image of NORMAL and PNEUMONIA"):
        folders.require_every_class(images, CHEST, data, splits=("val",))
    with pytest.raises(DataError, match="no readable image of NORMAL and PNEUMONIA"):
        folders.require_every_class(pd.DataFrame(columns=list(folders.COLUMNS)), CHEST, data)


def test_a_folder_that_may_not_be_listed_is_named(tmp_path, monkeypatch):
    data = make_chest(tmp_path / "chest_xray")
    scandir = os.scandir

    def forbidding(folder):
        if folder == data / "train":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(folders.os, "scandir", forbidding)
    assert f"{data / 'train'} cannot be listed: Permission denied" in refused(tmp_path, CHEST)


@pytest.mark.real
@pytest.mark.parametrize(
    ("dataset", "counts"),
    [
        (ROCT, {"train": [150] * 4, "test": [60] * 4}),
        (CHEST, {"train": [1310, 3780], "test": [219, 369]}),
    ],
    ids=["roct", "chest_xray"],
)
def test_the_real_sample(real_data, dataset, counts):
    listing = list_folder(real_data, dataset)
    found = listing.images.groupby(["split", "label"]).size()
    assert {split: found[split].tolist() for split in counts} == counts
    assert listing.problems == ()
