"""Which reading of the protocol makes the printed columns: each reading's agreement and distance."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, get_args

import numpy as np

from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.params import protocol
from meddef_lib.params.protocol import DESCRIBED, Quantity
from meddef_lib.params.types import DECIMALS
from meddef_lib.results import agreement
from meddef_lib.results.agreement import COMPARED, Agreement, AttackColumn, Tried
from meddef_lib.results.collected import Collected, tables_of
from meddef_lib.results.part import NUMBER, TEXT, by_name, ends, fields, list_of, part, table

OF_THE_TABLES = "tables"  # a training: each variant in its first mode


@part(
    "readings",
    text="dataset table quantity attack name training text",
    count="statements",
    variants=list_of(TEXT),
    positions=list_of(NUMBER),
    closest={"type": ["string", "null"]},
    not_told_apart=list_of(TEXT),
    readings=table(
        text="reading",
        number="agreement ci_low ci_high distance",
        count="images",
        flag="told_apart",
        values=table(text="variant", number="position printed reproduced"),
    ),
)
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a printed column and training: what each reading makes of it, the closest first."""
    return [
        row
        for dataset in found.datasets
        for training, tried in _tried(found, dataset).items()
        for quantity in get_args(Quantity)
        if (printed := found.paper.table_of(quantity, dataset)) is not None
        for row in _of_table(found, dataset, training, tried, quantity, printed)
    ]


def _tried(found: Collected, dataset: str) -> dict[str, Tried]:
    """The networks with records: those of the tables, then those of each way of training that are others."""
    records = tables_of(found, "readings", dataset, "records.parquet")
    groups = {OF_THE_TABLES: [one for one in records if one.mode == found.book.modes(one.variant)[0]]}
    for mode in dict.fromkeys(model.mode for model in records):
        group = [model for model in records if model.mode == mode]
        if not set(group) <= set(groups[OF_THE_TABLES]):
            groups[mode] = group
    pruning = found.profile.pruning
    return {
        training: Tried(
            protocol.read(), {model.variant: records[model] for model in group}, pruning.scope, pruning.eps
        )
        for training, group in groups.items()
        if group
    }


def _of_table(
    found: Collected, dataset: str, training: str, tried: Tried, quantity: Quantity, table: PrintedTable
) -> Iterator[dict[str, Any]]:
    variants = [variant for variant in table.variants if variant in tried.records]
    at = [round(position, DECIMALS) for position in table.positions]
    positions = [position for position in tried.positions(quantity) if position in at]
    facts = found.paper.datasets.get(dataset)
    support = list(facts.support.values()) if facts else []
    phantom = found.profile.data.source == "phantoms"
    places = dict(zip(np.ndindex(len(variants), len(positions)), product(variants, positions), strict=True))
    for attack in get_args(protocol.PrintedAttack) if variants and positions else ():
        if attack not in table.attacks:
            continue
        printed = printed_column(table, attack, variants, positions, support)
        columns = {
            name: tried.column(reading, quantity, attack, variants, positions)
            for name, reading in tried.protocol.of_column(quantity, attack).items()
        }
        made = {name: column for name, column in columns.items() if column is not None}
        compared = {
            name: agreement.compare(printed, column, quantity, tried.protocol.measure, attack=attack)
            for name, column in made.items()
        }
        order = agreement.ranked(compared)
        if not order:
            continue
        together = agreement.not_told_apart(compared)
        yield {
            "dataset": dataset,
            "table": table.id,
            "quantity": quantity,
            "attack": attack,
            "name": table.name,
            "training": training,
            "variants": variants,
            "positions": positions,
            "statements": compared[order[0]].statements,
            "closest": None if phantom else order[0],
            "not_told_apart": [] if phantom else together[1:],
            "text": PHANTOM if phantom else sentence(compared, together),
            "readings": [
                {
                    "reading": name,
                    "agreement": compared[name].agreement,
                    **ends(compared[name].interval),
                    "distance": compared[name].distance,
                    "images": made[name].n,
                    "told_apart": name not in together,
                    "values": [
                        {"variant": variant, "position": position}
                        | {"printed": printed.values[at], "reproduced": made[name].values[0][at]}
                        for at, (variant, position) in places.items()
                    ],
                }
                for name in order
            ],
        }


def printed_column(
    table: PrintedTable,
    attack: str,
    variants: Sequence[str],
    positions: Sequence[float],
    support: Sequence[int],
) -> AttackColumn:
    """A column as it is printed; `support`: the test images of each class, () where it is not said."""

    def numbers(name: str) -> np.ndarray:
        found = [
            {round(at, DECIMALS): value for at, value in table.column(one, name).items()} for one in variants
        ]
        return np.array([[of.get(position, np.nan) for position in positions] for of in found], float)

    clean = [[np.nan if (value := table.clean(variant)) is None else value] for variant in variants]
    n = table.n or sum(support)
    return AttackColumn(
        numbers(attack),
        np.array(clean, float),
        {name: numbers(name) for name in COMPARED},
        100 * max(support) / sum(support) if support else np.nan,
        n or 10**9,  # not said: nothing is within one image
    )


PHANTOM = "Made-up images: which reading is closest says nothing of the paper."


def as_far(one: float, other: float) -> bool:
    """Whether two distances are the same, so that neither reading is the closer one."""
    return round(one - other, 9) == 0


def sentence(compared: Mapping[str, Agreement], together: Sequence[str]) -> str:
    """Which reading comes closest, how far the described one is away, what could not be told apart."""
    titles = {name: reading.title for name, reading in protocol.read().readings.items()}
    closest = together[0]

    def measured(name: str) -> str:
        one = compared[name]
        return f"agreement {100 * one.agreement:.0f} %, {one.distance:.1f} points away"

    tied = [name for name in together if as_far(compared[name].distance, compared[closest].distance)]
    named = "; ".join(f"{titles[name]} ({measured(name)})" for name in tied)
    said = [f"Closest{', tied' if len(tied) > 1 else ''}: {named}."]
    if DESCRIBED in compared and DESCRIBED not in tied:
        said.append(f"As described: {measured(DESCRIBED)}.")
    others = [titles[name] for name in together if name not in tied]
    said.append(
        f"Not told apart from the closest: {'; '.join(others)}."
        if others
        else "All others are told apart from it."
    )
    return " ".join(said)


@part(
    "protocol",
    fields(
        measure=fields(text="text", number="points", features=by_name(TEXT)),
        readings=by_name(fields(text="title text source")),
        ties=table(readings=list_of(TEXT), text="why"),
    ),
)
def declared(found: Collected) -> dict[str, Any]:
    """The readings, the measure and the ties as they are declared."""
    read = protocol.read()
    return {
        "measure": {"text": read.measure.text, "points": read.measure.points}
        | {"features": {name: feature.text for name, feature in read.measure.features.items()}},
        "readings": {
            name: {
                "title": reading.title,
                "text": reading.text or read.procedures[reading.procedure].text,
                "source": reading.source or read.procedures[reading.procedure].source,
            }
            for name, reading in read.readings.items()
        },
        "ties": [{"readings": list(tie.readings), "why": tie.why} for tie in read.ties],
    }
