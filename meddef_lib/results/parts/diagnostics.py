"""Whether the robustness of each network is real: the checks that it passed, and those it did not."""

import json
from collections.abc import Mapping
from typing import Any

from meddef_lib.defences.registry import chosen
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
from meddef_lib.results.parts import defences

STATUS = {"enum": ["pass", "warn", "fail"]}


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network and pruning rate that was examined, then one a defended network.

    `defence` is its id, "" of networks without one; it is examined as it is (`made_on` ""), and as the
    adaptive attack looks at it, where that is another network.
    """
    every = []
    for dataset in found.datasets:
        models = [(names_of(model), f"diagnose/{model.id}", "") for model in found.models(dataset)]
        plain = defences.plain(found, dataset)
        for name in chosen(found.profile.defences):
            id = f"{plain.id}/{name}"
            models.append((names_of(plain) | {"id": id}, f"diagnose/{id}", name))
        for named, cell, defence in models:
            if (folder := found.folder(cell)) is not None:
                made = json.loads((folder / "checks.json").read_text(encoding="utf-8"))
                every += [_row(named, defence, made, network) for network in made["networks"]]
    return every


def _row(
    named: Mapping[str, Any], defence: str, made: Mapping[str, Any], network: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        **named,
        "defence": defence,
        "made_on": network.get("made_on", ""),
        "rate_percent": round(100 * network.get("rate", 0)),
        "images": made["images"],
        "eps": made["eps"],
        "unreliable": any(check["status"] == "fail" for check in network["checks"]),
        "checks": network["checks"],
    }


def unreliable(found: Collected) -> set[tuple[str, str, int]]:
    """Data set, variant and pruning rate (percent) of the networks of the tables that failed a check."""
    return {
        (row["dataset"], row["variant"], row["rate_percent"])
        for row in rows(found)
        if row["unreliable"] and not row["defence"] and row["mode"] == found.modes(row["variant"])[0]
    }


PARTS = {
    "diagnostics": Part(
        make=rows,
        schema=table(
            **OF_A_MODEL,
            **each(TEXT, "defence made_on"),
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
