"""Chest films as Kermany's archive has them: their sizes, brightness, marker and share of classes."""

import cv2
import numpy as np

from meddef_lib.data.sources.phantoms.films import draw
from meddef_lib.data.sources.phantoms.modalities import Modality, Pixels


def size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width of a film: smaller than most published ones (384 to 2,916 wide), for speed."""
    width = rng.uniform(480, 960)
    return round(width / rng.uniform(1.0, 1.5)), round(width)


def add_marker(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Burn in the letter R at the patient's right, on most films."""
    if rng.random() < 0.7:
        height, width = pixels.shape
        place = (round(rng.uniform(0.03, 0.10) * width), round(rng.uniform(0.07, 0.25) * height))
        thickness = max(width // 250, 1)
        cv2.putText(pixels, "R", place, cv2.FONT_HERSHEY_SIMPLEX, width / 700, 250, thickness, cv2.LINE_AA)
    return pixels


MODALITY = Modality(
    number=1,
    folder="chest_xray",
    classes=("NORMAL", "PNEUMONIA"),
    size=size,
    draw=draw,
    finish=add_marker,
    mean=(108, 142),
    std_to_mean=(0.38, 0.50),
    share_of_first_class=1583 / 5856,  # NORMAL (MedDef, 3.1.1)
)
