"""The paper's tables as printed: percentages by model, attack and strength; the comparison with others."""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from meddef_lib.paper.addresses import Address, PrintedValue, eps_text, printed_at, rate_under
from meddef_lib.params.types import Count, Number, Params, Whole, number

MOST_DECIMALS = 4  # of a percentage: how many of any percentages would fit is found by trying each


def number_of_cell(value: float | str | None) -> float | None:
    """What a cell says as a number (`2/255` is one); None for any other text."""
    try:
        return None if value is None else number(value) if isinstance(value, str) else float(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number or text")
    return value


Finite = Annotated[float, Field(allow_inf_nan=False)]
Cell = Annotated[Finite | str | None, BeforeValidator(_no_flag)]  # text is kept as it is


AXES = {"eps": ("epsilon", "epsilon {}"), "rate": ("the pruning rate", "{} % pruned"), None: ("", "")}


class TableCell(NamedTuple):
    id: str
    variant: str
    column: str
    position: float  # eps, or the percentage of weights pruned
    printed: float


class PrintedTable(Params):
    """A table of percentages by model and attack, and by strength where it has such an axis (Tables 1 to 4).

    A cell that the paper leaves empty is `-` or null. An axis keeps its values as they are printed: `2/255`.
    """

    id: str
    section: str
    title: str = ""
    dataset: str
    quantity: Literal["accuracy", "attack_success_rate"]
    axis: Literal["eps", "rate"] | None = None
    decimals: Annotated[Whole, Field(le=MOST_DECIMALS)]
    n: Count | None = None  # images of the test set, as the paper states it
    n_source: str = ""
    runs: Count | None = None  # that each number is a mean over; None: not said
    columns: tuple[str, ...]
    repeated: tuple[str, ...] = ()  # columns that do not depend on the axis
    eps: Number | None = None  # of every attack, where the axis is another
    rows: Annotated[tuple[tuple[Cell, ...], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _shaped(self) -> "PrintedTable":
        first = ("variant",) if self.axis is None else (self.axis, "variant")
        if self.columns[: len(first)] != first:
            raise ValueError(f"columns must begin with {', '.join(first)}")
        for name, times in Counter(self.columns).items():
            if times > 1:
                raise ValueError(f"the column {name} comes twice")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"row {row} has not {len(self.columns)} entries; a cell that is not printed is -"
                )
            for name, value in zip(self.columns, row, strict=True):
                if name != "variant" and (expected := self._expected(name, value)):
                    shown = f"{value:g}" if isinstance(value, float) else repr(value)
                    raise ValueError(f"row {row}: {name} is {shown}; expected {expected}")
        for (variant, position), times in Counter(map(self._place, self.rows)).items():
            if times > 1:
                where = f"{variant} {self.position_text(position)}".strip()
                raise ValueError(f"the row of {where} comes twice")
        return self

    def _expected(self, name: str, value: float | str | None) -> str:
        """What a cell of this column should hold; "" where it does."""
        found = number_of_cell(value)
        if found is None:
            empty = value is None or (isinstance(value, str) and value.strip() in ("", "-", "–", "—"))
            return "a number, or - where none is printed" if name == self.axis or not empty else ""
        if name == "parameters":
            return ""
        if name == "rate" and found != int(found):
            return "whole percent"
        if name == "eps":
            return "0 or more" if found < 0 else ""
        return "" if 0 <= found <= 100 else "a percentage"

    def _place(self, row: tuple[float | str | None, ...]) -> tuple[str, float]:
        """The model of a row and its position on the axis."""
        return str(row[self.columns.index("variant")]), (number_of_cell(row[0]) or 0.0) if self.axis else 0.0

    @cached_property
    def _rows(self) -> dict[tuple[str, float], dict[str, float]]:
        """Model and position -> column -> printed number, without the cells that are not printed."""
        found = {}
        for row in self.rows:
            numbers = {name: number_of_cell(value) for name, value in zip(self.columns, row, strict=True)}
            kept = {name: value for name, value in numbers.items() if value is not None}
            found[self._place(row)] = {name: value for name, value in kept.items() if name in self._numbers}
        return found

    @property
    def places(self) -> list[tuple[str, float]]:
        return list(self._rows)

    @property
    def _numbers(self) -> tuple[str, ...]:
        return self.columns[1:] if self.axis is None else self.columns[2:]

    @property
    def name(self) -> str:
        """`Table 1`."""
        return f"Table {self.id.removeprefix('table')}"

    @property
    def rates(self) -> tuple[str, ...]:
        """The columns of percentages: the attacks, and `clean` where it is printed."""
        return tuple(name for name in self._numbers if name != "parameters")

    @property
    def attacks(self) -> tuple[str, ...]:
        return tuple(name for name in self.rates if name != "clean")

    @property
    def variants(self) -> tuple[str, ...]:
        """The models, in the order of the table."""
        return tuple(dict.fromkeys(variant for variant, _ in self._rows))

    @property
    def positions(self) -> tuple[float, ...]:
        """The values of the axis, rising; 0 alone for a table without one."""
        return tuple(sorted({position for _, position in self._rows}))

    def column(self, variant: str, column: str) -> dict[float, float]:
        """One model's column: position on the axis -> printed number, rising."""
        found = {
            place: row[column]
            for (name, place), row in self._rows.items()
            if name == variant and column in row
        }
        return dict(sorted(found.items()))

    def varying(self, column: str) -> list[str]:
        """The models whose numbers in a column are not all the same."""
        return [name for name in self.variants if len(set(self.column(name, column).values())) > 1]

    def constant(self, variant: str, column: str) -> float | None:
        """One model's number in a column that does not depend on the axis; None where none is printed."""
        return next(iter(self.column(variant, column).values()), None)

    def row(self, variant: str, position: float) -> dict[str, float]:
        """One row: column -> printed number; {} where the table has no such row."""
        return self._rows.get((variant, position), {})

    def clean(self, variant: str) -> float | None:
        """Accuracy on clean images, in percent, where the table prints it."""
        return self.constant(variant, "clean")

    def position_text(self, position: float) -> str:
        """`eps=0.05` or `rate=70`, as ids have it, `eps=2/255` as printed; "" without an axis."""
        return "" if self.axis is None else f"{self.axis}={self.shown(position)}"

    def place(self, position: float) -> str:
        """A position in words: `epsilon 0.05`, `70 % pruned`; "" without an axis."""
        return AXES[self.axis][1].format(self.shown(position))

    def shown(self, position: float) -> str:
        """A position as it is printed; an epsilon that is a number has two decimals or more."""
        text = self._texts.get(position)
        return text or (eps_text(position) if self.axis == "eps" else f"{position:g}")

    @cached_property
    def _texts(self) -> dict[float | None, str]:
        """The positions that are printed as text, such as `2/255`."""
        return {number_of_cell(row[0]): row[0].strip() for row in self.rows if isinstance(row[0], str)}

    def percentages(self) -> Iterator[TableCell]:
        """Every printed percentage once, row by row; a repeated column comes with its first row."""
        seen: set[str] = set()
        for (variant, position), row in self._rows.items():
            for name, printed in row.items():
                place = "" if name in self.repeated else self.position_text(position)
                id = "/".join(part for part in (self.id, variant, place, name) if part)
                if name != "parameters" and id not in seen:
                    seen.add(id)
                    yield TableCell(id, variant, name, position, printed)

    def values(self) -> Iterator[PrintedValue]:
        """Every printed number: the sizes of the models, then the percentages."""
        facts = {"section": self.section, "source": self.name, "decimals": self.decimals}
        for variant in self.variants:
            if (size := self.constant(variant, "parameters")) is not None:
                address = Address(dataset=self.dataset, quantity="parameters", variant=variant)
                yield printed_at(address, id=f"{self.id}/{variant}/parameters", value=size, **facts)
        for cell in self.percentages():
            eps = cell.position if self.axis == "eps" else self.eps
            rate = int(cell.position) if self.axis == "rate" else 0
            at = rate_under(
                cell.column, self.dataset, self.quantity, cell.variant, eps=eps, rate_percent=rate
            )
            yield printed_at(at, id=cell.id, value=cell.printed, n=self.n, **facts)


Metric = Literal[
    "attack_success_rate", "safe_rate", "frequency_correlation", "boosted_accuracy", "boosted_robust_accuracy"
]


class QuotedFigure(Params):
    """What a table quotes of another paper, and which of our measures it is compared with."""

    metric: Metric
    text: str
    low: str  # ids of its numbers among the extras; the same one where it is no range
    high: str


class ComparedMethod(Params):
    """One row of a table that compares defences, as printed (Table 5), and how each figure of it is measured.

    differs: sentences on what is not the same there and here, with {dataset}, {size}, {eps}, {steps} and
    {seeds} of the run. how: what to do where it is not measured, once `package` (of an `extra`) is there.
    """

    method: str
    year: Whole
    strategy: str
    data: str
    printed: str
    dataset: str = ""  # of this project, where the row is one of the paper's own results
    variant: str = ""  # the network that stands for it here; "": every network that is pruned
    rate_percent: Whole = 0  # at which it is compared
    quoted: tuple[QuotedFigure, ...] = ()
    differs: tuple[str, ...] = ()
    package: str = ""
    extra: str = ""
    how: str = ""
