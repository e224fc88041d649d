"""OCT B-scans as Kermany's archive has them: their sizes, brightness and white wedges."""

import cv2
import numpy as np

from meddef_lib.data.sources.phantoms.modalities import Modality, Pixels
from meddef_lib.data.sources.phantoms.scans import draw


def size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width of a scan."""
    return 496, int(rng.choice((512, 768, 1024, 1536), p=(0.85, 0.12, 0.02, 0.01)))


def add_border(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Paint the white wedges of a tilted scan on every fourth picture, about as often as in real data."""
    if rng.random() > 0.25:
        return pixels
    height, width = pixels.shape
    slope, top, bottom = rng.normal(0, 0.05), rng.uniform(0, 0.07), rng.uniform(0, 0.07)
    rise = height * slope * np.linspace(-1, 1, 2)
    upper = np.column_stack(([0, width - 1], height * top + rise))
    lower = np.column_stack(([0, width - 1], height * (1 - bottom) + rise))
    corners = ([[width, -height], [0, -height]], [[width, 2 * height], [0, 2 * height]])
    for edge, far in zip((upper, lower), corners, strict=True):
        polygon = (np.vstack((edge, far)) * 16).round().astype(np.int32)
        cv2.fillPoly(pixels, [polygon], 255, cv2.LINE_AA, 4)
    return pixels


MODALITY = Modality(
    number=0,
    folder="OCT2017",
    classes=("CNV", "DME", "DRUSEN", "NORMAL"),
    size=size,
    draw=draw,
    finish=add_border,
    mean=(35, 52),
    std_to_mean=(0.75, 1.0),
)
