"""Where the pictures of a recipe come from: image folders, phantoms from their own cell, a MedMNIST file.

A source is a listing and a function that takes a listed path to a decoded picture, fit for worker processes.
What identifies the pictures in a recipe is the hash of their manifest, never a path.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from meddef_lib import paths
from meddef_lib.data import decode
from meddef_lib.data.decode import Decoded
from meddef_lib.data.sources import medmnist
from meddef_lib.data.sources.folders import Listing, list_folder
from meddef_lib.engine.hashes import hashes
from meddef_lib.engine.recipe import Progress, Workspace, canonical_json, silent
from meddef_lib.errors import DataError
from meddef_lib.params import DataParams, Dataset, read_dataset

PHANTOMS: Final = "phantoms"  # the name of the input that holds a data root of phantoms


@dataclass(frozen=True)
class Source:
    """A data set ready to be read.

    `load` decodes a path of `listing.images`, or raises UnreadableImage; `hashes` gives the sha256 of files
    by path (of the pixels, where a picture is no file of its own).
    """

    dataset: Dataset
    listing: Listing
    load: Callable[[str], Decoded]
    hashes: Callable[[Sequence[str]], Mapping[str, str]]


def settings(
    data: DataParams,
    dataset: Dataset,
    *,
    image_size: int,
    store_root: Path,
    progress: Progress = silent,
    manifest: str | None = None,
) -> dict[str, Any]:
    """The part of a recipe that says which pictures are meant.

    For folders and MedMNIST it looks under the data root (`MEDDEF_DATA`) and hashes what is new there. Raises
    DataError where the data are missing, but for pictures whose `manifest` is known.
    """
    if dataset.folders != read_dataset(dataset.id).folders:  # the maker, in another process, finds them by it
        raise DataError(
            f"the folders of {dataset.title} are {', '.join(dataset.folders)}, other than its file says; "
            f"change them in params/datasets/{dataset.id}.yaml, where every process reads them"
        )
    known: dict[str, Any] = {"id": dataset.id, "classes": list(dataset.classes)}
    said: dict[str, Any] = {"dataset": known, "source": data.source}
    if data.source == "medmnist":
        form = medmnist.form(dataset)
        known["medmnist"] = {"prefix": form.prefix, "labels": list(form.labels)}
        said["medmnist_size"] = image_size
    else:
        known["patients"] = dataset.patients
        said["max_pixels"] = data.max_pixels
    if data.source != PHANTOMS:  # the recipe of the phantoms says all about them
        said["manifest"] = manifest or _manifest(said, dataset, store_root=store_root, progress=progress)
    return said


def listing(data: DataParams, dataset: Dataset, *, image_size: int) -> Listing:
    """The reader's own images, before any is opened. Raises DataError where they are missing."""
    if data.source == "medmnist":
        return medmnist.list_npz(paths.data_root(), dataset, image_size=image_size).listing
    return list_folder(paths.data_root(), dataset)


def dataset_of(said: Mapping[str, Any]) -> Dataset:
    """The data set of a recipe: what counts as the recipe says it, the rest as its file does today.

    From the file come words for messages, and the names that its folder goes by: where it lies is no content.
    """
    known = read_dataset(said["dataset"]["id"]).model_dump(mode="json")
    return Dataset.model_validate(known | said["dataset"])


def open_source(space: Workspace) -> Source:
    """The source that `settings` described, for the maker of a cell. Raises DataError if it is not there."""
    said = space.settings
    dataset = dataset_of(said)
    if said["source"] == "medmnist":
        found = medmnist.list_npz(
            paths.data_root(), dataset, image_size=said["medmnist_size"], work=space.work / "medmnist"
        )
        load = partial(decode.from_arrays, found.arrays)
        return Source(dataset, found.listing, load, partial(_pixel_hashes, load))
    made_up = space.inputs.get(PHANTOMS)
    root = next(folder for folder in made_up.iterdir() if folder.is_dir()) if made_up else paths.data_root()
    listing = list_folder(root, dataset)
    load = partial(decode.from_folder, listing.folder, said["max_pixels"])
    return Source(dataset, listing, load, partial(hashes, listing.folder, store_root=paths.store_root()))


def check_unchanged(said: Mapping[str, Any]) -> None:
    """Raise DataError if the files under the data root are no longer those that the recipe means."""
    if said["source"] == PHANTOMS:
        return
    dataset = dataset_of(said)
    if _manifest(said, dataset, store_root=paths.store_root(), progress=silent) != said["manifest"]:
        raise DataError(
            f"the files of {dataset.title} under {paths.data_root()} changed while they were read; start "
            "again when nothing writes there any more"
        )


def _pixel_hashes(load: Callable[[str], Decoded], files: Sequence[str]) -> dict[str, str]:
    return {path: hashlib.sha256(load(path).grey.data).hexdigest() for path in files}


def _manifest(said: Mapping[str, Any], dataset: Dataset, *, store_root: Path, progress: Progress) -> str:
    if said["source"] == "medmnist":
        file = medmnist.find_npz(paths.data_root(), dataset, image_size=said["medmnist_size"])
        folder, files, notes = file.parent, [file.name], []
    else:
        listing = list_folder(paths.data_root(), dataset)
        folder, files = listing.folder, list(listing.images["path"])
        notes = [canonical_json(problem) for problem in listing.problems]
    return manifest(folder, files, store_root=store_root, notes=notes, progress=progress)


def manifest(
    folder: Path,
    files: Sequence[str],
    *,
    store_root: Path,
    notes: Iterable[str] = (),
    progress: Progress = silent,
) -> str:
    """sha256 over the relative paths of `files` and the sha256 of their bytes, whatever their order.

    `notes` count as well: what was left out of the data set and why (as codes: no wording counts).
    """
    whole = hashlib.sha256()
    for path, digest in sorted(hashes(folder, files, store_root=store_root, progress=progress).items()):
        whole.update(f"{path}\0{digest}\n".encode(errors="surrogateescape"))
    for note in sorted(notes):
        whole.update(f"\0{note}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()
