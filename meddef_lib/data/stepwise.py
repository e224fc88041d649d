"""One file of each class on its way through the steps of section 3.1.2, to be looked at."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from meddef_lib.data import prepared
from meddef_lib.data.decode import Pixels
from meddef_lib.data.sources.opening import check_unchanged, open_source
from meddef_lib.data.steps import at_own_size, resized
from meddef_lib.engine.recipe import Workspace
from meddef_lib.params import PreprocessingParams

PICTURE = 192  # pixels of the longer side
FILE, STORED = "the file", "what networks see"
OFF = {"denoise": "none", "clahe": False, "brightness": 0.0, "min_max": False}


def make(space: Workspace) -> None:
    """Make a "stepwise/..." cell: of each class the first file, after each step that is on, and as stored.

    Settings: those of `opening.settings`, and preprocessing. Inputs: `data` (the prepared data set), and the
    phantoms where images are made up. Every step is taken at the file's own size; what is kept is smaller.

    Writes `stepwise.npz`, a uint8 picture (h, w) each by its place in `stepwise.parquet`, which has a row a
    picture: class_name, path, step, width and height before it was made smaller, mean and std of its pixels
    in [0, 1].
    """
    said = space.settings
    check_unchanged(said)
    source, data = open_source(space), prepared.load(space.inputs["data"])
    params = PreprocessingParams.restored(said["preprocessing"])
    first = data.index.sort_values(["label", "image_id"], kind="stable").groupby("label").head(1)
    pictures, rows = [], []
    for row in first.reset_index(names="place").to_dict("records"):
        grey = source.load(row["path"]).grey
        seen = [(FILE, grey), *taken(grey, params), (STORED, np.asarray(data.images[row["place"]]))]
        for step, picture in seen:
            shares = picture / 255
            rows.append(
                {"class_name": row["class_name"], "path": row["path"], "step": step}
                | {"width": picture.shape[1], "height": picture.shape[0]}
                | {"mean": float(shares.mean()), "std": float(shares.std())}
            )
            pictures.append(smaller(picture))
    check_unchanged(said)
    pd.DataFrame(rows).to_parquet(space.folder / "stepwise.parquet", index=False)
    named: dict[str, Any] = {f"{place}": picture for place, picture in enumerate(pictures)}
    np.savez_compressed(space.folder / "stepwise.npz", **named)


def taken(grey: Pixels, params: PreprocessingParams) -> Iterator[tuple[str, Pixels]]:
    """The picture (h, w) after each step that is on, at its own size; all but the last step, the resize."""
    words = {
        "denoise": f"median filter {params.median_size} × {params.median_size}",
        "clahe": f"CLAHE, clip {params.clahe_clip:g}",
        "brightness": f"brightness {params.brightness:+g}",
        "min_max": "min-max scaling",
    }
    on = [name for name, off in OFF.items() if getattr(params, name) != off]
    for number, name in enumerate(on, start=1):
        so_far = params.model_copy(update={left_out: OFF[left_out] for left_out in on[number:]})
        yield words[name], at_own_size(grey, so_far)


def smaller(grey: Pixels) -> Pixels:
    """The picture (h, w) with its longer side at `PICTURE`; one that is smaller stays as it is."""
    scale = PICTURE / max(grey.shape)
    if scale >= 1:
        return grey
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    return resized(grey, height, width)
