"""A printed number with all that a comparison needs."""

from dataclasses import dataclass
from typing import Any, Literal

from meddef_lib.paper.addresses import UNITS, Address, Unit

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
