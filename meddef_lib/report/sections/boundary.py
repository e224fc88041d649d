"""How far a network's decisions lie from the images (4.1), and what transfers between networks (3.8)."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL, RESNET18
from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import charts
from meddef_lib.report.elements import Figure, Prose, Table, columns, eps_text, with_interval
from meddef_lib.report.html_charts import Cell, heat_maps
from meddef_lib.report.inline import figure
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, folded_list, list_items, text
from meddef_lib.results.statistics import p_text

NOTEBOOK = "08_robustness_checks"
COMPARISONS = Markup(
    " Comparisons are on the images that both answer correctly: on how many the boundary is farther and "
    "nearer, with the sign test's p after Holm's correction."
)
READINGS = {
    "farther": "farther",
    "nearer": "nearer",
    "undecided": "cannot be told",
    "collapsed": "with one answer for all images",
    "smoke": "not judged",
}


# --- transfer -------------------------------------------------------------------------------------


@from_cells(NOTEBOOK, "transfer")
def transfer_figure(view: View, dataset: str) -> Figure:
    pairs, name = view.needed("transfer", dataset, "the transferred images of"), view.dataset(dataset)
    ids = list(dict.fromkeys(pair[side] for side in ("source", "target") for pair in pairs))
    panels: dict[str, dict[str, dict[str, Cell]]] = {}
    names = {id: f"{number + 1}  {view.model_title(id)}" for number, id in enumerate(ids)}
    titles = {"accuracy": "accuracy of the target, %", "transferred": "images that fool the target, %"}
    for quantity, title in titles.items():
        for pair in pairs:
            share = pair[quantity]["share"]
            column = panels.setdefault(title, {}).setdefault(str(ids.index(pair["target"]) + 1), {})
            column[names[pair["source"]]] = Cell(share or 0, "–" if share is None else "")
    rows = [
        {"source": pair["source"], "target": pair["target"]}
        | {f"{quantity}_{part}": value for quantity in titles for part, value in pair[quantity].items()}
        | {part: pair[part] for part in ("difference", "difference_low", "difference_high", "p", "p_holm")}
        for pair in pairs
    ]
    white = [pair["accuracy"]["share"] for pair in pairs if pair["source"] == pair["target"]]
    others = [pair["accuracy"]["share"] for pair in pairs if pair["source"] != pair["target"]]
    said = "; ".join(
        f"{what}: accuracy of {100 * min(found):.0f} to {100 * max(found):.0f} %"
        for what, found in (("white box", white), ("images of another network", others))
        if found
    )
    alt = f"Heat maps of networks by networks on {name}. {said}."
    return Figure(
        f"transfer-{dataset}",
        f"Images made by PGD at epsilon {eps_text(pairs[0]['eps'])} on one network (row) and shown to "
        f"another (column), {name}{view.first_seed}; the diagonal is the white box. Accuracy is of all "
        "images; those that fool the target are counted among those that both answer correctly when clean.",
        alt,
        heat_maps(
            list(names.values()),
            panels,
            alt,
            corner=("made on", "shown to"),
            smoke=panels if view.smoke else (),
        ),
        pd.DataFrame(rows),
    )


@from_cells(NOTEBOOK, "transfer")
def transfer_reading(view: View, dataset: str) -> Prose:
    pairs = {(pair["source"], pair["target"]): pair for pair in view.entries("transfer", dataset=dataset)}
    full, *baselines = _full_and_baselines(view, dataset)
    ways = [way for baseline in baselines for way in ((baseline, full), (full, baseline))]
    said = [
        _transferred(view, pairs[source, target], pairs.get((target, target)))
        for source, target in ways
        if (source, target) in pairs
    ]
    return text(
        "<p>The paper evaluates several attacks to assess how robustness transfers (3.8); its tables hold no "
        "images that were made on another network. {dataset}:</p><ul>{said}</ul>{more}",
        dataset=view.dataset(dataset),
        said=list_items(said[:2] or ["not measured between ResNet18 and the full model."]),
        more=folded_list("With ResNet18 of the full model's training", said[2:]),
    )


def _transferred(view: View, pair: Mapping[str, Any], white_box: Mapping[str, Any] | None) -> str:
    source, target = (view.model_title(pair[side]) for side in ("source", "target"))
    said = f"Images made on {source} leave {target} an accuracy of {_share(pair['accuracy'])}"
    if white_box and pair["difference"] is not None:
        said += f", those made on itself {_share(white_box['accuracy'])} (p {p_text(pair['p_holm'], '= ')})"
    if not pair["transferred"]["n"]:
        return f"{said}; there is no image that both answer correctly."
    both = counted(pair["transferred"]["n"], "image")
    return f"{said}; of {both} that both answer correctly, {_share(pair['transferred'])} fool it."


# --- the least budget -----------------------------------------------------------------------------


@from_cells(NOTEBOOK, "least_eps")
def least_eps_curves(view: View, dataset: str) -> Figure:
    """Accuracy over the budget, from each image's own least one: a panel a pruning rate, a line a network."""
    found, name = view.needed("least_eps", dataset, "the least epsilons of"), view.dataset(dataset)
    rows = [
        {"panel": _rate(row).capitalize(), "line": view.model_title(row["id"])}
        | {"x": point["eps"], "y": 100 * point["accuracy"]}
        | {"low": 100 * point["ci_low"], "high": 100 * point["ci_high"]}
        for row in sorted(found, key=lambda row: row["rate_percent"])
        for point in row["curve"]
    ]
    medians = "; ".join(
        f"{view.model_title(row['id'])} {_eps(row['quartiles'][1]['least_eps'], row)}"
        for row in found
        if not row["rate_percent"]
    )
    frame = pd.DataFrame(rows)
    return figure(
        view,
        f"least-eps-{dataset}",
        f"Accuracy by epsilon, {name}{view.first_seed}, %, with 95 % intervals: each image counts up to the "
        "least epsilon at which PGD or APGD flips it, so that no line can rise.",
        f"Line plots of accuracy on {name} by epsilon, a panel a pruning rate. Median least epsilon of the "
        f"unpruned: {medians}.",
        charts.panels_of_lines(frame, "epsilon", "accuracy, %", logarithmic=True),
        frame,
    )


