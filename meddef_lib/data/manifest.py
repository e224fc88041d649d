"""The hash of a data set's files, so that changed data are another recipe; quick when nothing changed."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from meddef_lib.engine.hashes import hashes
from meddef_lib.engine.recipe import Progress, silent


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
