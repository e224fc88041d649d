"""The audit finds what is planted among phantoms, and what is known of the published images."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from meddef_lib.data import audit_report, image_audit
from meddef_lib.data.image_audit import Audit
from meddef_lib.data.patients import naming
from meddef_lib.data.reasons import clause
from meddef_lib.engine.store import Store
from meddef_lib.errors import DataError
from meddef_lib.paper import published
from meddef_lib.params import read_dataset, read_profile
from meddef_lib.workbook.cells import audit as cell
from tests.known import book_of
from tests.phantom_patients import READINGS, image_paths, mixed

CHEST = read_dataset("chest_xray")
ROCT = read_dataset("roct")
PROFILE = read_profile("sample")


def described(summary: dict, dataset, source: str = "folders") -> dict:
    printed = published.read().datasets[dataset.id].model_dump(mode="json")
    return audit_report.describe(summary, dataset, printed, source=source)


def audited(dataset, profile=PROFILE) -> Audit:
    return image_audit.load(Store().get(cell.recipe(book_of(profile, dataset), dataset.id)))


@pytest.fixture(scope="module", params=["roct", "chest_xray"])
def found(request, drawn, tmp_path_factory):
    """The audit of each data set's phantoms, and what is planted in them."""
    root, planted = drawn[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDDEF_DATA", str(root))
        patch.setenv("MEDDEF_STORE", str(tmp_path_factory.mktemp("store")))
        return audited(read_dataset(request.param)), planted


def test_counts_are_those_of_the_readable_files(found):
    result, planted = found
    summary = result.summary
    readable = len(result.tables["files"]) - len(planted.truncated)
    assert summary["images"] == readable
    assert sum(sum(of_class.values()) for of_class in summary["counts"].values()) == readable
    assert sum(sum(of_class.values()) for of_class in summary["split_in_use"]["counts"].values()) == readable
    assert summary["modes"].keys() == {"L", "RGB"}
    assert sum(summary["modes"].values()) == readable


def test_the_planted_copies_are_found(found):
    result, planted = found
    table = result.tables["duplicates"]
    for kind, groups in (("bytes", planted.exact_duplicates), ("near", planted.near_duplicates)):
        seen = table[table["kind"] == kind].groupby("group")["path"].agg(sorted)
        assert sorted(seen) == sorted(sorted(group) for group in groups)
    assert result.summary["exact_duplicate_groups"] == len(planted.exact_duplicates)
    assert result.summary["exact_duplicate_files"] == sum(map(len, planted.exact_duplicates))
    across = sum(len({path.split("/")[0] for path in group}) > 1 for group in planted.exact_duplicates)
    assert result.summary["duplicates"]["bytes"]["across_splits"] == across > 0


def test_the_truncated_file_is_listed(found):
    result, planted = found
    assert [entry["path"] for entry in result.summary["unreadable"]] == planted.truncated
    assert clause(result.summary["unreadable"][0]).startswith("is cut off")


def test_patients_under_each_reading(found, drawn):
    result, planted = found
    summary = result.summary
    paths = image_paths(drawn[summary["dataset"]][0] / planted.folder)
    for reading in READINGS:
        assert summary["patients_across_splits"][reading] == len(mixed(paths, reading, 0)) > 0
    assert summary["patients_with_two_classes"]["number"] == len(mixed(paths, "number", 1))
    assert summary["patients"]["kind"] >= summary["patients"]["number"] >= summary["patients"]["strictest"]


def test_patients_that_another_reading_takes_for_two_are_counted(found):
    result = found[0]
    files = result.tables["files"]
    paths = files.loc[files["reason"].isna(), "path"]
    readings = naming("kermany").readings
    assert result.summary["ambiguous_patients"]["kind"] == 0
    for reading in ("number", "strictest"):
        kinds = paths.map(readings["kind"]).groupby(paths.map(readings[reading])).nunique()
        assert result.summary["ambiguous_patients"][reading] == (kinds > 1).sum() > 0


def test_images_of_medmnist_are_nobodys_twice(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in {"train": 40, "val": 12, "test": 12}.items():
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    arrays["test_images"][0] = arrays["train_images"][0]
    np.savez_compressed(tmp_path / "pneumoniamnist.npz", **arrays)
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path))
    profile = read_profile("sample", {"data.source": "medmnist", "image_size": 32})
    summary = audited(CHEST, profile).summary
    assert summary["counts"]["test"] == {"NORMAL": 6, "PNEUMONIA": 6}
    assert summary["names_without_patient"] == 64
    assert list(summary["patients"]) == ["number", "kind", "strictest"]
    for reading in summary["patients"]:
        assert summary["patients"][reading] == 64
        assert summary["patients_across_splits"][reading] == 0
        assert summary["patients_with_two_classes"][reading] == 0
    for kind in ("bytes", "pixels"):
        found = summary["duplicates"][kind]
        assert (found["files"], found["across_splits"], found["across_patients"]) == (2, 1, 1)


def test_pictures_of_copies_are_kept(found):
    result = found[0]
    shown = result.tables["duplicates"].query("picture >= 0")
    assert list(shown["picture"]) == list(range(len(result.pictures)))
    assert set(shown["kind"]) == {"bytes", "near"}
    for _, group in shown[shown["kind"] == "bytes"].groupby("group"):
        first, second = group["picture"].iloc[:2]
        np.testing.assert_array_equal(result.pictures[first], result.pictures[second])
        assert result.pictures[first].std() > 0


