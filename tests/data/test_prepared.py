"""Reading a prepared data set."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from meddef_lib.data import prepared
from meddef_lib.data.prepared import INDEX_COLUMNS


@pytest.fixture
def folder(tmp_path) -> Path:
    """Twelve images: eight to train on, four to test; a quarter is of class 0."""
    rows = 12
    np.save(tmp_path / "images.npy", np.arange(rows * 4, dtype=np.uint8).reshape(rows, 2, 2))
    labels = [0, 1, 1, 1] * 3
    index = {
        "image_id": np.arange(rows, dtype=np.int64) + 100,
        "path": [f"{row:02d}.jpeg" for row in range(rows)],
        "sha256": ["x"] * rows,
        "split": ["train", "train", "test"] * 4,
        "label": labels,
        "class_name": [("NORMAL", "PNEUMONIA")[label] for label in labels],
        "patient": [str(row) for row in range(rows)],
        "width": [2] * rows,
        "height": [2] * rows,
        "mode": ["L"] * rows,
    }
    pd.DataFrame(index)[list(INDEX_COLUMNS)].to_parquet(tmp_path / "index.parquet", index=False)
    (tmp_path / "summary.json").write_text(json.dumps({"classes": ["NORMAL", "PNEUMONIA"]}))
    return tmp_path


def test_rows_of_images_index_and_labels_belong_together(folder):
    found = prepared.load(folder)
    assert isinstance(found.images, np.memmap)
    assert found.images[3].tolist() == [[12, 13], [14, 15]]
    assert found.index.loc[3, "image_id"] == 103
    assert found.labels.tolist() == [0, 1, 1, 1] * 3
    assert found.labels.dtype == np.int64
    assert found.classes == ["NORMAL", "PNEUMONIA"]


def test_a_subset_is_the_rows_of_a_split(folder):
    found = prepared.load(folder)
    assert found.subset("test").tolist() == [2, 5, 8, 11]
    assert found.subset("val").tolist() == []
    assert found.subset("test", limit=100).tolist() == [2, 5, 8, 11]


def test_a_limited_subset_keeps_the_shares_of_the_classes_and_follows_its_seed(folder):
    found = prepared.load(folder)
    chosen = [tuple(found.subset("train", limit=4, seed=seed)) for seed in range(20)]
    for rows in chosen:
        assert list(rows) == sorted(rows)
        assert set(rows) <= set(found.subset("train"))
        assert sorted(found.labels[list(rows)]) == [0, 1, 1, 1]
    assert len(set(chosen)) > 1
    assert chosen[0] == tuple(found.subset("train", limit=4, seed=0))
