"""Printed numbers, and the address of one: what is measured, of which model, images and attack."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

Unit = Literal["percent", "share", "millions", "count"]
Quantity = Literal[
    "accuracy",
    "attack_success_rate",
    "error_rate",
    "calibration_error",
    "parameters",
    "confusion",
    "precision",
    "recall",
    "f1",
    "images",
    "duplicates",
    "pixel_mean",
    "pixel_std",
]

# every number of a quantity has this unit, the one the paper prints it in
UNITS: dict[Quantity, Unit] = {
    "accuracy": "percent",
    "attack_success_rate": "percent",
    "error_rate": "percent",
    "calibration_error": "percent",  # points between confidence and accuracy
    "parameters": "millions",
    "confusion": "share",  # of the row: the true class
    "precision": "share",
    "recall": "share",
    "f1": "share",
    "images": "count",
    "duplicates": "count",
    "pixel_mean": "share",
    "pixel_std": "share",
}
UNIT_SYMBOLS: dict[Unit, str] = {"percent": " %", "share": "", "millions": " M", "count": ""}
SCALE: dict[Unit, float] = {"percent": 100.0, "share": 1.0}  # of what is a share: the unit's whole
DIGITS: dict[Unit, int] = {"percent": 2, "share": 4, "millions": 3, "count": 0}  # of a tolerance

Better = Literal["higher", "lower"]
BASELINE = "resnet18"
BETTER: dict[str, Better] = {
    "accuracy": "higher",
    "recall": "higher",
    "precision": "higher",
    "f1": "higher",
    "attack_success_rate": "lower",
    "error_rate": "lower",
}


def eps_text(eps: float) -> str:
    """An epsilon as the paper prints it, with two decimals, or with three digits: 0.05, 0.015, 0.0314."""
    return f"{eps:.2f}" if math.isclose(eps, round(eps, 2)) else f"{eps:.3g}"


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a number belongs; two places of the paper that print the same number share an address."""

    dataset: str
    quantity: Quantity
    variant: str = ""
    attack: str = ""  # "": clean images
    eps: float | None = None  # of images in [0, 1]
    rate_percent: int = 0  # weights pruned
    item: str = ""  # a class, "TRUE/PREDICTED", or a split

    @property
    def text(self) -> str:
        """The address in words, for a list of reasons: `roct, full, fgsm, epsilon 0.05: accuracy`."""
        where = [self.dataset, self.variant, self.attack]
        where += [f"epsilon {eps_text(self.eps)}"] if self.eps is not None else []
        where += [f"{self.rate_percent} % pruned"] if self.rate_percent else []
        where += [self.item]
        return f"{', '.join(part for part in where if part)}: {self.quantity.replace('_', ' ')}"


def rate_under(
    column: str, dataset: str, quantity: Quantity, variant: str, *, eps: float | None, rate_percent: int = 0
) -> Address:
    """The address of a rate in a table's column: an attack, or `clean`, an accuracy that has no epsilon."""
    if column == "clean":
        return Address(dataset=dataset, quantity="accuracy", variant=variant, rate_percent=rate_percent)
    where = Address(dataset=dataset, quantity=quantity, variant=variant, rate_percent=rate_percent)
    return replace(where, attack=column, eps=eps)


@dataclass(frozen=True, kw_only=True)
class PrintedValue:
    """One printed number, with all that a comparison needs."""

    id: str
    section: str
    source: str
    value: float
    unit: Unit
    decimals: int
    n: int | None  # images it is a share of, as far as the paper says
    address: Address | None
    tolerance: float | None = None
    better: Better | None = None
    cannot: str = ""
    note: str = ""


def printed_at(address: Address, **facts: Any) -> PrintedValue:
    """The printed number at an address, in the unit of its quantity."""
    return PrintedValue(
        **{"n": None, "address": address, "unit": UNITS[address.quantity], "better": better(address)} | facts
    )


def better(address: Address) -> Better | None:
    """Which way a number improves; None where it is no matter of better or worse.

    Nor is it of the baseline: where that does better than printed, the paper's case is the weaker for it.
    """
    if address.variant == BASELINE:
        return None
    if address.quantity == "confusion":
        true, predicted = address.item.split("/")
        return "higher" if true == predicted else "lower"
    return BETTER.get(address.quantity)
