"""OCTMNIST and PneumoniaMNIST: the same images, cropped square and resized, in one `.npz` file.

(Yang et al., "MedMNIST v2", Scientific Data 10, 41, 2023.) A `.npz` is a ZIP archive, so that numpy cannot
map it: its arrays are unpacked once, in pieces. The images have no file names, and so no patients.
"""

import lzma
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from meddef_lib.data import patients
from meddef_lib.data.sources.folders import COLUMNS, SPLITS, Listing, require_every_class
from meddef_lib.errors import DataError
from meddef_lib.params import Dataset, MedMnistForm

PIECE = 2**20  # bytes copied at once
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class MedMnist:
    """A MedMNIST file ready to be read.

    The row `<file>/<split>/<k>` of the listing is row k of the array in `arrays[split]`, a `.npy` file of
    uint8 (n, side, side).
    """

    listing: Listing
    arrays: dict[str, Path]


class Member(NamedTuple):
    """An array inside a `.npz`: its ZIP member, and what its numbers are."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype


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

    Raises DataError if MedMNIST has no such data set, there is no file, or one is no `.npz` file of images.
    """
    prefix = form(dataset).prefix
    if root is None or not root.is_dir():
        where = "no data root is given" if root is None else f"the data root {root} is not a folder"
        raise DataError(f"{where}.\n" + _how_to_get(dataset))
    files = sorted(root.glob(f"{prefix}*.npz"))
    if not files:
        raise DataError(f"{root} holds no file {prefix}*.npz.\n" + _how_to_get(dataset))
    sizes = {file: _native_size(file) for file in files}
    return min(files, key=lambda file: (sizes[file] < image_size, abs(sizes[file] - image_size)))


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
            if f"{split}_images.npy" not in archive.namelist():
                continue
            images = _member(archive, f"{split}_images.npy")
            if images.dtype != np.uint8 or len(images.shape) != 3 or not all(images.shape):
                raise DataError(
                    f"{file}: {split}_images is {images.dtype} {images.shape}, not uint8 (n, height, width)"
                )
            for row, name in enumerate(_labels(file, archive, split, images.shape[0], names)):
                path = f"{file.name}/{split}/{row:06d}"
                rows.append((path, split, name, dataset.classes.index(name), patients.unknown(path)))
            if work is not None:
                arrays[split] = _unpacked(archive, images.info, work)
    images_frame = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("path", ignore_index=True)
    require_every_class(images_frame, dataset, file)
    return MedMnist(Listing(file.parent, images_frame, (), ()), arrays)


def _labels(
    file: Path, archive: zipfile.ZipFile, split: str, count: int, names: tuple[str, ...]
) -> Iterator[str]:
    """The class names of a split, from MedMNIST's labels of shape (n, 1) or (n,)."""
    member = _member(archive, f"{split}_labels.npy")
    if member.dtype.kind not in "ui" or int(np.prod(member.shape)) != count:
        raise DataError(
            f"{file}: {split}_labels is {member.dtype} {member.shape}, not one whole number for each of "
            f"{count:,} images"
        )
    with archive.open(member.info) as stream:
        labels = np.lib.format.read_array(stream, allow_pickle=False).reshape(-1)
    if labels.min() < 0 or labels.max() >= len(names):
        raise DataError(
            f"{file}: {split}_labels goes from {labels.min()} to {labels.max()}; {' and '.join(names)} are 0 "
            f"to {len(names) - 1}"
        )
    return (names[label] for label in labels.tolist())


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, work: Path) -> Path:
    """The member as a `.npy` file in `work`; its name holds the checksum, so that it is never another's."""
    target = work / f"{info.filename.removesuffix('.npy')}-{info.CRC:08x}.npy"
    if target.is_file() and _checksum(target) == info.CRC:
        return target
    work.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(work).free
    if free < info.file_size:
        raise DataError(
            f"{archive.filename}: {info.filename} needs {info.file_size:,} bytes in {work}, where {free:,} "
            "are left; make room, or set MEDDEF_STORE to another disk"
        )
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        with archive.open(info) as source, part.open("wb") as sink:
            shutil.copyfileobj(source, sink, PIECE)  # reading to the end checks the checksum
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _checksum(file: Path) -> int:
    found = 0
    with file.open("rb") as stream:
        while piece := stream.read(PIECE):
            found = zlib.crc32(piece, found)
    return found


def _member(archive: zipfile.ZipFile, name: str) -> Member:
    """Read the header of an array. Raises KeyError if it is not there, ValueError if it is odd."""
    info = archive.getinfo(name)
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in HEADER_READERS:
            raise ValueError(f"{name} has the .npy version {version}")
        shape, fortran_order, dtype = HEADER_READERS[version](stream)
        offset = stream.tell()
    if dtype.hasobject or fortran_order:
        raise ValueError(f"{name} holds {'objects' if dtype.hasobject else 'columns first'}")
    if info.file_size != offset + int(np.prod(shape, dtype=object)) * dtype.itemsize:
        raise ValueError(f"{name} has {info.file_size:,} bytes, which do not fit {dtype} {shape}")
    return Member(info, shape, dtype)


def _native_size(file: Path) -> int:
    with _opened(file) as archive:
        name = next((name for name in archive.namelist() if name.endswith("_images.npy")), "train_images.npy")
        shape = _member(archive, name).shape
    return shape[1] if len(shape) > 1 else 0


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever is wrong inside it becomes a DataError that names the file."""
    try:
        archive = zipfile.ZipFile(file)
    except OSError as error:  # a folder, or not ours to read
        raise DataError(
            f"{file} cannot be opened ({error.strerror or error}); it must be a file that you may read"
        ) from error
    except zipfile.BadZipFile as error:
        raise _damaged(file, error) from error
    try:
        with archive:
            yield archive
    except KeyError as error:
        raise DataError(f"{file} is no MedMNIST file: {error.args[0]}") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> DataError:
    return DataError(f"{file} is damaged or no MedMNIST file ({error}); remove it and fetch it again")


def _how_to_get(dataset: Dataset) -> str:
    return (
        f"`invoke fetch --dataset {dataset.id} --data-root FOLDER` downloads it; then set MEDDEF_DATA or "
        "--data-root to that folder."
    )
