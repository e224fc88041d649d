"""A data set of someone's own, with classes that nobody here thought of: one file and a folder."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from meddef_lib import params, paths
from meddef_lib.data import audit_report, image_audit, prepared
from meddef_lib.data.sources.folders import list_folder
from meddef_lib.errors import DataError
from meddef_lib.workbook.cells import audit as audit_cell
from meddef_lib.workbook.cells import prepared as prepared_cell
from tests.known import book_of

LUNG = r"""
title: "Lung CT"
classes: [benign, malignant, normal]
folders: [lung_ct]
split: patient_disjoint
batch_size: 8
mean: 0.3
std: 0.2
patients: '(?P<patient>case\d+)_\d+'
"""
COUNTS = {"benign": 14, "malignant": 10, "normal": 12}


@pytest.fixture
def lung(tmp_path: Path, monkeypatch) -> params.Dataset:
    """Parameters with one file more, and a data root with a folder of pictures of three classes."""
    own = tmp_path / "params"
    shutil.copytree(paths.PARAMS, own)
    (own / "datasets/lung_ct.yaml").write_text(LUNG, encoding="utf-8")
    monkeypatch.setattr(paths, "PARAMS", own)
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path / "data"))
    rng = np.random.default_rng(0)
    for label, (name, count) in enumerate(COUNTS.items()):
        folder = tmp_path / "data/lung_ct/train" / name
        folder.mkdir(parents=True)
        for number in range(count):  # two pictures a patient
            pixels = rng.integers(0, 256, (40, 50), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"case{100 * label + number // 2}_{number}.png")
    return params.read_dataset("lung_ct")


def test_it_is_known_and_read(lung):
    assert "lung_ct" in params.dataset_ids()
    assert (lung.doi, lung.medmnist, lung.phantoms, lung.releases) == (None, None, None, {})
    overridden = params.read_dataset("lung_ct", ["lung_ct.preprocessing.denoise=median"])
    assert overridden.preprocessing.denoise == "median"


def test_it_is_listed_prepared_and_audited(lung):
    listing = list_folder(paths.data_root(), lung)
    assert listing.images["class_name"].value_counts().to_dict() == COUNTS
    assert listing.images["patient"].nunique() == sum(COUNTS.values()) / 2

    profile = params.read_profile("sample", {"image_size": 32, "data.limits": {}})
    book = book_of(profile, lung)
    found = prepared.load(book.store.get(prepared_cell.recipe(book, "lung_ct")))
    assert found.images.shape == (36, 32, 32)
    assert found.classes == ["benign", "malignant", "normal"]
    assert found.index.groupby("patient")["split"].nunique().max() == 1
    assert {split: sum(of_class.values()) for split, of_class in found.summary["counts"].items()} == (
        found.index["split"].value_counts().to_dict()
    )

    summary = image_audit.load(book.store.get(audit_cell.recipe(book, "lung_ct"))).summary
    described = audit_report.describe(summary, lung, None, source="folders")
    assert described["published"] is None
    assert described["split_in_use"]["has_published_counts"] is False
    assert described["patients"] == {"name": 18}
    text = audit_report.as_text(described)
    assert text.startswith("Lung CT: 36 readable images (train 36, val 0, test 0)")
    assert "\nHere, with the split 'patient_disjoint': train" in text
    assert "The paper" not in text
    assert "the paper's" not in text


def test_what_it_has_not_is_said(lung, tmp_path):
    with pytest.raises(
        DataError, match=r"no made-up images of Lung CT; use its own with data\.source=folders"
    ):
        prepared_cell.recipe(book_of(params.read_profile("smoke"), lung), lung.id)
    with pytest.raises(DataError, match="Lung CT is not among MedMNIST's data sets"):
        prepared_cell.recipe(
            book_of(params.read_profile("sample", {"data.source": "medmnist"}), lung), lung.id
        )
    shutil.rmtree(tmp_path / "data/lung_ct")
    with pytest.raises(DataError, match=r"Put the images of Lung CT under .*lung_ct/train/benign\."):
        prepared_cell.recipe(book_of(params.read_profile("sample"), lung), lung.id)
