"""Section 3.5: the weights of the full network in order (Figure 4), and what pruning leaves of them."""

import pandas as pd

from meddef_lib.report import charts
from meddef_lib.report.blocks import Figure, Prose, Table, frame_table
from meddef_lib.report.inline import svg
from meddef_lib.report.section import Section, of_each_dataset
from meddef_lib.report.sections.network import anatomy
from meddef_lib.report.view import View

NOTEBOOK = "05_pruning_sweep"


def magnitude_figure(view: View, dataset: str) -> Figure | Prose:
    """Figure 4: the full model's weights sorted by magnitude, and the cut."""
    network = anatomy(view, dataset)
    if network is None:
        return view.missing("the full model")
    percent = f"{100 * network['rate']:.0f}"
    done = "would be set to zero, but each layer is cut by itself"
    alt = (
        f"Magnitudes of all convolution and linear weights from smallest to largest; the {percent} % to the "
        f"left of the cut at {network['cut']:.2g} "
        f"{'are set to zero' if network['scope'] == 'global' else done}."
    )
    return Figure(
        f"figure4-{dataset}",
        f"Figure 4: magnitudes of the full model's weights in order, {view.dataset(dataset)}"
        f"{view.first_seed}, and the cut at {percent} %.",
        alt,
        svg(charts.magnitudes(network), alt, smoke=view.smoke),
        pd.DataFrame(network["magnitudes"]),
        made=view.made(f"{NOTEBOOK}.{dataset}", [f"anatomy/{network['id']}"]),
        smoke=view.smoke,
    )


def sparsity_table(view: View, dataset: str) -> Table | Prose:
    """Zeros by layer after pruning the full model at the rate of Figure 4."""
    network = anatomy(view, dataset)
    if network is None:
        return view.missing("the full model")
    return frame_table(
        pd.DataFrame(network["sparsity"]),
        id=f"sparsity-{dataset}",
        caption=f"Zeros by layer of the full model{view.first_seed} after pruning "
        f"{100 * network['rate']:.0f} % of its weights",
        decimals=3,
        made=view.made(f"{NOTEBOOK}.{dataset}", [f"anatomy/{network['id']}"]),
        smoke=view.smoke,
    )


SECTION = Section(
    number="3.5",
    title="Unstructured pruning",
    order=39,
    draw=of_each_dataset(magnitude_figure, sparsity_table),
)
