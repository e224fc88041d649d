"""What becomes of each printed number: `within_tolerance`, `better`, `differs`, `inconclusive`, or why not.

A number from another setting is shown with what deviates and gets no verdict; one of a network that gives
nearly every image one answer is `collapsed`; one from phantoms gets `smoke`.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from meddef_lib.paper.addresses import SCALE, Address, PrintedValue
from meddef_lib.paper.published import Paper
from meddef_lib.results import statistics
from meddef_lib.results.outcomes import Outcome, joined_notes, lookup

Status = Literal[
    "within_tolerance",
    "better",
    "differs",
    "inconclusive",
    "other_setting",
    "not_run",
    "cannot_run",
    "collapsed",
    "smoke",
]
STATUSES: tuple[Status, ...] = get_args(Status)
EXACT = 1e-9  # differences below this are the arithmetic's


class Judgement(NamedTuple):
    """A status and, where it is not plain from the numbers, a sentence on why."""

    status: Status
    reason: str = ""


def judge(value: PrintedValue, outcome: Outcome | None) -> Judgement:
    """The status of one printed number, given what was measured (None: nothing was)."""
    if value.cannot:
        return Judgement("cannot_run", value.cannot)
    if outcome is None:
        return Judgement("not_run")
    if outcome.phantom:
        return Judgement("smoke")
    if outcome.value is None:
        return Judgement(
            "cannot_run", "The number does not exist: there are no images that it is a share of."
        )
    if outcome.collapsed:
        return Judgement("collapsed", outcome.collapsed)
    deviations = other_setting(value, outcome)
    if deviations:
        return Judgement("other_setting", "; ".join(deviations))
    return _compare(value, outcome.value, outcome)


def other_setting(value: PrintedValue, outcome: Outcome) -> tuple[str, ...]:
    """What of the measured number's setting is not as published, the number of images included."""
    of_class = value.address is not None and value.address.item
    of_its_class = outcome.n if outcome.support is None else outcome.support
    tested = of_its_class if of_class else outcome.images
    if value.n is None or tested is None or tested == value.n:
        return outcome.deviations
    what = "images of the class" if of_class else "test images"
    return (*outcome.deviations, f"{tested} {what} instead of {value.n}")


def _compare(value: PrintedValue, ours: float, outcome: Outcome) -> Judgement:
    if value.tolerance is None:
        raise ValueError(
            f"{value.id} has no tolerance in tolerances.yaml; "
            "`python -m meddef_lib.results.tolerances` prints what the rule gives"
        )
    low, high = value.value - value.tolerance, value.value + value.tolerance
    if low - EXACT <= ours <= high + EXACT:
        return Judgement("within_tolerance")
    interval = outcome.interval or statistics.Interval(ours, ours)
    if interval.low <= high and interval.high >= low:
        return Judgement(
            "inconclusive",
            f"The interval {interval.low:.4g} to {interval.high:.4g} "
            f"reaches into the tolerance band {low:.4g} to {high:.4g}.",
        )
    above = ours > value.value
    better = value.better is not None and above == (value.better == "higher")
    if better and outcome.unlearned:
        return Judgement("differs", outcome.unlearned)  # an attack has little to win of such a network
    return Judgement("better" if better else "differs")


def row(value: PrintedValue, outcome: Outcome | None) -> dict[str, Any]:
    verdict, measured = judge(value, outcome), outcome or Outcome(per_seed=())
    ours = measured.value
    return {
        "id": value.id,
        "section": value.section,
        "source": value.source,
        "published": value.value,
        "decimals": value.decimals,
        "reproduced": ours,
        "unit": value.unit,
        "n": measured.n,
        "n_published": value.n,
        "zero_gradients": measured.zero_gradients,
        "ci_low": measured.interval.low if measured.interval else None,
        "ci_high": measured.interval.high if measured.interval else None,
        "difference": None if ours is None else ours - value.value,
        "tolerance": value.tolerance,
        "smallest_detectable": _detectable(value, measured.n),
        "status": verdict.status,
        "reason": verdict.reason,
        "deviations": list(other_setting(value, measured)),
        "per_seed": list(measured.per_seed),
        "keys": list(measured.keys),
        "alternatives": dict(measured.alternatives),
        "note": joined_notes(value.note, measured.note, measured.collapsed, measured.unlearned),
        "collapsed": bool(measured.collapsed),
    }


def rows(paper: Paper, outcomes: Mapping[Address, Outcome]) -> list[dict[str, Any]]:
    """Every printed number of the paper with what was measured, in the paper's order."""
    return [
        row(value, lookup(outcomes, value.address) if value.address else None)
        for value in paper.values.values()
    ]


def _detectable(value: PrintedValue, n: int | None) -> float | None:
    """Smallest difference from the printed share that the n of this run could have shown, in its unit."""
    scale = SCALE.get(value.unit)
    if scale is None or not n:
        return None
    return scale * statistics.smallest_detectable_difference(value.value / scale, n)
