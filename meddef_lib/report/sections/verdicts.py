"""What holds of the paper: claims, every printed number, the paper against itself, the ledger."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from meddef_lib.engine.receipts import environment
from meddef_lib.paper import audit as auditing
from meddef_lib.paper import published
from meddef_lib.paper.addresses import Address
from meddef_lib.report.blocks import Column, Figure, Made, Prose, Table, text_of
from meddef_lib.report.view import CLAIM_WORDS, View, breakable, signed, status_label, text
from meddef_lib.results import claims as claiming
from meddef_lib.results import document as documents
from meddef_lib.results import ledger as assuming
from meddef_lib.results.claims import Claim
from meddef_lib.results.tolerances import DIGITS

GRADES = ("impossible", "contradiction", "unusual", "ambiguous", "unsupported", "consistent")


def document(view: View) -> dict[str, Any]:
    """`results.json` of a view. Raises ValueError where it does not fit its schema."""
    book = view.book
    return documents.document(
        profile=book.profile.name,
        paper=view.paper,
        outcomes=view.found.outcomes,
        claims=claiming.read(),
        ledger=assuming.rows(assuming.read(), book.profile, book.datasets),
        **audited(),
        phantom=view.smoke,
        published_at_run=published_at_run(view),
        published_now=published.hashes(),
        run={
            "environment": environment(),
            "overrides": dict(book.overrides),
            "datasets": list(book.datasets),
            "title": book.profile.title,
            **({"weights": {"file": book.given_name, "sha256": book.given}} if book.given else {}),
        },
    )


def published_at_run(view: View) -> dict[str, str]:
    """The hashes of the transcription when the oldest of the records was made; today's without records."""
    store = view.book.store
    recipes = [recipe for name, recipe in view.book.cells.items() if name.startswith(("attack/", "prune/"))]
    receipts = [store.receipt(recipe) for recipe in recipes if store.has(recipe)]
    oldest = min(receipts, key=lambda receipt: receipt["finished"], default=None)
    return dict(oldest["context"]["published"]) if oldest else published.hashes()


# --- claims ---------------------------------------------------------------------------------------


def claims(view: View, found: Mapping[str, Any]) -> list[Prose | Table | Figure]:
    """Every testable sentence of the paper: in this run, and in the paper's own tables."""
    intro = text(
        "<p>Each sentence is tested twice: on this run's records ({test} with Holm's correction where models "
        "are compared), and on the paper's own printed numbers, which needs no run. "
        "Outside the published setting a verdict is indicative at most.</p>",
        test="McNemar's exact test"
        if len(view.book.profile.seeds) == 1
        else "Student's t-test over the seeds",
    )
    places = {claim.id: place_of_claim(claim) for claim in claiming.read()}
    rows = []
    for claim in found["claims"]:
        own = claim["in_paper"]
        rows.append(
            [
                Markup("{}<br><code>{}</code>").format(claim["text"], breakable(claim["id"])),
                Markup('<a href="#{1}" data-name="section" data-value="{0}">{0}</a>').format(
                    claim["section"], places.get(claim["id"], place_of(claim["section"]))
                ),
                claim["kind"],
                _verdict(claim["verdict"], "run", indicative=claim["indicative"]) + _why(claim),
                _verdict(own["verdict"], "paper") + _why(own),
            ]
        )
    columns = [
        Column("Claim, in our words", heading=True, wide=True),
        *(Column(title) for title in ("Section", "Kind", "In this run", "In the paper's own tables")),
    ]
    frame = pd.DataFrame(
        [
            {
                "id": claim["id"],
                "section": claim["section"],
                "text": claim["text"],
                "kind": claim["kind"],
                "in_run": claim["verdict"],
                "indicative": claim["indicative"],
                "in_paper": claim["in_paper"]["verdict"],
            }
            for claim in found["claims"]
        ]
    )
    caption = f"The paper's {len(rows)} testable sentences"
    table = Table("claims", caption, columns, rows, frame, smoke=view.smoke)
    return [intro, _filters(found["claims"]), table]


# where the report has what a section of the paper claims: the first that fits
PLACES = {
    "3.1": "s3-1-dataset-and-preprocessing",
    "3.2.2": "s3-2-2-3-8-adversarial-training",
    "3.8": "s3-2-2-3-8-adversarial-training",
    "3.5": "s3-5-unstructured-pruning",
    "3": "s3-2-3-3-3-7-the-network",
    "4.2": "s4-2-comprehensive-ablation-study",
    "4.3": "s4-3-attack-intensity-analysis-across-epsilon-values",
    "4.1": "s4-1-4-4-compression-security-trade-off-analysis",
    "4.4": "s4-1-4-4-compression-security-trade-off-analysis",
    "4.5": "s4-5-state-of-the-art-comparison",
    "4.6": "s4-6-confusion-matrices",
    "4.7": "s4-7-per-class-performance",
    "4.8": "s4-8-interpretability-through-saliency-mapping",
    "the paper against itself": "paper-audit",
}


def place_of(section: str) -> str:
    """The anchor of the report's section that shows what a section of the paper claims."""
    return next((anchor for number, anchor in PLACES.items() if section.startswith(number)), "headline")


# where the numbers stand that a claim is tested on
TESTED = {"confusion": "4.6", "error_rate": "4.6", "precision": "4.7", "recall": "4.7", "f1": "4.7"}


def place_of_claim(claim: Claim) -> str:
    """The anchor of the section with the tables that a claim is tested on; else that of its own section."""
    if claim.test is None:
        return place_of(claim.section)
    sides = [side for one in claiming.comparisons(claim.test) for side in (one.left, one.right)]
    tested = [side for side in sides if isinstance(side, Address)]
    pruned = any(side.rate_percent or side.quantity == "attack_success_rate" for side in tested)
    return place_of("4.4" if pruned else TESTED.get(tested[0].quantity, "4.3"))


