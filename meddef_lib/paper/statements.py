"""What the text says: in sentences with numbers, of settings and of the method; what it announces."""

from typing import Any, Literal

from pydantic import Field, model_validator

from meddef_lib.paper.addresses import Address, PrintedValue, Quantity, Unit, better
from meddef_lib.paper.claims import ClaimTest
from meddef_lib.paper.datasets import DatasetFacts
from meddef_lib.params.types import Count, Flag, Number, Params, Whole


class Stated(Params):
    section: str
    value: Any


class Statement(Params):
    """One setting or name that the paper gives at several places, or from which something follows."""

    id: str
    what: str
    stated: tuple[Stated, ...] = Field(min_length=2)
    differ: Literal["contradiction", "ambiguous", "unsupported"]  # what it is if the places differ
    why: str = ""


class Promise(Params):
    """Results that a sentence announces (`announced`), and what of them is printed anywhere (`printed`).

    `text` says in our words what the sentence says.
    """

    id: str
    section: str
    text: str
    what: str
    announced: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    # instead: announced of each table's axis
    positions: dict[str, tuple[Number, ...]] = Field(default_factory=dict)
    lack: str = "not printed"

    @model_validator(mode="after")
    def _something_is_announced(self) -> "Promise":
        if bool(self.announced) == bool(self.positions):
            raise ValueError("needs either announced or positions")
        return self


class Needed(Params):
    """Something a reader needs to repeat the work, and the words that would have to occur to state it."""

    id: str
    section: str
    what: str
    words: tuple[str, ...]  # any of them would be a sign of it


class OrderOfSteps(Params):
    """Steps in the order in which the paper writes them; `first` has to come before another one."""

    id: str
    section: str
    what: str
    written: tuple[str, ...]
    first: str
    before: str
    why: str

    @model_validator(mode="after")
    def _steps_are_written(self) -> "OrderOfSteps":
        for step in (self.first, self.before):
            if step not in self.written:
                raise ValueError(f"{step} is none of the steps written")
        return self


class Citation(Params):
    """A work whose entry in the list of references is not what a sentence cites it for, both in our words."""

    number: Count
    section: str
    cited_for: str
    listed: str


class PrintedPhase(Params):
    name: str
    epochs: Count | None = None
    eps: tuple[Number, Number] | None = None  # at its start and its end
    eps_at_most: Number | None = None
    weight: tuple[Number, Number]


class PrintedSchedule(Params):
    """The adversarial training schedule and the attack in it."""

    section: str
    epochs: Count
    phases: tuple[PrintedPhase, ...]
    steps: Count
    step_divisor: Number
    step_cap: Number

    @property
    def epsilons(self) -> list[float]:
        """The different values of epsilon that the phases name."""
        named = [eps for phase in self.phases for eps in (*(phase.eps or ()), phase.eps_at_most)]
        return list(dict.fromkeys(eps for eps in named if eps is not None))


class AttackFacts(Params):
    """What kind of attack a column is, as far as orders between attacks follow from it."""

    iterative: Flag
    budget: Literal["eps", "features"]
    steps: Count | None = None
    step_size: Number | None = None
    stronger_than: tuple[str, ...] = ()  # attacks that it should match at least: of fewer steps
    section: str

    def same_steps(self, other: "AttackFacts") -> bool:
        """Whether both are stated, with as many steps of the same size."""
        return None not in (own := (self.steps, self.step_size)) and own == (other.steps, other.step_size)


class Attention(Params):
    """A self-attention of linear projections of the feature width onto itself."""

    projections: Count
    section: str


class MapSizes(Params):
    """Feature maps that a block pools to several sizes, in pixels."""

    input: Count
    downsampling: Count
    pooled_to: tuple[Count, ...]
    section: str


class Components(Params):
    """Which parts each variant has, for the arithmetic of its parameters."""

    section: str
    of: dict[str, tuple[str, ...]]
    feature_width: Whole  # channels that enter the last layer, which alone depends on the number of classes
    attention: Attention | None = None  # that every variant has, and the baseline has not
    fusion_inputs: Whole = 0  # times the feature width
    baseline: str = ""  # the model without attention, fusion and parts
    maps: MapSizes | None = None

    @property
    def rising(self) -> list[str]:
        """The variants from the one with the fewest parts to the whole model."""
        return sorted(self.of, key=lambda name: len(self.of[name]))


class SettingFact(Params):
    """One published setting, by the key of our parameters; a number of another one is not compared."""

    key: str  # of the run's parameters, dotted
    name: str
    section: str
    value: Any = None
    of_dataset: str = ""  # instead of `value`: the dotted key of what the paper prints of each data set
    also: tuple[Any, ...] = ()
    at_most: Flag = False  # any value up to `value` is the published one
    quantities: tuple[Quantity, ...] = (  # the numbers it bears on
        "accuracy",
        "attack_success_rate",
        "error_rate",
        "calibration_error",
        "confusion",
        "precision",
        "recall",
        "f1",
    )
    variants: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()  # "": clean
    modes: tuple[str, ...] = ()  # training modes
    datasets: tuple[str, ...] = ()
    pruned_only: Flag = False

    def of(self, printed: DatasetFacts) -> "SettingFact | None":
        """The fact of one data set, with its value; None where the paper says nothing of it."""
        if self.datasets and printed.id not in self.datasets:
            return None
        if not self.of_dataset:
            return self
        value: Any = printed
        for name in self.of_dataset.split("."):
            value = None if value is None else getattr(value, name)
        return None if value is None else self.model_copy(update={"value": value})


# --- sentences ------------------------------------------------------------------------------------


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
        facts = self.model_dump(exclude={"printed", "address"})
        return PrintedValue(
            **facts,
            source="Table 5" if self.id.startswith("table5/") else "Text",
            value=self.printed,
            address=self.address,
            better=better(self.address) if self.address else None,
        )
