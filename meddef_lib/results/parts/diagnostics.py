"""Whether the robustness of each network is real: the checks that it passed, and those it did not."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from meddef_lib.defences.registry import chosen
from meddef_lib.results.collected import Collected, names_of
from meddef_lib.results.part import OF_A_MODEL, by_name, list_of, part, table
from meddef_lib.results.parts import defences


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network and pruning rate that was examined, then one a defended network.

    `defence` is its id, "" of networks without one; it is examined as it is (`made_on` ""), and as the
    adaptive attack looks at it, where that is another network.
    """
    every = []
    for dataset in found.datasets:
        models = [(names_of(model), f"diagnose/{model.id}", "") for model in found.book.models(dataset)]
        plain = defences.plain(found.profile, dataset)
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


def unreliable(found: Collected) -> set[tuple[str, str, str | None, int | None]]:
    """Data set, variant, training and pruning rate (percent) of every network that failed a check.

    None stands for the training that fills the tables, and for no pruning.
    """
    return {
        (row["dataset"], row["variant"], mode, rate)
        for row in found.checks
        if row["unreliable"] and not row["defence"]
        for mode in {row["mode"], None if row["mode"] == found.book.modes(row["variant"])[0] else row["mode"]}
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


@part(
    "diagnostics",
    **OF_A_MODEL,
    text="defence made_on",
    count="rate_percent images",
    number="eps",
    flag="unreliable",
    checks=table(
        text="name text",
        number="value ci_low ci_high",
        count="n",
        status={"enum": ["pass", "warn", "fail"]},
        curve=list_of(by_name({"type": ["number", "string"]})),
    ),
)
def checks(found: Collected) -> Any:
    """The `rows`, which a run keeps."""
    return found.checks
