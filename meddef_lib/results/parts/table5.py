"""Table 5: what the paper quotes of each method, beside what this run measured of it.

A measure is a function of `MEASURES`; which figure is compared with which, and what differs between the two
settings, is data (`params/published/comparison.yaml`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, cast

import pandas as pd

from meddef_lib.paper.addresses import eps_text
from meddef_lib.paper.printed_tables import ComparedMethod, Metric, QuotedFigure
from meddef_lib.params.types import DECIMALS
from meddef_lib.results import metrics, statistics
from meddef_lib.results.collected import Collected, records_of
from meddef_lib.results.part import TEXT, WHOLE, ends, list_of, part, share_of, table
from meddef_lib.results.statistics import Interval

ATTACK = "pgd"  # of which Table 5 gives success rates
BOTH = "both"  # of the attacks on boosted trees: an image counts where it withstands each
UNITS: Mapping[Metric, str] = {"frequency_correlation": "share"}  # else percent


Point = Mapping[str, Any]  # one measured number: under which attack, epsilon and pruning rate
NO_POINT: Point = {
    **{"attack": "", "eps": None, "rate_percent": None, "reproduced": None, "n": 0, "collapsed": False},
    **ends(None),
}


OF_A_POINT = "eps reproduced ci_low ci_high"
Row = dict[str, Any]


@part(
    "table5",
    text="method strategy data dataset metric unit quoted variant mode status how attack",
    count="year n",
    number=f"quoted_low quoted_high {OF_A_POINT}",
    flag="collapsed",
    rate_percent=WHOLE,
    setting=list_of(TEXT),
    points=table(text="attack", count="n", number=OF_A_POINT, flag="collapsed nearest", rate_percent=WHOLE),
)
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a method, data set, quoted figure and network that was measured; one without numbers of none."""
    return [
        row
        for method in found.paper.comparison
        for dataset in ([method.dataset] if method.dataset else found.datasets)
        if dataset in found.datasets
        for figure in method.quoted
        for row in _of_figure(found, method, dataset, figure)
    ]


def _of_figure(
    found: Collected, method: ComparedMethod, dataset: str, figure: QuotedFigure
) -> Iterator[dict[str, Any]]:
    quoted = {end: found.paper.values[getattr(figure, end)].value for end in ("low", "high")}
    common = {
        **{name: getattr(method, name) for name in ("method", "year", "strategy", "data")},
        "dataset": dataset,
        "metric": figure.metric,
        "unit": UNITS.get(figure.metric, "percent"),
        "quoted": figure.text,
        "quoted_low": quoted["low"],
        "quoted_high": quoted["high"],
        "setting": _setting(found, method, dataset),
    }
    measured = MEASURES[figure.metric](found, dataset, method)
    for one in measured or [_row(method.variant, "", None, reason=_how(method), status="not_run")]:
        nearest = _nearest(one["points"], quoted["low"], quoted["high"])
        points = [{**point, "nearest": point is nearest} for point in one["points"]]
        yield common | one | {"points": points}


def _setting(found: Collected, method: ComparedMethod, dataset: str) -> list[str]:
    profile = found.profile
    facts = {
        "dataset": found.datasets[dataset].title,
        "size": profile.image_size,
        "eps": profile.pruning.eps,
        "steps": profile.attacks.steps,
        "seeds": len(profile.seeds),
        "rates": ", ".join(f"{100 * rate:g}" for rate in profile.pruning.rates if rate),
    }
    return [sentence.format(**facts) for sentence in method.differs]


def _how(method: ComparedMethod) -> str:
    if method.package and find_spec(method.package) is None:
        install = f"pip install -c constraints.txt -e '.[{method.extra}]'"
        return f"{method.package} is not installed: `{install}`, then run again."
    return method.how


def _nearest(points: Sequence[Point], low: float, high: float) -> Point | None:
    """The point closest to the quoted range, collapsed networks aside."""
    there = [point for point in points if point["reproduced"] is not None and not point["collapsed"]]
    return min(there, key=lambda at: max(low - at["reproduced"], at["reproduced"] - high, 0.0), default=None)


# --- measures: what is compared of each network, and all other numbers of it ---------------------


def _row(
    variant: str,
    mode: str,
    compared: Point | None,
    points: Sequence[Point] = (),
    reason: str = "",
    status: str = "cannot_run",
) -> Row:
    """The columns of one network; where there is nothing to compare, `reason` and `status` say why."""
    said = {"status": "measured" if compared else status, "how": reason, "points": points}
    return {"variant": variant, "mode": mode, **(compared or NO_POINT), **said}