@from_cells(NOTEBOOK, "least_eps")
def least_eps_table(view: View, dataset: str) -> Table:
    """A row a network and pruning rate: its quartiles, and on how many images it lies farther or nearer."""
    found, name = view.needed("least_eps", dataset, "the least epsilons of"), view.dataset(dataset)
    compared = view.entries("least_eps_compared", dataset=dataset)
    rows, copied = [], []
    for row in found:
        place = {"id": row["id"], "rate_percent": row["rate_percent"]}
        others = [one for one in compared if place.items() <= one.items()]
        pruned = [_compared(view, one) for one in others if one["comparison"] == "pruned"]
        variants = [_compared(view, one) for one in others if one["comparison"] == "variant"]
        first, median, third = row["quartiles"]
        rows.append(
            [
                view.model_title(row["id"]),
                f"{row['rate_percent']} %",
                f"{row['right']} of {row['images']}",
                _interval(median, row),
                f"{_eps(first['least_eps'], row)} to {_eps(third['least_eps'], row)}",
                _share(row["not_flipped"]),
                str(row["by_apgd"]),
                *(Markup("<br>").join(said) or "–" for said in (pruned, variants)),
            ]
        )
        copied.append(
            {"model": row["id"], "rate_percent": row["rate_percent"], "n": row["right"]}
            | {"median": median["least_eps"], "low": median["ci_low"], "high": median["ci_high"]}
            | {"first_quartile": first["least_eps"], "third_quartile": third["least_eps"]}
            | {"not_flipped": row["not_flipped"]["share"]}
        )
    numbers = ("Pruned", "Right when clean", "Median", "Quartiles", "Not flipped", "By APGD")
    tests = ("Against unpruned", "Against ResNet18")
    return Table(
        f"least-eps-table-{dataset}",
        f"Least epsilon that flips an image, {name}{view.first_seed}: L-infinity, pixels in [0, 1]",
        columns("Model", *numbers, *tests, right=numbers, wide=tests),
        rows,
        pd.DataFrame(copied),
        Markup(
            "Of images that are answered correctly when clean; each number is an upper bound of the distance "
            "to the boundary. By APGD: images for which APGD found less than PGD."
        )
        + (COMPARISONS if compared else ""),
        decimals=4,
    )


