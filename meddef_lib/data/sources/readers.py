"""From a listed path to a decoded picture: what a worker process is given, so its imports are few."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from meddef_lib.data import decode
from meddef_lib.data.decode import Decoded


def from_folder(folder: Path, max_pixels: int, path: str) -> Decoded:
    """Decode a file below a folder. Raises UnreadableImage."""
    return decode.load(f"{folder}/{path}", max_pixels=max_pixels)


def from_arrays(arrays: Mapping[str, Path], path: str) -> Decoded:
    """Read a picture of a MedMNIST file by its place in it, `<file>/<split>/<row>`.

    `arrays` says of each split in which `.npy` file its array lies: a memory map itself would travel to a
    worker as a copy of all its pixels.
    """
    _, split, row = path.split("/")
    return Decoded(np.array(np.load(arrays[split], mmap_mode="r")[int(row)]), "L", None, None)
