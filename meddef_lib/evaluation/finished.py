"""Finished batches of records, kept so that a killed run goes on where it stopped.

A batch's file has the hash of its bytes in its name: one that was damaged meanwhile is computed again.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.engine import sealed
from meddef_lib.engine.files import file_hash, sync

CALL = "call.json"
DIGITS = 16  # of a hash


def claim(folder: Path, call: Mapping[str, Any]) -> None:
    """Write into `folder` of which call it holds batches. Raises ValueError if they are another call's.

    Where that was damaged nobody can tell: the batches are removed.
    """
    plain = json.loads(json.dumps(call, default=str))
    found = sealed.read(folder / CALL)
    if found is None:
        for file in folder.glob("*.parquet"):
            file.unlink()
    elif found != plain:
        raise ValueError(
            f"{folder} holds records of another attack, of other settings or another way of computing (see "
            f"{CALL}); give each call a work folder of its own, or delete this one to begin anew."
        )
    sealed.write(folder / CALL, plain)


def read(folder: Path, start: int, image_ids: NDArray[np.int64]) -> pd.DataFrame | None:
    """The finished batch that begins with image `start`; None where there is none, or it was damaged.

    Raises ValueError if it is about other images than these.
    """
    for file in folder.glob(f"{start:08d}-*.parquet"):
        if file.stem != _name(start, file):
            print(f"{file} is not what was written; its {len(image_ids)} images are attacked again")
            file.unlink()
            continue
        frame = pd.read_parquet(file)
        if not np.array_equal(frame["image_id"], image_ids):
            raise ValueError(
                f"{file} holds records of other images than this call asks for; give each call a work folder "
                "of its own, or delete this one to begin anew."
            )
        return frame
    return None


def write(frame: pd.DataFrame, folder: Path, start: int) -> None:
    """Keep a batch; it is there whole or not at all."""
    part = folder / f"{start:08d}.part"
    frame.to_parquet(part, index=False)
    sync(part)
    part.replace(folder / f"{_name(start, part)}.parquet")


def _name(start: int, file: Path) -> str:
    return f"{start:08d}-{file_hash(file)[:DIGITS]}"
