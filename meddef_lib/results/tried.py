"""The columns that readings of the protocol make of what networks answered (`diagnostics.readings`)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from meddef_lib.params.protocol import DESCRIBED, USUAL, Column, Printed, Protocol, Quantity, Reading
from meddef_lib.results import agreement
from meddef_lib.results.agreement import Floats

Place = tuple[str, str, float | None, float, str]  # procedure, attack, eps (None: it has none), rate, scope
OF_A_RUN = ("procedure", "attack", "eps", "rate", "scope")  # columns of the records
COMPARED: tuple[Column, ...] = ("fgsm", "bim")  # described, that columns are compared with


@dataclass(frozen=True)
class Tried:
    """Networks of one data set, each by its variant, with their records on the same test images.

    `scope` and `eps` are those of the tables over pruning.
    """

    protocol: Protocol
    records: Mapping[str, pd.DataFrame]
    scope: str
    eps: float

    @property
    def variants(self) -> list[str]:
        return list(self.records)

    def positions(self, quantity: Quantity) -> list[float]:
        """The strengths that were measured: epsilons, or percent of the weights pruned, rising."""
        records = pd.concat(self.records.values())
        if quantity == "accuracy":
            return sorted(records.loc[records["rate"] == 0, "eps"].dropna().round(6).unique())
        return sorted((100 * records["rate"].unique()[records["rate"].unique() > 0]).round(6))

    def column(
        self,
        reading: Reading,
        quantity: Quantity,
        attack: Column,
        variants: Sequence[str],
        positions: Sequence[float],
    ) -> agreement.Column | None:
        """What a reading makes of a column, as it is and in resamples of the images; None without records."""
        places = [self._place(reading, quantity, attack, position) for position in positions]
        if any(place not in self._runs[variant] for variant in variants for place in places):
            return None
        images = set(self._runs[variants[0]][places[0]]["image_id"])
        printed = reading.number or USUAL[quantity]
        described = self.protocol.readings[DESCRIBED]
        others: dict[str, Floats] = {
            name: self._numbers(
                [self._place(described, quantity, name, position) for position in positions],
                variants,
                USUAL[quantity],
                images,
            )
            for name in COMPARED
        }
        clean = self._numbers(places[:1], variants, "accuracy", images, prediction="clean_pred")
        labels = self._runs[variants[0]][places[0]]["label"]
        return agreement.Column(
            self._numbers(places, variants, printed, images, reading=reading, quantity=quantity),
            clean if quantity == "accuracy" else np.full_like(clean, np.nan),
            others,
            largest_share(labels)[1],
            len(images),
        )

    def _place(self, reading: Reading, quantity: Quantity, attack: str, position: float) -> Place:
        made_as = reading.made_as or attack
        eps = round(reading.eps or (position if quantity == "accuracy" else self.eps), 6)
        rate = 0.0 if quantity == "accuracy" else round(position / 100, 6)
        scope = reading.scope or self.scope
        without = (reading.procedure, made_as, None, rate, scope)  # pairs of pixels have no epsilon
        found = next(iter(self._runs.values()))
        return without if without in found else (reading.procedure, made_as, eps, rate, scope)

    @cached_property
    def _runs(self) -> dict[str, dict[Place, pd.DataFrame]]:
        """The records of each run, by variant."""
        return {
            variant: {_place_of(key): run for key, run in records.groupby(list(OF_A_RUN), dropna=False)}
            for variant, records in self.records.items()
        }

    @cached_property
    def _images(self) -> pd.Index:
        """Every image, by id."""
        return pd.Index(sorted(pd.concat(self.records.values())["image_id"].unique()))

    @cached_property
    def _drawn(self) -> Floats:
        """How often each image is drawn: once each, then in every resample; (1 + resamples, images)."""
        measure, n = self.protocol.measure, len(self._images)
        draws = np.random.default_rng(measure.seed).multinomial(n, np.full(n, 1 / n), size=measure.resamples)
        return np.vstack([np.ones(n), draws])

    @cached_property
    def _made(self) -> dict[Any, Floats]:
        return {}

    def _numbers(
        self,
        places: Sequence[Place],
        variants: Sequence[str],
        printed: Printed,
        images: Collection[int],
        *,
        prediction: str = "adv_pred",
        reading: Reading | None = None,
        quantity: Quantity = "accuracy",
    ) -> Floats:
        """(1 + resamples, variants, places), NaN where there is no run, of the images alone."""
        failed = reading.failed if reading else "kept"
        answers = f"one/{quantity}" if reading and reading.answers == "one" else "own"
        how = printed, prediction, failed, answers, len(images)
        for variant in variants:
            for place in places:
                if (variant, place, *how) in self._made:
                    continue
                records = self._runs[variant].get(place)
                if records is None:
                    numbers = np.full(len(self._drawn), np.nan)
                else:
                    records = records[records["image_id"].isin(images)]
                    records = _answered(records, prediction, failed, answers)
                    drawn = self._drawn[:, self._images.get_indexer(pd.Index(records["image_id"]))]
                    numbers = number(records, printed, drawn)
                self._made[variant, place, *how] = numbers
        return np.stack(
            [
                np.stack([self._made[variant, place, *how] for place in places], axis=-1)
                for variant in variants
            ],
            axis=-2,
        )


def _place_of(key: Any) -> Place:
    procedure, attack, eps, rate, scope = key
    return procedure, attack, None if np.isnan(eps) else round(eps, 6), round(rate, 6), scope


def _answered(records: pd.DataFrame, prediction: str, failed: str, answers: str) -> pd.DataFrame:
    """The records with the answers to attacked images that are counted as `adv_pred`."""
    found = records.assign(adv_pred=records[prediction])
    if failed == "clean":
        found["adv_pred"] = found["adv_pred"].where(found["adv_pred"] != found["label"], found["clean_pred"])
    if answers != "own":
        found["adv_pred"] = largest_share(found["label"])[0]
    if answers == "one/attack_success_rate":
        found["clean_pred"] = found["adv_pred"]
    return found


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
