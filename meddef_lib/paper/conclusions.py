"""Whether a claim holds: its comparisons decided one by one, and summed up.

Each comparison is decided for or against the claim, by the printed numbers alone (`in_paper`) or with tests
on a run's records (`results.evidence`), and `conclude` sums them up. This module needs no library of
statistics, so that the paper's own tables are checked in no time.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal, NamedTuple

from meddef_lib.paper.addresses import SCALE, PrintedValue
from meddef_lib.paper.claims import Claim, Comparison, Quantifier, comparisons
from meddef_lib.paper.published import Paper

Decision = Literal["for", "against", "undecided"]
Conclusion = Literal["holds", "does_not_hold", "mixed", "undecided", "not_testable"]
CONCLUSIONS: tuple[Conclusion, ...] = ("holds", "does_not_hold", "mixed", "undecided", "not_testable")

LEAST_TESTED = 0.5  # share of a claim's comparisons that must be there before it can be said to hold
LEAST_ON_ONE_SIDE = 0.5  # share of those made that decides a sentence without a quantifier, none on the other
LEAST_EXACT = 1e-9  # printed numbers have two decimals; anything below this is the arithmetic's
# McNemar's exact p of 5 images that only one of two models gets right is 0.06, of 6 it is 0.03: however the
# images of two printed numbers pair, a difference of fewer is noise
LEAST_IMAGES = 6
NORMAL_95 = 1.96
WHAT_DECIDES: dict[Quantifier, str] = {
    "all": "one against is enough to refute it",
    "some": "one for it is enough",
    "generic": "",
}
RULE = (
    f"A claim is tested in comparisons. It holds where at least {100 * LEAST_ON_ONE_SIDE:.0f} % of them bear "
    "it out and none contradicts it; it is mixed where some do and some contradict it; it does not hold "
    f"where at least {100 * LEAST_ON_ONE_SIDE:.0f} % contradict it and none bears it out. A claim about all "
    "cases holds where every comparison bears it out, and one that contradicts it is enough against it; for "
    "a claim about some cases one that bears it out is enough. For all others to hold, the numbers of at "
    f"least {100 * LEAST_TESTED:.0f} % of the comparisons must be there, and some on every data set that the "
    "claim speaks of. What is left is undecided, as is a comparison whose difference sampling noise explains."
)


class Decided(NamedTuple):
    """One comparison with its decision and the numbers behind it."""

    comparison: Comparison
    decision: Decision
    detail: str

    @property
    def text(self) -> str:
        return f"{self.comparison.text} ({self.detail})"


@dataclass(frozen=True, kw_only=True)
class ClaimVerdict:
    """What becomes of a claim: the conclusion, why, and the comparisons for and against it."""

    conclusion: Conclusion
    reason: str
    decided: tuple[Decided, ...] = ()
    missing: int = 0  # comparisons whose numbers are not there
    not_counted: tuple[str, ...] = ()  # comparisons with a network that says nothing, and why

    def texts(self, decision: Decision) -> list[str]:
        return [found.text for found in self.decided if found.decision == decision]


def conclude(
    claim: Claim,
    decided: Sequence[Decided],
    missing: int,
    *,
    absent: str,
    undecided: str,
    not_counted: Sequence[str] = (),
) -> ClaimVerdict:
    """Sum up a claim's comparisons; `absent` says why one cannot be made, `undecided` what that is.

    By its quantifier: a sentence about all falls by one comparison against it and holds where each is for it,
    and a sentence about some stands by one for it. One without a quantifier is mixed where there are both;
    half of its comparisons on one side, and none on the other, decide it. What could not be told leaves a
    claim undecided. To hold, or to fall where one would be enough, most comparisons must have been made, and
    some on every data set that it speaks of.
    """
    found = Counter(one.decision for one in decided)
    of_datasets = {one.comparison.left.dataset for one in decided}
    asked = {one.left.dataset for one in comparisons(claim.test)} if claim.test else set()
    untested = sorted(asked - of_datasets)
    enough = not untested and len(decided) >= LEAST_TESTED * (len(decided) + missing + len(not_counted))
    conclusion: Conclusion
    if not decided:
        conclusion = "undecided" if not_counted else "not_testable"
    elif claim.quantifier == "some":
        surely = not found["undecided"] and enough
        conclusion = "holds" if found["for"] else "does_not_hold" if surely else "undecided"
    elif found["against"] and claim.quantifier == "all":
        conclusion = "does_not_hold"
    elif found["against"]:
        surely = found["against"] >= LEAST_ON_ONE_SIDE * len(decided)
        conclusion = "mixed" if found["for"] else "does_not_hold" if surely else "undecided"
    else:
        least = 1.0 if claim.quantifier == "all" else LEAST_ON_ONE_SIDE
        conclusion = "holds" if found["for"] >= least * len(decided) and enough else "undecided"
    noun = "comparison" if len(decided) == 1 else "comparisons"  # `counted` builds on this module
    parts = [f"{found['for']} of {len(decided)} {noun} for it, {found['against']} against"]
    parts += [WHAT_DECIDES[claim.quantifier]] if WHAT_DECIDES[claim.quantifier] else []
    parts += [f"{found['undecided']} {undecided}"] if found["undecided"] else []
    parts = parts if decided else []
    parts += [f"{len(not_counted)} not counted: {not_counted[0]}"] if not_counted else []
    parts += [f"{missing} cannot be made: {absent}"] if missing else []
    parts += [f"nothing was compared on {', '.join(untested)}"] if untested and decided else []
    reason = (
        "; ".join(parts)
        if decided or not_counted
        else f"None of its comparisons ({missing}) can be made: {absent}"
    )
    return ClaimVerdict(
        conclusion=conclusion,
        reason=f"{reason}.",
        decided=tuple(decided),
        missing=missing,
        not_counted=tuple(not_counted),
    )


def satisfied(comparison: Comparison, measured: float) -> bool:
    """Whether the numbers are as claimed; `measured`: `Comparison.measured`."""
    beyond = measured - comparison.expected
    if comparison.relation == "=":
        return abs(beyond) <= comparison.within + LEAST_EXACT
    towards = beyond if comparison.relation[0] == ">" else -beyond
    return towards > LEAST_EXACT if comparison.strict else towards >= -LEAST_EXACT


def in_paper(claim: Claim, paper: Paper) -> ClaimVerdict:
    """Whether a claim holds in the paper's own printed numbers.

    They are taken as exact, but a difference against the claim that so few images make is left undecided: no
    test would call it more than noise, whichever images they were.
    """
    if claim.test is None:
        return ClaimVerdict(conclusion="not_testable", reason=claim.not_testable)
    decided, missing = decide(comparisons(claim.test), paper)
    return conclude(
        claim,
        decided,
        missing,
        absent="the paper does not print the numbers",
        undecided="against it by no more than noise",
    )


def decide(every: Sequence[Comparison], paper: Paper) -> tuple[list[Decided], int]:
    """The comparisons by the printed numbers alone, what is against a claim by noise undecided.

    With the number of those of which a number is not printed.
    """
    found = []
    for comparison in every:
        printed = [value for side in comparison.sides if (value := paper.at(side))]
        if len(printed) < len(comparison.sides):
            continue
        measured = comparison.measured([value.value for value in printed])
        decision: Decision = "for"
        if not satisfied(comparison, measured):
            decision = "undecided" if _is_noise(comparison, measured, printed) else "against"
        detail = comparison.numbers([f"{value.value:g}" for value in printed])
        found.append(Decided(comparison, decision, detail))
    return found, len(every) - len(found)


def _is_noise(comparison: Comparison, measured: float, printed: Sequence[PrintedValue]) -> bool:
    """Whether so few images make the difference that no test would take it for one."""
    scale = SCALE.get(printed[0].unit)
    images = min((value.n or 0 for value in printed), default=0)
    if scale is None or not images:
        return False
    away = (abs(measured - comparison.expected) - comparison.within) / scale
    if len(printed) > 1:
        return images * away < LEAST_IMAGES
    share = min(1.0, max(0.0, comparison.expected / scale))
    return away <= NORMAL_95 * sqrt(share * (1 - share) / images)
