"""Image folders as the archives unpack them: `<data set>/<train|val|test>/<class>/<file>.jpeg`.

The published archives carry clutter that breaks naive loaders: `OCT2017 ` with a trailing space,
`chest_xray/chest_xray` beside the same folders, `__MACOSX`, `.DS_Store`, `._*`. Splits may be missing. What
is ignored on purpose is listed as clutter; what a reader should look at is listed as a problem.
"""

import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from meddef_lib.data import patients
from meddef_lib.data.reasons import Reason, listed
from meddef_lib.data.sources.folder_entries import (
    IMAGE_SUFFIXES,
    FolderEntry,
    because,
    entries_of,
    folders_of,
    images_below,
    plain,
)
from meddef_lib.errors import DataError
from meddef_lib.params import Dataset

SPLITS = ("train", "val", "test")
SPLIT_NAMES = {name: name for name in SPLITS} | {
    "training": "train", "valid": "val", "validation": "val", "testing": "test",
}  # what a split's folder may be called  # fmt: skip
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
COLUMNS = ("path", "split", "class_name", "label", "patient")
NOT_ANEW = "Put such images there, or draw the splits anew from all images with data.split=pooled."
DEEPEST = 4  # folders below the data root: ZhangLabData/CellData/chest_xray/chest_xray


@dataclass(frozen=True)
class Listing:
    """The images of a data set before any is opened.

    `images` has one row a file, sorted by path: path (below `folder`, with "/"), split (train, val or test),
    class_name, label (position in the paper's order of classes) and patient (strictest reading). `problems`
    are files and folders that were left out: `path` (below `folder`) beside the reason, as JSON values.
    """

    folder: Path
    images: pd.DataFrame
    problems: tuple[Reason, ...]
    clutter: tuple[str, ...]


def list_folder(root: Path | None, dataset: Dataset) -> Listing:
    """List the images of `dataset` under the data root, which may itself be the data set's folder.

    Raises DataError if there is no such folder or a class has no image in it.
    """
    folder, copies = _find(root, dataset)
    labels = {plain(name): label for label, name in enumerate(dataset.classes)}
    no_class = {"code": "not_a_class", "classes": list(dataset.classes)}
    no_image = {"code": "not_an_image_file"}
    patient_of = patients.naming(dataset.patients).patient
    rows: list[tuple[str, str, str, int, str]] = []
    problems: list[Reason] = []
    clutter = [os.path.relpath(copy, folder) for copy in copies]

    def leave_out(path: str, entry: FolderEntry, unexpected: Reason) -> None:
        if entry.kind == "clutter":
            clutter.append(path)
        else:
            problems.append({"path": path, **(entry.reason or unexpected | {"kind": entry.kind})})

    for outer in entries_of(folder):
        split = SPLIT_NAMES.get(plain(outer.name))
        if outer.kind == "problem":
            leave_out(outer.name, outer, no_class)
        elif outer.kind != "folder" or split is None:
            if folder / outer.name in copies:
                continue
            if outer.kind == "folder" and (below := images_below(folder / outer.name)):
                problems.append({"path": outer.name, **because("not_a_split", images=below)})
            else:
                clutter.append(outer.name)
        else:
            for inner in entries_of(folder / outer.name):
                within = f"{outer.name}/{inner.name}"
                label = labels.get(plain(inner.name))
                if inner.kind != "folder" or label is None:
                    leave_out(within, inner, no_class)
                    continue
                for file in entries_of(folder / within):
                    path = f"{within}/{file.name}"
                    if file.kind == "file" and file.name.lower().endswith(IMAGE_SUFFIXES):
                        rows.append((path, split, dataset.classes[label], label, patient_of(path)))
                    elif file.kind == "folder" and (below := images_below(folder / path)):
                        problems.append({"path": path, **because("too_deep", images=below)})
                    else:
                        leave_out(path, file, no_image)
    images = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("path", ignore_index=True)
    elsewhere = [found for found in problems if "images" in found]
    # in its own words: a result that goes by this code would go by those of `reasons`
    there = "; ".join(f"{folder / found['path']} holds {found['images']:,} images" for found in elsewhere)
    require_every_class(images, dataset, folder, there=there)
    problems.sort(key=lambda problem: problem["path"])
    return Listing(folder, images, tuple(problems), tuple(sorted(clutter)))


def require_class_folders(names: Iterable[str], dataset: Dataset, archive: Path) -> None:
    """Raise DataError where files of these names (paths in `archive`) lie in no folder of some class."""
    folders = {plain(part) for name in names for part in name.split("/")[:-1]}
    if missing := [name for name in dataset.classes if plain(name) not in folders]:
        raise DataError(
            f"{archive} has no folder {listed(missing)}, and so is no archive of {dataset.title}; nothing of "
            f"it was kept.\n{how_to_get(dataset, None)}"
        )


