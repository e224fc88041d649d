"""Where the patient is in a grey image: the body on a chest X-ray, the retina on an OCT scan."""

import cv2
import numpy as np
from numpy.typing import NDArray

WHITE = 245  # scans that were rotated have white corners; JPEG and resizing blur their edges
FLAT = 3  # a row or column whose grey levels differ by no more is padding


def foreground(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The largest bright region of a prepared image, without holes: bool (h, w) of grey levels (h, w).

    Padding (rows and columns of one grey level at the border) and white areas that touch the border are set
    aside. What is left is smoothed (Gaussian, sigma 1/75 of the side), thresholded after Otsu (1979), and
    closed with a disc of 1/6 of the side, so that the layers of a retina and both sides of a lung hold
    together. Nothing is found (all False) where no more than one grey level is left.
    """
    scan = ~(_padding(image) | _white_margin(image))
    if not scan.any():
        return np.zeros(image.shape, dtype=np.bool_)
    side = min(image.shape)
    filled = np.where(scan, image, np.uint8(np.median(image[scan])))  # else their edges would smear
    smooth = cv2.GaussianBlur(filled, (0, 0), side / 75)
    if np.ptp(smooth[scan]) == 0:
        return np.zeros(image.shape, dtype=np.bool_)
    threshold, _ = cv2.threshold(smooth[scan].reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    bright = ((smooth > threshold) & scan).astype(np.uint8)
    return _without_holes(_largest(_closed(bright, max(side // 6, 1))))


def _padding(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    rows, columns = (_from_the_ends(np.ptp(image, axis=axis) <= FLAT) for axis in (1, 0))
    return rows[:, np.newaxis] | columns[np.newaxis, :]


def _from_the_ends(flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The runs of True at both ends."""
    return np.logical_and.accumulate(flat) | np.logical_and.accumulate(flat[::-1])[::-1]


def _white_margin(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    _, regions = cv2.connectedComponents((image >= WHITE).astype(np.uint8))
    border = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    margin = np.isin(regions, border[border > 0]).astype(np.uint8)
    return cv2.dilate(margin, np.ones((3, 3), np.uint8)).astype(np.bool_)


def _closed(mask: NDArray[np.uint8], diameter: int) -> NDArray[np.uint8]:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter | 1, diameter | 1))
    # room around the image, else closing would shrink what touches its border
    padded = np.pad(mask, diameter)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)
    return np.asarray(closed[diameter:-diameter, diameter:-diameter], dtype=np.uint8)


def _largest(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, regions, statistics, _ = cv2.connectedComponentsWithStats(mask)
    areas = statistics[1:, cv2.CC_STAT_AREA]  # region 0 is what is not in the mask
    return (regions == 1 + areas.argmax()).astype(np.uint8)


def _without_holes(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(mask)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return filled.astype(np.bool_)
