"""How well a network's confidence says how often it is right: bins of a reliability chart, and their error.

The expected calibration error is the mean distance between confidence and accuracy over `BINS` equally wide
bins of the confidence in the predicted class, weighted by their images (Guo et al. 2017, equation 3). It is
never below what chance makes of few images, which `by_chance` tells.
"""

from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from meddef_lib.results.statistics import CONFIDENCE, Interval

BINS = 15
RESAMPLES = 999


def error(confidence: ArrayLike, right: ArrayLike) -> float:
    """Expected calibration error, in [0, 1], of confidences in (0, 1] and whether each answer is right."""
    return float(_errors(np.ones((1, len(np.asarray(right)))), confidence, right)[0])


def interval(confidence: ArrayLike, right: ArrayLike, *, seed: int) -> Interval:
    """Bias-corrected bootstrap over images (Efron 1981): an error of resamples is larger than the images'."""
    n, observed = len(np.asarray(right)), error(confidence, right)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    errors = _errors(weights, confidence, right)
    least = 1 / (2 * RESAMPLES)
    bias = scipy.stats.norm.ppf(np.clip(np.mean(errors < observed), least, 1 - least))
    ends = scipy.stats.norm.ppf([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    low, high = np.quantile(errors, scipy.stats.norm.cdf(2 * bias + ends))
    return Interval(float(low), float(high))


def by_chance(confidence: ArrayLike, *, seed: int) -> float:
    """Mean error of a network that is right exactly as often as it says, on as many images."""
    stated = np.asarray(confidence)
    right = np.random.default_rng(seed).random((RESAMPLES, len(stated))) < stated
    return float(np.mean([error(stated, each) for each in right]))


def bins(confidence: ArrayLike, right: ArrayLike) -> list[dict[str, Any]]:
    """A row a bin that has images: its ends, mean confidence, accuracy (both in [0, 1]) and images."""
    stated, hits, of_image = np.asarray(confidence), np.asarray(right), _bins(confidence)
    return [
        {
            "low": number / BINS,
            "high": (number + 1) / BINS,
            "confidence": float(stated[of_image == number].mean()),
            "accuracy": float(hits[of_image == number].mean()),
            "images": int(np.sum(of_image == number)),
        }
        for number in np.unique(of_image).tolist()
    ]


def _bins(confidence: ArrayLike) -> NDArray[np.int64]:
    return np.clip(np.ceil(np.asarray(confidence) * BINS).astype(np.int64) - 1, 0, BINS - 1)


def _errors(weights: NDArray, confidence: ArrayLike, right: ArrayLike) -> NDArray:
    """Of images counted as often as each row of `weights`, (resamples, n), says."""
    members = np.eye(BINS)[_bins(confidence)]
    apart = members * (np.asarray(right, dtype=float) - np.asarray(confidence))[:, None]
    return np.abs(weights @ apart).sum(axis=1) / weights.sum(axis=1)
