"""What the cells of a run took, by kind, and the surroundings that they were made in."""

from collections.abc import Mapping, Sequence
from typing import Any

Cells = Sequence[Mapping[str, Any]]  # as `results.json` has them


def by_kind(cells: Cells) -> list[dict[str, Any]]:
    """A row a kind of cell, in the order of the first of each: how many there are to be, are there, seconds.

    Seconds are sums over the cells that have them; None where none has: nothing known is no zero.
    """
    rows = []
    for kind in dict.fromkeys(cell["kind"] for cell in cells):
        mine = [cell for cell in cells if cell["kind"] == kind]
        rows.append(
            {
                "kind": kind,
                "cells": len(mine),
                "there": sum(cell["state"] == "there" for cell in mine),
                "estimated_seconds": _sum(mine, "estimated_seconds"),
                "seconds": _sum(mine, "seconds"),
            }
        )
    return rows


def _sum(cells: Cells, name: str) -> float | None:
    known = [cell[name] for cell in cells if cell[name] is not None]
    return sum(known) if known else None


def surroundings(cells: Cells) -> list[dict[str, Any]]:
    """The distinct versions, processors and devices that cells were made with, and how many with each."""
    rows: list[dict[str, Any]] = []
    for cell in cells:
        if cell["made_with"] is None:
            continue
        with_ = {**cell["made_with"], "device": cell["device"]}
        row = next((row for row in rows if {**row, "cells": 0} == {**with_, "cells": 0}), None)
        if row is None:
            rows.append(row := {**with_, "cells": 0})
        row["cells"] += 1
    return rows


def of_more_seeds(cells: Cells, seeds: int, wanted: int) -> float | None:
    """Seconds that the cells of trained networks would cost with `wanted` seeds in the place of `seeds`.

    What is known of each, measured or else estimated; 0 where there are as many seeds, None where nothing is
    known.
    """
    known = [
        seconds
        for cell in cells
        if cell["model"]
        for seconds in (cell["seconds"] if cell["seconds"] is not None else cell["estimated_seconds"],)
        if seconds is not None
    ]
    return sum(known) * max(0, wanted - seeds) / seeds if known else None
