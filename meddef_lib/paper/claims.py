"""The paper's testable sentences as data.

`params/claims.yaml` gives each claim a declarative test, which `comparisons` spells out into pairs of numbers
(or a number and a constant).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import model_validator

from meddef_lib import paths
from meddef_lib.paper.addresses import UNIT_SYMBOLS, UNITS, Address, Quantity, eps_text
from meddef_lib.params.reading import read_yaml
from meddef_lib.params.types import EachId, Number, Params, Whole

FILE = paths.PARAMS / "claims.yaml"

Kind = Literal["ordering", "trend", "threshold", "equality"]
Relation = Literal[">", "<", ">=", "<=", "="]
RELATIONS: dict[Relation, str] = {
    ">": "above",
    "<": "below",
    ">=": "at least",
    "<=": "at most",
    "=": "equal to",
}
Direction = Literal["falling", "rising", "not falling", "not rising", "most at the last step"]
# what a sentence speaks of: all (each, every, always, consistently, highest: one counterexample refutes it),
# some (can, up to, certain: one case is enough), or neither (it says what is so in general)
Quantifier = Literal["all", "some", "generic"]

STEPS: dict[Direction, Relation] = {"falling": "<", "rising": ">", "not falling": ">=", "not rising": "<="}


# --- claims as data -------------------------------------------------------------------------------


class Where(Params):
    """Coordinates of numbers; a list means each of its entries."""

    dataset: str | tuple[str, ...] | None = None
    quantity: Quantity | tuple[Quantity, ...] | None = None
    variant: str | tuple[str, ...] | None = None
    attack: str | tuple[str, ...] | None = None
    eps: Number | tuple[Number, ...] | None = None
    rate: Whole | tuple[Whole, ...] | None = None  # percent of weights pruned
    item: str | tuple[str, ...] | None = None


class ClaimTest(Params):
    """What to compare. Every side inherits the coordinates of `over`, which is spelt out in full.

    `left relation right + by`, where right is other coordinates or a number; or `of` in a `direction` along
    one coordinate, each step compared with the one before: that the number rises most at the last step
    compares its rise there with that at each step before. `by` and `within` are in the unit of the numbers.
    """

    over: Where = Where()
    left: Where | None = None
    relation: Relation | None = None
    right: Where | Number | None = None
    by: Number = 0.0
    within: Number = 0.0  # of "=": the largest difference that still counts as equal
    of: Where | None = None
    along: Where | None = None
    direction: Direction | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "ClaimTest":
        forms = (self.left, self.relation, self.right), (self.of, self.along, self.direction)
        said = [sum(part is not None for part in form) for form in forms]
        if sorted(said) != [0, 3]:
            raise ValueError("needs left, relation and right, or of, along and direction")
        return self


class Claim(Params):
    """One sentence of the paper in short, and how it is tested."""

    id: str
    section: str
    text: str
    kind: Kind
    test: ClaimTest | None = None
    not_testable: str = ""  # why there is no test
    quantifier: Quantifier

    @model_validator(mode="after")
    def _testable_or_not(self) -> "Claim":
        if (self.test is None) != bool(self.not_testable):
            raise ValueError("needs either a test or a reason why there is none")
        return self


class Claims(Params):
    claims: Annotated[tuple[Claim, ...], EachId]


def read(file: Path = FILE) -> tuple[Claim, ...]:
    """Read the claims. Raises ParamsError for a claim that is not understood or an id that comes twice."""
    return read_yaml(Claims, file).claims


# --- spelling a test out --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`left relation right + by`; of "=", within a distance.

    With `left_from` and `right_from` it is their rises that are compared: from there to `left` and `right`.
    """

    left: Address
    relation: Relation
    right: Address | float
    by: float = 0.0
    within: float = 0.0
    left_from: Address | None = None
    right_from: Address | None = None

    @property
    def sides(self) -> list[Address]:
        """The numbers that are compared, in the order of `weights`."""
        sides = (self.left, self.left_from, self.right, self.right_from)
        return [side for side in sides if isinstance(side, Address)]

    @property
    def weights(self) -> list[int]:
        """How each of the `sides` enters the difference."""
        return [1, -1, -1, 1] if self.left_from else [1, -1][: len(self.sides)]

    def measured(self, values: Sequence[float]) -> float:
        """The difference (of a threshold: the number) that is compared with `expected`."""
        return sum(weight * value for weight, value in zip(self.weights, values, strict=True))

    @property
    def expected(self) -> float:
        """What the relation holds the measured difference against."""
        return self.by + (0.0 if isinstance(self.right, Address) else self.right)

    def numbers(self, values: Sequence[str]) -> str:
        if not self.left_from:
            return " and ".join(values)
        left, left_from, right, right_from = values
        return f"from {left_from} to {left} and from {right_from} to {right}"

    @property
    def strict(self) -> bool:
        return self.relation in (">", "<")

    @property
    def text(self) -> str:
        """In words, what both sides share said once: `roct, full, fgsm: accuracy above that of no_afd`."""
        unit = UNIT_SYMBOLS[UNITS[self.left.quantity]]
        more = f" {'less' if self.by < 0 else 'plus'} {_apart(abs(self.by), unit)}" if self.by else ""
        about = f", within {_apart(self.within, unit)}" if self.within else ""
        relation = RELATIONS[self.relation]
        if self.left_from and self.right_from and isinstance(self.right, Address):
            steps = ((self.left_from, self.left), (self.right_from, self.right))
            rises = [
                f"{_only_different(end, start)} to {_only_different(start, end)}" for start, end in steps
            ]
            where = replace(self.left, variant="").text
            return f"{where} rises more from {rises[0]} than from {rises[1]}"
        if isinstance(self.right, Address):
            other = _only_different(self.left, self.right)
            return f"{self.left.text} {relation} that of {other}{more}{about}"
        return f"{self.left.text} {relation} {self.right:g}{unit}{about}"


