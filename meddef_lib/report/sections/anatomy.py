"""Sections 3.2, 3.3, 3.5 and 3.7: the network (Figure 2), what its blocks compute, its weights (Figure 4)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import charts, mathematics, network_diagram
from meddef_lib.report.comparing import comparing_table, unprinted
from meddef_lib.report.elements import Block, Figure, Prose, Table, frame_table
from meddef_lib.report.inline import figure
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need, text

from_anatomy = from_cells("02_training", "anatomy", of_images=False)
from_pruned = from_cells("05_pruning_sweep", "anatomy")
EQUATIONS = {
    "The defense module (eq. 6)": r"D(x) = x + \Phi([AFD(x), MFE(x), MSF(x)]) \odot \Omega(x)",
    "Adversarial feature detection (eq. 3)": r"AFD(x) = x + W_{3 \times 3}(x \odot m(x))",
    "The head (3.7), over the positions p of D and of its self-attention A": (
        r"\mathrm{logits} = W_2 \, \mathrm{ReLU}(W_1 [\mathrm{mean}_p D, \mathrm{mean}_p A(D)])"
    ),
}


def draw(view: View) -> Iterable[Block]:
    """The network of the first data set, and the parameters of every variant."""
    first = next(iter(view.datasets))
    return [
        diagram(view, first),
        equations(),
        map_size(view, first),
        parameter_table(view, first),
        block_table(view, first),
    ]


SECTION = Section(number="3.2–3.3, 3.7", title="The network", order=32, draw=draw, answers=("3",))


def laid_open(view: View, dataset: str) -> Mapping[str, Any]:
    """The network of a data set that was laid open. Raises Missing."""
    return need(view.entries("anatomy", dataset=dataset), "the full model")[0]


@from_anatomy
def diagram(view: View, dataset: str) -> Figure:
    """Figure 2: the full network, drawn from the stored model itself."""
    network = laid_open(view, dataset)
    blocks = network["blocks"][:-1]  # the last one is their total
    alt = (
        f"Block diagram of {view.title(network['variant'])} for images of {network['image_size']} pixels, "
        f"drawn from the stored model: {', '.join(block['block'] for block in blocks)}. "
        f"The largest block is {network['largest_block']}."
    )
    return figure(
        view,
        f"figure2-{dataset}",
        "Figure 2: the network as built, from the input to the logits, with the size of each map and the "
        "parameters of each block.",
        alt,
        network_diagram.draw(network),
        _blocks(network),
        of_images=False,
    )


def equations() -> Prose:
    """What the blocks compute, as they are built (equations 3 and 6, and the head of section 3.7)."""
    lines = Markup().join(
        Markup("<dt>{}</dt><dd>{}</dd>").format(name, Markup(mathematics.formula(latex, block=True)))
        for name, latex in EQUATIONS.items()
    )
    said = "<p>As built, with x the map of the backbone and m the mask; where the paper can be read in more "
    said += 'than one way, <a href="#ledger">the list of open places</a> says which reading this is.</p>'
    html = Markup("<dl>{}</dl>").format(lines) + Markup(said)
    return Prose(html, title="What the blocks compute, as built (equations 3 and 6, and 3.7)")


@from_anatomy
def map_size(view: View, dataset: str) -> Prose:
    """What of the defense module the size of the images leaves to do."""
    network = laid_open(view, dataset)
    enlarged = [str(scale) for scale in network["enlarged_scales"]]
    said = "<p>At {size} px the map that the defense module works on has {side} × {side} positions"
    said += (
        ": the pools of MSF to {enlarged} only enlarge it, and self-attention"
        if enlarged
        else "; self-attention"
    )
    said += " sees {positions}.</p>"
    return text(
        said,
        size=network["image_size"],
        side=network["map_side"],
        enlarged=" and ".join(enlarged),
        positions=counted(network["map_positions"], "position"),
    )


@from_anatomy
def block_table(view: View, dataset: str) -> Table:
    """Parameters by block of the full network."""
    caption = "Parameters by block of the full network (3.3, 3.7)"
    return frame_table(_blocks(laid_open(view, dataset)), id=f"blocks-{dataset}", caption=caption, decimals=3)


def _blocks(network: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(network["blocks"]).drop(columns=["module", "group"])


def parameter_table(view: View, dataset: str) -> Table:
    """Parameters in millions of every variant, for every data set (Tables 1 and 2 print them)."""
    tables = view.entries("tables", quantity="accuracy")
    columns = {table["dataset"]: view.dataset(table["dataset"]) for table in tables}
    cells: dict[str, dict[str, Any]] = {}
    for table in tables:
        for row in table["rows"]:
            ours = row["ours"].get("parameters", {"reproduced": None})
            cell = row["ids"].get("parameters") or unprinted(ours, "millions")
            cells.setdefault(row["variant"], {})[table["dataset"]] = cell
    counted_in = comparing_table(
        view,
        id="parameters",
        caption=f"Parameters of every variant, in millions: {', '.join(columns.values())}",
        heads=("Model",),
        columns=columns,
        rows=[((view.title(variant),), of_variant) for variant, of_variant in cells.items()],
        note=Markup(
            "Counted in each network as the paper builds it, before any training; running statistics of "
            "batch normalisation are not parameters."
        ),
        made=view.made(
            f"02_training.{dataset}",
            (id for name in columns for id in view.cells(name, "sizes")),
        ),
    )
    return replace(counted_in, smoke=False)  # counted, whatever the images


# --- what pruning leaves of it (3.5) ---


@from_pruned
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


@from_pruned
def sparsity_table(view: View, dataset: str) -> Table:
    """Zeros by layer after pruning the full model at the rate of Figure 4."""
    network = laid_open(view, dataset)
    return frame_table(
        pd.DataFrame(network["sparsity"]),
        id=f"sparsity-{dataset}",
        caption=f"Zeros by layer of the full model, {view.dataset(dataset)}{view.first_seed}, after pruning "
        f"{100 * network['rate']:.0f} % of its weights",
        decimals=3,
    )


PRUNING = Section(
    number="3.5",
    title="Unstructured pruning",
    order=39,
    draw=of_each_dataset(magnitude_figure, sparsity_table),
)
