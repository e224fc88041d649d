"""Section 2.2: the four attacks as pictures, how far each goes, and with which settings."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import inline
from meddef_lib.report.elements import Figure, Prose, Table, columns
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.sections.paper_audit import flat
from meddef_lib.report.sections.saliency import first_state, galleries, needed_galleries
from meddef_lib.report.view import View, text

OPEN = (
    "step_size_per_eps",
    "pgd_start",
    "which_iterate",
    "jsma_kind",
    "jsma_target",
    "jsma_budget",
    "jsma_eps",
)


def _states(view: View, picture: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """One state an attack: at the budget that is shown first, where it has one."""
    eps = first_state(view, picture)["eps"]
    return [state for state in picture["states"] if state["eps"] in (eps, None)]


@from_cells("07_grad_cam", "gallery")
def strip(view: View, dataset: str) -> Figure:
    """An image under each attack on the full model: what is added, and what becomes of it."""
    picture = needed_galleries(view, dataset)[-1]
    states, clean = _states(view, picture), picture["images"][0]
    name, network = clean["class"], view.model_title(picture["model"])
    changed = [view.attack(one["attack"]) for one in states if one["images"][0]["answer"] != clean["answer"]]
    titles = ", ".join(view.attack(one["attack"]) for one in states)
    alt = (
        f"An image of class {name}, clean and under {titles}: what is added, and the attacked image; "
        f"{', '.join(changed) or 'none'} changed the answer."
    )
    rows = [
        {"attack": state["attack"], "eps": state["eps"], "factor": state["factor"]}
        | {key: state["images"][0][key] for key in ("class", "answer", "confidence", "linf", "changed")}
        for state in states
    ]
    return Figure(
        f"attacks-{dataset}",
        f"The attacks on one image of {view.dataset(dataset)}, class {name}, on {network}; below, answers.",
        alt,
        inline.strip(view, picture, states, alt),
        pd.DataFrame(rows),
    )


def strip_read(view: View, dataset: str) -> Prose:
    found = galleries(view, dataset)
    if not found:
        return Prose(Markup())
    states = [state for picture in found for state in _states(view, picture)]
    parts = []
    for attack in dict.fromkeys(state["attack"] for state in states):
        images = [image for state in states if state["attack"] == attack for image in state["images"]]
        share = 100 * sum(one["changed"] for one in images) / len(images)
        largest = max(one["linf"] for one in images)
        parts.append(f"{view.attack(attack)} changes {share:.2g} % of the values by up to {largest:.2f}")
    return text(
        "<p>On the {all} of 4.8, under attack on {networks}, {parts} (values in [0, 1]).</p>",
        all=counted(len(found[0]["images"]), "image"),
        networks=counted(len(found), "network"),
        parts="; ".join(parts),
    )


def settings(view: View) -> Table:
    """Each setting that the paper prints of an attack beside this run's, and the ways the paper is open."""
    found = view.entries("attack_settings")
    ledger = {entry["id"]: entry["topic"] for entry in view.document["ledger"]}
    links = Markup(", ").join(
        Markup('<a href="#open-{}">{}</a>').format(id, ledger[id]) for id in OPEN if id in ledger
    )
    rows = [
        [view.attack(row["attack"]), row["name"], row["section"], flat(row["published"]), flat(row["ours"])]
        for row in found
    ]
    titles = ("Attack", "Setting", "Section", "The paper", "This run")
    return Table(
        "attack-settings",
        "Settings of the attacks, the paper's and this run's",
        columns(*titles, heads=2, right=titles[3:]),
        rows,
        pd.DataFrame(found),
        Markup("FGSM is a single step of epsilon. Where the paper is open: {}.").format(links),
    )


SECTION = Section(
    number="2.2",
    title="Attack methods",
    order=22,
    draw=of_each_dataset(strip, strip_read, after=[settings]),
)
