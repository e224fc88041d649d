"""The paper against itself: findings about its printed numbers, which need no run."""

import pandas as pd

from meddef_lib.report.blocks import Block, Column, Made, Table
from meddef_lib.report.section import Section
from meddef_lib.report.view import View, breakable, text

GRADES = ("impossible", "contradiction", "unusual", "ambiguous", "unsupported", "consistent")


def draw(view: View) -> list[Block]:
    """Findings about the printed numbers alone, the gravest first; what is consistent is listed last."""
    findings = sorted(view.document["paper_audit"], key=lambda finding: GRADES.index(finding["grade"]))
    counts = {grade: sum(f["grade"] == grade for f in findings) for grade in GRADES}
    said = ", ".join(f"{number} {grade}" for grade, number in counts.items() if number)
    rows = [
        [
            breakable(finding["id"]),
            finding["section"],
            finding["grade"],
            finding["text"],
            finding["printed"],
            finding["implied"],
        ]
        for finding in findings
    ]
    columns = [
        Column("Finding", heading=True),
        *(
            Column(title, wide=title == "What follows")
            for title in ("Section", "Grade", "What follows", "Printed", "Implied")
        ),
    ]
    frame = pd.DataFrame(findings)
    intro = text(
        "<p>The printed numbers checked against each other, without a run: {said}. "
        "<code>invoke audit-paper</code> prints the same list.</p>",
        said=said,
    )
    return [
        intro,
        Table(
            "paper-audit",
            f"{len(rows)} findings about the paper's own numbers",
            columns,
            rows,
            frame,
            made=Made("notebooks/00_paper_audit.html"),
        ),
    ]


SECTION = Section(
    number="",
    title="The paper against itself",
    order=91,
    draw=draw,
    answers=("the paper against itself",),
    place="paper-audit",
)
