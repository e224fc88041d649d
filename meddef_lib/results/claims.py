"""The paper's testable sentences as data, and whether they hold, in its own tables or in a run.

`params/claims.yaml` gives each claim a declarative test, which `comparisons` spells out into pairs of numbers
(or a number and a constant). Each comparison is decided for or against the claim, by the printed numbers
alone (`in_paper`) or with tests on records (`evidence.in_run`), and `conclude` sums them up. This module
needs no statistics, so that the paper's own tables are checked in no time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meddef_lib import paths
from meddef_lib.paper.addresses import UNIT_SYMBOLS, UNITS, Address, Quantity
from meddef_lib.paper.published import Paper
from meddef_lib.params import Params

FILE = paths.PARAMS / "claims.yaml"

Kind = Literal["ordering", "trend", "threshold", "equality"]
Relation = Literal[">", "<", ">=", "<=", "="]
Direction = Literal["falling", "rising", "not falling", "not rising"]
Decision = Literal["for", "against", "undecided"]
Conclusion = Literal["holds", "does_not_hold", "mixed", "not_testable"]
CONCLUSIONS: tuple[Conclusion, ...] = ("holds", "does_not_hold", "mixed", "not_testable")

STEPS: dict[Direction, Relation] = {"falling": "<", "rising": ">", "not falling": ">=", "not rising": "<="}
LEAST_TESTED = 0.5  # share of a claim's comparisons that must be there before it can be said to hold
LEAST_EXACT = 1e-9  # printed numbers have two decimals; anything below this is the arithmetic's


class ClaimsError(Exception):
    """The claims cannot be read; the message says which claim and what is wrong."""


# --- claims as data -------------------------------------------------------------------------------


class Where(Params):
    """Coordinates of numbers; a list means each of its entries."""

    dataset: str | tuple[str, ...] | None = None
    quantity: Quantity | tuple[Quantity, ...] | None = None
    variant: str | tuple[str, ...] | None = None
    attack: str | tuple[str, ...] | None = None
    eps: float | tuple[float, ...] | None = None
    rate: int | tuple[int, ...] | None = None  # percent of weights pruned
    item: str | tuple[str, ...] | None = None


class Test(Params):
    """What to compare. Every side inherits the coordinates of `over`, which is spelt out in full.

    `left relation right + by`, where right is other coordinates or a number; or `of` in a `direction` along
    one coordinate, each step compared with the one before. `by` and `within` are in the unit of the numbers.
    """

    __test__ = False  # not a test of pytest's

    over: Where = Where()
    left: Where | None = None
    relation: Relation | None = None
    right: Where | float | None = None
    by: float = 0.0
    within: float = 0.0  # of "=": the largest difference that still counts as equal
    of: Where | None = None
    along: Where | None = None
    direction: Direction | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Test":
        pair = (self.left, self.relation, self.right)
        trend = (self.of, self.along, self.direction)
        whole = (all(part is not None for part in pair), all(part is not None for part in trend))
        some = (any(part is not None for part in pair), any(part is not None for part in trend))
        if whole not in ((True, False), (False, True)) or whole != some:
            raise PydanticCustomError("test", "needs left, relation and right, or of, along and direction")
        return self


class Claim(Params):
    """One sentence of the paper in short, and how it is tested."""

    id: str
    section: str
    text: str
    kind: Kind
    test: Test | None = None
    not_testable: str = ""  # why there is no test
    holds_if: Literal["all", "any"] = "all"

    @model_validator(mode="after")
    def _testable_or_not(self) -> "Claim":
        if (self.test is None) != bool(self.not_testable):
            raise PydanticCustomError("claim", "needs either a test or a reason why there is none")
        return self


def read(file: Path = FILE) -> tuple[Claim, ...]:
    """Read the claims. Raises ClaimsError for a claim that is not understood or an id that comes twice."""
    try:
        found = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise ClaimsError(f"{file.name} is not YAML: {' '.join(str(error).split())}") from error
    try:
        claims = TypeAdapter(tuple[Claim, ...]).validate_python(found["claims"])
    except ValidationError as error:
        problem = error.errors()[0]
        index = problem["loc"][0]
        name = found["claims"][index].get("id", index) if isinstance(index, int) else index
        place = ".".join(str(part) for part in problem["loc"][1:])
        raise ClaimsError(f"{file.name}: claim {name}: {place}: {problem['msg']}") from error
    ids = [claim.id for claim in claims]
    twice = {id for id in ids if ids.count(id) > 1}
    if twice:
        raise ClaimsError(f"{file.name}: the id {min(twice)} comes twice")
    return claims


# --- spelling a test out --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`left relation right + by`; of "=", within a distance."""

    left: Address
    relation: Relation
    right: Address | float
    by: float = 0.0
    within: float = 0.0

    @property
    def strict(self) -> bool:
        """Whether being equal is not enough."""
        return self.relation in (">", "<")

    @property
    def text(self) -> str:
        """In words, what both sides share said once: `roct, full, fgsm, eps 0.05: accuracy > no_afd`."""
        unit = UNIT_SYMBOLS[UNITS[self.left.quantity]]
        more = f" + {self.by:g}{unit}" if self.by else ""
        about = f" within {self.within:g}{unit}" if self.within else ""
        if isinstance(self.right, Address):
            return f"{self.left.text} {self.relation} {_only_different(self.left, self.right)}{more}{about}"
        return f"{self.left.text} {self.relation} {self.right:g}{unit}{about}"


