"""The sections of the page: each is one module of `report/sections`, found there and put into its order.

SECTION = Section(number="4.2", title="Comprehensive ablation study", order=42, draw=draw)
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from meddef_lib.report import sections
from meddef_lib.report.blocks import Block, Figure, Prose, Table
from meddef_lib.report.view import View

SUMMARY = "headline"  # where a claim leads that no section has the numbers of


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of the page under the paper's number and title.

    `draw` gives its blocks. `answers` are the sections of the paper whose claims lead here: a claim leads to
    the section with the longest entry that its own number begins with. `anchor` is the id of the place they
    lead to, that of the heading unless it is given.
    """

    number: str
    title: str
    order: float
    draw: Callable[[View], Iterable[Block]]
    answers: tuple[str, ...] = ()
    place: str = ""  # an id on the page, where claims are to lead elsewhere than to the heading

    @property
    def anchor(self) -> str:
        """The id of its heading."""
        return "s" + re.sub(r"[^0-9a-z]+", "-", f"{self.number} {self.title}".lower()).strip("-")


@cache
def every() -> tuple[Section, ...]:
    """The sections in the order of the page."""
    found = [import_module(f"{sections.__name__}.{each.name}") for each in iter_modules(sections.__path__)]
    return tuple(
        sorted((module.SECTION for module in found if hasattr(module, "SECTION")), key=lambda s: s.order)
    )


def place_of(number: str) -> str:
    """The id of the place on the page that shows what a section of the paper claims."""
    fitting = {prefix: one for one in every() for prefix in one.answers if number.startswith(prefix)}
    if not fitting:
        return SUMMARY
    section = fitting[max(fitting, key=len)]
    return section.place or section.anchor


def of_each(view: View, *builders: Callable[[View, str], Block | Iterable[Block]]) -> list[Block]:
    """What the builders draw of each data set, data set by data set."""
    found: list[Block] = []
    for dataset in view.datasets:
        for build in builders:
            drawn = build(view, dataset)
            found += [drawn] if isinstance(drawn, Prose | Table | Figure) else drawn
    return found