def _verdict(verdict: str, name: str, *, indicative: bool = False) -> Markup:
    word, kind, shape = CLAIM_WORDS[verdict]
    label = f"{word} (indicative)" if indicative else word
    return Markup('<span class="status {}" data-name="{}" data-value="{}">{} {}</span>').format(
        kind, name, verdict, shape, label
    )


def _why(row: Mapping[str, Any]) -> Markup:
    """The reason, and the cells for and against."""
    parts = Markup("<p>{}</p>").format(row["reason"]) if row["reason"] else Markup()
    for side in ("for", "against", "undecided"):
        if row[side]:
            items = Markup().join(Markup("<li>{}</li>").format(words) for words in row[side])
            parts += Markup("<p>{} ({}):</p><ul>{}</ul>").format(side, len(row[side]), items)
    if row["missing"]:
        parts += Markup("<p>{} comparisons have no numbers.</p>").format(row["missing"])
    return _folded(parts)


def _folded(why: str | Markup) -> Markup:
    """A reason that a click shows; nothing where there is none."""
    return Markup(" <details><summary>why</summary>{}</details>").format(why) if why else Markup()


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


# --- numbers --------------------------------------------------------------------------------------


def values_table(view: View) -> Table:
    """Every printed number, one a row, with its tolerance and what this n could have shown."""
    numbers = ("Paper", "Ours", "95 % interval", "Difference", "Tolerance", "n", "Detectable")
    titles = ("id", "Section", *numbers, "Status")
    columns = [
        Column(title, "right" if title in numbers else "left", heading=title == "id") for title in titles
    ]
    rows = [_value_row(row) for row in view.values.values()]
    keys = ["id", "section", "published", "reproduced", "unit", "n", "ci_low", "ci_high"]
    keys += ["difference", "tolerance", "status"]
    frame = pd.DataFrame([{key: row[key] for key in keys} for row in view.values.values()])
    note = Markup(
        "{rule} Detectable: the smallest difference that a test set of n images could have shown. The cells "
        "behind each number are in <code>results.json</code>, under its id."
    ).format(rule=view.paper.tolerances.rule)
    caption = f"Every number that the paper prints ({len(rows)})"
    return Table("values", caption, columns, rows, frame, note, None, view.smoke)


def _value_row(row: Mapping[str, Any]) -> Sequence[str | Markup]:
    decimals = row["decimals"]
    interval = "–"
    if row["ci_low"] is not None:
        interval = f"{text_of(row['ci_low'], decimals)} to {text_of(row['ci_high'], decimals)}"
    folded = _folded("; ".join(row["deviations"]) or row["reason"])
    return [
        breakable(row["id"]),
        row["section"],
        text_of(float(row["published"]), decimals),
        text_of(row["reproduced"], decimals),
        interval,
        signed(row["difference"], decimals),
        text_of(row["tolerance"], DIGITS[row["unit"]]),
        text_of(row["n"]),
        text_of(row["smallest_detectable"], decimals),
        status_label(row["status"]) + folded,
    ]


# --- the paper itself -----------------------------------------------------------------------------


def audited() -> dict[str, Any]:
    """The findings about the printed numbers as `results.json` has them; needs no run."""
    return {"paper_audit": [asdict(finding) for finding in auditing.audit()]}


def paper_audit(found: Mapping[str, Any]) -> list[Prose | Table | Figure]:
    """Findings about the printed numbers alone, the gravest first; what is consistent is listed last."""
    findings = sorted(found["paper_audit"], key=lambda finding: GRADES.index(finding["grade"]))
    counts = {grade: sum(f["grade"] == grade for f in findings) for grade in GRADES}
    said = ", ".join(f"{number} {grade}" for grade, number in counts.items() if number)
    rows = [
        [breakable(finding["id"]), finding["section"], finding["grade"], finding["text"], *_printed(finding)]
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


def _printed(finding: Mapping[str, Any]) -> tuple[str, str]:
    return _flat(finding["printed"]), _flat(finding["implied"])


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_flat(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_flat(inner) for inner in value)
    return "–" if value is None else str(value)


def _code(words: str) -> Markup:
    """Text of a parameter file as HTML: what stands between backticks is code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(words))))


def ledger(found: Mapping[str, Any]) -> list[Prose | Table | Figure]:
    """Each place where the paper is silent or says two things, and what this project does there."""
    rows = []
    for entry in found["ledger"]:
        says = Markup().join(
            Markup("<p><b>{}</b>: {}</p>").format(saying["where"], _code(saying["text"]))
            for saying in entry["says"]
        )
        switch = (
            Markup("<code>{}</code> = {}").format(entry["parameter"], _flat(entry["value"]))
            if entry["parameter"]
            else _code(entry["fixed"])
        )
        rows.append(
            [
                entry["topic"],
                says,
                _code(entry["we"]),
                _code(entry["why"]),
                switch,
                _code(entry["sensitivity_where"] or "–"),
            ]
        )
    titles = ("What the paper says, and where", "What we do", "Why", "Parameter", "Sensitivity run")
    columns = [
        Column("Open place", heading=True),
        *(Column(title, wide=place < 3) for place, title in enumerate(titles)),
    ]
    frame = pd.DataFrame(
        [
            {key: entry[key] for key in ("id", "topic", "we", "why", "parameter", "sensitivity_where")}
            for entry in found["ledger"]
        ]
    )
    return [
        Table(
            "ledger", f"{len(rows)} places where the paper is silent or says two things", columns, rows, frame
        )
    ]
