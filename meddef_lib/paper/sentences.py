"""Numbers and directions in the paper's sentences."""

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from meddef_lib.paper.addresses import Address, Quantity, Unit
from meddef_lib.paper.printed_values import PrintedValue, better
from meddef_lib.params.types import Number, Params, Whole


class StatedNumber(Params):
    """One number in a sentence; `is_` names what it repeats: a printed value, or the difference of two."""

    printed: Number
    decimals: Whole = 2
    unit: Unit = "percent"
    is_: str | tuple[str, str] | None = Field(default=None, alias="is")
    called: Quantity | None = None  # what the sentence calls it, where that is another quantity


class Change(Params):
    """A direction in a sentence: `word` says that the number rises (+1) or falls (-1) from one to the other.

    The ends are printed values by id, or the numbers that the sentence itself gives.
    """

    word: str
    sign: Literal[-1, 1]
    from_: str | Number = Field(alias="from")
    to: str | Number


class Quote(Params):
    """A sentence of the paper with numbers or a direction in it."""

    id: str
    section: str
    text: str
    figures: tuple[StatedNumber, ...] = ()
    changes: tuple[Change, ...] = ()


class Extra(Params):
    """A number outside Tables 1 to 4, the matrices and the data counts."""

    id: str
    section: str
    printed: Number
    unit: Unit
    decimals: Whole
    n: Whole | None = None
    address: Address | None = None  # where a measured counterpart lies
    cannot: str = ""  # why there can be none
    note: str = ""

    @model_validator(mode="after")
    def _measurable_or_not(self) -> "Extra":
        if bool(self.cannot) == bool(self.address):
            raise PydanticCustomError(
                "extra", "needs either an address or a reason why it cannot be measured"
            )
        return self

    def value(self) -> PrintedValue:
        """The number, beside those of the tables."""
        facts = self.model_dump(exclude={"printed", "address"})
        return PrintedValue(
            **facts,
            source="Table 5" if self.id.startswith("table5/") else "Text",
            value=self.printed,
            address=self.address,
            better=better(self.address) if self.address else None,
        )
