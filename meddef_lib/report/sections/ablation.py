"""Section 4.2: each variant against the full model on the same images."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.addresses import BASELINE
from meddef_lib.paper.audit.finding import counted
from meddef_lib.report.comparing import signed
from meddef_lib.report.elements import Figure, Prose, Table, eps_text, frame_table
from meddef_lib.report.html_charts import OURS, PAPER, dot_plot
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need, text
from meddef_lib.results.statistics import ALPHA, p_text

STEP = 25  # of the ends of the axis
COLUMNS = {
    "attack": "attack",
    "eps": "epsilon",
    "variant": "variant",
    "full": "full, %",
    "accuracy": "variant, %",
    "full_balanced": "full, balanced, %",
    "balanced": "variant, balanced, %",
    "difference": "difference",
    "ci_low": "low",
    "ci_high": "high",
    "published_difference": "paper's difference",
    "only_full": "only full right",
    "only_variant": "only variant right",
    "p_holm": "p (Holm)",
}


from_records = from_cells("03_ablation", "attack", main=True)


def _compared(view: View, dataset: str) -> list[dict[str, Any]]:
    return view.needed("comparisons", dataset, "the records of")


def _apart(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["p_holm"] is not None and row["p_holm"] < ALPHA]


@from_records
def ablation_table(view: View, dataset: str) -> Table:
    name, frame = view.dataset(dataset), pd.DataFrame(_compared(view, dataset))
    frame["attack"] = frame["attack"].map(view.attack)
    frame["variant"] = [view.title(variant, dataset) for variant in frame["variant"]]
    note = Markup(
        "Difference: accuracy of the variant minus that of the full model, on the same images, in points, "
        "with its 95 % interval (Bonett and Price, 2012). The paper's difference is that of the same two "
        "numbers of its table; no single JSMA difference exists; the paper prints three. "
        "p: McNemar's exact test on the images that only one of the two gets right, with Holm's correction "
        "over the rows of this table. It tells two trainings apart, of one seed each: another training of "
        "the same network differs as well. Balanced: the mean of the classes' recalls."
    )
    return frame_table(
        frame[list(COLUMNS)].rename(columns=COLUMNS),
        id=f"ablation-{dataset}",
        caption=f"Ablation, {name}{view.first_seed}: what removing parts of the DAAM changes (4.2)",
        heads=3,
        texts={"p (Holm)": p_text},
        note=note,
    )


@from_records
def ablation_dots(view: View, dataset: str) -> Figure:
    name, rows = view.dataset(dataset), _compared(view, dataset)
    states = [eps for eps in dict.fromkeys(row["eps"] for row in rows) if eps is not None]
    marks = [
        {"state": f"epsilon {eps_text(eps)}", "panel": view.attack(row["attack"])}
        | {"row": view.title(row["variant"], dataset)}
        | mark
        for eps in states
        for row in rows
        if row["eps"] in (eps, None)
        for mark in _marks(row)
    ]
    frame = pd.DataFrame(need(marks, f"a difference of two variants on {name}"))
    farthest = max(abs(one[end] or 0.0) for one in marks for end in ("x", "low", "high"))
    reach = STEP * math.ceil(farthest / STEP) or STEP
    apart = _apart(rows)
    alt = f"Dot plot of differences on {name}: {len(apart)} of {len(rows)} are told apart from 0."
    return Figure(
        f"ablation-dots-{dataset}",
        f"Ablation, {name}{view.first_seed}: accuracy of each variant less that of the full model, in "
        "points; hollow: the paper, filled: ours with its 95 % interval. JSMA, without an epsilon, is the "
        "same at each; the paper prints three of it, and so no one difference.",
        alt,
        dot_plot(frame, alt, by="state", x_label="points", ends=(-reach, reach), line=0, smoke=view.smoke),
        frame.drop(columns="hover"),
    )


def _marks(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    ours = {"mark": OURS, "x": row["difference"], "low": row["ci_low"], "high": row["ci_high"]}
    paper = {"mark": PAPER, "x": row["published_difference"], "low": None, "high": None}
    return [
        one | {"hover": f"{one['mark']}: {signed(one['x'], 2)} points"}
        for one in (paper, ours)
        if one["x"] is not None
    ]


@from_records
def ablation_read(view: View, dataset: str) -> Prose:
    rows = _compared(view, dataset)
    said = [
        _told_apart(f"from {what}", found)
        for what, found in (
            ("a variant without some of its parts", [row for row in rows if row["variant"] != BASELINE]),
            (view.title(BASELINE, dataset), [row for row in rows if row["variant"] == BASELINE]),
        )
        if found
    ]
    return text(
        "<p>On the same images the full model is told apart {said}. The tables may show networks of "
        "different trainings: 4.3 has them side by side.</p>",
        said=", and ".join(said),
    )


def _told_apart(what: str, rows: Sequence[Mapping[str, Any]]) -> str:
    apart = _apart(rows)
    better = sum(row["difference"] < 0 for row in apart)
    said = f"{what} in {len(apart) or 'none'} of {counted(len(rows), 'comparison')}"
    return f"{said} (better in {better}, worse in {len(apart) - better})" if apart else said


SECTION = Section(
    number="4.2",
    title="Comprehensive ablation study",
    order=42,
    draw=of_each_dataset(ablation_dots, ablation_read, ablation_table),
)
