"""Look once at every picture of a source: the pass that the audit and the removal of duplicates share."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.data import splits
from meddef_lib.data.fill import fill
from meddef_lib.data.looks import THUMBNAIL, look_at
from meddef_lib.data.sources.opening import check_unchanged, open_source
from meddef_lib.engine.recipe import Workspace

INPUT = "examined"  # the name by which other recipes ask for it
THUMBNAILS = "thumbnails.npy"
FILES = "files.parquet"
SUMMARY = "summary.json"

TEXT_COLUMNS = ("reason", "sha256", "pixels_sha256", "phash", "mode", "exif", "converted", "doubtful")
JSON_COLUMNS = ("reason", "exif", "converted", "doubtful")
NUMBER_COLUMNS = (
    "width", "height", "mean", "mean_square", "white",
    "border_top", "border_bottom", "border_left", "border_right",
)  # fmt: skip


@dataclass(frozen=True)
class Examined:
    """Every listed file, looked at.

    `files` has the columns of a listing, sha256, and what `looks.look_at` records; `reason` is None where the
    file could be read, and what pixels tell is None or NaN where it could not; reason, converted, doubtful
    and exif are JSON. `thumbnails` is uint8 (n, 32, 32), row i of file i. `summary` has listed (images in
    each split of the folders), problems (path, and a reason as a code) and clutter.
    """

    files: pd.DataFrame
    thumbnails: NDArray[np.uint8]
    summary: dict[str, Any]

    @property
    def readable(self) -> pd.DataFrame:
        """The rows of files that could be read; their index is the row of the thumbnail."""
        return self.files[self.files["reason"].isna()]


def make(space: Workspace) -> None:
    """Store maker: files.parquet, thumbnails.npy and summary.json; settings of `opening.settings`."""
    said = space.settings
    check_unchanged(said)
    source = open_source(space)
    hashes = source.hashes(list(source.listing.images["path"]))
    filled = space.work / THUMBNAILS
    records = fill(
        filled,
        list(source.listing.images["path"]),
        partial(look_at, source.load),
        shape=(THUMBNAIL, THUMBNAIL),
        processes=space.processes,
        progress=lambda done, total, text="": space.progress(done, total, "examining images"),
    )
    check_unchanged(said)
    found = pd.DataFrame(records).reindex(columns=[*TEXT_COLUMNS, *NUMBER_COLUMNS])
    found["sha256"] = source.listing.images["path"].map(hashes)
    for column in JSON_COLUMNS:
        found[column] = [json.dumps(value) if isinstance(value, dict) else None for value in found[column]]
    for column in TEXT_COLUMNS:
        found[column] = found[column].astype(object).where(found[column].notna(), None)
    pd.concat([source.listing.images, found], axis=1).to_parquet(space.folder / FILES, index=False)
    np.save(space.folder / THUMBNAILS, np.load(filled, mmap_mode="r"))
    summary = {
        "listed": splits.listed(source.listing.images),
        "problems": list(source.listing.problems),
        "clutter": list(source.listing.clutter),
    }
    (space.folder / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False), encoding="utf-8")


def load(folder: Path) -> Examined:
    """Read the folder that `make` wrote."""
    return Examined(
        pd.read_parquet(folder / FILES),
        np.load(folder / THUMBNAILS, mmap_mode="r"),
        json.loads((folder / SUMMARY).read_text(encoding="utf-8")),
    )
