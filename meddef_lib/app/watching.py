"""`invoke status --watch`: how far a workbook is, again and again, whoever makes it.

What is made now is told by the locks and leases of the store: those of a run on this machine and, in a store
that machines share, those of every worker of a cluster.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from meddef_lib.app import running
from meddef_lib.durations import duration
from meddef_lib.engine.recipe import Recipe
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.notebooks import cells_and_pages


def watch(book: Workbook, every: float) -> None:
    """Print the summary every so many seconds, until this process is interrupted."""
    cells = cells_and_pages(book)
    while True:
        print(time.strftime("%H:%M:%S "), summary(book, cells), sep="", flush=True)
        time.sleep(every)


def by_state(states: Iterable[str]) -> str:
    """How many cells have each state, in words."""
    return ", ".join(f"{number} {name}" for name, number in sorted(Counter(states).items()))


def summary(book: Workbook, cells: Mapping[str, Recipe]) -> str:
    """Cells by state, the time that is left, and what is made now, by whom: as lines."""
    run = running.told(book)
    said = by_state(book.store.state(recipe).state for recipe in cells.values())
    if run is None:
        said += "; no run goes on"
    else:
        said += f"; {run.by} has made {run.made} of {len(run.cells)}"
        said += f", {len(run.failures)} failed" if run.failures else ""
        said += f", about {duration(run.left_seconds)} left" if run.left_seconds is not None else ""
    locks = book.store.locks
    held = locks.keys()
    making = {
        name: by
        for name, recipe in cells.items()
        if recipe.key in held and (by := locks.holder_of(recipe.key)) is not None
    }
    return "\n".join([said, *(f"          {name}, by {by}" for name, by in making.items())])