def _apart(by: float, unit: str) -> str:
    """A difference in words: of percentages so many points."""
    points = " point" if by == 1 else " points"
    return f"{by:g}{points if unit == UNIT_SYMBOLS['percent'] else unit}"


def _only_different(left: Address, right: Address) -> str:
    parts = {
        "dataset": right.dataset,
        "variant": right.variant,
        "attack": right.attack or "clean",
        "eps": "" if right.eps is None else f"epsilon {eps_text(right.eps)}",
        "rate_percent": f"{right.rate_percent} % pruned",
        "quantity": right.quantity.replace("_", " "),
        "item": right.item,
    }
    found = [text for key, text in parts.items() if text and getattr(left, key) != getattr(right, key)]
    return ", ".join(found)


def comparisons(test: ClaimTest) -> list[Comparison]:
    """Every comparison that a test asks for, once, in the order of its lists."""
    found: list[Comparison] = []
    for base in _spelt_out(test.over):
        if test.of is not None and test.along is not None and test.direction is not None:
            for start in _spelt_out(test.of):
                steps = [_address(base | start | step) for step in _spelt_out(test.along)]
                found += _along(steps, test.direction, test.by)
        elif test.left is not None and test.relation is not None and test.right is not None:
            more: dict[str, Any] = {"relation": test.relation, "by": test.by, "within": test.within}
            for start in _spelt_out(test.left):
                left = base | start
                rights: list[Address | float] = (
                    [_address(left | other) for other in _spelt_out(test.right)]
                    if isinstance(test.right, Where)
                    else [test.right]
                )
                found += [Comparison(left=_address(left), right=right, **more) for right in rights]
    return list(dict.fromkeys(found))  # clean images come once, however many epsilons


def _along(steps: Sequence[Address], direction: Direction, by: float) -> Iterator[Comparison]:
    """Each step against the one before; for "most at the last step", the last rise against each before."""
    if direction != "most at the last step":
        for before, after in pairwise(steps):
            yield Comparison(left=after, relation=STEPS[direction], right=before, by=by)
        return
    *earlier, (last_from, last) = pairwise(steps)
    for before, after in earlier:
        yield Comparison(left=last, left_from=last_from, relation=">", right=after, right_from=before, by=by)


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
