"""Whether a claim holds: its comparisons decided one by one, and summed up.

Each comparison is decided for or against the claim, by the printed numbers alone (`in_paper`) or with tests
on a run's records (`results.evidence`), and `conclude` sums them up. This module needs no statistics, so that
the paper's own tables are checked in no time.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from meddef_lib.paper.addresses import Address
from meddef_lib.paper.claims import Claim, Comparison, comparisons
from meddef_lib.paper.published import Paper

Decision = Literal["for", "against", "undecided"]
Conclusion = Literal["holds", "does_not_hold", "mixed", "not_testable"]
CONCLUSIONS: tuple[Conclusion, ...] = ("holds", "does_not_hold", "mixed", "not_testable")

LEAST_TESTED = 0.5  # share of a claim's comparisons that must be there before it can be said to hold
LEAST_EXACT = 1e-9  # printed numbers have two decimals; anything below this is the arithmetic's


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

    def texts(self, decision: Decision) -> list[str]:
        """The comparisons with a decision, in words."""
        return [found.text for found in self.decided if found.decision == decision]


def conclude(
    claim: Claim, decided: Sequence[Decided], missing: int, *, absent: str, undecided: str
) -> ClaimVerdict:
    """Sum up a claim's comparisons; `absent` and `undecided` say in words what it is to be so.

    A claim about every comparison holds if each is for it, and most of them could be made at all; it does not
    hold if none is for it and some are against. A claim that one comparison is enough for holds by that one.
    """
    found = Counter(one.decision for one in decided)
    every = claim.holds_if == "all"
    conclusion: Conclusion
    if not found["for"] and not found["against"]:
        conclusion = "not_testable"
    elif not every:
        conclusion = "holds" if found["for"] else "not_testable" if found["undecided"] else "does_not_hold"
    elif found["for"] < len(decided):
        conclusion = "mixed" if found["for"] else "does_not_hold"
    else:
        enough = len(decided) >= LEAST_TESTED * (len(decided) + missing)
        conclusion = "holds" if enough else "not_testable"
    parts = [f"{found['for']} of {len(decided)} comparisons for it, {found['against']} against"]
    parts += [] if every else ["one is enough"]
    parts += [f"{found['undecided']} {undecided}"] if found["undecided"] else []
    parts += [f"{missing} {absent}"] if missing else []
    reason = "; ".join(parts) if decided else f"All {missing} comparisons {absent}"
    return ClaimVerdict(conclusion=conclusion, reason=f"{reason}.", decided=tuple(decided), missing=missing)


def decide_plainly(comparison: Comparison, left: float, right: float) -> Decision:
    """For or against, by two numbers alone."""
    return "for" if _satisfied(comparison, left - right) else "against"


def _satisfied(comparison: Comparison, difference: float) -> bool:
    beyond = difference - comparison.by
    if comparison.relation == "=":
        return abs(beyond) <= comparison.within + LEAST_EXACT
    towards = beyond if comparison.relation[0] == ">" else -beyond
    return towards > LEAST_EXACT if comparison.strict else towards >= -LEAST_EXACT


def in_paper(claim: Claim, paper: Paper) -> ClaimVerdict:
    """Whether a claim holds in the paper's own printed numbers, taken as exact."""
    if claim.test is None:
        return ClaimVerdict(conclusion="not_testable", reason=claim.not_testable)
    decided, missing = [], 0
    for comparison in comparisons(claim.test):
        left, right = (_printed(side, paper) for side in (comparison.left, comparison.right))
        if left is None or right is None:
            missing += 1
            continue
        decision = decide_plainly(comparison, left, right)
        decided.append(Decided(comparison, decision, f"{left:g} and {right:g}"))
    return conclude(
        claim, decided, missing, absent="need numbers that the paper does not print", undecided=""
    )


def _printed(side: Address | float, paper: Paper) -> float | None:
    if not isinstance(side, Address):
        return side
    found = paper.at(side)
    return found.value if found else None
