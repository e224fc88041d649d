"""The parts of `results.json`, by name in the modules of `results/parts`.

    @part("shares", text="dataset variant", number="share")
    def rows(found: Collected) -> list[dict[str, Any]]: ...

It takes what a run has collected and returns plain rows, so that a number is added by adding a file.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

import pandas as pd

from meddef_lib.results import metrics, parts, statistics
from meddef_lib.results.collected import Collected
from meddef_lib.results.outcomes import Outcome
from meddef_lib.results.statistics import Interval

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
YES_OR_NO: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
WHOLE: Schema = {"type": ["integer", "null"]}
NUMBER: Schema = {"type": ["number", "null"]}


Make = TypeVar("Make", bound=Callable[[Collected], Any])


@dataclass(frozen=True)
class Part:
    """One part of the document: how it is made, and the JSON Schema that holds it to its names."""

    make: Callable[[Collected], Any]
    schema: Schema


_DECLARED: dict[str, Part] = {}


def part(name: str, schema: Schema | None = None, /, **columns: Any) -> Callable[[Make], Make]:
    """What makes a part of the document: rows of these columns, said as for `fields`, or by its schema."""

    def declare(make: Make) -> Make:
        _DECLARED[name] = Part(make, table(**columns) if schema is None else schema)
        return make

    return declare


def fields(*, text: str = "", number: str = "", count: str = "", flag: str = "", **others: Schema) -> Schema:
    """The schema of an object that has these fields and no others: names by their kind, or one by its schema.

    A `number` may be null, a `count` is 0 or more, a `flag` true or false.
    """
    kinds = ((TEXT, text), (NUMBER, number), (COUNT, count), (YES_OR_NO, flag))
    columns = {name: kind for kind, names in kinds for name in names.split()} | others
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(columns),
        "properties": columns,
    }


def list_of(entry: Schema) -> Schema:
    return {"type": "array", "items": entry}


def by_name(entry: Schema) -> Schema:
    """The schema of an object with names of any kind, such as ids."""
    return {"type": "object", "additionalProperties": entry}


def table(**columns: Any) -> Schema:
    return list_of(fields(**columns))


def listed(name: str) -> Schema:
    """A schema that stands in results.schema.json under `$defs`: a list of such entries."""
    return list_of({"$ref": f"#/$defs/{name}"})


OF_A_MODEL = {  # as `names_of`
    **dict.fromkeys(("id", "dataset", "variant", "mode"), TEXT),
    "seed": COUNT,
    "image_size": WHOLE,
}


def ends(interval: Interval | None, scale: float = 1) -> dict[str, float | None]:
    """The columns of an interval; None where there is none."""
    low, high = interval.scaled(scale) if interval else (None, None)
    return {"ci_low": low, "ci_high": high}


def share_of(hits: pd.Series, name: str, scale: float = 100) -> dict[str, Any]:
    """The columns of a share of n images, in percent or times `scale`, with Wilson's interval."""
    counted = metrics.proportion(hits)
    share = None if counted.share is None else scale * counted.share
    return {"n": counted.n, name: share, **ends(statistics.wilson(*counted), scale)}


PAIRED = "difference difference_low difference_high p p_holm"  # columns, all None where nothing is paired


def paired(hits: pd.Series, others: pd.Series, scale: float = 100) -> dict[str, float]:
    """Of `PAIRED`: the share of hits less that of others on the same images, and McNemar's exact p."""
    test = statistics.mcnemar(others, hits)
    low, high = test.interval.scaled(scale)
    between = {"difference_low": low, "difference_high": high, "p": test.p_value}
    return {"difference": scale * test.difference, **between}


def with_holm(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, with `p_holm`: each `p` with Holm's correction over all of them; None where there is none."""
    every = list(rows)
    corrected = iter(statistics.holm([row["p"] for row in every if row["p"] is not None]).tolist())
    return [row | {"p_holm": None if row["p"] is None else next(corrected)} for row in every]


def number(name: str, outcome: Outcome | None) -> dict[str, float | None]:
    """A measured number under a name, with its interval; None where nothing was measured."""
    return {name: outcome.value if outcome else None, **ends(outcome.interval if outcome else None)}


def beside(outcome: Outcome | None) -> dict[str, Any]:
    """What stands beside a rate: balanced accuracy on the same images, and whether its network collapsed."""
    return {
        "balanced_accuracy": outcome.alternatives.get("balanced_accuracy") if outcome else None,
        "collapsed": bool(outcome and outcome.collapsed),
    }


def of_images(outcome: Outcome) -> dict[str, Any]:
    """On how many images a number was measured, and on how many of them the attack's gradient was 0."""
    return {"n": outcome.n, "zero_gradients": outcome.zero_gradients}


@cache
def every() -> dict[str, Part]:
    """Every part by name, module by module."""
    for each in iter_modules(parts.__path__):
        import_module(f"{parts.__name__}.{each.name}")
    return dict(sorted(_DECLARED.items(), key=lambda entry: entry[1].make.__module__))


def named(name: str) -> Part:
    """One part. Raises KeyError for a name that none has."""
    if name not in every():
        raise KeyError(f"results.json has no part {name!r}; it has {', '.join(every())}")
    return every()[name]
