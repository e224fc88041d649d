"""Page one: what was run, what became of the numbers, the headline, and what it cost."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.durations import duration
from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import sweeps
from meddef_lib.report.comparing import CLAIM_WORDS, HOW_TO_READ, STATUS_WORDS, about_no_gradient, comparison
from meddef_lib.report.elements import Block, Prose, Table, columns, frame_table, template, text_of
from meddef_lib.report.view import View

TESTED = {
    "published": "the images that the folder calls test",
    "all": "every image of the folder",
    "pooled": "the 15 % of all images that the paper's pooled split draws",
    "patient_disjoint": "some 15 % of all images, apart by patient",
}  # on which given weights were tried, by the rule of the split


def summary(view: View) -> list[Block]:
    """Scope, verdicts counted, headline numbers, cost."""
    changed = view.document["published_files"]["changed"]  # since the results were made
    return [
        *([_said(view, "changed")] if changed else []),
        *scope(view),
        _said(view, "numbers"),
        _claims(view),
        headline(view),
        _said(view, "open"),
        _said(view, "cost"),
    ]


def scope(view: View) -> list[Block]:
    """What was run, and which cells and notebooks were not."""
    missing = view.document["costs_together"]["missing"]
    return [_said(view, "run"), *([_said(view, "not_run")] if missing else [])]


def _said(view: View, what: str) -> Prose:
    """A paragraph of `front.html.j2`."""
    words = {"counted": counted, "duration": duration, "STATUS_WORDS": STATUS_WORDS, "TESTED": TESTED}
    macros = template("front.html.j2").make_module(words)
    return Prose(Markup(getattr(macros, what)(view)))


def _claims(view: View) -> Table:
    """Claims counted by verdict: in this run, and in the paper's own tables."""
    counts = view.document["counts"]
    rows = [
        {
            "verdict": CLAIM_WORDS[verdict][0],
            "in this run": number,
            "in the paper's own tables": counts["claims_in_paper"][verdict],
        }
        for verdict, number in counts["claims"].items()
    ]
    return frame_table(
        pd.DataFrame(rows),
        id="claim-counts",
        caption=f"The paper's {len(view.document['claims'])} testable claims by verdict",
        note=Markup(
            "Verdicts of this run that are indicative, because its setting is not the published one, or "
            "because fewer than three seeds cannot tell variants apart: {}. "
            '<a href="#claims">The claims, one by one</a>'
        ).format(counts["claims_indicative"]),
        smoke=view.smoke,
    )


def headline(view: View) -> Table:
    """Clean and robust accuracy of the baseline and the full model at the paper's main budget."""
    found = view.document["headline"]
    methods = view.parameters["attacks"]["methods"]
    without = view.without_eps(methods)
    attacks = [name for name in methods if name not in without]
    rows: list[list[str | Markup]] = []
    copied: list[dict[str, Any]] = []
    for row in found:
        cells = sweeps.cells(row)
        values = [view.value(cells.get(name, "")) for name in ("clean", *attacks)]
        heads = [view.dataset(row["dataset"]), view.title(row["variant"])]
        rows.append([*heads, text_of(row["balanced_accuracy"]), *(comparison(value) for value in values)])
        copied += [
            {"data set": heads[0], "model": heads[1], "id": value["id"], "paper": value["published"]}
            | {"ours": value["reproduced"], "difference": value["difference"]}
            | {"zero_gradients": value.get("zero_gradients", 0)}
            for value in values
            if value is not None
        ]
    behind = (
        id
        for row in found
        for id in view.cells(row["dataset"], "attack", attacks=attacks, main=True, variant=row["variant"])
    )
    titles = ["Clean, balanced", *(view.attack(name) for name in ("clean", *attacks))]
    return Table(
        "headline",
        f"Headline numbers of this run: accuracy in percent, attacks at epsilon "
        f"{view.parameters['pruning']['eps']:g}",
        columns("Data set", "Model", *titles, heads=2, right=titles),
        rows,
        pd.DataFrame(copied),
        Markup("Balanced: the mean of the classes' recalls, ours alone; the paper prints none. ")
        + HOW_TO_READ
        + about_no_gradient(copied),
        view.made(f"04_epsilon_sweep.{next(iter(view.datasets))}", behind),
        view.smoke,
    )
