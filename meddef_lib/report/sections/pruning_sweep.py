"""Sections 4.1 and 4.4: success rates over pruning (Tables 3, 4), and what it costs on clean images."""

from markupsafe import Markup

from meddef_lib.report import sweeps
from meddef_lib.report.blocks import Figure, Made, Prose, Table
from meddef_lib.report.section import Section, of_each_dataset
from meddef_lib.report.view import View


def success_table(view: View, dataset: str) -> Table | Prose:
    """Attack success rate in percent at each pruning rate: Table 3 for ROCT, Table 4 for chest X-ray."""
    if view.rows("networks", dataset=dataset).empty:
        return view.missing(f"the records of {view.dataset(dataset)}")
    unit = "success rate among correctly classified images, %"
    note = collapsed(view, dataset)
    return sweeps.table(view, dataset, "attack_success_rate", unit, _made(view, dataset), note)


def collapsed(view: View, dataset: str) -> Markup:
    """Which pruned networks give nearly every clean image one class: their success rates mean nothing."""
    networks = view.rows("networks", dataset=dataset, collapsed=True)
    if networks.empty:
        return Markup()
    said = "; ".join(
        f"{view.model_title(str(model))} at {', '.join(str(rate) for rate in rows['rate_percent'])} %"
        for model, rows in networks.groupby("model", sort=False)
    )
    return Markup(
        " Collapsed: one class for nearly every clean image, so that their success rates mean nothing: {}."
    ).format(said)


def success_curves(view: View, dataset: str) -> Figure | Prose:
    """Attack success rate over the whole range of pruning rates, a panel an attack."""
    frame = sweeps.curve(view, dataset, "attack_success_rate", "rate_percent")
    name = view.dataset(dataset)
    if frame["ours"].isna().all():
        return view.missing(f"the pruning sweep of {name}")
    return sweeps.figure(
        view,
        f"curves-{dataset}-success",
        frame,
        "rate_percent",
        "attack success rate, %",
        f"Attack success rate over pruning, {name}: ours (filled, 95 % interval), the paper's (hollow); "
        "crossed out: collapsed.",
        f"Line plots of success rate against pruning rate on {name}, one panel an attack.",
        _made(view, dataset),
    )


def clean_curves(view: View, dataset: str) -> Figure | Prose:
    """Clean accuracy over the pruning rate, every model in one panel."""
    frame = sweeps.curve(view, dataset, "accuracy", "rate_percent", clean=True)
    name = view.dataset(dataset)
    if frame.empty:
        return view.missing(f"the pruning sweep of {name}")
    return sweeps.figure(
        view,
        f"curves-{dataset}-clean",
        frame,
        "rate_percent",
        "accuracy, %",
        f"Clean accuracy over pruning, {name} (95 % interval; dotted: balanced; crossed out: collapsed).",
        f"Line plot of clean accuracy against pruning rate on {name}, one line a model.",
        _made(view, dataset),
    )


def _made(view: View, dataset: str) -> Made:
    """The records behind the sweep; those of unpruned models begin it."""
    models = view.models(dataset, main=True)
    return view.made(f"05_pruning_sweep.{dataset}", view.cells(models, "attack", "prune"))


SECTION = Section(
    number="4.1, 4.4",
    title="Compression-security trade-off analysis",
    order=44,
    draw=of_each_dataset(success_table, success_curves, clean_curves),
)
