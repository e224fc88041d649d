"""The tables of rates, cell by cell: the id of the printed number, or ours where none is printed."""

from collections.abc import Sequence
from typing import Any, Literal

from meddef_lib.paper.addresses import Address, rate_under
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.results.collected import Collected
from meddef_lib.results.outcomes import lookup
from meddef_lib.results.part import (
    TEXT,
    WHOLE,
    beside,
    by_name,
    fields,
    list_of,
    number,
    of_images,
    part,
    table,
)

Rates = Literal["accuracy", "attack_success_rate"]
QUANTITIES: tuple[Rates, ...] = ("accuracy", "attack_success_rate")
OF_THE_MODEL = ("parameters", "clean")  # columns that do not depend on the strength of an attack


OF_A_COLUMN = fields(
    number="reproduced ci_low ci_high balanced_accuracy", flag="collapsed", n=WHOLE, count="zero_gradients"
)
BY_COLUMN = {"ids": by_name(TEXT), "ours": by_name(OF_A_COLUMN)}


@part(
    "tables",
    text="id dataset quantity name title axis",
    columns=list_of(TEXT),
    rows=table(number="position", text="variant", **BY_COLUMN),
)
def tables(found: Collected) -> list[dict[str, Any]]:
    """Tables 1 to 4, and their like of data sets, variants and attacks that the paper does not print."""
    return [_table(found, dataset, quantity) for dataset in found.datasets for quantity in QUANTITIES]


def _table(found: Collected, dataset: str, quantity: Rates) -> dict[str, Any]:
    profile = found.profile
    over_eps = quantity == "accuracy"
    methods = profile.attacks.methods if over_eps else profile.pruning.methods
    own = profile.attacks.eps if over_eps else [round(100 * rate) for rate in profile.pruning.rates]
    name, printed = printed_table(found, dataset, quantity)
    first = printed.columns[2:] if printed else OF_THE_MODEL if over_eps else ()
    columns = list(dict.fromkeys([*first, *methods]))
    places = [(place, name) for name, place in printed.places] if printed else []
    places += [
        (float(place), variant)
        for variant in profile.variants
        if not printed or variant not in printed.variants
        for place in own
    ]
    return {
        "id": name,
        "dataset": dataset,
        "quantity": quantity,
        "name": printed.name if printed else "",
        "title": printed.title if printed else "",
        "axis": "eps" if over_eps else "rate",
        "columns": columns,
        "rows": [
            {"position": position, "variant": variant}
            | cells(found, dataset, quantity, variant, position, columns)
            for position, variant in places
        ],
    }


def printed_table(found: Collected, dataset: str, quantity: Rates) -> tuple[str, PrintedTable | None]:
    """The paper's table of these rates with its id; without one, an id of our own."""
    printed = found.paper.table_of(quantity, dataset)
    return printed.id if printed else f"{quantity.replace('_', '-')}-{dataset}", printed


def cells(
    found: Collected, dataset: str, quantity: Rates, variant: str, position: float, columns: Sequence[str]
) -> dict[str, Any]:
    """One row of a table: `ids` of the printed numbers by column, and `ours` in the columns without one."""
    name, printed = printed_table(found, dataset, quantity)
    ids, ours = {}, {}
    for column in columns:
        if printed and variant in printed.variants and column in printed.columns:
            place = () if column in printed.repeated else (printed.position_text(position),)
            ids[column] = "/".join((name, variant, *place, column))
            continue
        outcome = lookup(found.outcomes, _address(found, dataset, quantity, variant, position, column))
        if outcome is not None:
            ours[column] = number("reproduced", outcome) | beside(outcome) | of_images(outcome)
    return {"ids": ids, "ours": ours}


def _address(
    found: Collected, dataset: str, quantity: Rates, variant: str, position: float, column: str
) -> Address:
    if column == "parameters":
        return Address(dataset=dataset, quantity="parameters", variant=variant)
    if quantity == "accuracy":
        return rate_under(column, dataset, quantity, variant, eps=round(position, 6))
    eps = found.profile.pruning.eps
    return rate_under(column, dataset, quantity, variant, eps=eps, rate_percent=round(position))
