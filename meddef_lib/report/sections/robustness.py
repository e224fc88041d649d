"""Sections 4.2 to 4.4: ablation, attack intensity (Tables 1, 2), pruning (Tables 3, 4, the whole curve)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure as Drawing

from meddef_lib.paper.addresses import Address
from meddef_lib.report import charts
from meddef_lib.report.blocks import Column, Figure, Made, Prose, Table, frame_table, p_text, text_of
from meddef_lib.report.inline import svg
from meddef_lib.report.view import (
    ATTACK_TITLES,
    HOW_TO_READ,
    TRAININGS,
    View,
    comparing_table,
    text,
)
from meddef_lib.results import metrics, statistics
from meddef_lib.results.outcomes import lookup

NUMBER_OF_TABLE = {
    ("accuracy", "roct"): "table1",
    ("accuracy", "chest_xray"): "table2",
    ("attack_success_rate", "roct"): "table3",
    ("attack_success_rate", "chest_xray"): "table4",
}
JSMA_NOTE = Markup(" JSMA has no epsilon: one run stands in every row of its model.")


def accuracy_table(view: View, dataset: str) -> Table | Prose:
    """Table 1 (ROCT) or Table 2 (chest X-ray): accuracy in percent at each epsilon."""
    return _table(view, dataset, "accuracy")


def success_table(view: View, dataset: str) -> Table | Prose:
    """Table 3 (ROCT) or Table 4 (chest X-ray): attack success rate in percent at each pruning rate."""
    return _table(view, dataset, "attack_success_rate")


def _table(view: View, dataset: str, quantity: str) -> Table | Prose:
    name = NUMBER_OF_TABLE[quantity, dataset]
    table = view.paper.tables[name]
    records = view.found.attacked if quantity == "accuracy" else view.found.pruned
    if records.empty or dataset not in set(records["dataset"]):
        return view.missing(f"the records of {view.book.datasets[dataset].title}")
    columns = {column: ATTACK_TITLES.get(column, "Parameters (M)") for column in table.columns[2:]}
    rows = []
    for position, variant in ((float(row[0]), str(row[1])) for row in table.rows):
        place = table.position_text(position)
        ids = {
            column: f"{name}/{variant}/{column}"
            if column in table.repeated
            else f"{name}/{variant}/{place}/{column}"
            for column in columns
        }
        shown = f"{position:.2f}" if table.axis == "eps" else f"{position:.0f} %"
        rows.append(((shown, view.title(variant)), ids))
    head = "Epsilon" if table.axis == "eps" else "Pruned"
    number = name.removeprefix("table")
    return comparing_table(
        view,
        id=name,
        caption=f"Table {number}: {table.title} ({_unit(quantity)})",
        heads=(head, "Model"),
        columns=columns,
        rows=rows,
        note=HOW_TO_READ
        + (JSMA_NOTE if "jsma" in columns else Markup())
        + _jsma_approximation(view)
        + (_one_answer(view, dataset) if quantity == "attack_success_rate" else Markup()),
        made=_made(view, dataset, quantity),
    )


def _made(view: View, dataset: str, quantity: str) -> Made:
    """The records behind one of the sweeps; those of unpruned models begin the sweep over pruning rates."""
    book = view.book
    models = book.main_models(dataset)
    unpruned = [book.attack(model, method) for model in models for method in book.profile.attacks.methods]
    if quantity == "accuracy":
        return view.made(f"04_epsilon_sweep.{dataset}", unpruned)
    pruned = [book.pruning(model, method) for model in models for method in book.pruning_methods]
    return view.made(f"05_pruning_sweep.{dataset}", [*unpruned, *pruned])


def _unit(quantity: str) -> str:
    if quantity == "accuracy":
        return "accuracy at the attack's last iterate, %"
    return "success rate among correctly classified images, %"


def _one_answer(view: View, dataset: str) -> Markup:
    """Which pruned networks give every clean image one class: their low success rates are no robustness."""
    found: dict[str, list[str]] = {}
    pruned = view.found.pruned
    for model in view.book.main_models(dataset):
        mine = pruned[
            (pruned["dataset"] == dataset)
            & (pruned["variant"] == model.variant)
            & (pruned["seed"] == model.seed)
        ]
        rates = [
            f"{100 * rate:.0f}"
            for rate in sorted(view.book.profile.pruning.rates)
            if metrics.gives_one_answer(mine[np.isclose(mine["rate"], rate)])
        ]
        if rates:
            found[view.model_title(model)] = rates
    if not found:
        return Markup()
    said = "; ".join(f"{name} at {', '.join(rates)} %" for name, rates in found.items())
    return Markup(
        " Networks that give every clean image the same class, of which a low success rate is no robustness: "
        "{}."
    ).format(said)


def _jsma_approximation(view: View) -> Markup:
    jsma = view.book.profile.attacks.jsma
    parts = [
        f"at most {jsma.max_steps} steps" if jsma.max_steps else "",
        f"{jsma.pairs_per_step} pairs a step" if jsma.pairs_per_step > 1 else "",
        f"{jsma.images} images" if jsma.images else "",
    ]
    said = ", ".join(part for part in parts if part)
    return Markup(" JSMA is approximated here: {}.").format(said) if said else Markup()


def trainings_table(view: View, dataset: str) -> Table | Prose:
    """What the training does: the variants that were trained in several ways, a column a way."""
    book = view.book
    name = book.datasets[dataset].title
    several = [variant for variant in book.profile.variants if len(book.modes(variant)) > 1]
    if book.given:
        return view.missing("the same network trained in other ways")
    if not several:
        return text("<p>Every variant was trained in one way on {name}.</p>", name=name)
    measured = [
        {"model": view.title(variant), "training": TRAININGS[mode], **row}
        for variant in several
        for mode in book.modes(variant)
        for row in _accuracies(view, dataset, variant, mode)
    ]
    if not measured:
        return view.missing(f"the records of {name}")
    ways = list(dict.fromkeys(row["training"] for row in measured))
    by_place: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in measured:
        place = (row["model"], row["attack"], text_of(row["epsilon"]))
        by_place.setdefault(place, {})[row["training"]] = _with_interval(row)
    rows = [[*place, *(of_way.get(way, "–") for way in ways)] for place, of_way in by_place.items()]
    heads = [Column(name, heading=True) for name in ("Model", "Attack", "Epsilon")]
    models = [model for model in book.models(dataset) if model.variant in several]
    elsewhere = "; ".join(
        f"{view.title(variant)}: {TRAININGS[book.modes(variant)[0]]}" for variant in several
    )
    return Table(
        f"trainings-compared-{dataset}",
        f"Variants that were trained in more than one way, {name}: accuracy, % (ours)",
        [*heads, *(Column(way.capitalize(), "right") for way in ways)],
        rows,
        pd.DataFrame(measured),
        Markup(
            "With 95 % intervals; attacks at the last iterate. Balanced: the mean of the classes' recalls. "
            "The other tables show {}."
        ).format(elsewhere),
        view.made(
            f"04_epsilon_sweep.{dataset}",
            (book.attack(model, method) for model in models for method in book.profile.attacks.methods),
        ),
        view.smoke,
        decimals=1,
    )


def _accuracies(view: View, dataset: str, variant: str, mode: str) -> Iterator[dict[str, Any]]:
    """Clean, balanced and robust accuracy of the unpruned models of one training mode."""
    order = ["", *view.book.profile.attacks.methods]
    found = [
        (address, outcome)
        for address, outcome in view.found.of_mode(dataset, variant, mode).items()
        if address.quantity == "accuracy" and not address.rate_percent
    ]
    for address, outcome in sorted(found, key=lambda pair: (order.index(pair[0].attack), pair[0].eps or 0)):
        interval = outcome.interval
        yield {
            "attack": ATTACK_TITLES.get(address.attack or "clean", address.attack),
            "epsilon": address.eps,
            "accuracy": outcome.value,
            "low": interval.low if interval else None,
            "high": interval.high if interval else None,
        }
        if not address.attack:
            balanced = outcome.alternatives.get("balanced_accuracy")
            yield {
                "attack": "Clean, balanced",
                "epsilon": None,
                "accuracy": balanced,
                "low": None,
                "high": None,
            }


def _with_interval(row: Mapping[str, Any]) -> str:
    value, *ends = (text_of(row[name], 1) for name in ("accuracy", "low", "high"))
    return f"{value} [{ends[0]}, {ends[1]}]" if "–" not in ends else value


# --- curves ---------------------------------------------------------------------------------------


def accuracy_curves(view: View, dataset: str) -> Figure | Prose:
    """Accuracy over epsilon, a panel an attack."""
    frame = _curve(view, dataset, "accuracy")
    if frame["ours"].isna().all():
        return view.missing(f"the epsilon sweep of {view.book.datasets[dataset].title}")
    frame = frame[frame["attack"] != "jsma"]
    drawing = charts.curves(
        frame.replace({"attack": ATTACK_TITLES}),
        x="eps",
        panels="attack",
        titles=view.paper.variants,
        x_label="epsilon (pixels in [0, 1])",
        y_label="accuracy, %",
        logarithmic=True,
    )
    name = view.book.datasets[dataset].title
    return _figure(
        view,
        f"curves-{dataset}-accuracy",
        f"Accuracy over epsilon, {name}: ours (filled, 95 % interval) and the paper's (hollow, dashed).",
        f"Line plots of accuracy against epsilon on {name} under FGSM, PGD and BIM, one line a model. "
        + _ends(frame, "eps"),
        drawing,
        frame,
        _made(view, dataset, "accuracy"),
    )


def success_curves(view: View, dataset: str) -> Figure | Prose:
    """Attack success rate over the whole range of pruning rates, a panel an attack."""
    frame = _curve(view, dataset, "attack_success_rate")
    if frame["ours"].isna().all():
        return view.missing(f"the pruning sweep of {view.book.datasets[dataset].title}")
    drawing = charts.curves(
        frame.replace({"attack": ATTACK_TITLES}),
        x="rate_percent",
        panels="attack",
        titles=view.paper.variants,
        x_label="weights pruned, %",
        y_label="attack success rate, %",
    )
    name = view.book.datasets[dataset].title
    return _figure(
        view,
        f"curves-{dataset}-success",
        f"Attack success rate over pruning, {name}: ours (filled, 95 % interval), the paper's (hollow).",
        f"Line plots of success rate against pruning rate on {name}, one panel an attack. "
        + _ends(frame, "rate_percent"),
        drawing,
        frame,
        _made(view, dataset, "attack_success_rate"),
    )


def clean_curves(view: View, dataset: str) -> Figure | Prose:
    """Clean accuracy over the pruning rate, every model in one panel."""
    rates = [round(100 * rate) for rate in view.book.profile.pruning.rates]
    rows = []
    for variant in view.book.profile.variants:
        for rate in rates:
            address = Address(dataset=dataset, quantity="accuracy", variant=variant, rate_percent=rate)
            outcome = view.found.outcomes.get(address)
            if outcome is not None and outcome.value is not None:
                interval = outcome.interval
                rows.append(
                    {
                        "attack": "Clean images",
                        "variant": variant,
                        "rate_percent": rate,
                        "paper": float("nan"),
                        "ours": outcome.value,
                        "ci_low": interval.low if interval else float("nan"),
                        "ci_high": interval.high if interval else float("nan"),
                    }
                )
    if not rows:
        return view.missing(f"the pruning sweep of {view.book.datasets[dataset].title}")
    frame = pd.DataFrame(rows)
    drawing = charts.curves(
        frame,
        x="rate_percent",
        panels="attack",
        titles=view.paper.variants,
        x_label="weights pruned, %",
        y_label="accuracy, %",
    )
    name = view.book.datasets[dataset].title
    return _figure(
        view,
        f"curves-{dataset}-clean",
        f"Clean accuracy over pruning, {name} (95 % interval).",
        f"Line plot of clean accuracy against pruning rate on {name}, one line a model. "
        + _ends(frame, "rate_percent"),
        drawing,
        frame,
        _made(view, dataset, "attack_success_rate"),
    )


def _curve(view: View, dataset: str, quantity: str) -> pd.DataFrame:
    """Ours and the paper's at every measured and every printed place of a sweep."""
    rows = []
    profile = view.book.profile
    sweep = quantity == "accuracy"
    methods = profile.attacks.methods if sweep else profile.pruning.methods
    places = profile.attacks.eps if sweep else [round(100 * rate) for rate in profile.pruning.rates]
    table = view.paper.tables[NUMBER_OF_TABLE[quantity, dataset]]
    for method in methods:
        for variant in profile.variants:
            printed = table.column(variant, method) if method in table.columns else {}
            for place in sorted({*places, *printed}):
                address = Address(
                    dataset=dataset,
                    quantity="accuracy" if sweep else "attack_success_rate",
                    variant=variant,
                    attack=method,
                    eps=round(place, 6) if sweep else None if method == "jsma" else profile.pruning.eps,
                    rate_percent=0 if sweep else int(place),
                )
                outcome = lookup(view.found.outcomes, address)
                interval = outcome.interval if outcome else None
                value = outcome.value if outcome else None
                rows.append(
                    {
                        "attack": method,
                        "variant": variant,
                        "eps" if sweep else "rate_percent": place,
                        "paper": printed.get(float(place), float("nan")),
                        "ours": float("nan") if value is None else value,
                        "ci_low": interval.low if interval else float("nan"),
                        "ci_high": interval.high if interval else float("nan"),
                    }
                )
    return pd.DataFrame(rows)


