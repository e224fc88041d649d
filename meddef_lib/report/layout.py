"""How every section of the page is laid out: what the paper claims, what is seen at once, what is folded.

Of each data set, its first figure (its first table, where there is none) and its sentences are seen; all else
lies folded under its caption. What is not there is said only where nothing else is seen.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from meddef_lib.report.comparing import CLAIM_WORDS
from meddef_lib.report.elements import Block, Figure, Prose
from meddef_lib.report.section import SUMMARY, Section, every, place_of
from meddef_lib.report.view import View

AT_ONCE = 2  # claims seen without unfolding


@dataclass(frozen=True)
class Group:
    """What a section shows of one data set, or ("") of none."""

    dataset: str
    seen: Sequence[Block]
    folded: Sequence[Block]


@dataclass(frozen=True)
class Place:
    """A section with what it shows, and the claims that it is about: those of the most comparisons first."""

    section: Section
    groups: Sequence[Group]
    claims: Sequence[Mapping[str, Any]] = ()

    @property
    def blocks(self) -> list[Block]:
        """Everything that it shows, in the order of the page."""
        return [block for group in self.groups for block in (*group.seen, *group.folded)]

    @cached_property
    def tally(self) -> dict[str, int]:
        """Its claims by verdict: in this run, or where that is of phantoms in the paper's own tables."""
        found = Counter(verdict_of(claim)["verdict"] for claim in self.claims)
        return {verdict: found[verdict] for verdict in CLAIM_WORDS if found[verdict]}


def verdict_of(claim: Mapping[str, Any]) -> Mapping[str, Any]:
    """The verdict to show of a claim where there is room for one, with its comparisons."""
    own: Mapping[str, Any] = claim["in_paper"]
    return own if claim["verdict"] == "smoke" else claim


def places(view: View) -> list[Place]:
    """The sections of the page that have something to show."""
    drawn = ((one, list(one.draw(view))) for one in every())
    return [Place(one, grouped(blocks), claims_of(view, one)) for one, blocks in drawn if blocks]


def claims_of(view: View, section: Section) -> list[Mapping[str, Any]]:
    """The claims of the paper that a section is about: those of the most comparisons first."""
    tested_in = view.document["tested_in"]
    found = []
    for claim in view.document["claims"]:
        own = place_of(claim["section"])
        if (place_of(tested_in[claim["id"]]) if own == SUMMARY else own) in (section.anchor, section.place):
            found.append(claim)
    return sorted(found, key=lambda claim: -verdict_of(claim)["tested"])


def grouped(blocks: Iterable[Block]) -> list[Group]:
    """The blocks by data set, in the order in which each is first met."""
    by_dataset: dict[str, list[Block]] = {}
    for block in blocks:
        by_dataset.setdefault(block.dataset, []).append(block)
    return [_group(dataset, of, alone=len(by_dataset) == 1) for dataset, of in by_dataset.items()]


def _group(dataset: str, blocks: Sequence[Block], *, alone: bool) -> Group:
    shown = [block for block in blocks if not isinstance(block, Prose)]
    lead: Block | None = next((block for block in shown if isinstance(block, Figure)), None)
    if lead is None and shown and (dataset or alone):  # beside those of data sets a common table is folded
        lead = shown[0]
    seen: list[Block] = [lead] if lead else []
    seen += [block for block in blocks if isinstance(block, Prose) and _at_once(block)]
    missing = [block for block in blocks if isinstance(block, Prose) and block.kind == "missing"]
    seen += [] if lead else missing[:1]
    rest = [block for block in blocks if not any(block is one for one in (*seen, *missing))]
    return Group(dataset, seen, [block for block in rest if not isinstance(block, Prose) or block.html])


def _at_once(block: Prose) -> bool:
    return block.kind != "missing" and not block.title and bool(block.html)
