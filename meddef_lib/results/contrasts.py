"""Differences between means of networks that saw the same images: one number, how sure it is.

One seed: the images are the sample, with the interval of Bonett and Price (2012). Several seeds: the
trainings are, with Student's t over the seeds, whose standard error is never taken below that of the images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from meddef_lib.results import statistics
from meddef_lib.results.statistics import CONFIDENCE, Interval


class Contrast(NamedTuple):
    """A weighted sum of shares, its interval, and the two-sided p of its being 0."""

    difference: float
    interval: Interval
    p: float


def contrast(hits: Sequence[NDArray], weights: NDArray) -> Contrast:
    """The sum of the shares of hits, weighted; `weights` sum to 0.

    Shapes: `hits` an array a seed, (images, *cells), of True and False; `weights` (*cells).
    """
    by_image = [np.tensordot(seed, weights, axes=weights.ndim) for seed in hits]
    values = np.array([np.mean(differences) for differences in by_image])
    centres, errors = np.transpose([statistics.paired_mean(differences) for differences in by_image])
    most = float(np.sum(np.clip(weights, 0, None)))  # what it is where all hits are on one side
    if len(by_image) == 1:
        centre, error, known = centres[0], errors[0], stats.norm()
    else:
        centre = np.mean(values)
        error = max(stats.sem(values), np.sqrt(np.mean(np.square(errors))))
        known = stats.t(len(values) - 1)
    low, high = centre + np.array([-1, 1]) * known.ppf((1 + CONFIDENCE) / 2) * error
    ends = Interval(max(-most, float(low)), min(most, float(high)))
    return Contrast(float(np.mean(values)), ends, float(2 * known.sf(abs(centre) / error)))
