"""How sure a number is: intervals, paired tests, and the smallest difference that n images can show."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
ALPHA = 0.05  # of a test, 1 - CONFIDENCE
POWER = 0.8
LEAST_P = 0.001  # a smaller p-value is not told to the digit


class Interval(NamedTuple):
    """A confidence interval, in the unit of its number."""

    low: float
    high: float

    def scaled(self, factor: float) -> "Interval":
        return Interval(self.low * factor, self.high * factor)


ANYWHERE = Interval(-np.inf, np.inf)


class SeedMean(NamedTuple):
    """A mean over seeds and its interval; None without seeds, or (the interval) where they have no spread."""

    mean: float | None
    interval: Interval | None


class McNemar(NamedTuple):
    """Two models on the same n images: how many only the first, only the second got right."""

    only_first: int
    only_second: int
    p_value: float
    n: int

    @property
    def difference(self) -> float:
        """The second share minus the first."""
        return (self.only_second - self.only_first) / self.n

    @property
    def interval(self) -> Interval:
        """Of the difference: see `paired_difference`."""
        return paired_difference(self.only_first, self.only_second, self.n)


class Contrast(NamedTuple):
    """A weighted sum of shares, its interval, and the two-sided p of its being 0."""

    difference: float
    interval: Interval
    p: float


def wilson(hits: float, n: int) -> Interval | None:
    """Wilson's score interval of a share, in [0, 1] (Wilson 1927); None without images."""
    from statsmodels.stats.proportion import proportion_confint  # slow to import, for the start of a command

    if not n:
        return None
    low, high = proportion_confint(hits, n, alpha=1 - CONFIDENCE, method="wilson")
    return Interval(max(0.0, float(low)), min(1.0, float(high)))


def wilson_of_f1(hits: int, n: int) -> Interval | None:
    """Interval of an F1, in [0, 1]: Wilson's of hits / n, for n images of the class or taken for it.

    F1 = 2 TP / (2 TP + FP + FN) rises with the share TP / (TP + FP + FN) alone, as 2 s / (1 + s), so that the
    ends of that share's interval are those of F1's (Lam et al. 2023, "Wilson indirect"). It holds for a class
    of few images, where the bias-corrected bootstrap reached from 0 to 1. None without images.
    """
    found = wilson(hits, n)
    return Interval(*(2 * share / (1 + share) for share in found)) if found else None


def of_balanced_accuracy(matrix: ArrayLike) -> Interval | None:
    """Interval of the mean recall over the classes that have images, in [0, 1]; None without images.

    Each recall's own Wilson interval, put together as for any sum of independent shares (MOVER; Zou and
    Donner 2008, equation 4): it has a width for few images, too, and where no image is missed.
    """
    counts = np.asarray(matrix)
    found = [(counts[true, true], counts[true].sum()) for true in range(len(counts)) if counts[true].any()]
    if not found:
        return None
    recalls = np.asarray([hits / n for hits, n in found])
    ends = np.asarray([wilson(hits, n) for hits, n in found])
    below, above = np.sqrt(np.sum(np.square(recalls[:, None] - ends), axis=0)) / len(found)
    mean = float(np.mean(recalls))
    return Interval(max(0.0, mean - float(below)), min(1.0, mean + float(above)))


def over_seeds(values: Sequence[float], *, within: Interval = ANYWHERE) -> SeedMean:
    """Mean over seeds with Student's t-interval, cut to what the quantity can be (`within`).

    No interval from one seed, or from seeds that all agree, where it had no width.
    """
    if not values:
        return SeedMean(None, None)
    mean = float(np.mean(values))
    if np.ptp(values) == 0:
        return SeedMean(mean, None)
    half = float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * scipy.stats.sem(values))
    return SeedMean(mean, Interval(max(within.low, mean - half), min(within.high, mean + half)))


def quantile(values: NDArray, share: float) -> tuple[float, Interval]:
    """A quantile of values (n,), n >= 1, and its interval by order statistics (Conover 1999, section 3.2).

    It assumes no distribution, takes infinite values as they are, and draws nothing; an end beyond all
    values, as of few, is infinite.
    """
    ranked = np.sort(values)
    # how many of n images lie below the true quantile is binomial
    below, above = scipy.stats.binom.ppf([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], len(ranked), share)
    padded = np.concatenate([[-np.inf], ranked, [np.inf]])
    found = np.quantile(ranked, share, method="inverted_cdf")
    return float(found), Interval(float(padded[int(below)]), float(padded[int(above) + 1]))


def mcnemar(first: pd.Series, second: pd.Series) -> McNemar:
    """Exact two-sided McNemar test between two models' hits on the same images (McNemar 1947).

    The series are True and False by image id, in any order. Raises ValueError unless the images are the same.
    """
    from statsmodels.stats.contingency_tables import mcnemar as exact_mcnemar  # slow to import, as above

    if len(first) != len(second) or set(first.index) != set(second.index):
        shared = len(set(first.index) & set(second.index))
        raise ValueError(
            f"a paired test needs the same images: {len(first)} and {len(second)} given, {shared} in both"
        )
    other = second.reindex(first.index).to_numpy(dtype=bool)
    hits = first.to_numpy(dtype=bool)
    only_first, only_second = int(np.sum(hits & ~other)), int(np.sum(~hits & other))
    found = exact_mcnemar([[0, only_first], [only_second, 0]], exact=True)
    return McNemar(only_first, only_second, min(1.0, float(found.pvalue)), len(first))


