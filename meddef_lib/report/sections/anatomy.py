"""Sections 3.2.1, 3.5 and 3.7: stages and network (Figure 2), its weights (Figure 4), its parameters."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import charts, diagrams
from meddef_lib.report.comparing import comparing_table, tally, unprinted
from meddef_lib.report.elements import Figure, Prose, Table, frame_table
from meddef_lib.report.inline import figure
from meddef_lib.report.section import Section, from_cells, of_each_dataset, of_first
from meddef_lib.report.view import View, need, text

from_anatomy = from_cells("02_training", "anatomy", of_images=False)
from_pruned = from_cells("05_pruning_sweep", "anatomy")


def laid_open(view: View, dataset: str) -> Mapping[str, Any]:
    return need(view.entries("anatomy", dataset=dataset), "the full model")[0]


@from_cells("02_training", of_images=False)
def stages(view: View, dataset: str) -> Figure:
    need(view.rows("schedule"), "a training: its stages")
    training, titles = view.parameters["training"], diagrams.TITLES
    return figure(
        view,
        "figure2",
        "Figure 2, its three stages as this run goes through them (3.2.1).",
        f"Three columns of boxes, from left to right {', '.join(title[4:] for title in titles)}: "
        f"attacked copies of {100 * training['attacked_share']:g} % of each training batch, the network's "
        "blocks in the order of equation 7, adversarial training and pruning.",
        diagrams.stages(view.parameters),
        pd.DataFrame({"stage": titles, "section": ["3.1.2, 3.2.1", "3.3", "3.2.2, 3.5, 3.8"]}),
        of_images=False,
    )


@from_anatomy
def diagram(view: View, dataset: str) -> Figure:
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
        "Figure 2, its second stage: the network as built, from the input to the logits, with the size of "
        "each map and the parameters of each block.",
        alt,
        diagrams.network(network),
        _blocks(network),
        of_images=False,
    )


@from_anatomy
def map_size(view: View, dataset: str) -> Prose:
    """What of the defense module the size of the images leaves to do."""
    network = laid_open(view, dataset)
    enlarged = " and ".join(str(scale) for scale in network["enlarged_scales"])
    return text(
        "<p>At {size} px the map that the defense module works on has {side} × {side} positions{pools} "
        "self-attention sees {positions}.</p>",
        size=network["image_size"],
        side=network["map_side"],
        pools=f": the pools of MSF to {enlarged} only enlarge it, and" if enlarged else ";",
        positions=counted(network["map_positions"], "position"),
    )


@from_anatomy
def block_table(view: View, dataset: str) -> Table:
    caption = "Parameters by block of the full network (3.3, 3.7), as this run builds it"
    width = view.parameters["model"]["width"]
    note = f"In this run the first stage has {width} channels; the table above counts the paper's width."
    return frame_table(
        _blocks(laid_open(view, dataset)),
        id=f"blocks-{dataset}",
        caption=caption,
        decimals=3,
        note=Markup(note),
    )


def _blocks(network: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(network["blocks"]).drop(columns=["module", "group"])


def parameter_table(view: View, dataset: str) -> Table:
    """Parameters in millions of every variant, for every data set (Tables 1 and 2 print them)."""
    tables = view.entries("tables", quantity="accuracy")
    columns = {table["dataset"]: view.dataset(table["dataset"]) for table in tables}
    cells: dict[str, dict[str, Any]] = {}
    for of_dataset in tables:
        for row in of_dataset["rows"]:
            ours = row["ours"].get("parameters", {"reproduced": None})
            cell = row["ids"].get("parameters") or unprinted(ours, "millions")
            cells.setdefault(row["variant"], {})[of_dataset["dataset"]] = cell
    table = comparing_table(
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
    )
    cells_of_all = (id for name in columns for id in view.cells(name, "sizes"))
    return replace(table, made=view.made(f"02_training.{dataset}", cells_of_all))


def parameters_read(view: View, dataset: str) -> Prose:
    return tally(
        view,
        "parameter counts printed in Tables 1 and 2",
        [id for id in view.values if id.startswith("table") and id.endswith("/parameters")],
    )


# --- what pruning leaves of it (3.5) ---


@from_pruned
def magnitude_figure(view: View, dataset: str) -> Figure:
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
    network = laid_open(view, dataset)
    return frame_table(
        pd.DataFrame(network["sparsity"]),
        id=f"sparsity-{dataset}",
        caption=f"Zeros by layer of the full model, {view.dataset(dataset)}{view.first_seed}, after pruning "
        f"{100 * network['rate']:.0f} % of its weights",
        decimals=3,
        texts={"layer": lambda layer: _layer(network, layer)},
    )


def _layer(network: Mapping[str, Any], layer: str) -> str:
    """A layer by the block that it is in: "AFD, mask conv1" for "defense.afd.mask.conv1"."""
    blocks = {block["module"]: block["block"] for block in network["blocks"] if block["module"]}
    inside = max((module for module in blocks if layer.startswith(f"{module}.")), key=len, default="")
    return f"{blocks[inside]}, {layer.removeprefix(inside)[1:].replace('.', ' ')}" if inside else layer


@from_pruned
def magnitude_read(view: View, dataset: str) -> Prose:
    network = laid_open(view, dataset)
    layers = sorted(network["sparsity"], key=lambda layer: layer["sparsity"])
    return text(
        "<p>At {rate:.0f} % ({scope}) the most is lost by {most} ({high:.0f} % of its weights), the "
        "least by {least} ({low:.0f} %).</p>",
        rate=100 * network["rate"],
        scope=network["scope"],
        most=_layer(network, layers[-1]["layer"]),
        high=100 * layers[-1]["sparsity"],
        least=_layer(network, layers[0]["layer"]),
        low=100 * layers[0]["sparsity"],
    )


STAGES = Section(number="3.2.1", title="Model architecture", order=32.1, draw=of_first(stages))
PARAMETERS = Section(
    number="3.7",
    title="Model parameters",
    order=37,
    draw=of_first(parameter_table, parameters_read, block_table),
)
PRUNING = Section(
    number="3.5",
    title="Unstructured pruning",
    order=35,
    draw=of_each_dataset(magnitude_figure, magnitude_read, sparsity_table),
)
