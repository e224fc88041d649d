"""OCTMNIST and PneumoniaMNIST: the same images, cropped square and resized, in one `.npz` file.

(Yang et al., "MedMNIST v2", Scientific Data 10, 41, 2023.) A `.npz` is a ZIP archive, so that numpy cannot
map it: its arrays are unpacked once, in pieces. The images have no file names, and so no patients.
"""

import lzma
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.data import patients
from meddef_lib.data.sources.folders import COLUMNS, SPLITS, Listing, require_every_class
from meddef_lib.engine.files import sync
from meddef_lib.errors import DataError
from meddef_lib.params import Dataset, MedMnistForm

PIECE = 2**20  # bytes copied at once
SMALLEST = 28  # pixels a side of the images in a file whose name says no size


@dataclass(frozen=True)
class MedMnist:
    """A MedMNIST file ready to be read.

    The row `<file>/<split>/<k>` of the listing is row k of the array in `arrays[split]`, a `.npy` file of
    uint8 (n, side, side).
    """

    listing: Listing
    arrays: dict[str, Path]


def form(dataset: Dataset) -> MedMnistForm:
    """The data set as MedMNIST has it. Raises DataError where it has it not."""
    if dataset.medmnist is None:
        raise DataError(f"{dataset.title} is not among MedMNIST's data sets; use data.source=folders")
    return dataset.medmnist


def most_bytes(dataset: Dataset, image_size: int) -> int:
    """What a file of that image size may have: a byte a pixel and eight a label of the largest release."""
    images = max(sum(release.model_dump().values()) for release in dataset.releases.values())
    return images * (image_size**2 + 8) + PIECE


def find_npz(root: Path | None, dataset: Dataset, *, image_size: int) -> Path:
    """The MedMNIST file in `root` with the smallest images of at least `image_size`, or else the largest.

    Its name says how large they are: `octmnist_64.npz`. Raises DataError if MedMNIST has no such data set, or
    there is no file, or none that can be opened.
    """
    prefix = form(dataset).prefix
    if root is None or not root.is_dir():
        where = "no data root is given" if root is None else f"the data root {root} is not a folder"
        raise DataError(f"{where}.\n" + _how_to_get(dataset))
    files = sorted(root.glob(f"{prefix}*.npz"))
    if not files:
        raise DataError(f"{root} holds no file {prefix}*.npz.\n" + _how_to_get(dataset))
    named = {file: re.search(r"_(\d+)$", file.stem) for file in files}
    sizes = {file: int(size[1]) if size else SMALLEST for file, size in named.items()}
    chosen = min(files, key=lambda file: (sizes[file] < image_size, abs(sizes[file] - image_size)))
    with _opened(chosen):
        return chosen


def list_npz(root: Path | None, dataset: Dataset, *, image_size: int, work: Path | None = None) -> MedMnist:
    """List the MedMNIST file that `find_npz` takes.

    Its arrays are unpacked into `work` and found there the next time; without it there are none. Raises
    DataError: no such file, not a whole `.npz`, arrays that are no grey images with labels, a class without
    images, no room in `work`.
    """
    file = find_npz(root, dataset, image_size=image_size)
    names = form(dataset).labels
    arrays: dict[str, Path] = {}
    rows: list[tuple[str, str, str, int, str]] = []
    with _opened(file) as archive:
        for split in SPLITS:
            if f"{split}_images" not in archive.files:
                continue
            labels = archive[f"{split}_labels"].reshape(-1)
            _require_labels(file, split, labels, names)
            for row, label in enumerate(labels.tolist()):
                path = f"{file.name}/{split}/{row:06d}"
                name = names[label]
                rows.append((path, split, name, dataset.classes.index(name), patients.unknown(path)))
            if work is not None:
                arrays[split] = _unpacked(archive.zip, f"{split}_images.npy", work)
                _require_images(file, split, np.load(arrays[split], mmap_mode="r"), len(labels))
    images = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("path", ignore_index=True)
    require_every_class(images, dataset, file)
    return MedMnist(Listing(file.parent, images, (), ()), arrays)


def _require_labels(file: Path, split: str, labels: NDArray[Any], names: tuple[str, ...]) -> None:
    if labels.dtype.kind not in "ui" or not len(labels):
        raise DataError(f"{file}: {split}_labels is {labels.dtype} {labels.shape}, not whole numbers")
    if labels.min() < 0 or labels.max() >= len(names):
        raise DataError(
            f"{file}: {split}_labels goes from {labels.min()} to {labels.max()}; {' and '.join(names)} are 0 "
            f"to {len(names) - 1}"
        )


def _require_images(file: Path, split: str, images: NDArray[Any], count: int) -> None:
    if images.dtype != np.uint8 or images.ndim != 3 or len(images) != count or not images.size:
        raise DataError(
            f"{file}: {split}_images is {images.dtype} {images.shape}, not uint8 (n, height, width) with an "
            f"image for each of {count:,} labels"
        )


def _unpacked(archive: zipfile.ZipFile, name: str, work: Path) -> Path:
    """The member as a `.npy` file in `work`; its name holds the checksum, so that it is never another's."""
    info = archive.getinfo(name)
    target = work / f"{name.removesuffix('.npy')}-{info.CRC:08x}.npy"
    if target.is_file():
        return target
    work.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(work).free
    if free < info.file_size:
        raise DataError(
            f"{archive.filename}: {name} needs {info.file_size:,} bytes in {work}, where {free:,} are left; "
            "make room, or set MEDDEF_STORE to another disk"
        )
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        with archive.open(info) as source, part.open("wb") as sink:
            shutil.copyfileobj(source, sink, PIECE)  # reading to the end checks the checksum
        sync(part)  # found there later, it is believed by its name
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """The archive as numpy opens it; whatever is wrong inside becomes a DataError that names the file."""
    try:
        with file.open("rb") as stream:
            whole = zipfile.is_zipfile(stream)
    except OSError as error:  # a folder, or not ours to read
        raise DataError(
            f"{file} cannot be opened ({error.strerror or error}); it must be a file that you may read"
        ) from error
    if not whole:
        raise _damaged(file, "it is no whole archive")
    try:
        with np.load(file) as archive:
            yield archive
    except KeyError as error:
        raise DataError(f"{file} is no MedMNIST file: {error.args[0]}") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError) as error:
        raise _damaged(file, error) from error
    except (AttributeError, MemoryError) as error:  # a member that is no array, or claims to be a huge one
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception | str) -> DataError:
    return DataError(f"{file} is damaged or no MedMNIST file ({error}); remove it and fetch it again")


def _how_to_get(dataset: Dataset) -> str:
    return (
        f"`invoke fetch --dataset {dataset.id} --data-root FOLDER` downloads it; then set MEDDEF_DATA or "
        "--data-root to that folder."
    )
