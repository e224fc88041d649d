"""Sections 4.1 and 4.4: success rates over pruning (Tables 3, 4), and what it costs on clean images."""

from markupsafe import Markup

from meddef_lib.report import sweeps
from meddef_lib.report.elements import Figure, Prose, Table
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need

from_records = from_cells("05_pruning_sweep", "attack", "prune", main=True)  # those of unpruned models first


@from_records
def success_table(view: View, dataset: str) -> Table:
    """Attack success rate in percent at each pruning rate: Table 3 for ROCT, Table 4 for chest X-ray."""
    need(view.entries("networks", dataset=dataset), f"the records of {view.dataset(dataset)}")
    unit = "success rate among correctly classified images, %"
    return sweeps.table(view, dataset, "attack_success_rate", unit, collapsed(view, dataset))


@from_records
def success_dots(view: View, dataset: str) -> Figure:
    """The same as dots beside clean accuracy, one pruning rate at a time."""
    need(view.entries("networks", dataset=dataset), f"the records of {view.dataset(dataset)}")
    return sweeps.dot_plot(view, dataset, "attack_success_rate", "attack success rate", clean=True)


def success_read(view: View, dataset: str) -> Prose:
    """What became of the table's numbers."""
    return sweeps.agreement(view, dataset, "attack_success_rate")


def collapsed(view: View, dataset: str) -> Markup:
    """Which pruned networks give nearly every clean image one class: their success rates mean nothing."""
    rates: dict[str, list[str]] = {}
    for network in view.entries("networks", dataset=dataset, collapsed=True):
        rates.setdefault(view.model_title(network["model"]), []).append(str(network["rate_percent"]))
    if not rates:
        return Markup()
    said = "; ".join(f"{title} at {', '.join(of_model)} %" for title, of_model in rates.items())
    return Markup(" Collapsed: one class for every image, so the success rate means nothing: {}.").format(
        said
    )


@from_records
def success_curves(view: View, dataset: str) -> Figure:
    """Attack success rate over the whole range of pruning rates, a panel an attack."""
    name = view.dataset(dataset)
    missing = f"the pruning sweep of {name}"
    return sweeps.figure(
        view,
        dataset,
        f"curves-{dataset}-success",
        sweeps.curve(view, dataset, "attack_success_rate", "rate_percent", missing=missing),
        "attack success rate",
        f"Attack success rate over pruning, {name}: ours (filled, 95 % interval), the paper's (hollow); "
        "crossed out: collapsed.",
        f"Line plots of success rate against pruning rate on {name}, one panel an attack.",
    )


@from_records
def clean_curves(view: View, dataset: str) -> Figure:
    """Clean accuracy over the pruning rate, every model in one panel."""
    name = view.dataset(dataset)
    missing = f"the pruning sweep of {name}"
    return sweeps.figure(
        view,
        dataset,
        f"curves-{dataset}-clean",
        sweeps.curve(view, dataset, "accuracy", "rate_percent", clean=True, missing=missing),
        "accuracy",
        f"Clean accuracy over pruning, {name} (95 % interval; dotted: balanced; crossed out: collapsed).",
        f"Line plot of clean accuracy against pruning rate on {name}, one line a model.",
    )


SECTION = Section(
    number="4.1, 4.4",
    title="Compression-security trade-off analysis",
    order=44,
    draw=of_each_dataset(success_dots, success_read, success_table, success_curves, clean_curves),
)
