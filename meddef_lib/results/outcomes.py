"""What a run measured, under the addresses of the paper's numbers.

An accuracy is that at the attack's last iterate, a success rate that of correctly classified images; the
other readings (worst iterate, relative drop in accuracy) stand beside it as `alternatives`, and what the
network has under the strongest attacks together, the worst case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from meddef_lib.paper.addresses import Address
from meddef_lib.paper.statements import SettingFact
from meddef_lib.params.types import DECIMALS
from meddef_lib.results import calibration, metrics, statistics
from meddef_lib.results.metrics import Matrix
from meddef_lib.results.setting import deviations
from meddef_lib.results.statistics import Interval

BOOTSTRAP_SEED = 0
FIRST_MISTAKE = ("the first mistake instead of the last iterate",)
WORST_CASE = "worst_case"  # the attack that is several; the worst iterate is that of any one attack


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One measured number, in the unit of its quantity, with what is needed to judge it."""

    per_seed: tuple[float, ...]  # one a trained model; () if the number does not exist
    seeds: tuple[int, ...] = ()  # of `per_seed` and `hits`, in their order; () where no seed is behind it
    n: int | None = None  # images it is a share of (of the first seed); of an F1, those of the class
    support: int | None = None  # images of its class, where n is another number (precision)
    images: int | None = None  # test images that were looked at for it
    interval: Interval | None = None
    hits: tuple[pd.Series, ...] = ()  # by seed: yes or no by image id, for paired tests
    deviations: tuple[str, ...] = ()  # from the published setting
    phantom: bool = False
    keys: tuple[str, ...] = ()  # of the stored results it comes from
    alternatives: Mapping[str, float | None] = field(default_factory=dict)
    zero_gradients: int = 0  # of the n images (of the worst seed): those where the attack's gradient was 0
    collapsed: str = ""  # that nearly every image got one answer, in words
    unlearned: str = ""  # that the network has not learned the task, in words
    note: str = ""

    @property
    def says_nothing(self) -> str:
        """Why no claim is tested with this number; "" where one may be."""
        return self.collapsed or self.unlearned

    @property
    def value(self) -> float | None:
        return float(np.mean(self.per_seed)) if self.per_seed else None


Outcomes = dict[Address, Outcome]


def lookup(outcomes: Mapping[Address, Outcome], address: Address) -> Outcome | None:
    """What was measured at an address; an attack without epsilon (JSMA) answers at every one of them.

    Beside a number under attack stands the worst case of the network there, where it was measured.
    """
    at = resolved(outcomes, address)
    found, worst = outcomes.get(at), outcomes.get(replace(address, attack=WORST_CASE))
    if found is not None and worst is not None and address.attack not in ("", WORST_CASE):
        found = replace(found, alternatives={**found.alternatives, WORST_CASE: worst.value})
    if found is not None and at != address:
        why = f"{address.attack.upper()} has no epsilon: one run stands in every row."
        found = replace(found, note=joined_notes(why, found.note))
    return found


def resolved(outcomes: Mapping[Address, Outcome], address: Address) -> Address:
    """Where the number at an address was measured: the address itself, or the same without epsilon."""
    without = replace(address, eps=None)
    return without if address not in outcomes and without in outcomes else address


def joined_notes(*notes: str) -> str:
    return " ".join(dict.fromkeys(note for note in notes if note))


def from_records(
    records: pd.DataFrame,
    *,
    dataset: str,
    classes: Sequence[str],
    variant: str,
    setting: Mapping[str, Any],
    facts: Sequence[SettingFact] = (),
    rate_percent: int = 0,
    keys: Sequence[str] = (),
) -> Outcomes:
    """Every number that the records of one model at one pruning rate give.

    `records` hold any number of attacks and epsilons, a row for each image of each. A run that let images go
    at their first mistake (`early_stop`) counts where there is none that went to its last iterate, which
    knows the worst iterate too, and says so. `setting` is what `setting.of_run` gives, `facts` the
    published setting of the data set (`Paper.setting`). Raises ValueError if there are no rows.
    """
    if records.empty:
        raise ValueError(f"there are no records of {dataset}, {variant}, {rate_percent} % pruned")
    model = Address(dataset=dataset, quantity="accuracy", variant=variant, rate_percent=rate_percent)
    runs: dict[Address, pd.DataFrame] = {}
    first_mistake: set[Address] = set()
    records = records.assign(early_stop=records.get("early_stop", False))
    for run, rows in records.groupby(["attack", "eps", "early_stop"], dropna=False):
        attack, eps, early = cast(tuple[Any, ...], run)
        at = None if pd.isna(eps) else round(float(eps), DECIMALS)
        address = replace(model, attack=str(attack), eps=at)
        if address not in runs:  # the last iterate first: False sorts before True
            runs[address] = rows
            if early:
                first_mistake |= {address, replace(address, quantity="attack_success_rate")}
    whole = max(runs.values(), key=len)
    found = _clean(whole, model, classes)
    for address, rows in runs.items():
        found |= _attacked(rows, address, classes)
    phantom = setting["data.source"] == "phantoms"
    on_clean = metrics.collapsed(whole, "clean_pred", classes)
    return {
        address: replace(
            outcome,
            deviations=(
                *deviations(setting, address, facts),
                *(FIRST_MISTAKE if address in first_mistake else ()),
            ),
            phantom=phantom,
            keys=tuple(keys),
            collapsed=outcome.collapsed or on_clean,
        )
        for address, outcome in found.items()
    }


