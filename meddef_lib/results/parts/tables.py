"""The tables of rates, cell by cell, and the curves along their sweeps, ours beside what is printed."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any, Literal

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.paper.addresses import Address, Quantity, rate_under
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.params.types import DECIMALS
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
from meddef_lib.results.parts.diagnostics import marked

Rates = Literal["accuracy", "attack_success_rate"]
QUANTITIES: tuple[Rates, ...] = ("accuracy", "attack_success_rate")
OF_THE_MODEL = ("parameters", "clean")  # columns that do not depend on the strength of an attack
OF_A_COLUMN = fields(
    number="reproduced ci_low ci_high balanced_accuracy", flag="collapsed", n=WHOLE, count="zero_gradients"
)


@part(
    "tables",
    text="id dataset quantity name title axis",
    columns=list_of(TEXT),
    rows=table(number="position", text="variant", ids=by_name(TEXT), ours=by_name(OF_A_COLUMN)),
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
        at = rate_under(column, dataset, quantity, variant, eps=round(position, DECIMALS))
        if column == "parameters":
            at = Address(dataset=dataset, quantity="parameters", variant=variant)
        elif quantity == "attack_success_rate":
            eps = found.profile.pruning.eps
            at = rate_under(column, dataset, quantity, variant, eps=eps, rate_percent=round(position))
        if (outcome := lookup(found.outcomes, at)) is not None:
            ours[column] = number("reproduced", outcome) | beside(outcome) | of_images(outcome)
    return {"ids": ids, "ours": ours}


# --- curves ---------------------------------------------------------------------------------------


@part(
    "curves",
    text="dataset quantity attack variant",
    number="eps paper ours ci_low ci_high balanced_accuracy",
    count="rate_percent",
    flag="collapsed unreliable",
)
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a place, in percent; clean images have the attack "".

    Accuracy under attack goes over epsilon, success rate and clean accuracy go over the share of pruned
    weights; clean accuracy has only places that were measured. `unreliable` where the network failed a check.
    """
    return marked(found, (row for dataset in found.datasets for row in _of_dataset(found, dataset)))


def _of_dataset(found: Collected, dataset: str) -> Iterator[dict[str, Any]]:
    attacks, pruning, variants = found.profile.attacks, found.profile.pruning, found.profile.variants
    rates = [round(100 * rate) for rate in pruning.rates]
    for attack, variant in product(attacks.methods, variants):
        printed = _printed(found, dataset, "accuracy", variant, attack)
        own = [eps for eps in ATTACKS[attack].eps(attacks) if eps is not None]
        # one without epsilon has the same number at each
        for eps in sorted({round(place, DECIMALS) for place in (*(own or attacks.eps), *printed)}):
            yield _row(found, rate_under(attack, dataset, "accuracy", variant, eps=eps), printed.get(eps))
    for attack, variant in product(pruning.methods, variants):
        printed = _printed(found, dataset, "attack_success_rate", variant, attack)
        of_pruned = partial(rate_under, attack, dataset, "attack_success_rate", variant, eps=pruning.eps)
        for rate in sorted({*rates, *(int(place) for place in printed)}):
            yield _row(found, of_pruned(rate_percent=rate), printed.get(float(rate)))
    for variant, rate in product(variants, rates):
        at = rate_under("clean", dataset, "accuracy", variant, eps=None, rate_percent=rate)
        if (row := _row(found, at, None))["ours"] is not None:
            yield row


def _printed(
    found: Collected, dataset: str, quantity: Quantity, variant: str, attack: str
) -> dict[float, float]:
    """What a table prints of one model under one attack, by place; {} where it does not."""
    printed = found.paper.table_of(quantity, dataset)
    return printed.column(variant, attack) if printed and attack in printed.columns else {}


def _row(found: Collected, at: Address, paper: float | None) -> dict[str, Any]:
    places = ("dataset", "quantity", "attack", "variant", "eps", "rate_percent")
    outcome = lookup(found.outcomes, at)
    return (
        {name: getattr(at, name) for name in places}
        | {"paper": paper}
        | number("ours", outcome)
        | beside(outcome)
    )
