"""What a reader should know of a data set before believing a number made from it (MedDef, 3.1).

Counts, files that cannot be read, modes, sizes and EXIF, duplicates, patients on two sides of a split, pixel
statistics, shortcuts. As numbers and codes; `audit_report` has the words and the paper's numbers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.data import duplicates, examine, patients, shortcuts, splits
from meddef_lib.data.examine import Examined
from meddef_lib.data.patients import UNKNOWN
from meddef_lib.data.sources.folders import require_every_class
from meddef_lib.data.sources.opening import dataset_of, open_source
from meddef_lib.data.steps import pad_to_square
from meddef_lib.engine.recipe import Workspace
from meddef_lib.params import Dataset, SplitRule

AUDIT = "audit.json"
PICTURES = "pictures.npy"
TABLES = ("files", "duplicates")

MOST_SIZES = 12  # sizes listed one by one; of the original chest films nearly each has its own
SHOWN_GROUPS = 3  # groups of each kind of copies that are kept as pictures
SHOWN_COPIES = 3  # of each group
PICTURE = 160  # pixels a side


@dataclass(frozen=True)
class Audit:
    """A finished audit.

    `summary` is audit.json. `tables`:

    - files: a row a file, with all that `examine` saw of it
    - duplicates: a row a file of a group of copies: kind (bytes, pixels, near), group, path, split,
      class_name, patient, and picture: its row in `pictures`, -1 for most

    `pictures` is uint8 (k, 160, 160): some of the copies, to be looked at.
    """

    summary: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    pictures: NDArray[np.uint8]


def make(space: Workspace) -> None:
    """Store maker: audit.json, the tables as Parquet files and pictures.npy, as `load` reads them.

    Settings: those of `opening.settings`, dataset.patients, split and split_seed; input `examined`. Raises
    DataError if no image of some class can be read.
    """
    said = space.settings
    dataset = dataset_of(said)
    examined = examine.load(space.inputs[examine.INPUT])
    require_every_class(examined.readable, dataset, Path(dataset.folders[0]))
    summary, tables = audit(examined, dataset, rule=said["split"], seed=said["split_seed"])
    shown = tables["duplicates"].query("picture >= 0")
    pictures = np.zeros((len(shown), PICTURE, PICTURE), np.uint8)
    if len(shown):
        load_file = open_source(space).load
        for row, path in zip(shown["picture"], shown["path"], strict=True):
            pictures[row] = pad_to_square(load_file(path).grey, PICTURE)
    (space.folder / AUDIT).write_text(
        json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for name, table in tables.items():
        table.to_parquet(space.folder / f"{name}.parquet", index=False)
    np.save(space.folder / PICTURES, pictures)


def load(folder: Path) -> Audit:
    return Audit(
        json.loads((folder / AUDIT).read_text(encoding="utf-8")),
        {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES},
        np.load(folder / PICTURES),
    )


def audit(
    examined: Examined, dataset: Dataset, *, rule: SplitRule, seed: int
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """The summary and the tables: of the files as they lie, and of the split that `rule` makes of them."""
    files = examined.readable
    used = splits.apply(files, dataset, rule=rule, seed=seed)
    naming = patients.naming(dataset.patients)
    people = {name: files["path"].map(patient) for name, patient in naming.readings.items()}
    groups = {
        "bytes": duplicates.exact_groups(files, "sha256"),
        "pixels": duplicates.exact_groups(files, "pixels_sha256"),
        "near": duplicates.near_groups(examined),
    }
    described = {kind: duplicates.describe(files, found) for kind, found in groups.items()}
    across = duplicates.describe(used, duplicates.exact_groups(used, "sha256"))["across_splits"]
    summary = {
        "dataset": dataset.id,
        "classes": list(dataset.classes),
        "listed": examined.summary["listed"],
        "images": len(files),
        "counts": splits.counts(files, dataset),
        "unreadable": examined.summary["problems"] + _reasons(examined.files, "reason"),
        "converted": _reasons(examined.files, "converted"),
        "doubtful": _reasons(examined.files, "doubtful"),
        "clutter": examined.summary["clutter"],
        "modes": _counted(files["mode"]),
        "sizes": _sizes(files),
        "exif": [
            {"path": path, "tags": json.loads(tags)}
            for path, tags in files.loc[files["exif"].notna(), ["path", "exif"]].itertuples(index=False)
        ],
        "exact_duplicate_groups": described["bytes"]["groups"],
        "exact_duplicate_files": described["bytes"]["files"],
        "duplicates": described,
        "near_duplicate_rule": {
            "hash_bits": duplicates.NEAR_BITS,
            "correlation": duplicates.NEAR_CORRELATION,
        },
        "patients": {name: ids.nunique() for name, ids in people.items()},
        "ambiguous_patients": {name: _mixed(ids, people[naming.finest]) for name, ids in people.items()},
        "patients_across_splits": {name: _mixed(ids, files["split"]) for name, ids in people.items()},
        "patients_with_two_classes": {name: _mixed(ids, files["label"]) for name, ids in people.items()},
        "names_without_patient": int(files["patient"].str.startswith(UNKNOWN).sum()),
        "split_in_use": {
            "rule": rule,
            "seed": seed,
            "counts": splits.counts(used, dataset),
            "exact_duplicate_groups_across_splits": across,
            "patients_across_splits": {
                name: _mixed(used["path"].map(patient), used["split"])
                for name, patient in naming.readings.items()
            },
        },
        "statistics": statistics(files),
        "shortcuts": shortcuts.predictability(files),
    }
    tables = {
        "files": examined.files,
        "duplicates": _duplicate_table(files, groups),
    }
    return summary, tables


def statistics(files: pd.DataFrame) -> dict[str, float]:
    """Mean and standard deviation of the original pixels in [0, 1].

    Each image counts the same whatever its size, as it does after a resize; without any step of 3.1.2.
    `mean_std` is the mean of the single images' standard deviations, which some print as the standard
    deviation of a data set; it is smaller than `std`, as it leaves out how images differ in brightness.
    """
    mean = float(files["mean"].mean())
    return {
        "mean": mean,
        "std": float(np.sqrt(files["mean_square"].mean() - mean**2)),
        "mean_std": float(np.sqrt(files["mean_square"] - files["mean"] ** 2).mean()),
    }


def _reasons(files: pd.DataFrame, column: str) -> list[dict[str, Any]]:
    found = files.loc[files[column].notna(), ["path", column]]
    return [{"path": path, **json.loads(reason)} for path, reason in found.itertuples(index=False)]


def _counted(values: pd.Series) -> dict[str, int]:
    return {str(value): count for value, count in values.value_counts().items()}


def _sizes(files: pd.DataFrame) -> dict[str, Any]:
    """Least, median and greatest width and height, and the commonest sizes with their images by class."""
    names = files["width"].astype(int).astype(str) + "x" + files["height"].astype(int).astype(str)
    common = names.value_counts().index[:MOST_SIZES]
    return {
        "width": [float(value) for value in files["width"].quantile([0, 0.5, 1])],
        "height": [float(value) for value in files["height"].quantile([0, 0.5, 1])],
        "different": names.nunique(),
        "common": {size: _counted(files.loc[names == size, "class_name"]) for size in common},
    }


def _mixed(people: pd.Series, values: pd.Series) -> int:
    """How many patients have more than one of `values` among their images."""
    return int((values.groupby(people).nunique() > 1).sum())


def _duplicate_table(files: pd.DataFrame, groups: Mapping[str, Sequence[Sequence[int]]]) -> pd.DataFrame:
    rows = [
        {"kind": kind, "group": number, "place": place, "row": row}
        for kind, found in groups.items()
        for number, group in enumerate(found)
        for place, row in enumerate(group)
    ]
    table = pd.DataFrame(rows, columns=["kind", "group", "place", "row"])
    facts = files.loc[table["row"], ["path", "split", "class_name", "patient"]].reset_index(drop=True)
    # same pixels are mostly the same bytes: one kind of the two is shown
    shown = (table["kind"] != "pixels") & (table["group"] < SHOWN_GROUPS) & (table["place"] < SHOWN_COPIES)
    picture = np.where(shown, shown.cumsum() - 1, -1)
    return pd.concat([table[["kind", "group"]], facts], axis=1).assign(picture=picture)
