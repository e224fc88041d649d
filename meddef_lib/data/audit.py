"""What a reader should know of a data set before believing a number made from it (MedDef, 3.1).

Counts against the published ones, files that cannot be read, modes, sizes and EXIF, duplicates, patients on
two sides of a split, pixel statistics, shortcuts. As data in the store, and as text by `main`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.data import duplicates, examine, recipes, shortcuts, splits
from meddef_lib.data.decode import Decoded
from meddef_lib.data.examine import Examined
from meddef_lib.data.folders import require_every_class
from meddef_lib.data.patients import READINGS, recognised
from meddef_lib.data.source import dataset_of, open_source
from meddef_lib.data.steps import pad_to_square
from meddef_lib.engine.recipe import Progress, Workspace, silent
from meddef_lib.engine.store import Store
from meddef_lib.params import Dataset, Profile, SplitRule

AUDIT = "audit.json"
PICTURES = "pictures.npy"
TABLES = ("files", "duplicates", "patients")

MOST_SIZES = 12  # sizes listed one by one; of the original chest films nearly each has its own
SHOWN_GROUPS = 3  # groups of each kind of copies that are kept as pictures
SHOWN_COPIES = 3  # of each group
PICTURE = 160  # pixels a side
FINEST = "kind"  # the reading that tells most patients apart


@dataclass(frozen=True)
class Audit:
    """A finished audit.

    `summary` is audit.json. `tables`:

    - files: a row a file, with all that `examine` saw of it
    - duplicates: a row a file of a group of copies: kind (bytes, pixels, near), group, path, split,
      class_name, patient, and picture: its row in `pictures`, -1 for most
    - patients: a row for each patient, under each reading, with images in two splits or of two classes, or
      whom the finest reading takes for two: reading, patient, images, splits, classes, ambiguous

    `pictures` is uint8 (k, 160, 160): some of the copies, to be looked at.
    """

    summary: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    pictures: NDArray[np.uint8]


def make(space: Workspace) -> None:
    """Store maker: audit.json, the tables as Parquet files and pictures.npy, as `load` reads them.

    Settings: those of `source.settings`, all facts of the data set, split and split_seed; input `examined`.
    Raises DataError if no image of some class can be read.
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
            pictures[row] = _picture(load_file(path))
    (space.folder / AUDIT).write_text(
        json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for name, table in tables.items():
        table.to_parquet(space.folder / f"{name}.parquet", index=False)
    np.save(space.folder / PICTURES, pictures)


def load(folder: Path) -> Audit:
    """Read the folder that `make` wrote."""
    return Audit(
        json.loads((folder / AUDIT).read_text(encoding="utf-8")),
        {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES},
        np.load(folder / PICTURES),
    )


def main(
    profile: Profile,
    dataset: Dataset,
    *,
    store: Store | None = None,
    processes: int = 1,
    as_json: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Audit the images that a profile means, print the summary as text or JSON, and return it.

    Raises DataError where they are missing or a class has none that can be read.
    """
    summary = find(profile, dataset, store=store or Store(), processes=processes, progress=progress)
    show(summary, as_json=as_json)
    return summary


def find(
    profile: Profile, dataset: Dataset, *, store: Store, processes: int = 1, progress: Progress = silent
) -> dict[str, Any]:
    """The summary of the images that a profile means, made first if it is missing. Raises DataError."""
    recipe = recipes.audit(profile, dataset, store_root=store.root, progress=progress)
    folder = store.get(
        recipe, processes=processes, progress=progress, say=lambda text: print(text, file=sys.stderr)
    )
    return load(folder).summary


def show(summary: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the summary as text or JSON."""
    print(json.dumps(summary, indent=1, ensure_ascii=False) if as_json else as_text(summary))


def audit(
    examined: Examined, dataset: Dataset, *, rule: SplitRule, seed: int
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """The summary and the tables: of the files as they lie, and of the split that `rule` makes of them."""
    files = examined.readable
    used = splits.apply(files, dataset, rule=rule, seed=seed)
    groups = {
        "bytes": duplicates.exact_groups(files, "sha256"),
        "pixels": duplicates.exact_groups(files, "pixels_sha256"),
        "near": duplicates.near_groups(examined),
    }
    described = {kind: duplicates.describe(files, found) for kind, found in groups.items()}
    across = duplicates.describe(used, duplicates.exact_groups(used, "sha256"))["across_splits"]
    summary = {
        "dataset": dataset.id,
        "title": dataset.title,
        "classes": list(dataset.classes),
        "data_version": examined.summary["data_version"],
        "images": len(files),
        "counts": splits.counts(files, dataset),
        "published": dataset.published.model_dump(mode="json"),
        "unreadable": examined.summary["problems"] + _reasons(examined.files, "reason"),
        "converted": _reasons(examined.files, "converted"),
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
        "readings": {name: reading.description for name, reading in READINGS.items()},
        "patients": {name: _patients(files, name).nunique() for name in READINGS},
        "ambiguous_patients": {name: _ambiguous(files, name) for name in READINGS},
        "patients_across_splits": {name: _mixed(files, name, "split") for name in READINGS},
        "patients_with_two_classes": {name: _mixed(files, name, "label") for name in READINGS},
        "names_without_patient": sum(not recognised(path) for path in files["path"]),
        "split_in_use": {
            "rule": rule,
            "seed": seed,
            "counts": splits.counts(used, dataset),
            "has_published_counts": splits.has_published_counts(used, dataset),
            "exact_duplicate_groups_across_splits": across,
            "patients_across_splits": {name: _mixed(used, name, "split") for name in READINGS},
        },
        "statistics": statistics(files, dataset),
        "shortcuts": shortcuts.predictability(files),
    }
    tables = {
        "files": examined.files,
        "duplicates": _duplicate_table(files, groups),
        "patients": pd.concat([_patient_table(files, name) for name in READINGS], ignore_index=True),
    }
    return summary, tables


def statistics(files: pd.DataFrame, dataset: Dataset) -> dict[str, Any]:
    """Mean and standard deviation of the original pixels in [0, 1], beside the paper's.

    Each image counts the same whatever its size, as it does after a resize; without any step of 3.1.2.
    `mean_std` is the mean of the single images' standard deviations, which some print as the standard
    deviation of a data set; it is smaller than `std`, as it leaves out how images differ in brightness.
    """
    mean = float(files["mean"].mean())
    return {
        "mean": mean,
        "std": float(np.sqrt(files["mean_square"].mean() - mean**2)),
        "mean_std": float(np.sqrt(files["mean_square"] - files["mean"] ** 2).mean()),
        "published_mean": dataset.published.mean,
        "published_std": dataset.published.std,
    }


def as_text(summary: Mapping[str, Any]) -> str:
    """The summary as lines for a terminal."""
    published = summary["published"]
    lines = [f"{summary['title']}: {summary['images']:,} readable images ({summary['data_version']})"]
    for split, counts in summary["counts"].items():
        of_class = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        lines.append(f"  {split:5} {sum(counts.values()):>7,}  ({of_class})")
    used = summary["split_in_use"]
    theirs = ", ".join(f"{split} {count:,}" for split, count in published["split"].items())
    ours = ", ".join(f"{split} {sum(counts.values()):,}" for split, counts in used["counts"].items())
    lines += [f"The paper: {theirs}. Here, with the split {used['rule']!r}: {ours}."]
    lines += _listing("cannot be read and are left out", summary["unreadable"])
    lines += _listing("are converted to 8-bit grey", summary["converted"])
    if summary["clutter"]:
        lines += [f"{len(summary['clutter'])} files or folders of clutter are ignored."]
    modes = ", ".join(f"{mode} {count:,}" for mode, count in summary["modes"].items())
    sizes = summary["sizes"]
    lines += [
        f"Modes: {modes}. Widths {sizes['width'][0]:g} to {sizes['width'][2]:g} "
        f"(median {sizes['width'][1]:g}), "
        f"heights {sizes['height'][0]:g} to {sizes['height'][2]:g} (median {sizes['height'][1]:g}); "
        f"{sizes['different']:,} different sizes. {len(summary['exif'])} files with EXIF."
    ]
    for kind, words in (
        ("bytes", "the same bytes"),
        ("pixels", "the same pixels"),
        ("near", "nearly the same picture, not counting those"),
    ):
        found = summary["duplicates"][kind]
        lines.append(
            f"Files with {words}: {found['groups']:,} groups, {found['files']:,} files; across splits "
            f"{found['across_splits']}, across classes {found['across_classes']}, across patients "
            f"{found['across_patients']}."
        )
    for name, description in summary["readings"].items():
        lines.append(
            f"Patients, read as {description}: {summary['patients'][name]:,}, "
            f"{summary['ambiguous_patients'][name]:,} of them two patients in another reading; in two splits "
            f"{summary['patients_across_splits'][name]:,} (in the split in use "
            f"{used['patients_across_splits'][name]:,}), with two classes "
            f"{summary['patients_with_two_classes'][name]:,}."
        )
    if summary["names_without_patient"]:
        lines.append(
            f"{summary['names_without_patient']:,} file names say nothing of a patient; each counts as one."
        )
    found = summary["statistics"]
    lines.append(
        f"Pixels: mean {found['mean']:.4f}, standard deviation {found['std']:.4f} (mean of each image's own "
        f"{found['mean_std']:.4f}); the paper's {found['published_mean']:.4f} and "
        f"{found['published_std']:.4f}."
    )
    lines.append("Balanced accuracy of the class from one thing alone (95 % interval; chance):")
    for name, score in summary["shortcuts"].items():
        value = (
            "too few patients"
            if score["balanced_accuracy"] is None
            else f"{score['balanced_accuracy']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
        )
        lines.append(f"  {name.replace('_', ' '):12} {value}; chance {score['chance']:.2f}")
    return "\n".join(lines)


def _listing(what: str, found: Sequence[Mapping[str, str]], most: int = 20) -> list[str]:
    if not found:
        return []
    lines = [f"{len(found)} files {what}:"]
    lines += [f"  {entry['path']}: {entry['reason']}" for entry in found[:most]]
    return lines + ([f"  and {len(found) - most} more (--json lists all)"] if len(found) > most else [])


def _reasons(files: pd.DataFrame, column: str) -> list[dict[str, str]]:
    found = files.loc[files[column].notna(), ["path", column]]
    return [{"path": path, "reason": reason} for path, reason in found.itertuples(index=False)]


def _counted(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}


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


def _patients(files: pd.DataFrame, reading: str) -> pd.Series:
    return files["path"].map(READINGS[reading].patient)


def _mixed(files: pd.DataFrame, reading: str, column: str) -> int:
    """How many patients have more than one value of `column` among their images."""
    return int((files.groupby(_patients(files, reading))[column].nunique() > 1).sum())


def _ambiguous(files: pd.DataFrame, reading: str) -> int:
    """How many patients the finest reading takes for two or more."""
    return int((_patients(files, FINEST).groupby(_patients(files, reading)).nunique() > 1).sum())


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


def _patient_table(files: pd.DataFrame, reading: str) -> pd.DataFrame:
    """Patients in two splits, of two classes, or ambiguous: one here, two under the finest reading."""
    table = (
        files.assign(patient=_patients(files, reading), finest=_patients(files, FINEST))
        .groupby("patient")
        .agg(
            images=("path", "size"),
            splits=("split", _joined),
            classes=("class_name", _joined),
            finest=("finest", "nunique"),
        )
    )
    table["ambiguous"] = table.pop("finest") > 1
    table = table[
        table["splits"].str.contains("+", regex=False)
        | table["classes"].str.contains("+", regex=False)
        | table["ambiguous"]
    ]
    return table.reset_index().assign(reading=reading)


def _joined(values: pd.Series) -> str:
    return "+".join(sorted(values.unique()))


def _picture(found: Decoded) -> NDArray[np.uint8]:
    return pad_to_square(found.grey, PICTURE, padding=0.0, interpolation=cv2.INTER_AREA)
