"""All checks of a paper's printed numbers and statements, in the order in which they are listed.

Every function of these modules that takes a paper and nothing else is one.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from inspect import isfunction, signature
from pathlib import Path

from meddef_lib.paper import published
from meddef_lib.paper.audit import (
    counts,
    granularity,
    matrices,
    orders,
    quotes,
    readings,
    stated,
    success_rates,
    unpruned,
)
from meddef_lib.paper.audit.finding import GRADES, Finding
from meddef_lib.paper.published import Paper

Check = Callable[[Paper], Iterator[Finding]]

CHECKS: tuple[Check, ...] = tuple(
    function
    for module in (granularity, success_rates, unpruned, matrices, quotes, orders, readings, counts, stated)
    for function in vars(module).values()
    if isfunction(function)
    and (function.__module__, list(signature(function).parameters)) == (module.__name__, ["paper"])
    and not function.__name__.startswith("_")
)


def audit(paper: Paper | None = None, folder: Path = published.FOLDER) -> list[Finding]:
    """Every finding about a paper (the one in `folder`), the gravest grade first."""
    paper = paper or published.read(folder)
    found = [
        replace(finding, check=finding.check or check.__name__)
        for check in CHECKS
        for finding in check(paper)
    ]
    return sorted(found, key=lambda finding: list(GRADES).index(finding.grade))
