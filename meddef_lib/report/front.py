"""The first screen: the answer, the findings that matter most, every verdict; folded, what was run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from meddef_lib.durations import duration
from meddef_lib.paper import conclusions
from meddef_lib.report import bars
from meddef_lib.report.comparing import CLAIM_WORDS, STATUS_WORDS, label
from meddef_lib.report.elements import Block, Prose, template
from meddef_lib.report.section import place_of
from meddef_lib.report.view import View
from meddef_lib.results import findings

TESTED = {
    "published": "the images that the folder calls test",
    "all": "every image of the folder",
    "pooled": "the 15 % of all images that the paper's pooled split draws",
    "patient_disjoint": "some 15 % of all images, apart by patient",
}  # on which given weights were tried, by the rule of the split
TITLES = {
    "run": "What was run",
    "not_run": "What was not run",
    "open": "What was easy, and what was not",
    "cost": "What it cost",
}
WHERE = {"run": "", "paper": " in the paper's own tables"}
OF_NUMBERS = {  # as `CLAIM_WORDS`, and what those that bear the paper out are said to do
    "contradiction": (("printed numbers disagree", "bad", "▼"), "places agree"),
    "agrees": (("reproduced", "good", "="), "numbers are within tolerance"),
    "differs": (("not reproduced", "bad", "≠"), "numbers are within tolerance"),
}


def summary(view: View) -> list[Block]:
    """The answer in a sentence, the findings that matter most, all verdicts as bars; folded, what was run."""
    changed = view.document["published_files"]["changed"]  # since the results were made
    missing = view.document["costs_together"]["missing"]
    said = [*(["underway"] if view.underway else []), *(["changed"] if changed else []), "answer"]
    folded = ["run", *(["not_run"] if missing else []), "open", "cost"]
    titles = TITLES | ({"not_run": "What is pending, or was not run"} if view.underway else {})
    return [
        *(_said(view, what) for what in said),
        _most_important(view),
        _verdicts(view),
        *(replace(_said(view, what), title=titles[what]) for what in folded),
    ]


def scope(view: View) -> list[Block]:
    """What was run, and which cells and notebooks were not."""
    missing = view.document["costs_together"]["missing"]
    return [_said(view, "run"), *([_said(view, "not_run")] if missing else [])]


def cite(view: View) -> Prose:
    """How to cite this run, and under which licence it stands."""
    return _said(view, "cite")


def _said(view: View, what: str) -> Prose:
    """A paragraph of `front.html.j2`."""
    words = {
        "duration": duration,
        "TESTED": TESTED,
        "holding": _holding(view),
        "decides": _decides(view),
        "findings_rule": findings.RULE,
        "claims_rule": conclusions.RULE,
        "place_of": place_of,
    }
    macros = template("front.html.j2").make_module(words)
    return Prose(Markup(getattr(macros, what)(view)))


def _holding(view: View) -> Mapping[str, int]:
    """The claims by verdict, of which the first sentence speaks: as this run decides them, or if it decides
    none of them as the paper's own tables do.
    """
    counts = view.document["counts"]
    found: Mapping[str, int] = counts["claims" if _decides(view) else "claims_in_paper"]
    return found


def _decides(view: View) -> bool:
    """Whether the run says of any claim what becomes of it."""
    return any(view.document["counts"]["claims"].get(verdict) for verdict in findings.GRADES)


def _most_important(view: View) -> Prose:
    """The findings that `results.findings` chose, each with its cells in favour and the way to it."""
    items = Markup()
    for row in view.document["findings"]:
        (word, kind, shape), cells = _words(row["kind"])
        html = '<li>{} <a href="#{}">{}</a><br>{} <b>{} of {}</b> {}, {} against</li>'
        share = bars.share(row["in_favour"], row["against"], row["of"])
        chip = label((word + " (a tendency)" if row["tendency"] else word, kind, shape))
        counted = (row["in_favour"], row["of"], cells, row["against"])
        items += Markup(html).format(chip, _place(view, row), row["text"], share, *counted)
    title = (
        "The five findings that weigh most"
        if len(view.document["findings"]) == findings.SHOWN
        else "Findings"
    )
    html = '<h2 class="first">{}</h2><ol class="findings">{}</ol>{}'
    return Prose(Markup(html).format(title, items, _said(view, "how_chosen").html))


def _words(kind: str) -> tuple[tuple[str, str, str], str]:
    """The word, colour and shape of a kind of finding, and what its cells in favour are said to do."""
    if kind in OF_NUMBERS:
        return OF_NUMBERS[kind]
    verdict, _, where = kind.rpartition("_")
    word, colour, shape = CLAIM_WORDS[verdict]
    return (word + WHERE[where], colour, shape), "comparisons bear it out"


def _place(view: View, row: Mapping[str, Any]) -> str:
    if row["kind"] == "contradiction":
        return f"finding-{row['about']}"
    return f"claim-{row['about']}" if row["about"] else "values"


def _verdicts(view: View) -> Prose:
    """One bar each for the paper's claims and for its printed numbers."""
    counts = view.document["counts"]
    of_claims = {} if view.smoke else {"in this run": counts["claims"]}
    of_claims |= {"in the paper's own tables": counts["claims_in_paper"]}
    claims, untestable = len(view.document["claims"]), counts["claims_in_paper"]["not_testable"]
    titles = f"{claims} claims, {claims - untestable} testable on the paper's own tables"
    html = Markup(
        '<h2 class="first"><a href="#claims">{}</a></h2>{}<h2 class="first"><a href="#values">{}</a></h2>{}'
    )
    return Prose(
        html.format(
            titles,
            bars.stacked(of_claims, CLAIM_WORDS, "Claims by verdict"),
            f"{len(view.values)} printed numbers, beside what this run measured",
            bars.stacked({"": counts["values"]}, STATUS_WORDS, "Printed numbers by status"),
        )
    )
