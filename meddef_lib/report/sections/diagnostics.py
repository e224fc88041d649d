"""Checks of every network, whether its robustness is real, and what each of them means."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.diagnostics.catalogue import CHECKS, anchor
from meddef_lib.report import charts
from meddef_lib.report.elements import Figure, Prose, Table, columns, eps_text, label, macros
from meddef_lib.report.inline import figure
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need

from_checks = from_cells("08_robustness_checks", "diagnose")
STATUS_WORDS = {"pass": ("pass", "good", "●"), "warn": ("warning", "open", "△"), "fail": ("fail", "bad", "▼")}
AXES = {
    "larger_budget": ("eps", "epsilon", "accuracy by epsilon"),
    "more_steps": ("steps", "steps of PGD", "accuracy by steps"),
}


def examined(view: View, dataset: str) -> list[dict[str, Any]]:
    """The networks of a data set that were examined, each with its `title`. Raises Missing."""
    found = view.needed("diagnostics", dataset, "the checks of")
    return [row | {"title": _title(view, row)} for row in found]


def _title(view: View, row: Mapping[str, Any]) -> str:
    if row["defence"]:
        title = view.defence(row["defence"])
        return f"{title}, {row['made_on'] or 'as it is'}"
    pruned = f", {row['rate_percent']} % pruned" if row["rate_percent"] else ""
    return f"{view.model_title(row['id'])}{pruned}"


@from_checks
def overview(view: View, dataset: str) -> Table:
    """A row a network: how many checks it passed, and what the others say."""
    networks = examined(view, dataset)
    rows = []
    for network in networks:
        by_status: dict[str, list[Mapping[str, Any]]] = {status: [] for status in STATUS_WORDS}
        for check in network["checks"]:
            by_status[check["status"]].append(check)
        mark = Markup(" {}").format(label(STATUS_WORDS["fail"])) if network["unreliable"] else Markup()
        said = [_said(check) for status in ("fail", "warn") for check in by_status[status]]
        rows.append(
            [
                Markup("{}{}").format(network["title"], mark),
                str(network["images"]),
                *(str(len(found)) for found in by_status.values()),
                Markup("<br>").join(said) or "–",
            ]
        )
    copied = [
        {"model": network["title"], "check": CHECKS[check["name"]].title}
        | {name: check[name] for name in ("status", "value", "ci_low", "ci_high", "n", "text")}
        for network in networks
        for check in network["checks"]
    ]
    numbers = ("Images", "Pass", "Warning", "Fail")
    return Table(
        f"diagnostics-{dataset}",
        f"Checks of robustness, {view.dataset(dataset)}, at epsilon {eps_text(networks[0]['eps'])}",
        columns("Model", *numbers, "What does not pass", right=numbers, wide=["What does not pass"]),
        rows,
        pd.DataFrame(copied),
        Markup(
            "A model that is weak passes: a check fails where accuracy under an attack says little of what "
            "the network can be made to do, and its robust numbers are then marked unreliable, its name † "
            "wherever it stands. A difference within noise is no failure (McNemar's exact test on the same "
            "images)."
        ),
    )


def _said(check: Mapping[str, Any]) -> Markup:
    """One check that did not pass, with the way to its explanation."""
    mark = label(STATUS_WORDS[check["status"]])
    link = Markup('<a href="#{}">{}</a>').format(anchor(check["name"]), CHECKS[check["name"]].title)
    return Markup("{} {}: {}").format(mark, link, check["text"])


@from_checks
def by_effort(view: View, dataset: str) -> Figure:
    rows = [
        {"panel": title, "line": network["title"], "x": point[name], "y": 100 * point["accuracy"]}
        | {"low": 100 * point["ci_low"], "high": 100 * point["ci_high"]}
        for check, (name, _, title) in AXES.items()
        for network in _unpruned(view, dataset)
        for point in _curve(network, check)
    ]
    frame, name = pd.DataFrame(rows), view.dataset(dataset)
    last = frame[frame["panel"] == AXES["larger_budget"][2]].groupby("line", sort=False).tail(1)
    ends = "; ".join(f"{row['line']} {row['y']:.0f} %" for row in last.to_dict("records"))
    return figure(
        view,
        f"diagnostics-effort-{dataset}",
        f"Accuracy at the strongest iterate of PGD by epsilon and by steps, {name}, %, with 95 % intervals.",
        f"Line plots of accuracy at the strongest iterate on {name} by epsilon and by steps. At the largest "
        f"epsilon: {ends}.",
        charts.panels_of_lines(frame, {title: label for _, label, title in AXES.values()}, "accuracy, %"),
        frame,
    )


@from_checks
def loss_surface(view: View, dataset: str) -> Figure:
    """The mean loss along the gradient's sign and random directions, a panel a network as it was trained."""
    rows = [
        {"panel": network["title"], "line": point["direction"], "x": point["size"], "y": point["loss"]}
        for network in _unpruned(view, dataset)
        for point in _curve(network, "loss_surface")
    ]
    frame, name = pd.DataFrame(rows), view.dataset(dataset)
    largest = frame.loc[frame.groupby("panel", sort=False)["y"].idxmax()]
    ends = "; ".join(f"{row['panel']}: highest along {row['line']}" for row in largest.to_dict("records"))
    return figure(
        view,
        f"diagnostics-loss-{dataset}",
        f"Mean cross-entropy along the sign of the gradient and two random directions, {name}.",
        f"Line plots of the mean loss on {name} by the size of a step, a panel a network. {ends}.",
        charts.panels_of_lines(frame, "step in each pixel", "mean cross-entropy"),
        frame,
    )


def _unpruned(view: View, dataset: str) -> list[dict[str, Any]]:
    """The networks of the tables and their like, as they were trained."""
    networks = examined(view, dataset)
    found = [network for network in networks if not network["rate_percent"] and not network["defence"]]
    return need(found, f"the checks of unpruned networks of {view.dataset(dataset)}")


def _curve(network: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return next(check["curve"] for check in network["checks"] if check["name"] == name)


def explanations(view: View, dataset: str = "") -> Prose:
    html = macros("sections.html.j2").checks(CHECKS, anchor)
    return Prose(html, title="What each check expects, and what else would mean")


SECTION = Section(
    title="Checks of the measured robustness",
    order=48.5,
    draw=of_each_dataset(overview, by_effort, loss_surface, after=[explanations]),
)
