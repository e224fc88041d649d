"""Drawings of processes, with the settings of a run: the paper's three stages (Figure 2), a step of
adversarial training (Figure 3), and what was computed from what."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure

from meddef_lib.paper.audit.finding import counted
from meddef_lib.report.network_diagram import COLOURS, Canvas

TITLES = ("1 · images", "2 · network (DAAM)", "3 · training, pruning")
LOSSES = {"mix": "(1 − w) L(x) + w L(x′)", "add": "L(x) + w L(x′)"}
COPIES = {
    "join": "x′ joins x: clean loss over all,\nadversarial loss over x′",
    "replace": "x′ takes the place of its\nclean images in the batch",
}
MODES = {"eval": "evaluation mode", "train": "training mode"}


def stages(parameters: Mapping[str, Any]) -> Figure:
    """Figure 2's three stages, a column each; `parameters` is the profile as it was run."""
    training, pruning = parameters["training"], parameters["pruning"]
    size, rates = parameters["image_size"], [f"{100 * rate:g}" for rate in pruning["rates"]]
    columns = (
        (
            f"Preprocessing (3.1.2)\n{size} × {size}, in [0, 1]",
            f"{_methods(training)} copies of\n{_percent(training['attacked_share'])} of each training batch\n"
            f"{_percent(training['validation_attacked_share'])} of validation images\n"
            "every test image",
        ),
        (
            "B: ResNet-18 to layer 4\nD: AFD, MFE, MSF, Φ, Ω\n(eq. 3 to 6)",
            "A: self-attention over D\n(eq. 1, 2)\nC: head (eq. 7)",
        ),
        (
            f"Adversarial training (3.2.2, 3.8)\n{counted(training['epochs'], 'epoch')}",
            f"L1 pruning, {pruning['scope']} (3.5)\n{', '.join(rates)} %\nthen attacked again",
        ),
    )
    figure, canvas = _sheet(26)
    tops, bottoms = [], []
    for place, (title, boxes) in enumerate(zip(TITLES, columns, strict=True)):
        x, colour = 17 + 33 * place, COLOURS[("backbone", "defense", "head")[place]]
        canvas.axes.text(x, 24.4, title, ha="center", va="center", fontsize=9, weight="bold")
        upper, lower = (canvas.box(text, x, y, colour, 24) for text, y in zip(boxes, (18, 5), strict=True))
        canvas.arrow(upper.bottom, lower.top)
        tops.append(upper)
        bottoms.append(lower)
    for before, after in zip(bottoms, tops[1:], strict=False):
        middle = (before.right[0] + after.left[0]) / 2
        canvas.line(before.right, (middle, before.y), (middle, after.y), arrow_to=after.left)
    return figure


def training_step(parameters: Mapping[str, Any]) -> Figure:
    """Figure 3: how clean and attacked images meet in one step of the optimizer, and what keeps an epoch."""
    training = parameters["training"]
    schedule, safety = training["schedule"], training["safety"]
    figure, canvas = _sheet(31)
    row, width = 22, 18
    steps = "" if training["attack_methods"] == ["fgsm"] else f", {counted(training['pgd_steps'], 'step')}"
    clean = canvas.box("Clean batch x\naugmented (3.2.1)", 11, row, COLOURS["data"], width)
    crafted = canvas.box(
        f"{_methods(training)}{steps}\non the network as it is,\nin {MODES[training['crafted_in']]}",
        36,
        row,
        COLOURS["branch"],
        width,
    )
    copies = canvas.box(
        f"Attacked {_percent(training['attacked_share'])}: x′\n{COPIES[training['attacked_images']]}",
        62,
        row,
        COLOURS["branch"],
        22,
    )
    loss = canvas.box(f"Loss\n{LOSSES[training['loss']]}", 88, row, COLOURS["defense"], width)
    for left, right in pairwise((clean, crafted, copies, loss)):
        canvas.arrow(left.right, right.left)
    canvas.line(clean.top, (clean.x, 28.4), (loss.x, 28.4), arrow_to=loss.top)
    canvas.axes.text(49, 28.8, "the clean images themselves", ha="center", va="bottom", fontsize=7.5)
    step = canvas.box(f"Adam\nlearning rate {training['learning_rate']:g}", 88, 5, COLOURS["head"], width)
    canvas.arrow(loss.bottom, step.top)
    eps = (*schedule["warmup_eps"], schedule["aggressive_eps"][1], schedule["stabilization_eps"])
    phases = canvas.box(
        f"Each epoch: ε {eps[0]:g} → {eps[1]:g} → {eps[2]:g}, then {eps[3]:g};\n"
        f"w {schedule['warmup_weight']:g} → {schedule['final_weight']:g}"
        + ("\nboth less where clean validation falls" if safety["enabled"] else ""),
        36,
        5,
        COLOURS["backbone"],
        26,
    )
    network = canvas.box("Network\nkept: the epoch best on\nvalidation images", 64, 5, COLOURS["head"], width)
    canvas.arrow(step.left, network.right)
    canvas.arrow(network.left, phases.right)
    canvas.arrow(phases.top, crafted.bottom)
    return figure


def flow(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The kinds of cells (`flow` of the document) as boxes, each right of all that it is computed from.

    What is needed through another kind as well has no line of its own.
    """
    levels: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        levels.setdefault(row["level"], []).append(row)
    tallest = max((len(of_level) for of_level in levels.values()), default=1)
    figure, canvas = _sheet(5.5 * tallest + 1)
    middle, apart = (5.5 * tallest + 1) / 2, 86 / max(len(levels) - 1, 1)
    boxes = {}
    for column, level in enumerate(sorted(levels)):
        of_level = levels[level]
        for place, row in enumerate(of_level):
            y = middle + 5.5 * ((len(of_level) - 1) / 2 - place)
            words = f"{row['kind']} ({row['cells']})"
            boxes[row["kind"]] = canvas.box(words, 7 + apart * column, y, COLOURS["data"], 13, 4)
    others = {row["kind"]: set(row["from"]) - {row["kind"]} for row in rows}
    every = _needed(others)
    for row in rows:
        for name in sorted(others[row["kind"]]):
            through = any(name in every.get(other, ()) for other in others[row["kind"]])
            if name in boxes and not through:
                start, end = boxes[name].right, boxes[row["kind"]].left
                canvas.axes.plot(*zip(start, end, strict=True), color="black", lw=0.5, alpha=0.6)
    return figure


def _needed(of: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Of each kind all others that it is computed from, however far."""
    every = {kind: set(names) for kind, names in of.items()}
    for _ in of:
        for names in every.values():
            names |= set().union(*(every.get(name, set()) for name in names))
    return every


def _sheet(height: float) -> tuple[Figure, Canvas]:
    """A figure 100 wide, in tenths of an inch, and what draws on it."""
    figure = Figure(figsize=(10, height / 10))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 100), ylim=(0, height))
    axes.set_axis_off()
    return figure, Canvas(axes, {})


def _methods(training: Mapping[str, Any]) -> str:
    return ", ".join(name.upper() for name in training["attack_methods"])


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
