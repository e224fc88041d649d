"""The paper's testable sentences, in this run and in its own tables, and every number that it prints."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.addresses import DIGITS
from meddef_lib.report.comparing import (
    CLAIM_WORDS,
    PARTS,
    STATUS_WORDS,
    claim_chip,
    compared,
    facet,
    folded,
    named,
    trained_alike,
)
from meddef_lib.report.elements import Block, Figure, Prose, Table, columns, label, macros, text_of
from meddef_lib.report.html_charts import stacked
from meddef_lib.report.section import SUMMARY, Section, place_of, read_beside
from meddef_lib.report.view import View, text

QUANTIFIERS = {"all": "of all", "some": "of some", "generic": "in general"}


def draw(view: View) -> list[Block]:
    intro = text(
        "<p>Each claim is tested twice: on this run's records ({test}, with Holm's correction over the "
        "comparisons of a claim), and on the paper's own printed numbers, which needs no run. "
        "With other data or settings, or between variants with fewer than three seeds, we report a tendency, "
        "not a verdict: two trainings of one network differ, too; and a level such as 90 % is held against "
        "numbers of the paper's own setting alone. △: where networks of different trainings are "
        "compared, the same claim between networks of one training, if it ends otherwise. One "
        "counterexample that is more than noise refutes a claim about all numbers; one example is enough for "
        "a claim about some.</p>",
        test="between networks McNemar's exact test on the images that both have, Fisher's where they have "
        "others; against a level the binomial test; for a margin or a rise, normal intervals of paired or "
        "unpaired shares"
        if len(view.parameters["seeds"]) == 1
        else "Student's t-test over the seeds, never surer than their images",
    )
    claims, tested_in = view.document["claims"], view.document["tested_in"]
    cells = macros("sections.html.j2", folded=folded, titled=view.titled)
    shared = _shared_deviations(claims)
    rows = []
    for claim in claims:
        own, tested = claim["in_paper"], tested_in[claim["id"]]
        why = cells.why(_apart(claim, shared))
        rows.append(
            [
                named("claim", claim["id"], claim["text"]),
                facet("section", claim["section"], cells.where(claim["section"], tested, place_of(tested)))
                + cells.beside(read_beside(claim["section"])),
                f"{claim['kind']}, {QUANTIFIERS[claim['quantifier']]}",
                facet("run", CLAIM_WORDS[claim["verdict"]][0], claim_chip(claim))
                + trained_alike(view, claim)
                + why,
                facet("paper", CLAIM_WORDS[own["verdict"]][0], claim_chip(own)) + cells.why(own),
            ]
        )
    first = "What the paper claims, paraphrased"
    titles = columns(first, "Section", "Kind", "In this run", "In the paper's own tables", wide=[first])
    copied = ["id", "section", "text", "kind", "quantifier"]
    copied += ["for", "tested", "in_run", "indicative", "in_paper"]
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
    return [
        _by_section(view),
        Prose(intro.html, title="How a claim is tested"),
        Table("claims", caption, titles, rows, frame, _note(shared)),
    ]


def _shared_deviations(claims: Sequence[Mapping[str, Any]]) -> list[str]:
    """What every tested claim deviates from the paper's setting in, in the order of the first."""
    every = [claim["deviations"] for claim in claims if claim["tested"] or claim["deviations"]]
    return [one for one in every[0] if all(one in of for of in every)] if len(every) > 1 else []


def _apart(claim: Mapping[str, Any], shared: Sequence[str]) -> dict[str, Any]:
    """A claim with those of its deviations that are not said of all."""
    return {**claim, "deviations": [one for one in claim["deviations"] if one not in shared]}


def _note(shared: Sequence[str]) -> Markup:
    said = "Every tested claim deviates from the paper's setting in: {}. A claim's own list has what it adds."
    return Markup(said).format("; ".join(shared)) if shared else Markup()


def _by_section(view: View) -> Figure:
    counts: dict[str, Counter[str]] = {}
    for claim in view.document["claims"]:
        found = claim["in_paper"] if view.smoke else claim
        counts.setdefault(claim["section"].partition(",")[0], Counter())[found["verdict"]] += 1
    where = "in the paper's own tables" if view.smoke else "in this run"
    alt = f"A bar for each of {len(counts)} sections of the paper with its claims by verdict."
    rows = [(name, *found) for name, of in counts.items() for found in of.items()]
    frame = pd.DataFrame(rows, columns=["section", "verdict", "claims"])
    caption = f"The paper's claims by the section that states them, {where}"
    return Figure("claims-by-section", caption, alt, stacked(counts, CLAIM_WORDS, alt), frame)


# --- every printed number ---


def by_table(view: View) -> Figure:
    """A bar a table of the paper, or a section that prints numbers: what became of them."""
    counts: dict[str, Counter[str]] = {}
    for row in view.values.values():
        counts.setdefault(_place(view, row), Counter())[row["status"]] += 1
    alt = f"A bar for each of {len(counts)} places that print numbers, with these by status."
    rows = [(place, *found) for place, of in counts.items() for found in of.items()]
    frame = pd.DataFrame(rows, columns=["place", "status", "numbers"])
    caption = "The printed numbers by where they stand"
    return Figure("values-by-table", caption, alt, stacked(counts, STATUS_WORDS, alt), frame)


def _place(view: View, row: Mapping[str, Any]) -> str:
    """Where a number stands: `table1/...` is "Table 1", `per_class/...` is "Per class"."""
    return view.words(row["id"].partition("/")[0])


def values_table(view: View) -> Table:
    numbers = (*PARTS[:-1], "Tolerance", "n", "Smallest difference this n can show")
    titles = columns("Number", "Section", *numbers, "Status", right=numbers)
    rows = [_value_row(view, row) for row in view.values.values()]
    keys = ["id", "section", "published", "reproduced", "unit", "n", "ci_low", "ci_high"]
    keys += ["difference", "tolerance", "status"]
    frame = pd.DataFrame(view.document["values"], columns=keys)
    rule = view.document["tolerance_rule"]
    note = Markup(
        "Tolerance = {rule} The computed steps behind each number are in <code>results.json</code>, "
        "under its id."
    ).format(rule=rule[:1].lower() + rule[1:])
    caption = f"Every number that the paper prints ({len(rows)})"
    return Table("values", caption, titles, rows, frame, note)


def _value_row(view: View, row: Mapping[str, Any]) -> Sequence[str | Markup]:
    *numbers, _ = compared(row)  # the status says why beside it, not under the pointer
    status = STATUS_WORDS[row["status"]]
    return [
        named("value", row["id"], view.words(row["id"])),
        facet("place", _place(view, row), row["section"]),
        *numbers,
        text_of(row["tolerance"], DIGITS[row["unit"]]),
        text_of(row["n"]),
        text_of(row["smallest_detectable"], row["decimals"]),
        facet("status", status[0], label(status)) + folded("; ".join(row["deviations"]) or row["reason"]),
    ]


SECTION = Section(title="Claims", order=0, draw=draw, place=SUMMARY)
VALUES = Section(
    title="Every printed number", order=90, draw=lambda view: [by_table(view), values_table(view)]
)
