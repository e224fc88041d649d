"""Beside Table 5: the defences that the introduction names, on the plain ResNet-18, as they look and are."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.audit.finding import counted
from meddef_lib.report.comparing import about_no_gradient, signed
from meddef_lib.report.elements import Block, Figure, Prose, Table, columns, eps_text, text_of
from meddef_lib.report.html_charts import dot_plot
from meddef_lib.report.section import Section, from_cells, marked, of_each_dataset
from meddef_lib.report.view import View, list_items, text
from meddef_lib.results.parts.defences import ADAPTIVE, CLEAN, EVERY, WEAK
from meddef_lib.results.statistics import p_text

Row = Mapping[str, Any]

from_attacks = from_cells("09_comparison", "defence")
MARKS = {
    CLEAN: "clean images",
    WEAK: "an attack that ignores the defence",
    EVERY: "every adaptive attack",
}
HOW_TO_READ = Markup(
    "Adaptive: an image counts where the network is right on it clean and under each attack that takes "
    "the defence into account; the difference is to the undefended network under the same, on the same "
    "images (McNemar's exact test, Holm's correction over {family} of this data set). A defence that "
    "looks good only under an attack that ignores it has obfuscated its gradient, or is merely not known "
    "to the attacker (Athalye et al. 2018; Carlini et al. 2019); one that stands in both may still fall "
    "to an attack that was not tried."
)


def _of(view: View, dataset: str) -> list[dict[str, Any]]:
    return view.needed("defences", dataset, "the defences on")


def _asked(view: View) -> bool:
    return view.parameters["defences"]["methods"] != []


def said(view: View, dataset: str = "") -> Prose:
    if not _asked(view):
        return text("<p>This run attacks none of them: <code>defences.methods</code> names none.</p>")
    found = view.entries("defence_sentences", dataset=dataset)
    if not found:
        return view.missing(f"the defences on {view.dataset(dataset)}")
    lines = list_items(row["text"] for row in found)
    return marked(view, text("<p>{name}:</p><ul>{lines}</ul>", name=view.dataset(dataset), lines=lines))


@from_attacks
def chart(view: View, dataset: str) -> Figure | Prose:
    """A row a defence: accuracy on clean images, under the weak and under every adaptive attack."""
    if not _asked(view):
        return Prose(Markup())
    every = _of(view, dataset)
    rows = []
    for eps in _budgets(every):
        for role, mark in MARKS.items():  # not as they stand: the undefended network has no weak attack
            for row in every:
                if row["role"] == role and row["eps"] in (eps, None):
                    name = view.defence(row["defence"])
                    place = {"panel": f"epsilon {eps_text(eps)}", "row": name, "mark": mark}
                    place |= {"x": row["accuracy"], "low": row["ci_low"], "high": row["ci_high"]}
                    rows.append(place)
    frame, name = pd.DataFrame(rows), view.dataset(dataset)
    adaptive = [row for row in every if row["role"] == EVERY]
    ends = "; ".join(
        f"{view.defence(row['defence'])} at {eps_text(row['eps'])}: {_percent(row)}" for row in adaptive
    )
    alt = f"Dot plot of the accuracy behind each defence on {name}. Under every adaptive attack: {ends}."
    return Figure(
        f"defences-dots-{dataset}",
        f"Accuracy of ResNet18 behind each defence, {name}, %, with 95 % intervals.",
        alt,
        dot_plot(frame, alt, x_label="accuracy, %", smoke=view.smoke),
        frame.rename(columns={"x": "accuracy"}),
    )


def _budgets(rows: Iterable[Row]) -> list[float]:
    return list(dict.fromkeys(row["eps"] for row in rows if row["eps"] is not None))


@from_attacks
def overview(view: View, dataset: str) -> Table | Prose:
    """A row a defence and epsilon: clean, the attack that it looks good under, and those that it does not."""
    if not _asked(view):
        return Prose(Markup())
    every = _of(view, dataset)
    rows: list[list[str | Markup]] = []
    for eps in _budgets(every):
        for defence in dict.fromkeys(row["defence"] for row in every):
            of_defence = [row for row in every if row["defence"] == defence and row["eps"] in (eps, None)]
            by_role = {
                role: [row for row in of_defence if row["role"] == role] for role in (*MARKS, ADAPTIVE)
            }
            (clean,), (all_adaptive,) = by_role[CLEAN], by_role[EVERY]
            source = view.document["names"]["defences"][defence]["source"]
            rows.append(
                [
                    f"{view.defence(defence)} ({source})" if source else view.defence(defence),
                    eps_text(eps),
                    _percent(clean),
                    _lines(by_role[WEAK]),
                    _lines(by_role[ADAPTIVE]),
                    _percent(all_adaptive),
                    _difference(all_adaptive),
                    _checks(view, dataset, defence),
                ]
            )
    numbers = ("Epsilon", "Clean", "Adaptive, every attack", "Against undefended")
    heads = (
        "Defence",
        "Epsilon",
        "Clean",
        "Ignoring the defence",
        "Adaptive attacks",
        *numbers[2:],
        "Checks",
    )
    tested = sum(row["p"] is not None for row in every)
    frame = pd.DataFrame(every)
    frame.insert(1, "name", [view.defence(row["defence"]) for row in every])
    return Table(
        f"defences-{dataset}",
        f"Defences that the introduction names, before ResNet18, {view.dataset(dataset)}: accuracy in % of "
        f"{counted(max(row['n'] for row in every), 'image')}",
        columns(*heads, heads=2, right=numbers, wide=["Ignoring the defence", "Adaptive attacks", "Checks"]),
        rows,
        frame,
        HOW_TO_READ.format(family=counted(tested, "such test")) + about_no_gradient(every),
        decimals=2,
    )


def _percent(row: Row) -> str:
    low, high = (text_of(row[end], 0) for end in ("ci_low", "ci_high"))
    return f"{text_of(row['accuracy'], 1)} [{low}, {high}]"


def _lines(rows: Iterable[Row]) -> Markup:
    """Each attack with what it looked at, and what is left of the accuracy."""
    line = Markup("{} on {}: <b>{}</b>{}")
    said = []
    for row in rows:
        stuck = f", gradient 0 on {row['zero_gradients']}" if row["zero_gradients"] else ""
        said.append(line.format(row["attack"], row["made_on"], _percent(row), stuck))
    return Markup("<br>").join(said) or Markup("–")


def _difference(row: Row) -> str:
    if row["difference"] is None:
        return "–"
    low, high = (signed(row[f"difference_{end}"], 0) for end in ("low", "high"))
    return f"{signed(row['difference'], 1)} [{low}, {high}], p {p_text(row['p_holm'])}"


def _checks(view: View, dataset: str, defence: str) -> Markup:
    """What the checks of robustness say of the network as it is, and as adaptive attacks look at it."""
    said = []
    for row in view.entries("diagnostics", dataset=dataset, defence=defence):
        failed = sum(check["status"] == "fail" for check in row["checks"])
        found = f"{failed} of {len(row['checks'])} fail †" if failed else f"all {len(row['checks'])} stand"
        said.append(Markup("{}: {}").format(row["made_on"] or "as it is", found))
    return Markup("<br>").join(said) or Markup("–")


def draw(view: View) -> Iterable[Block]:
    """Each data set's sentence, dots and table; nothing where no defence was asked for."""
    return of_each_dataset(said, chart, overview)(view) if _asked(view) else []


SECTION = Section(title="Defences that the introduction names", order=45.5, draw=draw)
