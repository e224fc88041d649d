"""`results.json`: everything a run measured beside what the paper prints, as one JSON document.

Its schema is `results.schema.json` beside this module, with that of each part (`results.part`) put in.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from meddef_lib.paper import published
from meddef_lib.paper.conclusions import CONCLUSIONS
from meddef_lib.results import findings, part, verdicts
from meddef_lib.results.collected import Collected
from meddef_lib.results.evidence import LEAST_SEEDS

Cells = Sequence[Mapping[str, Any]]  # as the document has them

SCHEMA_FILE = Path(__file__).with_name("results.schema.json")
CLAIM_VERDICTS = (*CONCLUSIONS, "smoke")


class Document(Mapping[str, Any]):
    """The document of one run, each part made when it is first asked for.

    `facts` are what the tables do not know: the call, the cells, the environment, each made by a function.
    """

    def __init__(self, found: Collected, facts: Mapping[str, Callable[[], Any]]) -> None:
        self._found = found
        self._made: dict[str, Any] = {}
        self._facts: dict[str, Callable[[], Any]] = {
            "profile": lambda: found.profile.name,
            "paper": lambda: found.paper.title,
            "authors": lambda: found.paper.authors,
            "paper_doi": lambda: found.paper.doi,
            "phantom": lambda: found.profile.data.source == "phantoms",
            "tolerance_rule": lambda: found.paper.tolerances.rule,
            "tolerance_exceptions": lambda: found.paper.tolerances.exceptions,
            "counts": lambda: counts(self),
            "costs": lambda: costs_by_kind(self["cells"]),
            "costs_together": lambda: costs(self["cells"]),
            "environment": lambda: environments(self["cells"]),
            "flow": lambda: flow(self["cells"]),
            "findings": lambda: findings.most_important(self),
            "more_seeds": lambda: more_seeds(self, len(found.profile.seeds)),
            **facts,
        }

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            fact = self._facts.get(name)
            self._made[name] = plain(fact() if fact else part.named(name).make(self._found))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._facts
        yield from part.every()

    def __len__(self) -> int:
        return len(list(iter(self)))


def counts(found: Mapping[str, Any]) -> dict[str, Any]:
    """How many numbers have each status and claims each verdict, every one named, and other counts.

    What is pending is named where there is any.
    """

    values, claims, ledger = found["values"], found["claims"], found["ledger"]
    sizes = [row for row in values if row["unit"] == "millions" and row["difference"] is not None]
    return {
        "values": _counted((row["status"] for row in values), verdicts.STATUSES),
        "claims": _counted((row["verdict"] for row in claims), CLAIM_VERDICTS),
        "claims_in_paper": _counted((row["in_paper"]["verdict"] for row in claims), CLAIM_VERDICTS),
        "claims_indicative": sum(row["indicative"] for row in claims),
        "sizes_measured": len(sizes),
        "sizes_agreeing": sum(abs(row["difference"]) <= row["tolerance"] for row in sizes),
        "assumptions": len(ledger),
        "assumptions_switched": sum(row["parameter"] is not None for row in ledger),
        "findings": sum(finding["grade"] != "consistent" for finding in found["paper_audit"]),
        "faults": sum(finding["grade"] in findings.FAULTS for finding in found["paper_audit"]),
    }


def _counted(said: Iterable[str], every: Sequence[str]) -> dict[str, int]:
    found = Counter(said)
    return {name: found[name] for name in dict.fromkeys((*every, *found))}


def costs_by_kind(cells: Cells) -> list[dict[str, Any]]:
    kinds = dict.fromkeys(cell["kind"] for cell in cells)
    return [{"kind": kind, **costs([cell for cell in cells if cell["kind"] == kind])} for kind in kinds]


def costs(cells: Cells) -> dict[str, Any]:
    """How many cells there are to be, are there and are missing, and what they take.

    Seconds are sums over the cells that have them; None where none has: nothing known is no zero.
    """
    there = sum(cell["state"] == "there" for cell in cells)
    found: dict[str, Any] = {"cells": len(cells), "there": there, "missing": len(cells) - there}
    for name in ("estimated_seconds", "seconds"):
        known = [cell[name] for cell in cells if cell[name] is not None]
        found[name] = sum(known) if known else None
    return found


def flow(cells: Cells) -> list[dict[str, Any]]:
    """A row a kind of cell: how many there are, and from which kinds they are computed."""
    kinds = {cell["id"]: cell["kind"] for cell in cells}
    rows = []
    for kind, number in Counter(kinds.values()).items():
        mine = [cell for cell in cells if cell["kind"] == kind]
        used = {kinds[id] for cell in mine for id in cell["inputs"] if id in kinds}
        rows.append({"kind": kind, "cells": number, "from": sorted(used)})
    return rows


def environments(cells: Cells) -> list[dict[str, Any]]:
    """The distinct versions, processors and devices that cells were made with, and how many with each."""
    made = [{**cell["made_with"], "device": cell["device"]} for cell in cells if cell["made_with"]]
    counted = Counter(json.dumps(with_) for with_ in made)
    return [{**json.loads(text), "cells": number} for text, number in counted.items()]


def more_seeds(found: Mapping[str, Any], seeds: int) -> dict[str, Any]:
    """How many seeds tell variants apart, what they would cost beyond those of this run, and decide.

    They decide nothing of a claim that also deviates in something else from the paper's setting.
    """
    seconds = cost_of_more_seeds(found["cells"], seeds, LEAST_SEEDS)
    few = sum(
        row["seeds"] is not None and row["seeds"] < LEAST_SEEDS and len(row["deviations"]) == 1
        for row in found["claims"]
    )
    return {"seeds": seeds, "needed": LEAST_SEEDS, "seconds": seconds, "claims": few}


def cost_of_more_seeds(cells: Cells, seeds: int, wanted: int) -> float | None:
    """Seconds that the cells of trained networks would cost with `wanted` seeds in the place of `seeds`.

    What is known of each, measured or else estimated; 0 where there are as many seeds, None where nothing is
    known.
    """
    of_models = [cell for cell in cells if cell["model"]]
    every = [one["estimated_seconds"] if one["seconds"] is None else one["seconds"] for one in of_models]
    known = [seconds for seconds in every if seconds is not None]
    return sum(known) * max(0, wanted - seeds) / seeds if known else None


def published_files(at_run: Mapping[str, str], now: Mapping[str, str]) -> dict[str, Any]:
    """The hashes of the transcription when the results were made and now, and what changed in between."""
    return {"at_run": dict(at_run), "now": dict(now), "changed": published.changed(at_run, now)}


# --- the file -------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """The JSON Schema of results.json."""
    found: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    for name, one in part.every().items():
        found["properties"][name] = one.schema
        found["required"].append(name)
    return found


def columns(name: str) -> list[str]:
    """What every row of a part has, by its schema. Raises KeyError where a part has no rows."""
    whole = schema()
    row = whole["properties"][name]["items"]
    if "$ref" in row:
        row = whole["$defs"][row["$ref"].rpartition("/")[2]]
    return list(row["properties"])


def check(found: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the place, if a document does not fit the schema."""
    # not at the top: it takes a second to build its grammars of addresses, and notebooks check nothing
    from jsonschema import Draft202012Validator

    problems = sorted(
        Draft202012Validator(schema()).iter_errors(found), key=lambda problem: problem.json_path
    )
    if problems:
        raise ValueError(
            f"results.json does not fit its schema at {problems[0].json_path}: {problems[0].message}"
        )


def plain(value: Any) -> Any:
    """Plain JSON values: frames become rows, tuples lists, and a number that is not one null."""
    if isinstance(value, pd.DataFrame):
        return [plain(row) for row in value.to_dict("records")]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
