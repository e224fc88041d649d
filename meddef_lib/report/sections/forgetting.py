"""What pruning makes networks forget: recall by class over the rate, safe rates, and images (Holste 2023)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import charts
from meddef_lib.report.elements import Figure, Prose, Table, frame_table, text_of, with_interval
from meddef_lib.report.inline import figure, photograph, photographed
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need, text
from meddef_lib.results.parts.forgetting import RULE
from meddef_lib.results.parts.names import trained
from meddef_lib.results.statistics import p_text

from_pruned = from_cells("09_comparison", "attack", "prune")
AT_MOST_LINES = 8  # networks in one chart of recalls


def networks(view: View, dataset: str) -> list[dict[str, Any]]:
    """The pruned networks of a data set, each with its `title`. Raises Missing."""
    found = view.needed("forgetting", dataset, "the answers of pruned networks on")
    return [row | {"title": trained(view.title(row["variant"]), view.training(row["mode"]))} for row in found]


@from_pruned
def reading(view: View, dataset: str) -> Prose:
    learned = [row for row in networks(view, dataset) if not row["unlearned"]]
    if not learned:
        return text("On {name}, no network had learned enough to forget.", name=view.dataset(dataset))
    ranked = sorted(learned, key=lambda row: row["safe_rate"])
    least, most = (
        f"{with_interval(row, 'safe_rate', unit=' %')} in {row['title']}" for row in (ranked[0], ranked[-1])
    )
    beyond = sum(row["first_loss"] is None for row in learned)
    said = "<p>On {name}, of the pruning rates tried ({tried} %), no loss was detected at n = {n} "
    if ranked[0]["safe_rate"] == ranked[-1]["safe_rate"]:
        said += "up to {rate:.0f} % in each of {all} networks."
    else:
        said += "up to {most}, the farthest, and up to {least}, the least far."
    said += " In {beyond} of {all} none was detected at any rate tried." if beyond else ""
    lost = "; ".join(f"{row['title']} {found}" for row in learned if (found := _classes_lost(row)))
    said += " At that rate recall of a class fell all the same (intervals apart): {lost}." if lost else ""
    return text(
        f"{said}</p>",
        name=view.dataset(dataset),
        tried=", ".join(str(point["rate_percent"]) for point in learned[0]["rates"] if point["rate_percent"]),
        n=min(row["n"] for row in learned),
        rate=ranked[0]["safe_rate"],
        most=most,
        least=least,
        beyond=beyond,
        all=len(learned),
        lost=lost,
    )


def _classes_lost(row: Mapping[str, Any]) -> str:
    """The classes whose recall at the safe rate lies below that before pruning, by their intervals."""
    known = [point for point in row["recalls"] if point["recall"] is not None and point["ci_low"] is not None]
    before = {point["class"]: point for point in known if not point["rate_percent"]}
    safe = {point["class"]: point for point in known if point["rate_percent"] == round(row["safe_rate"])}
    return ", ".join(
        f"{name} {100 * before[name]['recall']:.0f} → {100 * point['recall']:.0f} %"
        for name, point in safe.items()
        if name in before and point["ci_high"] < before[name]["ci_low"]
    )


@from_pruned
def recall_curves(view: View, dataset: str) -> Figure:
    rows = [
        {"panel": row["title"], "line": point["class"], "x": point["rate_percent"]}
        | {"y": point["recall"], "low": point["ci_low"], "high": point["ci_high"]}
        for row in networks(view, dataset)[:AT_MOST_LINES]
        for point in row["recalls"]
    ]
    frame, name = pd.DataFrame(rows), view.dataset(dataset)
    frame[["y", "low", "high"]] = 100 * frame[["y", "low", "high"]].astype(float)
    last = frame[frame["x"] == frame["x"].max()]
    ends = "; ".join(f"{row['panel']}, {row['line']}: {row['y']:.0f} %" for row in last.to_dict("records"))
    return figure(
        view,
        f"forgetting-recall-{dataset}",
        f"Recall of each class on clean images over the pruning rate, {name}, %, with 95 % intervals.",
        f"Line plots of recall on {name} over the pruning rate, a panel a network. At the last rate: {ends}.",
        charts.panels_of_lines(frame, "weights pruned, %", "recall, %"),
        frame,
    )


@from_pruned
def safe_rates(view: View, dataset: str) -> Table:
    """A row a network: its safe rate, the first loss, and how many images it answers otherwise there."""
    rows = []
    for row in networks(view, dataset):
        by_rate = {point["rate_percent"]: point for point in row["rates"]}
        loss = None if row["first_loss"] is None else by_rate[round(row["first_loss"])]
        safe, before = by_rate[round(row["safe_rate"])], by_rate[0]
        rows.append(
            {
                "model": row["title"],
                "accuracy, %": before["accuracy"],
                "safe rate, %": row["safe_rate"],
                "low": row["ci_low"],
                "high": row["ci_high"],
                "answers changed there": safe["exemplars"],
                "first loss at, %": row["first_loss"],
                "accuracy there, %": loss and loss["accuracy"],
                "p (Holm)": loss and loss["p_holm"],
                "n": row["n"],
                "remark": row["unlearned"] or ("collapsed there" if loss and loss["collapsed"] else ""),
            }
        )
    frame = pd.DataFrame(rows).astype(
        dict.fromkeys(("first loss at, %", "accuracy there, %", "p (Holm)"), float)
    )
    return frame_table(
        frame if frame["remark"].any() else frame.drop(columns="remark"),
        id=f"forgetting-{dataset}",
        caption=f"Up to which pruning rate no loss was detected, {view.dataset(dataset)}",
        decimals=1,
        texts={"p (Holm)": p_text},
        note=Markup(
            "{} Answers changed: images that the pruned network answers differently from the unpruned "
            "one, right or wrong (pruning-identified exemplars). {}"
        ).format(RULE, _frequency(view, dataset)),
    )


def _frequency(view: View, dataset: str) -> str:
    """The correlation of forgetting with the frequency of classes, or why there is none."""
    said = []
    for row in networks(view, dataset):
        found = row["correlation"]
        if found["value"] is None:
            said.append(found["reason"])
        else:
            said.append(
                f"{row['title']}: {text_of(found['value'])} at {found['rate_percent']} % "
                f"({found['classes']} classes)."
            )
    return "Correlation of what is kept with how frequent a class is: " + " ".join(dict.fromkeys(said))


@from_pruned
def gallery(view: View, dataset: str) -> Figure:
    name = view.dataset(dataset)
    shown = need(
        photographed(view, "exemplars", dataset), f"an image of {name} that pruning changes the answer to"
    )
    images = pd.DataFrame(shown["images"])
    named = ", ".join(f"{row['class']} ({row['networks']})" for row in shown["images"])
    alt = f"Photographs from {name} that pruned networks answer otherwise, with how many do: {named}."
    return Figure(
        f"forgetting-images-{dataset}",
        f"The images whose answer pruning changes in the largest number of the {images['among'].iloc[0]} "
        f"networks, each at its safe rate (the lowest where none is safe), {name}; above each in how many.",
        alt,
        photograph(view, shown, alt),
        images,
    )


SECTION = Section(
    title="What does pruning forget?",
    order=45.2,
    draw=of_each_dataset(reading, recall_curves, safe_rates, gallery),
)