@from_cells(NOTEBOOK, "least_eps")
def least_eps_reading(view: View, dataset: str) -> Prose:
    every = view.entries("least_eps_compared", dataset=dataset)
    compared = [row for row in every if row["comparison"] == "pruned"]
    counts = Counter(row["reading"] for row in compared)
    counts_said = ", ".join(f"{counts[name]} {READINGS[name]}" for name in READINGS if counts[name])
    full, *_ = _full_and_baselines(view, dataset)
    trained = [row for row in every if row["comparison"] == "variant" and not row["rate_percent"]]
    of_full = [_moved(view, row) for row in [*compared, *trained] if row["id"] == full]
    measured = (
        f"of {counted(len(compared), 'comparison')} of a pruned network with itself unpruned: {counts_said}."
    )
    return text(
        "<p>The paper counts it among the advantages of pruning that the decision boundary comes to lie "
        "farther from clean examples (4.1); it measures no distance. {dataset}: {measured}</p>{of_full}",
        dataset=view.dataset(dataset),
        of_full=folded_list("The full model, comparison by comparison", of_full),
        measured=measured
        if compared
        else "not measured, no pruned network was compared with itself unpruned.",
    )


def _moved(view: View, row: Mapping[str, Any]) -> str:
    title, images = view.model_title(row["id"]), counted(row["n"], "image")
    other = f", beside {view.model_title(row['against'])}" if row["against"] != row["id"] else ""
    return (
        f"{title}, {_rate(row)}{other}: of {images} right under both, the boundary is farther on "
        f"{row['farther']} and nearer on {row['nearer']} (p {p_text(row['p_holm'], '= ')}; "
        f"{READINGS[row['reading']]})."
    )


def _compared(view: View, row: Mapping[str, Any]) -> str:
    against = "" if row["comparison"] == "pruned" else f"{view.model_title(row['against'])}: "
    reading = "" if row["reading"] == "smoke" else f" ({READINGS[row['reading']]})"
    return (
        f"{against}{row['farther']} farther, {row['nearer']} nearer of {row['n']}, "
        f"p {p_text(row['p_holm'], '= ')}{reading}"
    )


# --- words ----------------------------------------------------------------------------------------


def _full_and_baselines(view: View, dataset: str) -> list[str]:
    """The full model of the tables, the baseline there, and the one of the full model's own training.

    By their ids, with the first seed; [""] where the tables have no full model.
    """
    seed = view.parameters["seeds"][0]
    mains = {model["variant"]: model for model in view.models(dataset, main=True, seed=seed)}
    if FULL.id not in mains:
        return [""]
    full = mains[FULL.id]
    alike = view.models(dataset, variant=RESNET18.id, mode=full["mode"], seed=seed)
    tables = [mains[RESNET18.id]] if RESNET18.id in mains else []
    return list(dict.fromkeys(model["id"] for model in (full, *tables, *alike)))


def _rate(row: Mapping[str, Any]) -> str:
    return f"{row['rate_percent']} % pruned" if row["rate_percent"] else "as trained"


def _eps(value: float | None, row: Mapping[str, Any]) -> str:
    """A least budget; of what no budget flips that it lies beyond the largest, of no image a dash."""
    if not row["right"]:
        return "–"
    return f"> {eps_text(row['largest'])}" if value is None else f"{value:.4f}"


def _interval(quartile: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    found, low, high = (_eps(quartile[name], row) for name in ("least_eps", "ci_low", "ci_high"))
    return f"{found} [{low}, {high}]"


def _share(found: Mapping[str, Any]) -> str:
    return with_interval(found, "share", unit=" %", scale=100)


SECTION = Section(
    title="How far is the boundary, and what transfers?",
    order=48.6,
    draw=of_each_dataset(
        least_eps_reading, least_eps_curves, least_eps_table, transfer_reading, transfer_figure
    ),
)