def _clean(rows: pd.DataFrame, model: Address, classes: Sequence[str]) -> Outcomes:
    hits = metrics.correct(rows, "clean_pred")
    matrix = metrics.confusion_matrix(rows["label"], rows["clean_pred"], len(classes))
    beside = {"balanced_accuracy": metrics.percent(metrics.balanced_accuracy(matrix))}
    found = {
        model: _of_hits(hits, 100, len(rows), alternatives=beside),
        replace(model, quantity="error_rate"): _of_hits(~hits, 100, len(rows)),
    }
    if not model.rate_percent and "clean_confidence" in rows:
        found[replace(model, quantity="calibration_error")] = _calibration(rows, hits)
    for true, name in enumerate(classes):
        of_class = hits[rows["label"].to_numpy() == true]
        found[replace(model, quantity="recall", item=name)] = _of_hits(of_class, 1, len(rows))
        found[replace(model, quantity="error_rate", item=name)] = _of_hits(~of_class, 100, len(rows))
        # the paper has them of unpruned networks alone
        if not model.rate_percent:
            answers = hits[rows["clean_pred"].to_numpy() == true]
            found[replace(model, quantity="precision", item=name)] = replace(
                _of_hits(answers, 1, len(rows)),
                support=len(of_class),
                hits=(),  # two models that both give this answer are right together: nothing to pair
            )
            found[replace(model, quantity="f1", item=name)] = _f1(matrix, true)
        for predicted, other in enumerate(classes):
            answered = pd.Series(rows["clean_pred"].to_numpy() == predicted, index=hits.index)
            found[replace(model, quantity="confusion", item=f"{name}/{other}")] = _of_hits(
                answered[rows["label"].to_numpy() == true], 1, len(rows)
            )
    return found


def _attacked(rows: pd.DataFrame, address: Address, classes: Sequence[str]) -> Outcomes:
    flipped = metrics.flipped(rows)
    stuck = rows["zero_gradient"] if "zero_gradient" in rows else pd.Series(data=False, index=rows.index)
    accuracy = {"balanced_accuracy": metrics.balanced_accuracy_of(rows, "adv_pred", len(classes))}
    drop = metrics.percent(metrics.relative_drop_in_accuracy(rows))
    rate = {**accuracy, "relative_drop_in_accuracy": drop}
    if "worst_pred" in rows:
        rate["worst_iterate"] = metrics.proportion(metrics.flipped(rows, "worst_pred")).percent
        accuracy["worst_iterate"] = metrics.proportion(metrics.correct(rows, "worst_pred")).percent
    collapsed = metrics.collapsed(rows, "adv_pred", classes)
    found = {
        address: replace(
            _of_hits(metrics.correct(rows, "adv_pred"), 100, len(rows), alternatives=accuracy),
            zero_gradients=int(stuck.sum()),
        ),
        replace(address, quantity="attack_success_rate"): replace(
            _of_hits(flipped, 100, len(rows), alternatives=rate),
            zero_gradients=int(stuck[rows["clean_pred"] == rows["label"]].sum()),
        ),
    }
    return {place: replace(outcome, collapsed=collapsed) for place, outcome in found.items()}


def _of_hits(
    hits: pd.Series, scale: float, images: int, *, alternatives: Mapping[str, float | None] | None = None
) -> Outcome:
    found = metrics.proportion(hits)
    interval = statistics.wilson(found.hits, found.n)
    return Outcome(
        per_seed=() if found.share is None else (scale * found.share,),
        n=found.n,
        images=images,
        interval=interval.scaled(scale) if interval else None,
        hits=(hits,),
        alternatives=alternatives or {},
    )


def _calibration(rows: pd.DataFrame, hits: pd.Series) -> Outcome:
    confidence, right = rows["clean_confidence"].to_numpy(), hits.to_numpy()
    return Outcome(
        per_seed=(100 * calibration.error(confidence, right),),
        n=len(rows),
        images=len(rows),
        interval=calibration.interval(confidence, right, seed=BOOTSTRAP_SEED).scaled(100),
    )


def _f1(matrix: Matrix, index: int) -> Outcome:
    value = float(metrics.f1_scores(matrix)[index])
    support, hits = int(matrix[index].sum()), int(matrix[index, index])
    return Outcome(
        per_seed=() if np.isnan(value) else (value,),
        n=support,
        images=int(matrix.sum()),
        interval=statistics.wilson_of_f1(hits, support + int(matrix[:, index].sum()) - hits),
    )
