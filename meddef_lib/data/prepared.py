"""A prepared data set: no duplicates, split, decoded, through the steps of 3.1.2, stored as one array."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.data import duplicates, examine, splits
from meddef_lib.data.fill import Record, fill
from meddef_lib.data.sources.folders import require_every_class
from meddef_lib.data.sources.opening import check_unchanged, open_source
from meddef_lib.data.steps import prepare_file
from meddef_lib.engine.recipe import Workspace
from meddef_lib.params import LimitParams, PreprocessingParams

IMAGES = "images.npy"
INDEX = "index.parquet"
SUMMARY = "summary.json"
BLOCK = 2**23  # pixels read at once; float32 counts of a histogram are exact below 2^24

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
        return np.sort(splits.stratified_draw(images, limit, seed=seed).index.to_numpy(np.int64))


def load(folder: Path) -> Prepared:
    return Prepared(
        folder,
        np.load(folder / IMAGES, mmap_mode="r"),
        pd.read_parquet(folder / INDEX),
        json.loads((folder / SUMMARY).read_text(encoding="utf-8")),
    )


def make(space: Workspace) -> None:
    """Store maker: images.npy, index.parquet and summary.json, as `load` reads them.

    Settings: those of `opening.settings`, and split, split_seed, duplicates, limits, preprocessing,
    image_size. Input for duplicates other than "none": `examined`. Files that cannot be read are listed in
    the summary, with codes (`reasons.clause` words them). Raises DataError if a split is left without a
    class.
    """
    said = space.settings
    check_unchanged(said)
    source = open_source(space)
    listed = splits.apply(source.listing.images, source.dataset, rule=said["split"], seed=said["split_seed"])
    required = sorted({"test", *listed["split"]})
    require_every_class(listed, source.dataset, source.listing.folder, splits=required)
    images, removed = _without_duplicates(source.listing.images, said["duplicates"], space.inputs)
    images = splits.apply(images, source.dataset, rule=said["split"], seed=said["split_seed"])
    images = splits.limit(images, LimitParams.restored(said["limits"]), seed=said["split_seed"]).reset_index(
        drop=True
    )
    params = PreprocessingParams.restored(said["preprocessing"])
    filled = space.work / IMAGES
    records = fill(
        filled,
        list(images["path"]),
        partial(prepare_file, source.load, params, said["image_size"]),
        shape=(said["image_size"], said["image_size"]),
        processes=space.processes,
        progress=lambda done, total, text="": space.progress(done, total, "preparing images"),
    )
    check_unchanged(said)
    readable = np.array(["reason" not in record for record in records], dtype=bool)
    images = images.assign(sha256=images["path"].map(source.hashes(list(images["path"]))))
    index = _index(images[readable], [record for record in records if "reason" not in record])
    require_every_class(index, source.dataset, source.listing.folder, splits=required)
    _store_images(filled, np.flatnonzero(readable), space.folder / IMAGES)
    index.to_parquet(space.folder / INDEX, index=False)
    array = np.load(space.folder / IMAGES, mmap_mode="r")
    mean, std = mean_and_std(array, np.flatnonzero(index["split"] == "train"))
    summary = {
        "dataset": source.dataset.id,
        "classes": list(source.dataset.classes),
        "image_size": said["image_size"],
        "source": said["source"],
        "listed": splits.listed(source.listing.images),
        "counts": splits.counts(index, source.dataset),
        "mean": mean,
        "std": std,
        "unreadable": list(source.listing.problems) + _with_reason(images["path"], records, "reason"),
        "converted": _with_reason(images["path"], records, "converted"),
        "removed_duplicates": removed,
    }
    (space.folder / SUMMARY).write_text(
        json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def mean_and_std(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> tuple[float | None, float | None]:
    """Mean and standard deviation of the pixels of these images in [0, 1]; None where there is none.

    From a histogram of whole numbers, so the result does not depend on how the images are read.
    """
    counts = np.zeros(256, np.int64)
    at_once = max(1, BLOCK // (images.shape[1] * images.shape[2]))
    for first in range(0, len(rows), at_once):
        block = images[rows[first : first + at_once]].reshape(-1, images.shape[2])
        counts += cv2.calcHist([block], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    if not counts.any():
        return None, None
    levels = np.arange(256) / 255
    mean = float(np.average(levels, weights=counts))
    return mean, float(np.sqrt(np.average((levels - mean) ** 2, weights=counts)))


def image_id(path: str) -> int:
    """The id of an image: the first 63 bits of its path's sha256 that fit a signed integer."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") & (2**63 - 1)


def _without_duplicates(
    images: pd.DataFrame, rule: str, inputs: Mapping[str, Path]
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    if rule == "none":
        return images, []
    dropped = duplicates.to_remove(examine.load(inputs[examine.INPUT]), near=rule == "near")
    removed = [{"path": path, "duplicate_of": kept} for path, kept in sorted(dropped.items())]
    return images[~images["path"].isin(list(dropped))], removed


def _index(images: pd.DataFrame, records: Sequence[Record]) -> pd.DataFrame:
    found = pd.DataFrame(records, index=images.index)[["width", "height", "mode"]]
    whole = images.join(found).assign(image_id=[image_id(path) for path in images["path"]])
    return whole[list(INDEX_COLUMNS)].reset_index(drop=True)


def _store_images(filled: Path, rows: NDArray[np.int64], file: Path) -> None:
    """Put these rows of the filled array into `file`; all of them without a copy, where the disk can link."""
    images = np.load(filled, mmap_mode="r")
    if len(rows) == len(images):
        try:
            os.link(filled, file)  # not a move: a kill right after it would lose all the work
        except OSError:
            shutil.copyfile(filled, file)
        return
    shape = (len(rows), *images.shape[1:])
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for row in rows:
            stream.write(images[row].data)


def _with_reason(paths: pd.Series, records: Sequence[Record], key: str) -> list[dict[str, Any]]:
    return [
        {"path": path, **record[key]} for path, record in zip(paths, records, strict=True) if record.get(key)
    ]
