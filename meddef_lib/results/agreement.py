"""The columns that readings of the protocol make of what networks answered, and how they agree with print.

The records are of `diagnostics.readings`; the features and the rule are those of `params/readings.yaml`.
Arrays have the networks and the strengths (epsilon, or pruning rate) last, (..., networks, strengths);
resamples of the images come before. Numbers are percentages; what does not exist is NaN, and what is said of
it does not count.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.params.protocol import (
    DESCRIBED,
    USUAL,
    Measure,
    Printed,
    PrintedAttack,
    Protocol,
    Quantity,
    Reading,
)
from meddef_lib.params.types import DECIMALS
from meddef_lib.results.statistics import CONFIDENCE, Interval

Floats = NDArray[np.float64]

TAIL = (1 - CONFIDENCE) / 2
ROUNDING = 1e-6  # of percentages that are shares of whole images


@dataclass(frozen=True)
class AttackColumn:
    """One column of a table, printed or made by a reading, with what it is compared with.

    values: (..., networks, strengths); clean: accuracy on clean images, (..., networks, 1), as the others
    FGSM's and BIM's column; NaN where there is none. majority: the share of the largest class. n: images.
    """

    values: Floats
    clean: Floats
    others: Mapping[str, Floats]
    majority: float
    n: int


@dataclass(frozen=True)
class Agreement:
    """A reading beside the printed column; `agreements` are those of the resamples, (resamples,)."""

    agreement: float  # in [0, 1]
    distance: float  # mean absolute difference in points
    statements: int
    agreements: Floats

    @property
    def interval(self) -> Interval:
        """Of the agreement, over resamples of the images."""
        low, high = np.nanquantile(self.agreements, [TAIL, 1 - TAIL])
        return Interval(float(low), float(high))


def statements(
    column: AttackColumn, quantity: Quantity, measure: Measure, *, attack: str
) -> dict[str, Floats]:
    """What the features say of a column: 1 (rising, above, yes), 0 (level, equal) or -1, by feature.

    Each is (..., networks, strengths), of `trend` a strength less. A column is not compared with itself.
    """
    equal = max(measure.points, 100 / column.n) + ROUNDING
    values = column.values

    def sign(difference: Floats) -> Floats:
        return np.where(np.abs(difference) <= equal, 0.0, np.sign(difference))

    def yes(found: NDArray[np.bool_]) -> Floats:
        return np.where(np.isnan(values), np.nan, np.where(found, 1.0, -1.0))

    at_majority = np.abs(values - column.majority) <= equal

    said = {
        "trend": sign(np.diff(values, axis=-1)),
        "clean": sign(values - column.clean),
        "majority": yes(at_majority) + (0 * column.majority),
        "zero": yes(values <= equal),
        **{name: sign(values - other) for name, other in column.others.items() if name != attack},
    }
    return {
        name: said[name]
        for name, feature in measure.features.items()
        if quantity in feature.tables and name in said
    }


def compare(
    printed: AttackColumn, made: AttackColumn, quantity: Quantity, measure: Measure, *, attack: str
) -> Agreement:
    """A made column (with the images as they are first, then resamples) beside the printed one.

    Both have the same networks and strengths. The same statement counts 1, the opposite 0, and 1/2 where one
    of the two says equal or level.
    """
    ours, theirs = (statements(one, quantity, measure, attack=attack) for one in (made, printed))
    alike = [1 - np.abs(ours[name] - theirs[name]) / 2 for name in ours]
    scores = pd.DataFrame(np.hstack([of.reshape(len(made.values), -1) for of in alike]))
    agreement, *agreements = scores.mean(axis="columns")
    distance = pd.Series(np.abs(made.values[0] - printed.values).ravel()).mean()
    return Agreement(agreement, distance, int(scores.iloc[0].count()), np.array(agreements))


def not_told_apart(found: Mapping[str, Agreement]) -> list[str]:
    """The readings whose agreement may be the highest, the least distance from the printed column first.

    Those are the reading of the highest agreement and every one of which the interval of the difference to
    it, over resamples of the images that all readings share, reaches 0. Readings without any statement are
    left out.
    """
    there = {name: one for name, one in found.items() if one.statements}
    best = max(there.values(), key=lambda one: one.agreement, default=None)
    if best is None:
        return []
    together = [
        name
        for name, one in there.items()
        if one is best or np.nanquantile(best.agreements - one.agreements, TAIL) <= ROUNDING
    ]
    return sorted(together, key=lambda name: round(there[name].distance, 9))


def ranked(found: Mapping[str, Agreement]) -> list[str]:
    """The readings that cannot be told apart by their agreement, by distance; behind them the others."""
    together = not_told_apart(found)
    others = [name for name, one in found.items() if one.statements and name not in together]
    return together + sorted(others, key=lambda name: (-found[name].agreement, found[name].distance))


# --- what readings make ---------------------------------------------------------------------------

Place = tuple[str, str, float | None, float, str]  # procedure, attack, eps (None: it has none), rate, scope
OF_A_RUN = ("procedure", "attack", "eps", "rate", "scope")  # columns of the records
COMPARED: tuple[PrintedAttack, ...] = ("fgsm", "bim")  # described, that columns are compared with


@dataclass(frozen=True)
class Tried:
    """Networks of one data set, each by its variant, with their records on the same test images.

    `scope` and `eps` are those of the tables over pruning.
    """

    protocol: Protocol
    records: Mapping[str, pd.DataFrame]
    scope: str
    eps: float

    def positions(self, quantity: Quantity) -> list[float]:
        """The strengths that were measured: epsilons, or percent of the weights pruned, rising."""
        records = pd.concat(self.records.values())
        if quantity == "accuracy":
            return sorted(records.loc[records["rate"] == 0, "eps"].dropna().round(DECIMALS).unique())
        return sorted((100 * records["rate"].unique()[records["rate"].unique() > 0]).round(DECIMALS))

    def column(
        self,
        reading: Reading,
        quantity: Quantity,
        attack: PrintedAttack,
        variants: Sequence[str],
        positions: Sequence[float],
    ) -> AttackColumn | None:
        """What a reading makes of a column, as it is and in resamples of the images; None without records."""
        places = [self._place(reading, quantity, attack, position) for position in positions]
        if any(place not in self._runs[variant] for variant in variants for place in places):
            return None
        first = self._runs[variants[0]][places[0]]
        images = frozenset(first["image_id"])

        def numbers(places: Sequence[Place], printed: Printed, *how: str) -> Floats:
            """(1 + resamples, variants, places), NaN where there is no run, of the images alone."""
            found = [[self._number(v, place, images, printed, *how) for place in places] for v in variants]
            return np.ascontiguousarray(np.moveaxis(np.array(found), -1, 0))

        def as_described(name: PrintedAttack) -> list[Place]:
            described = self.protocol.readings[DESCRIBED]
            return [self._place(described, quantity, name, position) for position in positions]

        clean = numbers(places[:1], "accuracy", "clean_pred")
        answers = f"one/{quantity}" if reading.answers == "one" else "own"
        return AttackColumn(
            numbers(places, reading.number or USUAL[quantity], "adv_pred", reading.failed, answers),
            clean if quantity == "accuracy" else np.full_like(clean, np.nan),
            {name: numbers(as_described(name), USUAL[quantity]) for name in COMPARED},
            largest_share(first["label"])[1],
            len(images),
        )

    def _place(self, reading: Reading, quantity: Quantity, attack: str, position: float) -> Place:
        made_as = reading.made_as or attack
        eps = round(reading.eps or (position if quantity == "accuracy" else self.eps), DECIMALS)
        rate = 0.0 if quantity == "accuracy" else round(position / 100, DECIMALS)
        scope = reading.scope or self.scope
        without = (reading.procedure, made_as, None, rate, scope)  # pairs of pixels have no epsilon
        found = next(iter(self._runs.values()))
        return without if without in found else (reading.procedure, made_as, eps, rate, scope)

    @cached_property
    def _runs(self) -> dict[str, dict[Place, pd.DataFrame]]:
        return {
            variant: {_place_of(key): run for key, run in records.groupby(list(OF_A_RUN), dropna=False)}
            for variant, records in self.records.items()
        }

    @cached_property
    def _images(self) -> pd.Index:
        return pd.Index(sorted(pd.concat(self.records.values())["image_id"].unique()))

    @cached_property
    def _drawn(self) -> Floats:
        """How often each image is drawn: once each, then in every resample; (1 + resamples, images)."""
        measure, n = self.protocol.measure, len(self._images)
        draws = np.random.default_rng(measure.seed).multinomial(n, np.full(n, 1 / n), size=measure.resamples)
        return np.vstack([np.ones(n), draws])

    @cached_property
    def _number(self) -> Callable[..., Floats]:
        """`_made`, once each: readings share runs, and all are compared with the same columns."""
        return cache(self._made)

    def _made(
        self,
        variant: str,
        place: Place,
        images: frozenset[int],
        printed: Printed,
        prediction: str = "adv_pred",
        failed: str = "kept",
        answers: str = "own",
    ) -> Floats:
        """The `number` of a run as it is and in resamples, (1 + resamples,); NaN where there is no run."""
        if place not in self._runs[variant]:
            return np.full(len(self._drawn), np.nan)
        records = self._runs[variant][place]
        records = records[records["image_id"].isin(images)]
        counted = records.assign(adv_pred=records[prediction])
        if failed == "clean":
            fooled = counted["adv_pred"] != counted["label"]
            counted["adv_pred"] = counted["adv_pred"].where(fooled, counted["clean_pred"])
        if answers != "own":
            counted["adv_pred"] = largest_share(counted["label"])[0]
        if answers == "one/attack_success_rate":
            counted["clean_pred"] = counted["adv_pred"]
        at = self._images.get_indexer(pd.Index(counted["image_id"]))
        return number(counted, printed, self._drawn[:, at])


def _place_of(key: Any) -> Place:
    procedure, attack, eps, rate, scope = key
    return procedure, attack, None if np.isnan(eps) else round(eps, DECIMALS), round(rate, DECIMALS), scope


def number(records: pd.DataFrame, printed: Printed, drawn: Floats) -> Floats:
    """What is printed of records (label, clean_pred, adv_pred), in percent, once a row of `drawn`.

    `drawn` says how often each of the n images is drawn, (..., n). NaN where no image is, or none of them is
    classified correctly and the number is a share of those.
    """
    label, before, after = (records[name].to_numpy() for name in ("label", "clean_pred", "adv_pred"))
    correct, right = before == label, after == label
    n, clean, kept, attacked = (
        drawn @ hits.astype(float) for hits in (np.ones(len(label)), correct, correct & right, right)
    )
    n, clean = (np.where(count == 0, np.nan, count) for count in (n, clean))
    base, complement = printed.removeprefix("100 - "), printed.startswith("100 - ")
    share = {
        "accuracy": attacked / n,
        "success_over_correct": (clean - kept) / clean,
        "success_over_all": 1 - attacked / n,
        "relative_drop": np.maximum(0, (clean - attacked) / clean),
    }[base]
    found: Floats = 100 * (1 - share if complement else share)
    return found


def largest_share(labels: pd.Series) -> tuple[int, float]:
    """The commonest class and its share in percent."""
    counts = np.bincount(labels.to_numpy(np.int64))
    return int(counts.argmax()), float(100 * counts.max() / counts.sum())