def test_the_text_names_what_was_found(found):
    result, planted = found
    text = audit_report.as_text(described(result.summary, read_dataset(result.summary["dataset"])))
    assert planted.truncated[0] in text
    assert f"Files with the same bytes: {len(planted.exact_duplicates)} groups" in text
    assert "one patient is one person<k>, IM-<k>" in text
    assert all(name.replace("_", " ") in text for name in result.summary["shortcuts"])


def test_statistics_by_hand():
    files = pd.DataFrame({"mean": [0.2, 0.4], "mean_square": [0.05, 0.25]})
    found = image_audit.statistics(files)
    assert found["mean"] == pytest.approx(0.3)
    assert found["std"] == pytest.approx((0.15 - 0.09) ** 0.5)
    assert found["mean_std"] == pytest.approx((0.1 + 0.3) / 2)


def test_the_report_prints_json_and_nothing_else(data_root, capsys):
    data_root("chest_xray")
    summary = described(audited(CHEST).summary, CHEST)
    audit_report.show(summary, as_json=True)
    assert json.loads(capsys.readouterr().out) == summary
    found = summary["statistics"]
    assert (found["published_mean"], found["published_std"]) == (0.48230693, 0.22157896)
    assert summary["published"]["total"] == 5856
    assert summary["published"]["duplicates"] == 24
    assert summary["split_in_use"]["has_published_counts"] is False
    assert summary["data_version"].startswith("no known release: train 4")
    names = (
        "exact_duplicate_groups",
        "exact_duplicate_files",
        "patients_across_splits",
        "unreadable",
        "converted",
    )
    assert set(names) | {"patients_with_two_classes", "counts", "shortcuts"} <= summary.keys()


def test_what_is_worth_a_look_is_told(data_root):
    root = data_root("chest_xray")
    file = next((root / "chest_xray/train/NORMAL").glob("*.jpeg"))
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    found = described(audited(CHEST).summary, CHEST)
    assert [entry["path"] for entry in found["doubtful"]] == [f"train/NORMAL/{file.name}"]
    assert "1 files are worth a look:" in audit_report.as_text(found)


def test_a_class_without_images_is_refused(data_root):
    root = data_root("roct")
    for file in root.glob("OCT2017/*/DME/*.jpeg"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="no readable image of DME"):
        audited(ROCT)


def test_files_of_a_test_folder_alone_can_be_audited(data_root):
    root = data_root("chest_xray")
    for split in ("train", "val"):
        (root / "chest_xray" / split).rename(root / f"without_{split}")
    counts = audited(CHEST).summary["counts"]
    assert sum(counts["test"].values()) > 0 == sum(counts["train"].values())


@pytest.mark.real
def test_the_published_chest_films(real_data, monkeypatch):
    if not (real_data / "chest_xray/test").is_dir():
        pytest.skip("no chest_xray under MEDDEF_DATA")
    summary = audited(CHEST).summary
    if summary["images"] != 5678:
        pytest.skip("another selection of the images")
    assert (summary["exact_duplicate_groups"], summary["exact_duplicate_files"]) == (29, 60)
    assert (
        summary["duplicates"]["bytes"]["across_splits"]
        == summary["duplicates"]["bytes"]["across_classes"]
        == 0
    )
    assert summary["duplicates"]["bytes"]["across_patients"] == 1
    assert summary["duplicates"]["near"]["groups"] == 0
    assert (summary["patients_across_splits"]["number"], summary["patients_across_splits"]["kind"]) == (
        161,
        0,
    )
    assert summary["modes"] == {"RGB": 5678}
    # the paper's standard deviation is the mean of the films' own
    assert summary["statistics"]["mean"] == pytest.approx(CHEST.mean, abs=1e-3)
    assert summary["statistics"]["mean_std"] == pytest.approx(CHEST.std, abs=1e-3)


@pytest.mark.real
def test_the_published_scans(real_data):
    if not (real_data / "OCT2017/test").is_dir():
        pytest.skip("no OCT2017 under MEDDEF_DATA")
    summary = audited(ROCT).summary
    if summary["images"] != 840:
        pytest.skip("another selection of the images")
    assert summary["patients_with_two_classes"]["number"] == 24
    assert summary["patients_across_splits"]["number"] == summary["exact_duplicate_groups"] == 0
    assert summary["sizes"]["common"]["1536x496"] == {"DME": 1}
    width = summary["shortcuts"]["size"]
    assert width["low"] > 0.3 > width["chance"]


@pytest.mark.real
def test_the_films_of_full_size(real_data, tmp_path: Path, monkeypatch):
    source = real_data / "chest_xray_fullres"
    if not source.is_dir():
        pytest.skip("no chest_xray_fullres under MEDDEF_DATA")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/chest_xray").symlink_to(source)
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path / "root"))
    summary = audited(CHEST).summary
    names = {Path(entry["path"]).stem for entry in summary["exif"]}
    assert names == {"person140_virus_285", "person21_virus_52", "person21_virus_53"}
    assert all(entry["tags"] for entry in summary["exif"])
    assert summary["counts"]["test"] == {"NORMAL": 21, "PNEUMONIA": 18}
