"""Whether the robustness of each network is real: the checks that it passed, and those it did not."""

import json
from collections.abc import Iterable
from typing import Any

from meddef_lib.results.collected import Collected, names_of
from meddef_lib.results.part import (
    COUNT,
    INTERVAL,
    NUMBER,
    OF_A_MODEL,
    TEXT,
    YES_OR_NO,
    Part,
    by_name,
    each,
    list_of,
    table,
)

STATUS = {"enum": ["pass", "warn", "fail"]}


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network and pruning rate that was examined."""
    every = [
        (model, found.folder(f"diagnose/{model.id}"))
        for dataset in found.datasets
        for model in found.models(dataset)
    ]
    made = [
        (model, json.loads((folder / "checks.json").read_text(encoding="utf-8")))
        for model, folder in every
        if folder
    ]
    return [
        {
            **names_of(model),
            "rate_percent": round(100 * network["rate"]),
            "images": of_model["images"],
            "eps": of_model["eps"],
            "unreliable": any(check["status"] == "fail" for check in network["checks"]),
            "checks": network["checks"],
        }
        for model, of_model in made
        for network in of_model["networks"]
    ]


def unreliable(found: Collected) -> set[tuple[str, str, str | None, int | None]]:
    """Data set, variant, training and pruning rate (percent) of every network that failed a check.

    None stands for the training that fills the tables, and for no pruning.
    """
    return {
        (row["dataset"], row["variant"], mode, rate)
        for row in rows(found)
        if row["unreliable"]
        for mode in {row["mode"], None if row["mode"] == found.modes(row["variant"])[0] else row["mode"]}
        for rate in {row["rate_percent"], row["rate_percent"] or None}
    }


def marked(found: Collected, numbers: Iterable[dict[str, Any]], *others: str) -> list[dict[str, Any]]:
    """Rows of robust numbers, and whether each is `unreliable`: its network failed a check of its robustness.

    A row says `dataset`, `variant`, and `mode` and `rate_percent` where they are not those of `unreliable`;
    `attack`, "" of clean images, which no check makes unreliable. Its numbers are about the `others`, too,
    variants of the same training and rate.
    """
    failed = unreliable(found)
    return [
        row
        | {
            "unreliable": row.get("attack") != ""
            and any(
                (row["dataset"], variant, row.get("mode"), row.get("rate_percent")) in failed
                for variant in (row["variant"], *others)
            )
        }
        for row in numbers
    ]


PARTS = {
    "diagnostics": Part(
        make=rows,
        schema=table(
            **OF_A_MODEL,
            **each(COUNT, "rate_percent images"),
            eps=NUMBER,
            unreliable=YES_OR_NO,
            checks=table(
                **each(TEXT, "name text"),
                status=STATUS,
                value=NUMBER,
                **INTERVAL,
                n=COUNT,
                curve=list_of(by_name({"type": ["number", "string"]})),
            ),
        ),
    )
}