def paired_difference(only_first: int, only_second: int, n: int) -> Interval:
    """Interval of the second share minus the first on the same n images (Bonett and Price 2012), in [-1, 1].

    Wald's interval after adding one image to each side that only one of the two got right: it keeps its
    promise for few images and for differences of zero, where Wald's own has no width. n is at least 1.
    """
    differences = np.repeat([-1.0, 1.0, 0.0], [only_first, only_second, n - only_first - only_second])
    centre, error = paired_mean(differences)
    half = float(scipy.stats.norm.ppf((1 + CONFIDENCE) / 2)) * error
    return Interval(max(-1.0, centre - half), min(1.0, centre + half))


def paired_mean(differences: NDArray) -> tuple[float, float]:
    """Centre and standard error of the mean of differences by image (Bonett and Price 2012).

    One image of -1 and one of 1 are added: without them a difference of zero on every image would be certain.
    """
    n = len(differences) + 2
    centre = float(np.sum(differences)) / n
    squares = (float(np.sum(np.square(differences))) + 2) / n
    return centre, float(np.sqrt((squares - centre**2) / n))


def contrast(hits: Sequence[NDArray], weights: NDArray) -> Contrast:
    """The sum of the shares of hits, weighted; `weights` sum to 0.

    Shapes: `hits` an array a seed, (images, *cells), of True and False; `weights` (*cells). All networks saw
    the same images. One seed: the images are the sample, with the interval of Bonett and Price (2012). Theirs
    is of two networks with the weights 1 and -1; where there are more, the two images that it adds count in
    proportion to the norm of the weights, as the spread of so many independent answers does. Several seeds:
    the trainings are the sample, with Student's t over the seeds, whose standard error is never taken below
    that of the images.
    """
    by_image = [np.tensordot(seed, weights, axes=weights.ndim) for seed in hits]
    values = np.array([np.mean(differences) for differences in by_image])
    scale = float(np.linalg.norm(weights) / np.sqrt(2))
    centres, errors = scale * np.transpose([paired_mean(each / scale) for each in by_image])
    most = float(np.sum(np.clip(weights, 0, None)))  # what it is where all hits are on one side
    if len(by_image) == 1:
        centre, error, known = centres[0], errors[0], scipy.stats.norm()
    else:
        centre = np.mean(values)
        error = max(scipy.stats.sem(values), np.sqrt(np.mean(np.square(errors))))
        known = scipy.stats.t(len(values) - 1)
    low, high = centre + np.array([-1, 1]) * known.ppf((1 + CONFIDENCE) / 2) * error
    ends = Interval(max(-most, float(low)), min(most, float(high)))
    return Contrast(float(np.mean(values)), ends, float(2 * known.sf(abs(centre) / error)))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down correction for several tests of one claim (Holm 1979), in the order given.

    Shapes: (tests,), or (claims, tests) of several claims at once. Not statsmodels' `multipletests`: it
    collects garbage at every call, which took most of a report's time.
    """
    found = np.asarray(p_values, dtype=float)
    order = np.argsort(found)
    stepped = np.take_along_axis(found, order, axis=-1) * np.arange(found.shape[-1], 0, -1)
    corrected = np.empty_like(found)
    np.put_along_axis(corrected, order, np.maximum.accumulate(np.minimum(stepped, 1.0), axis=-1), axis=-1)
    return corrected


def smallest_detectable_difference(share: float, n: int) -> float:
    """Smallest difference from `share` that two samples of n images each show with a power of `POWER`.

    Two-sided test at the 5 % level on arcsine-transformed shares (Cohen 1988, chapter 6), towards one half,
    where a difference is hardest to see. Shares in [0, 1]; n is at least 1.
    """
    effect = (scipy.stats.norm.ppf((1 + CONFIDENCE) / 2) + scipy.stats.norm.ppf(POWER)) * np.sqrt(2 / n)
    angle = 2 * np.arcsin(np.sqrt(share))
    moved = angle - effect if share > 0.5 else angle + effect
    return float(abs(np.sin(np.clip(moved, 0, np.pi) / 2) ** 2 - share))


def p_text(value: float, sign: str = "") -> str:
    """A p-value in two significant digits, or in as many as keep it on its side of `ALPHA`: "0.0496".

    `sign` stands before it, such as "= "; below `LEAST_P` it is "< 0.001", whatever the sign. NaN is a dash.
    """
    if np.isnan(value):
        return "–"
    if value < LEAST_P:
        return f"< {LEAST_P:g}"
    told = (f"{value:.{digits}g}" for digits in range(2, 17))
    return sign + next(said for said in told if (float(said) < ALPHA) == (value < ALPHA))
