"""From a listed path to a decoded picture: what a worker process is given, so its imports are few."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meddef_lib.data import decode
from meddef_lib.data.decode import Decoded


@dataclass(frozen=True)
class FolderReader:
    """Decode files below a folder."""

    folder: Path
    max_pixels: int

    def __call__(self, path: str) -> Decoded:
        return decode.load(f"{self.folder}/{path}", max_pixels=self.max_pixels)


@dataclass(frozen=True)
class ArrayReader:
    """Read pictures of a MedMNIST file by their place in it, `<file>/<split>/<row>`.

    `members` says of each split in which file its array lies, from which byte on, and its shape: a memory map
    itself would travel to a worker as a copy of all its pixels.
    """

    members: Mapping[str, tuple[Path, int, tuple[int, ...]]]

    def __call__(self, path: str) -> Decoded:
        _, split, row = path.split("/")
        file, offset, shape = self.members[split]
        pixels = np.memmap(file, np.uint8, "r", offset, shape)[int(row)]
        return Decoded(np.array(pixels), "L", None, None)