def _ends(frame: pd.DataFrame, x: str) -> str:
    """What a line plot says, in words: where the full model begins and ends, by attack."""
    sentences = []
    of_full = frame[(frame["variant"] == "full") & frame["ours"].notna()]
    for attack, rows in of_full.groupby("attack", sort=False):
        first, last = rows.sort_values(x).iloc[0], rows.sort_values(x).iloc[-1]
        title = ATTACK_TITLES.get(str(attack), str(attack))
        start, end = (f"{row['ours']:.1f} % at {row[x]:g}" for row in (first, last))
        sentences.append(f"{title}, full model: {start}, {end}.")
    return " ".join(sentences)


def _figure(
    view: View, id: str, caption: str, alt: str, drawing: Drawing, frame: pd.DataFrame, made: Made
) -> Figure:
    picture = svg(drawing, alt, smoke=view.smoke)
    return Figure(id, caption, alt, picture, frame, made=made, smoke=view.smoke)


# --- ablation (4.2) -------------------------------------------------------------------------------


def ablation_table(view: View, dataset: str) -> Table | Prose:
    """Each variant against the full model on the same images: difference and McNemar's exact test."""
    frame = ablation(view, dataset)
    if frame.empty:
        return view.missing(f"the records of {view.book.datasets[dataset].title}")
    name = view.book.datasets[dataset].title
    note = Markup(
        "Difference: accuracy of the variant minus that of the full model, on the same images, in points, "
        "with its 95 % interval (Bonett and Price, 2012). The paper's difference is that of the same two "
        "numbers of its table; it prints JSMA once an epsilon, which makes no one difference. "
        "p: McNemar's exact test on the images that only one of the two gets right, with Holm's correction "
        "over the rows of this table."
    )
    models = view.book.main_models(dataset)
    return frame_table(
        frame,
        id=f"ablation-{dataset}",
        caption=f"Ablation, {name}{view.first_seed}: what removing parts of the DAAM changes (4.2)",
        texts={"p (Holm)": p_text},
        note=note,
        made=view.made(
            f"03_ablation.{dataset}",
            (
                view.book.attack(model, method)
                for model in models
                for method in view.book.profile.attacks.methods
            ),
        ),
        smoke=view.smoke,
    )


