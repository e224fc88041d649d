"""The paper's tables as printed: percentages by model, attack and strength; the comparison with others."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from meddef_lib.paper.addresses import Address
from meddef_lib.paper.printed_values import PrintedValue, printed_at
from meddef_lib.params.types import Number, Params, Whole


class TableCell(NamedTuple):
    """One printed percentage of a table."""

    id: str
    variant: str
    column: str
    position: float  # eps, or the percentage of weights pruned
    printed: float


class PrintedTable(Params):
    """A table of percentages by model, attack and strength (Tables 1 to 4)."""

    id: str
    section: str
    title: str
    dataset: str
    quantity: Literal["accuracy", "attack_success_rate"]
    axis: Literal["eps", "rate"]
    decimals: Whole
    n: Whole  # images of the test set, as the paper states it
    n_source: str
    columns: tuple[str, ...]
    repeated: tuple[str, ...] = ()  # columns that do not depend on the axis
    eps: Number | None = None  # of every attack, where the axis is another
    rows: tuple[tuple[Number | str, ...], ...]

    @model_validator(mode="after")
    def _shaped(self) -> "PrintedTable":
        if self.columns[:2] != (self.axis, "variant"):
            raise PydanticCustomError("table", "columns must begin with the axis and variant")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise PydanticCustomError(
                    "table", "row {row} has not {n} entries", {"row": str(row), "n": len(self.columns)}
                )
        return self

    @property
    def name(self) -> str:
        """`Table 1`."""
        return f"Table {self.id.removeprefix('table')}"

    @property
    def rates(self) -> tuple[str, ...]:
        """The columns of percentages: the attacks, and `clean` where it is printed."""
        return tuple(name for name in self.columns[2:] if name != "parameters")

    @property
    def attacks(self) -> tuple[str, ...]:
        """The columns that are attacks."""
        return tuple(name for name in self.rates if name != "clean")

    @property
    def variants(self) -> tuple[str, ...]:
        """The models, in the order of the table."""
        return tuple(dict.fromkeys(str(row[1]) for row in self.rows))

    @property
    def positions(self) -> tuple[float, ...]:
        """The values of the axis, rising."""
        return tuple(sorted({float(row[0]) for row in self.rows}))

    def column(self, variant: str, column: str) -> dict[float, float]:
        """One model's column: position on the axis -> printed number, rising."""
        place = self.columns.index(column)
        found = {float(row[0]): float(row[place]) for row in self.rows if row[1] == variant}
        return dict(sorted(found.items()))

    def varying(self, column: str) -> list[str]:
        """The models whose numbers in a column are not all the same."""
        return [name for name in self.variants if len(set(self.column(name, column).values())) > 1]

    def constant(self, variant: str, column: str) -> float:
        """One model's number in a column that does not depend on the axis."""
        return next(iter(self.column(variant, column).values()))

    def row(self, variant: str, position: float) -> dict[str, float]:
        """One row: column -> printed number."""
        (found,) = (row for row in self.rows if row[1] == variant and row[0] == position)
        return {name: float(value) for name, value in zip(self.columns[2:], found[2:], strict=True)}

    def clean(self, variant: str) -> float | None:
        """Accuracy on clean images, in percent, where the table prints it."""
        return self.constant(variant, "clean") if "clean" in self.columns else None

    def position_text(self, position: float) -> str:
        """`eps=0.05` or `rate=70`, as ids have it."""
        return f"eps={position:.2f}" if self.axis == "eps" else f"rate={position:.0f}"

    def percentages(self) -> Iterator[TableCell]:
        """Every printed percentage once, row by row; a repeated column comes with its first row."""
        seen: set[str] = set()
        for row in self.rows:
            position, variant = float(row[0]), str(row[1])
            for name, printed in zip(self.columns[2:], row[2:], strict=True):
                place = () if name in self.repeated else (self.position_text(position),)
                id = "/".join((self.id, variant, *place, name))
                if name != "parameters" and id not in seen:
                    seen.add(id)
                    yield TableCell(id, variant, name, position, float(printed))

    def values(self) -> Iterator[PrintedValue]:
        """Every printed number: the sizes of the models, then the percentages."""
        facts = {"section": self.section, "source": self.name, "decimals": self.decimals}
        for variant in self.variants if "parameters" in self.columns else ():
            yield printed_at(
                Address(dataset=self.dataset, quantity="parameters", variant=variant),
                id=f"{self.id}/{variant}/parameters",
                value=self.constant(variant, "parameters"),
                **facts,
            )
        for cell in self.percentages():
            yield printed_at(self._address(cell), id=cell.id, value=cell.printed, n=self.n, **facts)

    def _address(self, cell: TableCell) -> Address:
        attack = "" if cell.column == "clean" else cell.column
        return Address(
            dataset=self.dataset,
            quantity=self.quantity if attack else "accuracy",
            variant=cell.variant,
            attack=attack,
            eps=None if not attack else cell.position if self.axis == "eps" else self.eps,
            rate_percent=int(cell.position) if self.axis == "rate" else 0,
        )


class ComparedMethod(Params):
    """One row of a table that compares defences, as printed (Table 5); its numbers are among the extras."""

    method: str
    year: Whole
    strategy: str
    data: str
    printed: str
    dataset: str = ""  # of this project, where the row is one of the paper's own results
