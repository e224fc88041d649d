"""The paper's testable sentences: in this run, and in the paper's own tables."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import bars
from meddef_lib.report.comparing import CLAIM_WORDS, claim_chip, folded
from meddef_lib.report.elements import Block, Figure, Table, columns
from meddef_lib.report.section import SUMMARY, Section, place_of, read_beside
from meddef_lib.report.view import View, breakable, text

QUANTIFIERS = {"all": "of all", "some": "of some", "generic": "in general"}


def draw(view: View) -> list[Block]:
    """Every testable sentence of the paper: in this run, and in the paper's own tables."""
    intro = text(
        "<p>Each claim is tested twice: on this run's records ({test} with Holm's correction where models "
        "are compared), and on the paper's own printed numbers, which needs no run. "
        "With other data or settings, or between variants with fewer than three seeds, we report a tendency, "
        "not a verdict: two trainings of one network differ, too. A claim about all cells falls "
        "by one against it that is more than noise, one about some stands by one for it.</p>",
        test="McNemar's exact test"
        if len(view.parameters["seeds"]) == 1
        else "Student's t-test over the seeds",
    )
    claims, tested_in = view.document["claims"], view.document["tested_in"]
    rows = []
    for claim in claims:
        own = claim["in_paper"]
        rows.append(
            [
                Markup('{}<br><code id="claim-{}">{}</code>').format(
                    claim["text"], claim["id"], breakable(claim["id"])
                ),
                _where(claim["section"], tested_in[claim["id"]]) + _beside(claim["section"]),
                f"{claim['kind']}, {QUANTIFIERS[claim['quantifier']]}",
                claim_chip(claim, data_name="run", data_value=claim["verdict"]) + _why(claim),
                claim_chip(own, data_name="paper", data_value=own["verdict"]) + _why(own),
            ]
        )
    first = "What the paper claims, paraphrased"
    titles = columns(first, "Section", "Kind", "In this run", "In the paper's own tables", wide=[first])
    copied = [
        "id",
        "section",
        "text",
        "kind",
        "quantifier",
        "for",
        "tested",
        "in_run",
        "indicative",
        "in_paper",
    ]
    frame = pd.DataFrame(
        [
            claim
            | {"for": len(claim["for"]), "in_run": claim["verdict"]}
            | {"in_paper": claim["in_paper"]["verdict"]}
            for claim in claims
        ],
        columns=copied,
    )
    caption = f"The paper's {len(rows)} claims, one by one"
    table = Table("claims", caption, titles, rows, frame)
    return [_by_section(view), intro, table]


def _by_section(view: View) -> Figure:
    """A bar a section of the paper: its claims by verdict."""
    counts: dict[str, Counter[str]] = {}
    for claim in view.document["claims"]:
        found = claim if not view.smoke else claim["in_paper"]
        counts.setdefault(claim["section"].partition(",")[0], Counter())[found["verdict"]] += 1
    rows = [
        {"section": name, "verdict": verdict, "claims": number}
        for name, of in counts.items()
        for verdict, number in of.items()
    ]
    where = "in the paper's own tables" if view.smoke else "in this run"
    alt = f"A bar for each of {len(counts)} sections of the paper with its claims by verdict."
    return Figure(
        "claims-by-section",
        f"The paper's claims by its section, {where}",
        alt,
        bars.stacked(counts, CLAIM_WORDS, alt),
        pd.DataFrame(rows),
    )


def _where(section: str, tested: str) -> Markup:
    """The section that a claim is of, and the way to the numbers that it is tested on."""
    said = section if section == tested else f"tested in {tested}"
    before = "" if section == tested else f"{section}, "
    html = '<span data-name="section" data-value="{}">{}<a href="#{}">{}</a></span>'
    return Markup(html).format(section, before, place_of(tested), said)


def _beside(number: str) -> Markup:
    """Links to what answers more than the claim was tested on."""
    links = (Markup('<br><a href="#{}">{}</a>').format(one.anchor, one.title) for one in read_beside(number))
    return Markup().join(links)


def _why(row: Mapping[str, Any]) -> Markup:
    """The reason, what deviates, and the cells for and against."""
    parts = Markup("<p>{}</p>").format(row["reason"]) if row["reason"] else Markup()
    for side in ("deviations", "for", "against", "undecided", "not_counted"):
        if row.get(side):
            items = Markup().join(Markup("<li>{}</li>").format(words) for words in row[side])
            name = side.replace("_", " ")
            parts += Markup("<p>{} ({}):</p><ul>{}</ul>").format(name, len(row[side]), items)
    if row["missing"]:
        parts += Markup("<p>{} comparisons have no numbers.</p>").format(row["missing"])
    return folded(parts)


SECTION = Section(number="", title="Claims", order=0, draw=draw, place=SUMMARY)
