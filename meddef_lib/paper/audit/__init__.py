"""The paper against itself: what follows from its printed numbers and statements, without any data.

A check is a function of the modules below that takes a paper (`published.Paper`) and nothing else, and yields
findings; a check of another paper's tables is another folder in the same format."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from inspect import isfunction, signature

from meddef_lib.paper import published
from meddef_lib.paper.audit import (
    counts,
    granularity,
    matrices,
    orders,
    quotes,
    stated,
    success_rates,
    unpruned,
)
from meddef_lib.paper.audit.finding import GRADES, Finding
from meddef_lib.paper.published import Paper

CHECKS: tuple[Callable[[Paper], Iterator[Finding]], ...] = tuple(
    function
    for module in (granularity, success_rates, unpruned, matrices, quotes, orders, counts, stated)
    for function in vars(module).values()
    if isfunction(function)
    and (function.__module__, list(signature(function).parameters)) == (module.__name__, ["paper"])
    and not function.__name__.startswith("_")
)


def audit(paper: Paper | None = None) -> list[Finding]:
    """Every finding about a paper (None: the workbook's own), the gravest grade first."""
    paper = paper or published.read()
    found = [
        replace(finding, check=finding.check or check.__name__)
        for check in CHECKS
        for finding in check(paper)
    ]
    return sorted(found, key=lambda finding: list(GRADES).index(finding.grade))