def _only_different(left: Address, right: Address) -> str:
    parts = {
        "dataset": right.dataset,
        "variant": right.variant,
        "attack": right.attack or "clean",
        "eps": "" if right.eps is None else f"eps {right.eps:.2f}",
        "rate_percent": f"{right.rate_percent} % pruned",
        "quantity": right.quantity.replace("_", " "),
        "item": right.item,
    }
    found = [text for key, text in parts.items() if text and getattr(left, key) != getattr(right, key)]
    return ", ".join(found)


def comparisons(test: Test) -> list[Comparison]:
    """Every comparison that a test asks for, once, in the order of its lists."""
    found = []
    for base in _spelt_out(test.over):
        if test.of is not None and test.along is not None and test.direction is not None:
            for start in _spelt_out(test.of):
                steps = [base | start | step for step in _spelt_out(test.along)]
                for before, after in pairwise(steps):
                    found.append(
                        Comparison(
                            left=_address(after),
                            relation=STEPS[test.direction],
                            right=_address(before),
                            by=test.by,
                        )
                    )
        elif test.left is not None and test.relation is not None:
            for start in _spelt_out(test.left):
                left = base | start
                for right in _right_sides(test.right, left):
                    found.append(
                        Comparison(
                            left=_address(left),
                            relation=test.relation,
                            right=right,
                            by=test.by,
                            within=test.within,
                        )
                    )
    return list(dict.fromkeys(found))  # clean images come once, however many epsilons


def _right_sides(right: Where | float | None, left: Mapping[str, Any]) -> Iterator[Address | float]:
    if isinstance(right, Where):
        yield from (_address({**left, **other}) for other in _spelt_out(right))
    elif right is not None:
        yield right


def _spelt_out(where: Where) -> list[dict[str, Any]]:
    given = where.model_dump(exclude_none=True)
    lists = [value if isinstance(value, tuple) else (value,) for value in given.values()]
    return [dict(zip(given, values, strict=True)) for values in product(*lists)]


def _address(where: Mapping[str, Any]) -> Address:
    given = dict(where)
    rate = given.pop("rate", 0)
    if given.get("attack") == "clean":  # clean images have no epsilon
        given = {**given, "attack": "", "eps": None}
    return Address(**given, rate_percent=rate)


# --- deciding and concluding ----------------------------------------------------------------------


class Decided(NamedTuple):
    """One comparison with its decision and the numbers behind it."""

    comparison: Comparison
    decision: Decision
    detail: str

    @property
    def text(self) -> str:
        return f"{self.comparison.text} ({self.detail})"


@dataclass(frozen=True, kw_only=True)
class Verdict:
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
) -> Verdict:
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
    return Verdict(conclusion=conclusion, reason=f"{reason}.", decided=tuple(decided), missing=missing)


def decide_plainly(comparison: Comparison, left: float, right: float) -> Decision:
    """For or against, by two numbers alone."""
    return "for" if _satisfied(comparison, left - right) else "against"


def _satisfied(comparison: Comparison, difference: float) -> bool:
    beyond = difference - comparison.by
    if comparison.relation == "=":
        return abs(beyond) <= comparison.within + LEAST_EXACT
    towards = beyond if comparison.relation[0] == ">" else -beyond
    return towards > LEAST_EXACT if comparison.strict else towards >= -LEAST_EXACT


def in_paper(claim: Claim, paper: Paper) -> Verdict:
    """Whether a claim holds in the paper's own printed numbers, taken as exact."""
    if claim.test is None:
        return Verdict(conclusion="not_testable", reason=claim.not_testable)
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
    found = paper.by_address.get(side) or paper.by_address.get(replace(side, eps=None))
    return found.value if found else None


def counts(conclusions: Iterable[Conclusion]) -> dict[str, int]:
    """How many claims came to each conclusion; every one is named."""
    found = list(conclusions)
    return {conclusion: found.count(conclusion) for conclusion in CONCLUSIONS}
