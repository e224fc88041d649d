"""Section 3.5: the weights of the full network in order (Figure 4), and what pruning leaves of them."""

import pandas as pd

from meddef_lib.report import charts
from meddef_lib.report.elements import Figure, Table, frame_table
from meddef_lib.report.inline import figure
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.sections.anatomy import laid_open
from meddef_lib.report.view import View

from_anatomy = from_cells("05_pruning_sweep", "anatomy")


@from_anatomy
def magnitude_figure(view: View, dataset: str) -> Figure:
    """Figure 4: the full model's weights sorted by magnitude, and the cut."""
    network = laid_open(view, dataset)
    percent = f"{100 * network['rate']:.0f}"
    done = "would be set to zero, but each layer is cut by itself"
    alt = (
        f"Magnitudes of all convolution and linear weights from smallest to largest; the {percent} % to the "
        f"left of the cut at {network['cut']:.2g} "
        f"{'are set to zero' if network['scope'] == 'global' else done}."
    )
    return figure(
        view,
        f"figure4-{dataset}",
        f"Figure 4: magnitudes of the full model's weights in order, {view.dataset(dataset)}"
        f"{view.first_seed}, and the cut at {percent} %.",
        alt,
        charts.magnitudes(network),
        pd.DataFrame(network["magnitudes"]),
    )


@from_anatomy
def sparsity_table(view: View, dataset: str) -> Table:
    """Zeros by layer after pruning the full model at the rate of Figure 4."""
    network = laid_open(view, dataset)
    return frame_table(
        pd.DataFrame(network["sparsity"]),
        id=f"sparsity-{dataset}",
        caption=f"Zeros by layer of the full model{view.first_seed} after pruning "
        f"{100 * network['rate']:.0f} % of its weights",
        decimals=3,
    )


SECTION = Section(
    number="3.5",
    title="Unstructured pruning",
    order=39,
    draw=of_each_dataset(magnitude_figure, sparsity_table),
)
