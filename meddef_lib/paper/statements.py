"""What the text states, announces and leaves out, and the facts of the method that checks compute with."""

from typing import Any, Literal

from pydantic import Field

from meddef_lib.params.types import Count, Flag, Number, Params, Whole


class Stated(Params):
    """What one place of the paper says about a setting."""

    section: str
    value: Any


class Statement(Params):
    """One setting or name that the paper gives at several places, or from which something follows."""

    id: str
    what: str
    stated: tuple[Stated, ...] = Field(min_length=2)
    differ: Literal["contradiction", "ambiguous"]  # what it is if the places differ
    why: str = ""


class Promise(Params):
    """Results that a sentence announces (`announced`), and what of them is printed anywhere (`printed`).

    `text` says in our words what the sentence says.
    """

    id: str
    section: str
    text: str
    what: str
    announced: tuple[str | Number, ...]
    printed: tuple[str | Number, ...] | None = None
    tables: tuple[str, ...] = ()  # instead of `printed`: the positions of these tables


class Needed(Params):
    """Something a reader needs to repeat the work, and the words that would have to occur to state it."""

    id: str
    section: str
    what: str
    words: tuple[str, ...]  # any of them would be a sign of it


class Procedure(Params):
    """Steps in the order in which the paper writes them; `first` has to come before another one."""

    id: str
    section: str
    what: str
    written: tuple[str, ...]
    first: str
    before: str
    why: str


class PrintedPhase(Params):
    """One phase of a training schedule."""

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


class AttackFacts(Params):
    """What kind of attack a column is, as far as orders between attacks follow from it."""

    iterative: Flag
    budget: Literal["eps", "features"]
    steps: Count | None = None
    step_size: Number | None = None
    section: str


class Components(Params):
    """Which parts each variant has, for the arithmetic of its parameters."""

    section: str
    of: dict[str, tuple[str, ...]]
    feature_width: Whole  # channels that enter the last layer, which alone depends on the number of classes

    @property
    def rising(self) -> list[str]:
        """The variants from the one with the fewest parts to the whole model."""
        return sorted(self.of, key=lambda name: len(self.of[name]))
