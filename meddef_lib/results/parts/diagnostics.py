"""Whether the robustness of each network is real: the checks that it passed, and those it did not."""

import json
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


def unreliable(found: Collected) -> set[tuple[str, str, int]]:
    """Data set, variant and pruning rate (percent) of the networks of the tables that failed a check."""
    return {
        (row["dataset"], row["variant"], row["rate_percent"])
        for row in rows(found)
        if row["unreliable"] and row["mode"] == found.modes(row["variant"])[0]
    }


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
