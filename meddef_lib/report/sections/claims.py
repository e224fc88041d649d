"""The paper's testable sentences: in this run, and in the paper's own tables."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report.comparing import CLAIM_WORDS, folded, label
from meddef_lib.report.elements import Block, Prose, Table, columns
from meddef_lib.report.section import Section, place_of, read_beside
from meddef_lib.report.view import View, breakable, text

QUANTIFIERS = {"all": "of all", "some": "of some", "generic": "in general"}


def draw(view: View) -> list[Block]:
    """Every testable sentence of the paper: in this run, and in the paper's own tables."""
    intro = text(
        "<p>Each sentence is tested twice: on this run's records ({test} with Holm's correction where models "
        "are compared), and on the paper's own printed numbers, which needs no run. "
        "Outside the published setting a verdict is indicative at most, and so is one between variants with "
        "fewer than three seeds: two trainings of one network differ, too. A sentence about all cells falls "
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
                Markup("{}<br><code>{}</code>").format(claim["text"], breakable(claim["id"])),
                Markup('<a href="#{1}" data-name="section" data-value="{0}">{0}</a>').format(
                    claim["section"], place_of(tested_in[claim["id"]])
                )
                + _beside(claim["section"]),
                f"{claim['kind']}, {QUANTIFIERS[claim['quantifier']]}",
                _verdict(claim, "run", indicative=claim["indicative"]) + _why(claim),
                _verdict(own, "paper") + _why(own),
            ]
        )
    first = "Claim, in our words"
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
    caption = f"The paper's {len(rows)} testable sentences"
    table = Table("claims", caption, titles, rows, frame, smoke=view.smoke)
    return [intro, _filters(claims), table]


def _beside(number: str) -> Markup:
    """Links to what answers more than the claim was tested on."""
    links = (Markup('<br><a href="#{}">{}</a>').format(one.anchor, one.title) for one in read_beside(number))
    return Markup().join(links)


def _verdict(row: Mapping[str, Any], name: str, *, indicative: bool = False) -> Markup:
    """The verdict as a coloured word with its shape, how many comparisons of how many are for the claim."""
    word, kind, shape = CLAIM_WORDS[row["verdict"]]
    said = f"{word} (indicative)" if indicative else word
    said += f" ({len(row['for'])} of {row['tested']})" if row["tested"] else ""
    return label((said, kind, shape), data_name=name, data_value=row["verdict"])


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


def _filters(rows: Iterable[Mapping[str, Any]]) -> Prose:
    rows = list(rows)
    sections = sorted({row["section"] for row in rows})
    choices = {
        "section": ("Section", sections),
        "run": ("In this run", sorted({row["verdict"] for row in rows})),
        "paper": ("In the paper", sorted({row["in_paper"]["verdict"] for row in rows})),
    }
    selects = Markup()
    for name, (title, values) in choices.items():
        options = Markup().join(
            Markup('<option value="{}">{}</option>').format(value, CLAIM_WORDS.get(value, (value,))[0])
            for value in values
        )
        selects += Markup(
            '<label>{} <select name="{}"><option value="">all</option>{}</select></label> '
        ).format(title, name, options)
    return Prose(Markup('<form class="filters" data-filter="claims">{}</form>').format(selects))


SECTION = Section(number="", title="Claims", order=0, draw=draw)