def success_rates(found: Collected, dataset: str, method: ComparedMethod) -> list[Row]:
    """The success rate of PGD against the method's network, at every epsilon and pruning rate it met."""
    records = records_of(found, "attacked", "pruned", "compared")
    if records.empty:
        return []
    mine = {"dataset": dataset, "variant": method.variant, "attack": ATTACK}
    records = records[(records[list(mine)] == list(mine.values())).all(axis="columns")]
    every = []
    for mode, of_mode in records.groupby("mode", sort=False):
        points = [
            _success_rate(of_place, *cast(tuple[float, float], place))
            for place, of_place in of_mode.groupby(["eps", "rate"])
        ]
        place = (round(found.profile.pruning.eps, DECIMALS), method.rate_percent)
        at = [one for one in points if (one["eps"], one["rate_percent"]) == place]
        reason = "" if at else f"PGD did not meet it at {place[1]} % pruned and epsilon {eps_text(place[0])}."
        every.append(_row(method.variant, str(mode), at[0] if at else None, points, reason))
    return every


def _success_rate(records: pd.DataFrame, eps: float, rate: float) -> Point:
    """Of the correctly classified images, those that PGD flips; the mean over seeds."""
    of_seeds = [rows for _, rows in records.groupby("seed")]
    by_seed = [metrics.flipped(rows) for rows in of_seeds]
    found = share_of(by_seed[0], "reproduced")
    if len(by_seed) > 1:
        shares = [share for hits in by_seed if (share := metrics.proportion(hits).share) is not None]
        spread = statistics.over_seeds(shares, within=Interval(0, 1))
        found |= {"reproduced": metrics.percent(spread.mean), **ends(spread.interval, 100)}
    return {
        **NO_POINT,
        **found,
        "attack": ATTACK,
        "eps": round(eps, DECIMALS),
        "rate_percent": round(100 * rate),
        "collapsed": any(metrics.one_answer(rows) is not None for rows in of_seeds),
    }


def safe_rates(found: Collected, dataset: str, method: ComparedMethod) -> list[Row]:
    """The safe pruning rate of every network that was pruned."""
    return [
        _of_pruning(row, row["safe_rate"], row["n"], row, row["unlearned"])
        for row in found.forgotten
        if row["dataset"] == dataset
    ]


def frequency_correlations(found: Collected, dataset: str, method: ComparedMethod) -> list[Row]:
    """The correlation of forgetting with the frequency of classes, of every network that was pruned."""
    return [
        _of_pruning(row, of_row["value"], of_row["classes"], of_row, of_row["reason"])
        for row in found.forgotten
        if row["dataset"] == dataset
        for of_row in [row["correlation"]]
    ]


def _of_pruning(
    row: Mapping[str, Any], value: float | None, n: int, interval: Mapping[str, Any], reason: str
) -> Row:
    """`reason` is why there is no number; where there is one, that the network had learned nothing."""
    there = {"reproduced": value, "n": n, "ci_low": interval["ci_low"], "ci_high": interval["ci_high"]}
    compared = None if value is None or reason else {**NO_POINT, **there}
    return _row(row["variant"], row["mode"], compared, reason=reason)


def boosted_accuracy(found: Collected, dataset: str, method: ComparedMethod) -> list[Row]:
    """Accuracy of the boosted trees on clean images."""
    return [
        _row(name, mode, _share(metrics.correct(records, "clean_pred"), ""))
        for name, mode, records in _boosted(found, dataset)
        for records in [records[records["attack"] == ATTACK]]
    ]


def boosted_robust_accuracy(found: Collected, dataset: str, method: ComparedMethod) -> list[Row]:
    """Accuracy of the boosted trees on images that each attack made, and where both are withstood."""
    every = []
    for name, mode, records in _boosted(found, dataset):
        by_attack = {
            str(attack): metrics.correct(rows, "adv_pred") for attack, rows in records.groupby("attack")
        }
        together = pd.concat(by_attack.values(), axis="columns").all(axis="columns")
        eps = found.profile.pruning.eps
        points = [_share(hits, attack, eps) for attack, hits in by_attack.items()]
        every.append(_row(name, mode, _share(together, BOTH, eps), points))
    return every


def _boosted(found: Collected, dataset: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The network of the features, its training, and the records of the pipeline, where there are some."""
    places = {f"boosted/{model.id}": (model.variant, model.mode) for model in found.book.models(dataset)}
    for id, (name, mode) in {f"boosted/{dataset}/resnet152": ("resnet152", ""), **places}.items():
        folder = found.folder(id)
        if folder is not None:
            records = pd.read_parquet(folder / "records.parquet")
            yield name, mode, records[records["shown_to"] == "pipeline"]


def _share(hits: pd.Series, attack: str, eps: float | None = None) -> Point:
    return {**NO_POINT, **share_of(hits, "reproduced"), "attack": attack, "eps": eps}


MEASURES: Mapping[Metric, Callable[[Collected, str, ComparedMethod], list[Row]]] = {
    "attack_success_rate": success_rates,
    "safe_rate": safe_rates,
    "frequency_correlation": frequency_correlations,
    "boosted_accuracy": boosted_accuracy,
    "boosted_robust_accuracy": boosted_robust_accuracy,
}