def ablation(view: View, dataset: str) -> pd.DataFrame:
    """Rows: attack, epsilon, variant, accuracy, difference to `full`, images only one is right on, p."""
    rows = list(_ablation_rows(view, dataset))
    frame = pd.DataFrame(rows)
    if not frame.empty:
        frame["p (Holm)"] = statistics.holm(frame["p (Holm)"].tolist())
    return frame


def _ablation_rows(view: View, dataset: str) -> Iterator[dict[str, object]]:
    records = view.found.attacked
    if records.empty:
        return
    main = {(m.variant, m.mode) for m in view.book.main_models(dataset)}
    seed = view.book.profile.seeds[0]
    mine = records[(records["dataset"] == dataset) & (records["seed"] == seed)]
    of_variant = {
        variant: mine[(mine["variant"] == variant) & (mine["mode"] == mode)] for variant, mode in main
    }
    full = of_variant.get("full")
    if full is None or full.empty:
        return
    runs = [("clean", None), *full[["attack", "eps"]].drop_duplicates().itertuples(index=False, name=None)]
    most = max(len(rows) for _, rows in full.groupby(["attack", "eps"], dropna=False))
    for attack, eps in runs:
        for variant in view.book.profile.variants:
            other = of_variant.get(variant)
            if variant == "full" or other is None or other.empty:
                continue
            column: metrics.Prediction = "clean_pred" if attack == "clean" else "adv_pred"
            ours, theirs = (_run(rows, attack, eps, most) for rows in (full, other))
            if ours.empty or theirs.empty:
                continue
            right, base = metrics.correct(theirs, column), metrics.correct(ours, column)
            test = statistics.mcnemar(base, right)
            interval = statistics.paired_difference(test.only_first, test.only_second, len(base))
            share_of_full, share = (metrics.proportion(hits).share or 0.0 for hits in (base, right))
            yield {
                "attack": ATTACK_TITLES.get(str(attack), str(attack)),
                "epsilon": None if eps is None or pd.isna(eps) else float(eps),
                "variant": view.title(variant),
                "full, %": 100 * share_of_full,
                "variant, %": 100 * share,
                "difference": 100 * (share - share_of_full),
                "low": 100 * interval.low,
                "high": 100 * interval.high,
                "paper's difference": _printed_difference(view, dataset, variant, attack, eps),
                "only full right": test.only_first,
                "only variant right": test.only_second,
                "p (Holm)": test.p_value,
            }


def _printed_difference(
    view: View, dataset: str, variant: str, attack: str, eps: float | None
) -> float | None:
    """The same difference between two numbers of Table 1 or 2; None where the paper has not both."""
    table = NUMBER_OF_TABLE["accuracy", dataset]
    if attack == "clean":
        place = "clean"
    elif eps is None or pd.isna(eps):
        return None
    else:
        place = f"{view.paper.tables[table].position_text(float(eps))}/{attack}"
    theirs, full = (view.values.get(f"{table}/{name}/{place}") for name in (variant, "full"))
    return theirs["published"] - full["published"] if theirs and full else None


def _run(records: pd.DataFrame, attack: str, eps: float | None, most: int) -> pd.DataFrame:
    """The rows of one attack at one epsilon; for clean images, of any run that saw them all."""
    if attack == "clean":
        for _, rows in records.groupby(["attack", "eps"], dropna=False):
            if len(rows) == most:
                return rows
        return records.iloc[:0]
    of_attack = records[records["attack"] == attack]
    return (
        of_attack[of_attack["eps"].isna()]
        if eps is None or pd.isna(eps)
        else of_attack[of_attack["eps"] == eps]
    )
