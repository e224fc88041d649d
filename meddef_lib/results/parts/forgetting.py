"""What pruning makes a network forget, from its answers to the same clean images (Holste et al. 2023).

An answer of several seeds is the one that most of them give, of equally many that of the first of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import count
from math import factorial
from typing import Any, cast

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from meddef_lib.results import metrics, statistics
from meddef_lib.results.collected import Collected, records_of
from meddef_lib.results.part import ends, fields, part, table
from meddef_lib.results.statistics import CONFIDENCE, Interval

ALPHA = 1 - CONFIDENCE
RESAMPLES = 999
SEED = 0
# with fewer classes no order of them is significant, not even a perfect one: it has p = 2 / classes!
LEAST_CLASSES = next(classes for classes in count(2) if 2 / factorial(classes) < ALPHA)
RULE = (
    "The safe rate is the largest pruning rate up to which no rate loses significantly many of the images "
    "that the unpruned network has right: McNemar's exact test on the same images (of several seeds a test "
    f"of the mean difference by image), corrected over the rates (Holm), at {100 * ALPHA:.0f} %. No rate is "
    "safe at which a network collapses, that is, gives nearly every image one class; 0: no rate is safe. Its "
    f"interval is of {RESAMPLES} resamples of the images. Both ends, as the rate itself, are rates that were "
    "tried: what lies between two of them is not known."
)


@dataclass(frozen=True)
class Answers:
    """The answers of one variant and way of training to n clean images: by rate, shape (seeds, n)."""

    dataset: str
    variant: str
    mode: str
    image_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    by_rate: Mapping[float, NDArray[np.int64]]
    unlearned: str = ""  # that there was nothing to forget, in words

    @property
    def rates(self) -> list[float]:
        """The pruning rates, ascending, without 0."""
        return sorted(rate for rate in self.by_rate if rate)

    def right(self, rate: float) -> NDArray[np.bool_]:
        return self.by_rate[rate] == self.labels

    def collapsed(self, rate: float) -> bool:
        """Whether the network of some seed gives nearly every image one class; of few, no test shows it."""
        by_seed = (pd.DataFrame({"label": self.labels, "clean_pred": of}) for of in self.by_rate[rate])
        return any(metrics.one_answer(answered) is not None for answered in by_seed)

    def changed(self, rate: float) -> NDArray[np.bool_]:
        """The images (n,) to which the pruned network gives another answer: pruning-identified exemplars."""
        return modal(self.by_rate[rate]) != modal(self.by_rate[0])


@dataclass(frozen=True)
class SafeRate:
    """The largest rate without a significant loss or a collapse (0: none), and the one after it (None: it was
    the last)."""

    rate: float
    first_loss: float | None
    p_values: Mapping[float, float]  # by rate, corrected


def answers(found: Collected, dataset: str) -> list[Answers]:
    """Those of every network of a data set that was pruned, in each way of training."""
    every: list[Answers] = []
    records = records_of(found, "attacked", "pruned", "compared")
    if records.empty:
        return every
    for (variant, mode), rows in records[records["dataset"] == dataset].groupby(
        ["variant", "mode"], sort=False
    ):
        if rows["rate"].nunique() > 1 and (rows["rate"] == 0).any():
            unlearned = metrics.unlearned(rows[rows["rate"] == 0], found.datasets[dataset].classes)
            every.append(answers_of(rows, dataset, str(variant), str(mode), unlearned))
    return every


def answers_of(records: pd.DataFrame, dataset: str, variant: str, mode: str, unlearned: str = "") -> Answers:
    """The answers to the images that every seed and rate has, from records of one way of training."""
    by_place = {
        cast(tuple[float, int], place): metrics.most_images(rows).set_index("image_id")
        for place, rows in records.groupby(["rate", "seed"])
    }
    first = next(iter(by_place.values()))
    shared = reduce(pd.Index.intersection, [frame.index for frame in by_place.values()])
    of_seeds: dict[float, list[NDArray[np.int64]]] = {}
    for (rate, _), frame in by_place.items():
        of_seeds.setdefault(float(rate), []).append(frame.loc[shared, "clean_pred"].to_numpy())
    by_rate = {rate: np.stack(found) for rate, found in of_seeds.items()}
    labels = first.loc[shared, "label"].to_numpy()
    return Answers(dataset, variant, mode, shared.to_numpy(), labels, by_rate, unlearned)


def modal(answered: NDArray[np.int64]) -> NDArray[np.int64]:
    """The answer (n,) that most seeds give, of answers (seeds, n); of equally many the first seed's."""
    votes = (answered[:, None] == answered[None]).sum(axis=1)  # (seeds, n): how many agree with each
    return np.take_along_axis(answered, votes.argmax(axis=0)[None], axis=0)[0]


