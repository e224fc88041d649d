"""Whether the robustness of each network is real: the checks of it, and its worst case beside PGD."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.defences.registry import chosen
from meddef_lib.results import metrics, statistics
from meddef_lib.results.collected import NAMES, Collected, names_of, records_of
from meddef_lib.results.outcomes import WORST_CASE
from meddef_lib.results.part import COUNT, OF_A_MODEL, by_name, ends, list_of, part, share_of, table
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


PAPERS_OWN = "pgd"  # the strongest of its attacks


@part(
    "worst_case",
    text="dataset variant mode",
    count="seed rate_percent n misclassified",
    number="eps accuracy ci_low ci_high pgd gap gap_low gap_high",
    flag="unreliable",
    fallen=by_name(COUNT),
)
def worst_cases(found: Collected) -> list[dict[str, Any]]:
    """A row a network, pruning rate and epsilon: accuracies in percent, the gap in points.

    n images; `misclassified` of them are so before any attack, `fallen` counts those that fell to each attack
    in turn. `pgd` is the accuracy under the PGD of the tables, at its last iterate, on the same images, None
    where it was not measured; `gap`, what it is above the worst case, with its interval. `unreliable` where
    the network failed a check of its robustness.
    """
    records = records_of(found, "attacked", "pruned")
    if records.empty:
        return []
    of_attack = {name: records[records["attack"] == name] for name in (WORST_CASE, PAPERS_OWN)}
    names = [*NAMES, "rate", "eps"]
    by_pgd = dict(iter(of_attack[PAPERS_OWN].groupby(names)))
    return marked(
        found,
        (
            _worst_case(found, dict(zip(names, place, strict=True)), run, by_pgd.get(place))
            for place, run in of_attack[WORST_CASE].groupby(names, sort=False)
        ),
    )


def _worst_case(
    found: Collected, place: dict[str, Any], run: pd.DataFrame, pgd: pd.DataFrame | None
) -> dict[str, Any]:
    stands = metrics.correct(run, "adv_pred")
    return {
        **{name: place[name] for name in (*NAMES, "eps")},
        "rate_percent": round(100 * place["rate"]),
        **share_of(stands, "accuracy"),
        **_gap(stands, pgd),
        "misclassified": int((run["clean_pred"] != run["label"]).sum()),
        "fallen": _fallen(found, place["dataset"], run),
    }


def _gap(stands: pd.Series, pgd: pd.DataFrame | None) -> dict[str, float | None]:
    names = ("pgd", "gap", "gap_low", "gap_high")
    right = metrics.correct(pgd, "adv_pred").reindex(stands.index) if pgd is not None else None
    if right is None or right.isna().any():  # PGD has not met each of these images
        return dict.fromkeys(names)
    right = right.astype(bool)
    test = statistics.mcnemar(stands, right)
    # PGD is part of the worst case: but for rounding no image falls to it alone, and the gap is a share
    interval = test.interval if test.only_first else statistics.wilson(test.only_second, test.n)
    gap = (100 * test.difference, *ends(interval, 100).values())
    return dict(zip(names, (100 * float(right.mean()), *gap), strict=True))


def _fallen(found: Collected, dataset: str, run: pd.DataFrame) -> dict[str, int]:
    """How many images fell to each attack, told by the steps that they took (`Attack.most_steps`)."""
    entry = ATTACKS[WORST_CASE]
    settings = entry.settings(found.profile.attacks)
    most = entry.most_steps(settings, len(found.datasets[dataset].classes))
    fell = run[(run["clean_pred"] == run["label"]) & (run["adv_pred"] != run["label"])]
    stages = list(most)
    counted = Counter(np.searchsorted(list(most.values())[:-1], fell["steps_used"]).tolist())
    return {name: counted[number] for number, name in enumerate(stages)}
