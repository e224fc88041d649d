"""The paper against itself: findings about its printed numbers, which need no run."""

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import bars
from meddef_lib.report.elements import Block, Figure, Made, Table, columns
from meddef_lib.report.section import Section, with_words
from meddef_lib.report.view import View, breakable, text

TITLES = {
    "id": "Finding",
    "section": "Section",
    "grade": "Grade",
    "text": "What follows",
    "printed": "Printed",
    "implied": "Implied",
}

GRADES = {
    "impossible": ("impossible", "bad", "▼"),
    "contradiction": ("contradiction", "bad", "≠"),
    "unusual": ("unusual", "open", "◐"),
    "ambiguous": ("ambiguous", "open", "?"),
    "unsupported": ("unsupported", "open", "○"),
    "consistent": ("consistent", "good", "●"),
}


def draw(view: View) -> list[Block]:
    """Findings about the printed numbers alone, the gravest first; what is consistent is listed last."""
    findings = view.document["paper_audit"]
    grades = view.document["grades"]
    alt = "A bar of findings by grade."
    chart = Figure(
        "audit-grades",
        "What the paper's printed numbers say of each other: findings by grade",
        alt,
        bars.stacked({"": grades}, GRADES, alt),
        pd.DataFrame({"grade": list(grades), "findings": list(grades.values())}),
    )
    intro = text(
        "<p>The printed numbers checked against each other, without a run: {faults} contradictions or "
        "impossible values, {others} unusual, ambiguous or unsupported places. "
        "<code>invoke audit-paper</code> prints the same list.</p>",
        faults=view.document["counts"]["faults"],
        others=view.document["counts"]["findings"] - view.document["counts"]["faults"],
    )
    table = Table(
        "paper-audit",
        f"{len(findings)} findings about the paper's own numbers",
        columns(*TITLES.values(), wide=["What follows"]),
        [[_named(one["id"]), *(one[name] for name in list(TITLES)[1:])] for one in findings],
        pd.DataFrame(findings),
        made=Made("notebooks/00_paper_audit.html"),
    )
    return [with_words(chart, "paper_audit.draw"), intro, table]


def _named(id: str) -> Markup:
    """The id of a finding, to which others link."""
    return Markup('<span id="finding-{}">{}</span>').format(id, breakable(id))


SECTION = Section(
    number="",
    title="The paper against itself",
    order=91,
    draw=draw,
    answers=("the paper against itself",),
    place="paper-audit",
)
