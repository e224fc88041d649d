"""The sections of the page, found in the modules of `report/sections` and put into their order.

SECTION = Section(number="4.2", title="Comprehensive ablation study", order=42, draw=draw)
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, wraps
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from markupsafe import Markup

from meddef_lib import paths
from meddef_lib.params import Params, read_yaml
from meddef_lib.report import sections
from meddef_lib.report.elements import MADE_UP, Block, Figure, Prose, Table, label
from meddef_lib.report.view import Missing, View

SUMMARY = "claims"  # where a claim leads that no section has the numbers of


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of the page under the paper's number and title.

    `draw` gives its blocks. `answers` are the sections of the paper whose claims lead here (default: its own
    number, or those between commas): a claim leads to where the longest entry is that its number begins with.
    """

    title: str
    order: float
    draw: Callable[[View], Iterable[Block]]
    number: str = ""
    answers: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # sections of the paper whose claims it is read beside, wherever these lead
    place: str = ""  # an id on the page, where claims are to lead elsewhere than to the heading

    @property
    def anchor(self) -> str:
        """The id of its heading."""
        return "s" + re.sub(r"[^0-9a-z]+", "-", f"{self.number} {self.title}".lower()).strip("-")


@cache
def every() -> tuple[Section, ...]:
    """The sections in the order of the page."""
    modules = [import_module(f"{sections.__name__}.{each.name}") for each in iter_modules(sections.__path__)]
    found = [one for module in modules for one in vars(module).values() if isinstance(one, Section)]
    return tuple(sorted(found, key=lambda section: section.order))


def place_of(number: str) -> str:
    """The id of the place on the page that shows what a section of the paper claims."""
    fitting = {
        prefix: one.place or one.anchor
        for one in every()
        for prefix in one.answers or one.number.split(", ")
        if prefix and number.startswith(prefix)
    }
    return fitting[max(fitting, key=len)] if fitting else SUMMARY


def read_beside(number: str) -> list[Section]:
    """The sections of the page that a claim of a section of the paper is read beside."""
    return [one for one in every() if number.startswith(one.also)]


Builder = Callable[[View, str], Block]  # draws something of a data set
Whole = Callable[[View], Block]  # draws something of the whole run
Drawn = TypeVar("Drawn", bound=Table | Figure)


class _Words(Params):
    """All of `params/how_to_read.yaml`."""

    how_to_read: dict[str, str]


@cache
def how_to_read() -> dict[str, str]:
    """How to read what is drawn, by the module and the function that draw it. Raises ParamsError."""
    return read_yaml(_Words, paths.PARAMS / "how_to_read.yaml").how_to_read


def with_words(block: Drawn, place: str) -> Drawn:
    """A table or figure whose note begins with how it is read, where `how_to_read` says so of its place."""
    words = how_to_read().get(place)
    return replace(block, note=Markup("How to read it: {} {}").format(words, block.note)) if words else block


def from_cells(
    notebook: str, *kinds: str, of_images: bool = True, **where: Any
) -> Callable[[Builder], Builder]:
    """What is drawn says how it was made: the notebook that shows it, and the cells (`View.cells`) behind it.

    Its note begins with `how_to_read`. What is not `of_images` (the network as it is built) is the same on
    phantoms, and not marked as theirs. What the builder says of that itself stays. It raises `view.Missing`
    where there is nothing to draw.
    """

    def decorated(draw: Builder) -> Builder:
        place = f"{draw.__module__.rpartition('.')[2]}.{draw.__name__}"

        @wraps(draw)
        def drawn(view: View, dataset: str) -> Block:
            try:
                block = draw(view, dataset)
            except Missing as missing:
                return view.missing(str(missing))
            if isinstance(block, Prose):
                return marked(view, block) if of_images else block
            made = block.made or view.made(f"{notebook}.{dataset}", view.cells(dataset, *kinds, **where))
            return replace(with_words(block, place), made=made, smoke=view.smoke and of_images)

        return drawn

    return decorated


def marked(view: View, block: Prose) -> Prose:
    """A sentence that says so where it reads what phantoms gave: a link may lead to it alone."""
    if not view.smoke:
        return block
    return replace(block, html=Markup(str(block.html).replace("<p>", f"<p>{label(MADE_UP)} ", 1)))


def of_each_dataset(
    *builders: Builder, before: Iterable[Whole] = (), after: Iterable[Whole] = ()
) -> Callable[[View], list[Block]]:
    """A `draw` that gives what the builders draw of each data set, each naming its data set.

    What is of no data set stands before and after.
    """

    def draw(view: View) -> list[Block]:
        of_each = [
            replace(build(view, dataset), dataset=dataset) for dataset in view.datasets for build in builders
        ]
        return [*(build(view) for build in before), *of_each, *(build(view) for build in after)]

    return draw


def of_first(*builders: Builder) -> Callable[[View], list[Block]]:
    """A `draw` of what is the same whatever the images: that of the first data set."""
    return lambda view: [build(view, next(iter(view.datasets))) for build in builders]
