"""The paper against itself: findings about its printed numbers, which need no run."""

import pandas as pd

from meddef_lib.report.elements import Block, Made, Table, columns
from meddef_lib.report.section import Section
from meddef_lib.report.view import View, breakable, text

TITLES = {
    "id": "Finding",
    "section": "Section",
    "grade": "Grade",
    "text": "What follows",
    "printed": "Printed",
    "implied": "Implied",
}


def draw(view: View) -> list[Block]:
    """Findings about the printed numbers alone, the gravest first; what is consistent is listed last."""
    findings = view.document["paper_audit"]
    said = ", ".join(f"{number} {grade}" for grade, number in view.document["grades"].items() if number)
    intro = text(
        "<p>The printed numbers checked against each other, without a run: {said}. "
        "<code>invoke audit-paper</code> prints the same list.</p>",
        said=said,
    )
    table = Table(
        "paper-audit",
        f"{len(findings)} findings about the paper's own numbers",
        columns(*TITLES.values(), wide=["What follows"]),
        [[breakable(one["id"]), *(one[name] for name in list(TITLES)[1:])] for one in findings],
        pd.DataFrame(findings),
        made=Made("notebooks/00_paper_audit.html"),
    )
    return [intro, table]


SECTION = Section(
    number="",
    title="The paper against itself",
    order=91,
    draw=draw,
    answers=("the paper against itself",),
    place="paper-audit",
)