def require_every_class(
    images: pd.DataFrame, dataset: Dataset, folder: Path, *, splits: Sequence[str] = (), there: str = ""
) -> None:
    """Raise DataError if a class has no image at all, or none in one of `splits`.

    `there` says what may be the missing ones; without it the error says where to get them.
    """
    present = images.groupby("split")["class_name"].unique()
    named = {"": set(images["class_name"])} | {split: set(present.get(split, ())) for split in splits}
    for split, names in named.items():
        if missing := [name for name in dataset.classes if name not in names]:
            raise DataError(_incomplete(missing, dataset, folder, split, there))


def _incomplete(missing: list[str], dataset: Dataset, folder: Path, split: str, there: str) -> str:
    """What is missing, and where it may be had."""
    where = f"the {split} split of {folder}" if split else f"{folder}"
    advice = ".\n" + (NOT_ANEW if split else how_to_get(dataset, folder.parent))
    if there and not split:
        advice = f"; {there}: move them into the folder of their class in train, val or test"
    return (
        f"{where} has no readable image of {listed(missing)}, and {dataset.title} needs every class "
        f"of {listed(dataset.classes)}" + advice
    )


def _find(root: Path | None, dataset: Dataset) -> tuple[Path, list[Path]]:
    """The data set's folder: of all that look like it the one with most class folders, then the shallowest.

    The others are copies (Kaggle's chest archive holds itself once more) and are returned beside it.
    """
    if root is None:
        raise DataError(
            "no data root is given; set MEDDEF_DATA or --data-root to the folder that holds the images.\n"
            + how_to_get(dataset, None)
        )
    if not root.is_dir():
        raise DataError(
            f"the data root {root} {'is not a folder' if root.exists() else 'does not exist'}.\n"
            + how_to_get(dataset, root)
        )
    names = {plain(part) for alias in dataset.folders for part in alias.split("/")}
    found: list[tuple[int, Path]] = []
    queue = deque([(root, 0)])
    while queue:
        folder, depth = queue.popleft()
        pairs = _class_folders(folder, dataset)
        # a root of any name will do if every class is there; NORMAL alone is in both data sets
        if pairs and (
            plain(folder.name) in names or len({name for _, name in pairs}) == len(dataset.classes)
        ):
            found.append((len(pairs), folder))
        if depth < DEEPEST:
            queue.extend((folder / name, depth + 1) for name in folders_of(folder) if plain(name) in names)
    if not found:
        raise DataError(
            f"the data root {root} holds no folder {dataset.folders[0]}, as the archives name and nest it, "
            f"with train/, val/ or test/ folders of {listed(dataset.classes)}.\n"
            + (instead_of_getting(dataset, root) or how_to_get(dataset, root))
        )
    _, best = max(found, key=lambda pair: pair[0])  # the first of equals, and the search went by depth
    return best, [folder for _, folder in found if folder != best]


def _class_folders(folder: Path, dataset: Dataset) -> set[tuple[str, str]]:
    classes = {plain(name) for name in dataset.classes}
    return {
        (plain(split), plain(name))
        for split in folders_of(folder)
        if plain(split) in SPLIT_NAMES
        for name in folders_of(folder / split)
        if plain(name) in classes
    }


def how_to_get(dataset: Dataset, root: Path | None) -> str:
    """Where the data set is to be had and where it must lie, as lines for a reader."""
    where = root or Path("DATA_ROOT")
    example = where / dataset.folders[0] / "train" / dataset.classes[0]
    there = f"under {where}, so that there is a folder {example}."
    if not dataset.archives:
        return f"Put the images of {dataset.title} {there}"
    known = ", ".join(filter(None, (dataset.doi and f"doi:{dataset.doi}", dataset.licence)))
    unpacks = f"`invoke fetch --dataset {dataset.id} --archive FILE` unpacks an archive safely"
    if dataset.medmnist:
        unpacks += (
            "; without --archive it downloads the same images, smaller, as "
            f"{dataset.medmnist.prefix}.npz (data.source=medmnist)"
        )
    return "\n".join(
        [
            f"To get {dataset.title}{f' ({known})' if known else ''}, download one of:",
            *(f"  - {archive}" for archive in dataset.archives),
            f"and unpack it {there}",
            f"{unpacks}.",
        ]
    )


def instead_of_getting(dataset: Dataset, root: Path) -> str:
    """What lies in a data root that nobody has to download any more, and how it can be used."""
    said = []
    classes = {plain(name) for name in dataset.classes}
    for folder in (root, *(root / alias for alias in dataset.folders if (root / alias).is_dir())):
        found = [name for name in folders_of(folder) if plain(name) in classes]
        if found:
            said.append(
                f"{folder} holds {listed(found)}, but in no folder train, val or test: put them into one, "
                f"such as {folder / 'test'}."
            )
    for entry in entries_of(root):
        if dataset.medmnist and Path(entry.name).match(f"{dataset.medmnist.prefix}*.npz"):
            said.append(f"{root / entry.name} is there; use it with data.source=medmnist.")
        elif entry.kind == "file" and entry.name.lower().endswith(ARCHIVES):
            fetch = f"invoke fetch --dataset {dataset.id} --data-root {root} --archive {root / entry.name}"
            said.append(f"{root / entry.name} is there; `{fetch}` unpacks it.")
    return "\n".join(said)
