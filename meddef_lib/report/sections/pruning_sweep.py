"""Sections 4.1 and 4.4: success rates over pruning (Tables 3, 4), and what it costs on clean images."""

from markupsafe import Markup

from meddef_lib.report import sweeps
from meddef_lib.report.elements import Figure, Table
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View

from_records = from_cells("05_pruning_sweep", "attack", "prune", main=True)  # those of unpruned models first


@from_records
def success_table(view: View, dataset: str) -> Table:
    view.needed("networks", dataset, "the records of")
    unit = "success rate among correctly classified images, %"
    return sweeps.table(view, dataset, "attack_success_rate", unit, collapsed(view, dataset))


@from_records
def success_dots(view: View, dataset: str) -> Figure:
    view.needed("networks", dataset, "the records of")
    return sweeps.dots(view, dataset, "attack_success_rate", "attack success rate", clean=True)


def collapsed(view: View, dataset: str) -> Markup:
    """Which pruned networks give nearly every clean image one class: their success rates mean nothing."""
    rates: dict[str, list[str]] = {}
    for network in view.entries("networks", dataset=dataset, collapsed=True):
        rates.setdefault(view.model_title(network["model"]), []).append(str(network["rate_percent"]))
    if not rates:
        return Markup()
    said = "; ".join(f"{title} at {', '.join(of_model)} %" for title, of_model in rates.items())
    words = " Collapsed: one class for nearly every clean image, so the success rate means nothing: {}."
    return Markup(words).format(said)


@from_records
def success_curves(view: View, dataset: str) -> Figure:
    name = view.dataset(dataset)
    return sweeps.figure(
        view,
        dataset,
        f"curves-{dataset}-success",
        sweeps.curve(view, dataset, "attack_success_rate", "rate_percent"),
        "attack success rate",
        f"Attack success rate over pruning, {name}: ours (filled, 95 % interval), the paper's (hollow); "
        "crossed out: one answer for nearly every image.",
        f"Line plots of success rate against pruning rate on {name}, one panel an attack.",
    )


@from_records
def clean_curves(view: View, dataset: str) -> Figure:
    name = view.dataset(dataset)
    return sweeps.figure(
        view,
        dataset,
        f"curves-{dataset}-clean",
        sweeps.curve(view, dataset, "accuracy", "rate_percent", clean=True),
        "accuracy",
        f"Clean accuracy over pruning, {name} (95 % interval; dotted: balanced; crossed out: collapsed).",
        f"Line plot of clean accuracy against pruning rate on {name}, one line a model.",
    )


SECTION = Section(
    number="4.1, 4.4",
    title="Compression-security trade-off analysis",
    order=44,
    draw=of_each_dataset(
        success_dots, sweeps.agreement("attack_success_rate"), success_table, success_curves, clean_curves
    ),
)
