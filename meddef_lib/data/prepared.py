"""Read a prepared data set: pictures, index and summary."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.data.splits import stratified_draw

IMAGES = "images.npy"
INDEX = "index.parquet"
SUMMARY = "summary.json"

INDEX_COLUMNS = (
    "image_id",  # int64, from the path: the same image has the same id whatever else is prepared with it
    "path",
    "sha256",  # of the file
    "split",
    "label",
    "class_name",
    "patient",
    "width",  # of the file's picture, upright
    "height",
    "mode",
)


@dataclass(frozen=True)
class Prepared:
    """A prepared data set.

    `images` is uint8 (n, s, s), memory-mapped; row i of `index` is about image i; `summary` is summary.json.
    """

    folder: Path
    images: NDArray[np.uint8]
    index: pd.DataFrame
    summary: dict[str, Any]

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The class of each image, (n,), as positions in `classes`."""
        return self.index["label"].to_numpy(np.int64)

    @property
    def classes(self) -> list[str]:
        """Names of the classes in the paper's order."""
        return list(self.summary["classes"])

    def subset(self, split: str, limit: int | None = None, seed: int = 0) -> NDArray[np.int64]:
        """Rows of a split, ascending; with a limit at most so many, drawn by class from `seed`."""
        images = self.index[self.index["split"] == split]
        return np.sort(stratified_draw(images, limit, seed=seed).index.to_numpy(np.int64))


def load(folder: Path) -> Prepared:
    """Read the folder of a prepared data set. Raises ValueError if its parts do not fit together."""
    images = np.load(folder / IMAGES, mmap_mode="r")
    index = pd.read_parquet(folder / INDEX)
    summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    if len(images) != len(index):
        raise ValueError(
            f"{folder} holds {len(images):,} images and an index of {len(index):,}; make it anew"
        )
    return Prepared(folder, images, index, summary)
