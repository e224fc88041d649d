"""Finished batches of records, kept so that a killed run goes on where it stopped."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.engine.files import write_whole


def claim(folder: Path, call: Mapping[str, Any]) -> None:
    """Write into `folder` of which call it holds batches. Raises ValueError if they are another call's."""
    text = json.dumps(call, sort_keys=True, indent=1, default=str)
    file = folder / "call.json"
    if file.is_file() and file.read_text(encoding="utf-8") != text:
        raise ValueError(
            f"{folder} holds records of another attack, of other settings or another way of computing (see "
            f"{file.name}); give each call a work folder of its own, or delete this one to begin anew."
        )
    write_whole(file, text)


def read(file: Path, image_ids: NDArray[np.int64]) -> pd.DataFrame:
    """A finished batch. Raises ValueError if it is about other images than these."""
    frame = pd.read_parquet(file)
    if not np.array_equal(frame["image_id"], image_ids):
        raise ValueError(
            f"{file} holds records of other images than this call asks for; give each call a work folder of "
            "its own, or delete this one to begin anew."
        )
    return frame


def write(frame: pd.DataFrame, file: Path) -> None:
    """Keep a batch; it is there whole or not at all."""
    part = file.with_suffix(".part")
    frame.to_parquet(part, index=False)
    part.replace(file)
