"""The document while a run goes on: what it is still to make is pending, and nothing is said of that.

A number waits where a cell that it rests on is to come; a claim where a number on one of its sides waits.
What was measured of a waiting number is shown, and not judged: of three seeds the first says little of their
mean.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from math import isclose
from typing import Any

from meddef_lib.paper import claims, published
from meddef_lib.paper.addresses import Address
from meddef_lib.results import findings, results_json

PENDING = "pending"
GOES_ON = "The run that measures it goes on."
OF_A_DATA_SET = {
    "images": "prepared",
    "pixel_mean": "prepared",
    "pixel_std": "prepared",
    "duplicates": "audit",
    "parameters": "sizes",
}  # quantity -> kind of the one cell that it comes from; all others come from records
NOT_DECIDED: Mapping[str, Any] = {
    "verdict": PENDING,
    "reason": GOES_ON,
    "indicative": False,
    "deviations": [],
    "seeds": None,
    "trained_alike": [],
    **{side: [] for side in ("for", "against", "undecided", "not_counted")},
    "tested": 0,
}
Row = Mapping[str, Any]


def marked(found: Mapping[str, Any], to_come: Collection[str]) -> dict[str, Any]:
    """The document `found` with what waits for cells `to_come` (their ids) marked as pending."""
    document = dict(found)
    document["cells"] = [
        {**cell, "state": PENDING} if cell["id"] in to_come and cell["state"] != "there" else cell
        for cell in found["cells"]
    ]
    waiting = _Waiting(document["cells"], found["models"])
    addresses = {value.id: value.address for value in published.read().values.values()}
    document["values"] = [_value(row, addresses.get(row["id"]), waiting) for row in found["values"]]
    sides = {
        claim.id: [side for one in claims.comparisons(claim.test) for side in one.sides]
        for claim in claims.read()
        if claim.test
    }
    document["claims"] = [_claim(row, sides.get(row["id"], ()), waiting) for row in found["claims"]]
    document["table5"] = [
        {**row, "status": PENDING}
        if row["status"] == "not_run" and waiting.anything_of(row["dataset"])
        else row
        for row in found["table5"]
    ]
    document["counts"] = results_json.counts(document)
    document["findings"] = findings.most_important(document)
    document["more_seeds"] = results_json.more_seeds(document, found["more_seeds"]["seeds"])
    return document


def _value(row: Row, address: Address | None, waiting: "_Waiting") -> Row:
    if address is None or row["status"] == "cannot_run" or not waiting.has(address):
        return row
    return {**row, "status": PENDING, "reason": GOES_ON}


def _claim(row: Row, sides: Iterable[Address], waiting: "_Waiting") -> Row:
    if row["verdict"] == "smoke" or not any(waiting.has(side) for side in sides):
        return row  # of phantoms none is decided in any case
    return {**row, **NOT_DECIDED}


class _Waiting:
    """Which numbers wait for cells that are pending, by what the cells of a document say of themselves."""

    def __init__(self, cells: Iterable[Row], models: Iterable[Row]) -> None:
        main = {model["id"]: (model["dataset"], model["variant"]) for model in models if model["main"]}
        self._pending: list[str] = []
        self._records: dict[tuple[str, str], list[Row]] = {}  # cells of records by data set and variant
        for cell in cells:
            if cell["state"] == PENDING:
                self._pending.append(cell["id"])
            if cell["kind"] in ("attack", "prune") and cell["model"] in main:
                self._records.setdefault(main[cell["model"]], []).append(cell)
        self.has = cache(self._has)  # asked for every number and for every side of every claim

    def anything_of(self, dataset: str) -> bool:
        """Whether any cell of a data set is pending."""
        return any(id.split("/")[1] == dataset for id in self._pending)

    def _has(self, address: Address) -> bool:
        """Whether the number at an address is not complete yet."""
        if kind := OF_A_DATA_SET.get(address.quantity):
            return f"{kind}/{address.dataset}" in self._pending
        of_network = self._records.get((address.dataset, address.variant), [])
        behind = [cell for cell in of_network if _gives(cell, address)]
        waits = {cell["model"] for cell in behind if cell["state"] == PENDING}
        if address.attack:
            return bool(waits)
        # any attack's records have the answers to clean images, too
        return not waits <= {cell["model"] for cell in behind if cell["state"] == "there"}


def _gives(cell: Row, address: Address) -> bool:
    """Whether the number at an address is made from the records of a cell; JSMA's have no epsilon."""
    eps = address.eps if address.attack else None  # any run has the answers to clean images
    return address.attack in ("", cell["attack"]) and any(
        eps is None or run["eps"] is None or isclose(run["eps"], eps, abs_tol=1e-9)
        for run in cell["settings"]["runs"]
        if round(100 * run["rate"]) == address.rate_percent
    )
