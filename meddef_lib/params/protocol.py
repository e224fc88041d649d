"""Readings of the evaluation protocol, as `params/readings.yaml` declares them, and the measure of them.

A reading is a procedure (how images are made) and a number (what is printed of the records), for some columns
of some tables.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from meddef_lib import paths
from meddef_lib.params.reading import read_yaml
from meddef_lib.params.types import Count, EachOnce, Epsilon, Flag, NotNegative, Params, Positive, Whole

FILE = paths.PARAMS / "readings.yaml"
DESCRIBED = "described"  # the procedure and the reading by the paper's own words

Quantity = Literal["accuracy", "attack_success_rate"]  # of a table: Tables 1 and 2, Tables 3 and 4
PrintedAttack = Literal["fgsm", "pgd", "bim", "jsma"]
# of the records of one run, in percent: accuracy; share of the correctly classified images that the attack
# flips; share of all images that end misclassified; (clean - attacked accuracy) / clean, at least 0
Printed = Literal[
    "accuracy",
    "success_over_correct",
    "success_over_all",
    "relative_drop",
    "100 - success_over_correct",
    "100 - success_over_all",
    "100 - relative_drop",
]
USUAL: dict[Quantity, Printed] = {"accuracy": "accuracy", "attack_success_rate": "success_over_correct"}


class Procedure(Params):
    """How the images of some attacks are made; what is left out is as the paper describes it (3.8).

    FGSM is one step of size eps, PGD and BIM take the profile's steps and step size, PGD from a random start;
    JSMA changes pairs of pixels, unless `steps` or `distance` make it steps along the sign of the gradient.
    """

    text: str
    source: str
    attacks: Annotated[tuple[PrintedAttack, ...], EachOnce]
    direction: Literal["ascend", "descend"] = "ascend"
    start: Literal["attack", "none", "random"] = "attack"
    # how many, of all attacks but FGSM or of each; 0 leaves the start alone
    steps: Annotated[Whole, Field(ge=0)] | dict[PrintedAttack, Count] | None = None
    distance: Positive | None = None  # in the place of steps: steps times step size
    step_size: Positive | None = None  # of pixels in [0, 1]
    step_share: Positive | None = None  # in its place: a share of eps
    budget: Flag = True  # whether eps bounds the change
    # eps and steps are of pixels, or of standardised pixels; those are clamped to [0, 1] after each step
    space: Literal["pixels", "standardised", "standardised_clamped"] = "pixels"
    made_on: Literal["network", "another", "training_mode"] = "network"

    def run(self, attack: PrintedAttack, eps: float, *, steps: int, step_size: float) -> dict[str, Any]:
        """One attack of it at a budget, all said, as plain values; `steps` of the size are those of 3.8.

        `steps` is None where JSMA changes pairs of pixels.
        """
        size = self.step_size or (self.step_share or 0) * eps or step_size
        count = self.steps.get(attack) if isinstance(self.steps, dict) else self.steps
        if self.distance is not None:
            count = round(self.distance / size)
        if count is None and attack != "jsma":
            count = steps
        if attack == "fgsm":
            size, count = eps, min(1, steps if count is None else count)
        if self.direction == "descend":
            size = -size
        start = self.start == "random" or (self.start == "attack" and attack == "pgd")
        how = {"budget": self.budget, "space": self.space, "made_on": self.made_on}
        return {"attack": attack, "eps": eps, "steps": count, "step_size": size, "random_start": start, **how}

    @model_validator(mode="after")
    def _steps_are_said_once(self) -> "Procedure":
        if None not in (self.steps, self.distance) or None not in (self.step_size, self.step_share):
            raise ValueError("expected steps or distance, and step_size or step_share, not both")
        return self


class Reading(Params):
    """One reading of the columns of its attacks, in tables of these quantities."""

    title: str
    text: str = ""  # "" where its procedure says it all; the same of its source
    source: str = ""
    procedure: str = DESCRIBED
    tables: Annotated[tuple[Quantity, ...], EachOnce] = ("accuracy", "attack_success_rate")
    attacks: Annotated[tuple[PrintedAttack, ...], EachOnce] | None = None  # None: those of the procedure
    # the attack of the procedure whose images are taken; None: the column's
    made_as: PrintedAttack | None = None
    number: Printed | None = None  # None: what the table says that it prints
    eps: Epsilon | None = None  # in the place of a table's own
    scope: Literal["global", "layer"] | None = None  # of pruning; None: the profile's
    failed: Literal["kept", "clean"] = "kept"  # a failed attack returns what it made, or the clean image
    # one: every attacked image is given the commonest class; in tables over pruning clean ones, too
    answers: Literal["own", "one"] = "own"


class Feature(Params):
    """A statement on a printed column that needs no equal setting."""

    text: str
    tables: Annotated[tuple[Quantity, ...], EachOnce]


class Measure(Params):
    """How a reading's column is compared with the printed one; fixed before a run."""

    text: str
    points: NotNegative  # numbers closer than this, or than one image, are equal
    resamples: Annotated[Whole, Field(ge=1, le=100_000)]  # all are in memory at once
    seed: Whole
    features: dict[Literal["trend", "clean", "fgsm", "bim", "majority", "zero"], Feature]


class Tie(Params):
    """Readings of which nothing that is printed can tell which it was, in these tables and columns."""

    readings: Annotated[tuple[str, ...], EachOnce]
    tables: Annotated[tuple[Quantity, ...], EachOnce] = ("accuracy", "attack_success_rate")
    attacks: Annotated[tuple[PrintedAttack, ...], EachOnce] = ("fgsm", "pgd", "bim", "jsma")
    why: str


class Protocol(Params):
    """All of `params/readings.yaml`."""

    measure: Measure
    procedures: dict[str, Procedure]
    readings: dict[str, Reading]
    ties: tuple[Tie, ...]

    @model_validator(mode="after")
    def _names_are_known(self) -> "Protocol":
        for name, reading in self.readings.items():
            procedure = self.procedures.get(reading.procedure)
            needed = {reading.made_as} if reading.made_as else set(reading.attacks or ())
            if procedure is None or not needed <= set(procedure.attacks):
                raise ValueError(f"the reading {name} needs a procedure that makes its attacks")
        named = {name for tie in self.ties for name in tie.readings} | {DESCRIBED}
        if unknown := sorted(named - self.readings.keys()):
            raise ValueError(f"there is no reading {unknown[0]}")
        return self

    def attacks_of(self, reading: Reading) -> tuple[PrintedAttack, ...]:
        """The columns that a reading is of."""
        return reading.attacks or self.procedures[reading.procedure].attacks

    def of_column(self, quantity: Quantity, attack: str) -> dict[str, Reading]:
        """The readings of one column, by id, in the order of the file."""
        return {
            name: reading
            for name, reading in self.readings.items()
            if quantity in reading.tables and attack in self.attacks_of(reading)
        }

    def tied(self, name: str, quantity: Quantity, attack: str) -> set[str]:
        """A reading and those that are declared to be no different in a column."""
        found = {name}
        for tie in self.ties:
            if name in tie.readings and quantity in tie.tables and attack in tie.attacks:
                found |= {each for each in tie.readings if each in self.of_column(quantity, attack)}
        return found


@cache
def read(file: Path = FILE) -> Protocol:
    """Read the readings. Raises ParamsError if one is not understood."""
    return read_yaml(Protocol, file)
