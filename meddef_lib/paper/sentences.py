"""Numbers and directions in the paper's sentences."""

from typing import Literal

from pydantic import Field, model_validator

from meddef_lib.paper.addresses import Address, PrintedValue, Quantity, Unit, better
from meddef_lib.paper.claims import ClaimTest
from meddef_lib.params.types import Count, Number, Params, Whole


class StatedNumber(Params):
    """One number in a sentence; `is_` names what it repeats: a printed value, or the difference of two.

    `n` are the images it would be a share of; `of` is the clean accuracy whose right images a success rate
    would be a share of.
    """

    printed: Number
    decimals: Whole = 2
    unit: Unit = "percent"
    is_: str | tuple[str, str] | None = Field(default=None, alias="is")
    called: Quantity | None = None  # what the sentence calls it, where that is another quantity
    n: Count | None = None
    of: str | None = None


class Change(Params):
    """A direction in a sentence: `word` says that the number rises (+1) or falls (-1) from one to the other.

    The ends are printed values by id, or the numbers that the sentence itself gives.
    """

    word: str
    sign: Literal[-1, 1]
    from_: str | Number = Field(alias="from")
    to: str | Number


class Quote(Params):
    """A sentence of the paper with numbers, a direction, a superlative or a quantifier in it.

    `text` is printed so, word by word; `about` says in our words what it is of. Each of `tests` spells out
    what a superlative or a quantifier says of every number; `lacks` names what would have to be printed to
    bear the sentence out.
    """

    id: str
    section: str
    text: str
    about: str = ""
    figures: tuple[StatedNumber, ...] = ()
    changes: tuple[Change, ...] = ()
    tests: tuple[ClaimTest, ...] = ()
    lacks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _words_are_printed(self) -> "Quote":
        shown = [f"{figure.printed:.{figure.decimals}f}" for figure in self.figures]
        for word in (*shown, *(change.word for change in self.changes)):
            if word not in self.text:
                raise ValueError(f"{word} does not stand in its text")
        return self

    @property
    def ids(self) -> list[str]:
        """Every printed value that the sentence names."""
        named = [figure.is_ for figure in self.figures] + [figure.of for figure in self.figures]
        named += [end for change in self.changes for end in (change.from_, change.to) if isinstance(end, str)]
        return [id for ids in named if ids for id in ((ids,) if isinstance(ids, str) else ids)]


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
            raise ValueError("needs either an address or a reason why it cannot be measured")
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
