"""What a file of weights holds: read by its content, whatever it is called, and without running any of it."""

import argparse
import pickle
import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from meddef_lib.errors import UserError
from meddef_lib.visible import one_line

ZIP = b"PK"
MOST_UNPACKED = 2**30  # bytes of compressed arrays
# numbers of numpy and the words of a command line, as checkpoints keep them beside tensors: they run no code
_ARRAY, _SCALAR = np.zeros(1).__reduce__()[0], np.float64().__reduce__()[0]  # what numpy reads them with
HARMLESS: list[Any] = [
    *(np.ndarray, np.dtype, _ARRAY, _SCALAR),
    # as numpy 1 wrote them
    *((_ARRAY, "numpy.core.multiarray._reconstruct"), (_SCALAR, "numpy.core.multiarray.scalar")),
    *{type(np.dtype(kind)) for kind in np.sctypeDict.values() if np.dtype(kind).kind in "biufcSU"},
    argparse.Namespace,
]


class ModelFileError(UserError, ValueError):
    """A file of weights or its recipe that cannot be used; a sentence that names file and reason."""


def require_file(file: Path) -> None:
    """Raise ModelFileError, with the reason, unless a file is there that can be read from its beginning."""
    if file.is_file():
        return
    if file.is_dir():
        inside = sorted(path.name for path in file.iterdir())[:5]
        held = f"it holds {', '.join(inside)}" if inside else "it is empty"
        raise ModelFileError(f"{file} is a folder, not a file of weights; name the file ({held})")
    if file.is_symlink():
        raise ModelFileError(f"{file} is a link to {file.readlink()}, where there is no file")
    raise ModelFileError(f"there is no file of weights {file}")


def content(file: Path) -> Any:
    """What a file of safetensors, of `torch.save` or of `numpy.savez` holds; no object of its own is made.

    Raises ModelFileError for any other file, one that is damaged, and one that holds more than plain values.
    """
    require_file(file)
    with file.open("rb") as stream:
        head = stream.read(512)
    if head[8:9] == b"{":  # before it stands a length, which may be the bytes of anything
        try:
            return safetensors.torch.load_file(file)
        except safetensors.SafetensorError as error:
            raise ModelFileError(
                f"{file} is not a whole safetensors file ({one_line(error)}); copy it again"
            ) from error
    _refuse_other(file, head)
    if head.startswith(ZIP) and (arrays := _archive(file)):
        return arrays
    try:
        with (
            file.open("rb") as stream,
            warnings.catch_warnings(),
            torch.serialization.safe_globals(HARMLESS),
        ):
            warnings.simplefilter("ignore")  # of torch, about its own ways of keeping sparse or old tensors
            # not by the file's name: torch takes a ".safetensors" for what it says
            return torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, by where the damage lies
        if not head.startswith((ZIP, b"\x80")):
            raise ModelFileError(
                f"{file} is no file of weights: neither safetensors nor torch.save; save model.state_dict() "
                "as one of these"
            ) from error
        if not isinstance(error, pickle.UnpicklingError):
            why = one_line(error)
            raise ModelFileError(
                f"{file} is not a whole file of torch.save ({why}); copy it again"
            ) from error
        named = re.search(r"GLOBAL (\S+)", str(error))
        beside = f" ({one_line(named[1])})" if named else ""
        raise ModelFileError(
            f"{file} holds more than tensors{beside}, and reading that could run code; save "
            "model.state_dict() alone"
        ) from error


def _refuse_other(file: Path, head: bytes) -> None:
    """Raise ModelFileError where a file that begins like this is none of weights."""
    if not head:
        raise ModelFileError(f"{file} is empty; copy it again")
    try:
        words = " ".join(head.decode().split())
    except UnicodeDecodeError:
        return
    if words.isprintable():
        raise ModelFileError(f"{file} is text, no file of weights (it begins with {words[:60]!r})")


def _archive(file: Path) -> Mapping[str, Any] | None:
    """The arrays of an archive that numpy wrote; None for one of `torch.save`.

    torch does not look at the checksums that it wrote: damaged weights would pass for whole ones. Raises
    ModelFileError.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            last = {Path(name).name for name in names}
            if not names or ("data.pkl" not in last and not all(name.endswith(".npy") for name in names)):
                raise ModelFileError(f"{file} is an archive, not a file of torch.save; unpack it first")
            if "constants.pkl" in last:
                raise ModelFileError(
                    f"{file} is TorchScript, which holds code; save torch.jit.load(...).state_dict() instead"
                )
            packed = (info for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED)
            if (size := sum(info.file_size for info in packed)) > MOST_UNPACKED:
                raise ModelFileError(f"{file} unpacks to {size:,} bytes; refused as a bomb")
            damaged = archive.testzip()
    except ModelFileError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{file} is not a whole file of torch.save ({error}); copy it again") from error
    if damaged:
        raise ModelFileError(f"{file} is damaged: {damaged} is not what its checksum says; copy it again")
    if "data.pkl" not in last:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except Exception as error:  # of many kinds, by where the damage lies
            raise ModelFileError(f"{file} holds more than numbers ({one_line(error)})") from error
    return None