def safe_rate(found: Answers) -> SafeRate:
    """By `RULE`."""
    corrected, safe = _safe(found, np.ones((1, len(found.labels)), dtype=np.int64))
    rates, place = found.rates, int(safe[0])
    first = rates[place] if place < len(rates) else None
    return SafeRate([0.0, *rates][place], first, dict(zip(rates, corrected[0].tolist(), strict=True)))


def interval(found: Answers) -> Interval:
    """Of the safe rate, over resamples of the images: both ends are rates that were tried, or 0."""
    n = len(found.labels)
    draws = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    _, safe = _safe(found, draws)
    low, high = np.quantile(safe, [ALPHA / 2, 1 - ALPHA / 2], method="inverted_cdf")
    rates = [0.0, *found.rates]
    return Interval(rates[int(low)], rates[int(high)])


def _safe(found: Answers, weights: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Corrected p-values (b, rates) and how many rates are safe (b,), where images count `weights` (b, n)."""
    p_values, losses = _tests(found, weights)
    corrected = statistics.holm(p_values)
    lost = (corrected < ALPHA) & losses | np.array([found.collapsed(rate) for rate in found.rates])
    return corrected, np.where(lost.any(axis=1), lost.argmax(axis=1), lost.shape[1])


def _tests(found: Answers, weights: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """p-values (b, rates) of the difference to the unpruned network, and whether it is a loss."""
    before = found.right(0).astype(float)
    differences = np.stack([found.right(rate).astype(float) - before for rate in found.rates])
    by_image = differences.mean(axis=1)  # (rates, n), over the seeds
    sums = weights @ by_image.T
    if len(before) == 1:
        lost, gained = (weights @ (sign * by_image > 0).T for sign in (-1, 1))
        p_values = 2 * scipy.stats.binom.cdf(np.minimum(lost, gained), lost + gained, 0.5)
        return np.minimum(p_values, 1.0), sums < 0
    # as `statistics.paired_mean`, which adds an image to either side
    n = weights.sum(axis=1, keepdims=True) + 2
    centre, squares = sums / n, (weights @ np.square(by_image).T + 2) / n
    error = np.sqrt((squares - np.square(centre)) / n)
    return 2 * scipy.stats.norm.sf(np.abs(centre) / error), sums < 0


def recalls(found: Answers, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The recall of each class at each rate: the mean over the seeds, with its interval (shares)."""
    rows = []
    for rate in (0.0, *found.rates):
        for label, name in enumerate(classes):
            right = found.right(rate)[:, found.labels == label]
            n = right.shape[1]
            spread = statistics.over_seeds(list(right.mean(axis=1)) if n else [], within=Interval(0, 1))
            own = statistics.wilson(int(right.sum()), n) if len(right) == 1 else spread.interval
            of_class = {"rate_percent": round(100 * rate), "class": name, "n": n}
            rows.append({**of_class, "recall": spread.mean, **ends(own)})
    return rows


def correlation(
    images: Sequence[int], before: Sequence[float | None], after: Sequence[float | None]
) -> dict[str, Any]:
    """Spearman's correlation of how frequent classes are with what remains of their recall.

    images: training images by class; recalls of the unpruned and the pruned network. `reason` says why there
    is none: too few classes, or one that the unpruned network never finds.
    """
    found: dict[str, Any] = {"classes": len(images), "least_classes": LEAST_CLASSES}
    found |= dict.fromkeys(("value", "ci_low", "ci_high"))
    if len(images) < LEAST_CLASSES:
        why = (
            f"{len(images)} classes: with fewer than {LEAST_CLASSES} not even a perfect correlation would be "
            f"significant (p = {2 / factorial(len(images)):.2f} at the least)."
        )
        return {**found, "reason": why}
    if not all(before) or None in after:
        return {**found, "reason": "A class is never found before pruning, so that none of it is forgotten."}
    remains = np.divide(np.asarray(after, dtype=float), np.asarray(before, dtype=float))
    if np.ptp(remains) == 0 or np.ptp(images) == 0:
        return {**found, "reason": "Every class keeps the same share of its recall, or is as frequent."}
    value = float(scipy.stats.spearmanr(images, remains).statistic)
    if abs(value) < 1:  # of a perfect order it would have no width
        # Fisher's transformation with the variance of ranks (Bonett and Wright 2000)
        spread = np.sqrt((1 + value**2 / 2) / (len(images) - 3)) * scipy.stats.norm.ppf(1 - ALPHA / 2)
        low, high = np.tanh(np.arctanh(value) + np.array([-spread, spread]))
        found |= {"ci_low": float(low), "ci_high": float(high)}
    return {**found, "value": value, "reason": ""}


# --- in the document ------------------------------------------------------------------------------


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a variant and way of training that was pruned; rates and shares in percent, but for recalls."""
    return [_row(found, one) for dataset in found.datasets for one in answers(found, dataset)]


def _row(found: Collected, one: Answers) -> dict[str, Any]:
    classes = found.datasets[one.dataset].classes
    safe = safe_rate(one)
    by_class = recalls(one, classes)
    return {
        "dataset": one.dataset,
        "variant": one.variant,
        "mode": one.mode,
        "seeds": len(one.by_rate[0]),
        "n": len(one.labels),
        "safe_rate": 100 * safe.rate,
        **ends(interval(one), 100),
        "first_loss": None if safe.first_loss is None else 100 * safe.first_loss,
        "largest_rate": 100 * max(one.rates),
        "unlearned": one.unlearned,
        "rates": [_at(one, rate, safe) for rate in (0.0, *one.rates)],
        "recalls": by_class,
        "correlation": _correlation(found, one, safe, by_class),
    }


def _at(one: Answers, rate: float, safe: SafeRate) -> dict[str, Any]:
    before, after, changed = one.right(0), one.right(rate), one.changed(rate)
    return {
        "rate_percent": round(100 * rate),
        "accuracy": 100 * float(after.mean()),
        "collapsed": one.collapsed(rate),
        "lost": float((before & ~after).sum(axis=1).mean()),
        "gained": float((~before & after).sum(axis=1).mean()),
        "p_holm": safe.p_values.get(rate),
        "exemplars": int(changed.sum()),
        "exemplars_share": 100 * float(changed.mean()),
        **ends(statistics.wilson(int(changed.sum()), len(changed)), 100),
    }


def _correlation(
    found: Collected, one: Answers, safe: SafeRate, by_class: list[dict[str, Any]]
) -> dict[str, Any]:
    """At the first rate with a loss, or the largest that was tried."""
    classes, rate = found.datasets[one.dataset].classes, safe.first_loss or max(one.rates)
    by_place = {(row["rate_percent"], row["class"]): row["recall"] for row in by_class}
    counts = found.data[one.dataset].summary["counts"].get("train", {}) if one.dataset in found.data else {}
    before, after = ([by_place[round(100 * at), name] for name in classes] for at in (0, rate))
    images = [counts.get(name, 0) for name in classes]
    return {"rate_percent": round(100 * rate), **correlation(images, before, after)}


@part(
    "forgetting",
    text="dataset variant mode unlearned",
    count="seeds n",
    number="safe_rate ci_low ci_high first_loss largest_rate",
    rates=table(
        count="rate_percent exemplars",
        flag="collapsed",
        number="accuracy lost gained p_holm exemplars_share ci_low ci_high",
    ),
    recalls=table(count="rate_percent n", text="class", number="recall ci_low ci_high"),
    correlation=fields(
        count="rate_percent classes least_classes", number="value ci_low ci_high", text="reason"
    ),
)
def forgotten(found: Collected) -> Any:
    """The `rows`, which a run keeps."""
    return found.forgotten
