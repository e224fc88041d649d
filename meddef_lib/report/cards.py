"""The model card and the data card beside a page, in Markdown; every number is the document's."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from meddef_lib.durations import duration
from meddef_lib.report import rerun
from meddef_lib.report.elements import template
from meddef_lib.report.places import without_places
from meddef_lib.report.view import View
from meddef_lib.visible import one_line

MARKS = re.compile(r"[\\`*\[\]|]")  # of Markdown within a line
LONGEST = 10_000  # characters: no path and hardly a command is cut
MODELS, DATA = "model-card.md", "data-card.md"


def texts(view: View) -> dict[str, str]:
    """Both cards by the names of their files."""
    command = one_line(rerun.command(view), LONGEST).replace("`", "'")  # it stands between two of these
    words = {
        "view": view,
        "title": plain(without_places(view, view.document["run"]["title"])),
        "plain": plain,
        "duration": duration,
        "percent": percent,
        "interval": interval,
    }
    made = {
        MODELS: template("model_card.md.j2").render(**words, command=command, networks=list(_networks(view))),
        DATA: template("data_card.md.j2").render(**words),
    }
    return {name: said.replace("<", "&lt;") for name, said in made.items()}  # a name is no markup


def plain(said: str) -> str:
    """What others named (a file, a class) on one line, with nothing in it that Markdown reads as its own."""
    return MARKS.sub(r"\\\g<0>", one_line(said, LONGEST))


def percent(share: float | None) -> str:
    """A share of 1, in percent with a decimal."""
    return "unknown" if share is None else f"{100 * share:.1f} %"


def interval(row: Mapping[str, Any], number: str, scale: float = 1.0) -> str:
    """A number of a row in percent with its 95 % interval, where it has one."""
    if row[number] is None:
        return "not measured"
    ends = [row[name] for name in ("ci_low", "ci_high")]
    said = "" if None in ends else f" ({' to '.join(f'{scale * end:.1f}' for end in ends)})"
    return f"{scale * row[number]:.1f} %{said}"


def _networks(view: View) -> Iterator[dict[str, Any]]:
    """Each network that fills the tables, with what is known of it."""
    for model in view.entries("models", main=True):
        if model["seed"] != view.parameters["seeds"][0]:
            continue
        about = {"dataset": model["dataset"], "variant": model["variant"]}
        (table,) = view.entries("tables", dataset=model["dataset"], quantity="accuracy")
        trained = view.entries("trainings", id=model["id"])
        checks = [
            check
            for row in view.entries("diagnostics", id=model["id"], rate_percent=0)
            for check in row["checks"]
        ]
        curves = [
            row for row in view.entries("curves", **about, quantity="accuracy") if row["ours"] is not None
        ]
        # an attack without epsilon stands at every place of a curve
        without = view.without_eps({row["attack"] for row in curves})
        attacked = {
            (row["attack"], None if row["attack"] in without else row["eps"]): row
            for row in curves
            if row["attack"]
        }
        yield {
            **model,
            "size": view.value(f"{table['id']}/{model['variant']}/parameters"),
            "training": trained[0] if trained else None,
            "clean": [row for row in curves if not row["attack"] and row["rate_percent"] == 0],
            "attacked": list(attacked.values()),
            "classes": view.entries("classification", **about),
            "calibration": view.entries("calibration", **about),
            "checked": bool(checks),
            "failed": [check for check in checks if check["status"] == "fail"],
        }
