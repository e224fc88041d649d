"""How every section of the page is laid out: what the paper claims, what is seen at once, what is folded.

Of each data set, its first figure (its first table, where there is none) and its sentences are seen; all else
lies folded under its caption. What is not there is said only where nothing else is seen.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from markupsafe import Markup

from meddef_lib.report.comparing import CLAIM_WORDS, claim_chip, trained_alike
from meddef_lib.report.elements import Block, Figure, Prose, macros
from meddef_lib.report.section import SUMMARY, Section, every, place_of
from meddef_lib.report.view import View

AT_ONCE = 2  # claims seen without unfolding


@dataclass(frozen=True)
class DatasetBlocks:
    """What a section shows of one data set, or ("") of none."""

    dataset: str
    seen: Sequence[Block]
    folded: Sequence[Block]


@dataclass(frozen=True)
class Place:
    """A section with what it shows, and the claims that it is about: those of the most comparisons first."""

    section: Section
    groups: Sequence[DatasetBlocks]
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


def grouped(blocks: Iterable[Block]) -> list[DatasetBlocks]:
    """The blocks by data set, in the order in which each is first met."""
    by_dataset: dict[str, list[Block]] = {}
    for block in blocks:
        by_dataset.setdefault(block.dataset, []).append(block)
    return [_group(dataset, of, alone=len(by_dataset) == 1) for dataset, of in by_dataset.items()]


def _group(dataset: str, blocks: Sequence[Block], *, alone: bool) -> DatasetBlocks:
    drawn = [block for block in blocks if not isinstance(block, Prose)]
    common = drawn[:1] if dataset or alone else []  # beside those of data sets a common table is folded
    figures = [block for block in drawn if isinstance(block, Figure)]
    lead: list[Block] = [*figures[:1]] or [*common]
    prose = [block for block in blocks if isinstance(block, Prose) and block.html]
    missing = [block for block in prose if block.kind == "missing"]
    said = [block for block in prose if block.kind != "missing" and not block.title]
    seen = [*lead, *said, *([] if lead else missing[:1])]
    apart = {id(block) for block in (*seen, *missing)}
    rest = [block for block in blocks if id(block) not in apart]
    return DatasetBlocks(
        dataset, seen, [block for block in rest if not isinstance(block, Prose) or block.html]
    )


def context(view: View, *, on_page: bool) -> dict[str, Any]:
    """What `claims.html.j2` refers to; on the page each claim leads to its row of the table of claims."""
    return {
        "smoke": view.smoke,
        "at_once": AT_ONCE,
        "verdict_of": verdict_of,
        "chip": claim_chip,
        "alike": partial(trained_alike, view),
        "CLAIM_WORDS": CLAIM_WORDS,
        "on_page": on_page,
    }


def claimed(view: View, sections: Iterable[Section]) -> Prose:
    """What the paper claims in these sections and what became of it: the same words as on the page."""
    shown = macros("claims.html.j2", **context(view, on_page=False))
    places = [Place(one, (), claims_of(view, one)) for one in sections]
    said = Markup().join(shown.claims(place) for place in places if place.claims)
    return Prose(said or Markup("<p>The paper makes no claim here that can be tested.</p>"))
