"""The paper by itself: what its printed numbers say of each other, and what it does not say."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from meddef_lib.report.comparing import facet, named
from meddef_lib.report.elements import Block, Figure, Made, Table, columns, label, macros
from meddef_lib.report.html_charts import stacked
from meddef_lib.report.section import Section, with_words
from meddef_lib.report.view import View, text

GRADES = {
    "impossible": ("impossible", "bad", "▼"),
    "contradiction": ("contradiction", "bad", "≠"),
    "unusual": ("unusual", "open", "△"),
    "ambiguous": ("ambiguous", "open", "?"),
    "unsupported": ("unsupported", "open", "○"),
    "consistent": ("consistent", "good", "●"),
}


def draw(view: View) -> list[Block]:
    findings = view.document["paper_audit"]
    grades = view.document["grades"]
    alt = "A bar of findings by grade."
    chart = Figure(
        "audit-grades",
        "What the paper's printed numbers say of each other: findings by grade",
        alt,
        stacked({"": grades}, GRADES, alt),
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
        columns("Finding", "Section", "Grade", "What follows", "Printed", "Implied", wide=["What follows"]),
        [_row(view, one) for one in findings],
        pd.DataFrame(findings),
        made=Made("notebooks/00_paper_audit.html"),
    )
    return [with_words(chart, "paper_audit.draw"), intro, table]


def _row(view: View, one: Mapping[str, Any]) -> list[str | Markup]:
    """A finding; others link to its id."""
    about = named("finding", one["id"], view.words(one["id"]))
    section = facet("section", one["section"].partition(",")[0], one["section"])
    grade = facet("grade", one["grade"], label(GRADES[one["grade"]]))
    said = (view.titled(one[part]) for part in ("text", "printed", "implied"))
    return [about, section, grade, *said]


# --- what it does not say ---


def ledger(view: View) -> list[Block]:
    rows, says = [], macros("sections.html.j2").says
    for entry in view.document["ledger"]:
        switch = f"`{entry['parameter']}` = {flat(entry['value'])}"
        rows.append(
            [
                Markup('<span id="open-{}">{}</span>').format(entry["id"], entry["topic"]),
                says(entry, _code),
                _code(entry["we"]),
                _code(entry["why"]),
                _code(switch if entry["parameter"] else entry["fixed"]),
                _code(entry["sensitivity_where"] or "–"),
            ]
        )
    wide = ("What the paper says, and where", "What we do", "Why")
    titles = columns("Open place", *wide, "Parameter", "Sensitivity run", wide=wide)
    copied = ["id", "topic", "we", "why", "parameter", "sensitivity_where"]
    caption = f"{len(rows)} places where the paper is silent or says two things"
    return [Table("ledger", caption, titles, rows, view.rows("ledger")[copied])]


def flat(value: Any) -> str:
    """A value of a parameter in words: nothing of it in brackets or quotes."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {flat(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(flat(inner) for inner in value)
    return "–" if value is None else str(value)


def _code(words: str) -> Markup:
    """Text of a parameter file as HTML: what stands between backticks is code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(words))))


SECTION = Section(
    title="The printed numbers against each other",
    order=91,
    draw=draw,
    answers=("the printed numbers against each other",),
    place="paper-audit",
)
LEDGER = Section(title="What the paper does not say", order=92, draw=ledger)
