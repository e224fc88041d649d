"""Drawings with boxes and arrows: the network (MedDef, Figure 2) from what its cell tells of its modules, and
processes with the settings of a run: the paper's three stages (Figure 2), a step of adversarial training
(Figure 3), and what was computed from what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from meddef_lib.paper.addresses import eps_text
from meddef_lib.paper.audit.finding import counted

# tints of Okabe and Ito's palette over a ground of either theme; every box also says what it is
COLOURS = {
    "data": "none",
    "backbone": "#88888833",
    "branch": "#56b4e944",
    "defense": "#e69f0044",
    "head": "#009e7344",
}
TITLES = ("1 · images", "2 · network (DAAM)", "3 · training, pruning")
LOSSES = {"mix": "(1 − w) L(x) + w L(x′)", "add": "L(x) + w L(x′)"}
COPIES = {
    "join": "x′ joins x: clean loss over all,\nadversarial loss over x′",
    "replace": "x′ takes the place of its\nclean images in the batch",
}
MODES = {"eval": "evaluation mode", "train": "training mode"}


def network(network: Mapping[str, Any]) -> Figure:
    """An entry of `networks`: each block with the size of its output and its parameters.

    Only what the variant has is drawn.
    """
    modules = network["modules"]
    rows = 54 if "defense" in modules else 24
    canvas = _sheet(rows, top=54)
    images = canvas.box("Images\nin [0, 1]\n" + modules["normalise"]["output"], 7, 48)
    trunk = [
        images,
        canvas.block("Normalise", modules["normalise"], 21, 48, "backbone"),
        canvas.block("Conv 7 × 7, pool", modules["stem"], 35, 48, "backbone"),
        *(
            canvas.block(f"Layer {stage}", modules[f"backbone.layer{stage}"], 35 + 14 * stage, 48, "backbone")
            for stage in (1, 2, 3, 4)
        ),
    ]
    for left, right in pairwise(trunk):
        canvas.arrow(left.right, right.left)
    if "defense" in modules:
        _draw_defense(canvas, trunk[-1], network)
    else:
        head = canvas.block("Average, linear", modules["head"], 91, 36, "head")
        logits = canvas.box("Logits\n" + modules["head"]["output"], 75, 36)
        canvas.arrow(trunk[-1].bottom, head.top)
        canvas.arrow(head.left, logits.right)
    return canvas.figure


def _draw_defense(canvas: "Canvas", backbone: "Box", network: Mapping[str, Any]) -> None:
    """The lower part of the picture: branches, fusion and gate (eq. 6), attention and head."""
    branches = [block for block in network["blocks"] if block["group"] == "branch"]
    modules, middle = network["modules"], 21
    split = (4.0, 39.0)  # where x, the backbone's map, comes down again on the left
    canvas.line(backbone.bottom, (backbone.x, split[1]), split)
    canvas.axes.text(50, split[1] + 0.8, "x", fontsize=9, style="italic")

    fusion = canvas.block("Fusion Φ", modules["defense.fusion"], 36, middle, "defense")
    heights = [middle + 11 * (place - (len(branches) - 1) / 2) for place in reversed(range(len(branches)))]
    for block, height in zip(branches, heights, strict=True):
        branch = canvas.block(block["block"], modules[block["module"]], 17, height, "branch")
        canvas.arrow((split[0], height), branch.left)
        canvas.arrow(branch.right, fusion.left)
    if not branches:
        canvas.arrow((split[0], middle), fusion.left)

    gate = canvas.block("Channel attention Ω", modules["defense.attention"], 36, 5, "defense")
    times, plus = canvas.operator("×", 48, middle), canvas.operator("+", 54, middle)
    canvas.arrow(fusion.right, times.left)
    canvas.line(gate.right, (times.x, gate.y), arrow_to=times.bottom)
    canvas.arrow(times.right, plus.left)
    canvas.line((plus.x, split[1]), arrow_to=plus.top)
    if network["attention_on"] == "x":
        canvas.arrow((split[0], gate.y), gate.left)
        heights.append(gate.y)
    else:
        canvas.arrow(fusion.bottom, gate.top)
    canvas.line(split, (split[0], min(heights, default=middle)))

    attention = canvas.block("Self-attention A", modules["attention"], 69, 27, "head")
    pool = canvas.box("Average over\npositions", 69, 13)
    head = canvas.block("Head", modules["head"], 84, middle, "head")
    logits = canvas.box("Logits\n" + modules["head"]["output"], 96, middle, width=7)
    canvas.line(plus.right, (59, middle), (59, attention.y), arrow_to=attention.left)
    canvas.line((59, middle), (59, pool.y), arrow_to=pool.left)
    canvas.axes.text(56.6, middle + 0.8, "D", fontsize=9, style="italic")
    canvas.arrow(attention.right, head.left)
    canvas.arrow(pool.right, head.left)
    canvas.arrow(head.right, logits.left)


# --- processes ---


def stages(parameters: Mapping[str, Any]) -> Figure:
    """Figure 2's three stages, a column each; `parameters` is the profile as it was run."""
    training, pruning = parameters["training"], parameters["pruning"]
    size, rates = parameters["image_size"], [f"{100 * rate:g}" for rate in pruning["rates"]]
    columns = (
        (
            f"Preprocessing (3.1.2)\n{size} × {size}, in [0, 1]",
            f"{_methods(training)} copies of\n{100 * training['attacked_share']:g} % of each training batch\n"
            f"{100 * training['validation_attacked_share']:g} % of validation images\n"
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
    canvas = _sheet(26)
    tops, bottoms = [], []
    for place, (title, boxes) in enumerate(zip(TITLES, columns, strict=True)):
        x, group = 17 + 33 * place, ("backbone", "defense", "head")[place]
        canvas.axes.text(x, 24.4, title, ha="center", va="center", fontsize=9, weight="bold")
        upper, lower = (canvas.box(text, x, y, group, 24) for text, y in zip(boxes, (18, 5), strict=True))
        canvas.arrow(upper.bottom, lower.top)
        tops.append(upper)
        bottoms.append(lower)
    for before, after in zip(bottoms, tops[1:], strict=False):
        middle = (before.right[0] + after.left[0]) / 2
        canvas.line(before.right, (middle, before.y), (middle, after.y), arrow_to=after.left)
    return canvas.figure


def training_step(parameters: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]] = ()) -> Figure:
    """Figure 3: how clean and attacked images meet in one step of the optimizer, and what keeps an epoch.

    `epochs` is the `schedule` of the document: what a run of few epochs makes of the nominal values.
    """
    training = parameters["training"]
    schedule, safety = training["schedule"], training["safety"]
    canvas = _sheet(31)
    steps = "" if training["attack_methods"] == ["fgsm"] else f", {counted(training['pgd_steps'], 'step')}"
    mode, share = MODES[training["crafted_in"]], f"{100 * training['attacked_share']:g} %"
    row = (
        ("Clean batch x\naugmented (3.2.1)", 11, "data", 18),
        (f"{_methods(training)}{steps}\non the network as it is,\nin {mode}", 36, "branch", 18),
        (f"Attacked {share}: x′\n{COPIES[training['attacked_images']]}", 62, "branch", 22),
        (f"Loss\n{LOSSES[training['loss']]}", 88, "defense", 18),
    )
    clean, crafted, _, loss = boxes = [canvas.box(text, x, 22, group, width) for text, x, group, width in row]
    for left, right in pairwise(boxes):
        canvas.arrow(left.right, right.left)
    canvas.line(clean.top, (clean.x, 28.4), (loss.x, 28.4), arrow_to=loss.top)
    canvas.axes.text(49, 28.8, "the clean images themselves", ha="center", va="bottom", fontsize=7.5)
    step = canvas.box(f"Adam\nlearning rate {training['learning_rate']:g}", 88, 5, "head", 18)
    canvas.arrow(loss.bottom, step.top)
    eps = [*schedule["warmup_eps"], schedule["aggressive_eps"][1], schedule["stabilization_eps"]]
    weights = [schedule["warmup_weight"], schedule["final_weight"]]
    if epochs:
        ends = {epoch["phase"]: epoch["eps"] for epoch in epochs}  # the last of each phase
        eps = list(dict.fromkeys([epochs[0]["eps"], *ends.values()]))
        weights = [epoch["adversarial_weight"] for epoch in epochs]
    rising = " → ".join(map(eps_text, eps[:-1]))
    words = f"By phase: epsilon {rising + ', then ' if rising else ''}{eps_text(eps[-1])};\n"
    words += f"w {weights[0]:g} → {weights[-1]:g}"
    words += "\nboth less where clean validation falls" if safety["enabled"] else ""
    phases = canvas.box(words, 36, 5, "backbone", 29)
    network = canvas.box("Network\nkept: the epoch best on\nvalidation images", 64, 5, "head", 18)
    canvas.arrow(step.left, network.right)
    canvas.arrow(network.left, phases.right)
    canvas.arrow(phases.top, crafted.bottom)
    return canvas.figure


def flow(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The kinds of cells (`flow` of the document) as boxes, each in the column before what first needs it.

    What is needed through another kind as well has no line of its own. A line over several columns has a
    place in each of those between, as a box has, so that it passes through none.
    """
    needs = nx.DiGraph((name, row["kind"]) for row in rows for name in row["from"] if name != row["kind"])
    needs.add_nodes_from(row["kind"] for row in rows)
    needs = nx.transitive_reduction(needs)
    generations = [*nx.topological_generations(needs.reverse())][::-1]
    level = {kind: number for number, kinds in enumerate(generations) for kind in kinds}
    columns: list[list[Any]] = [[] for _ in generations]  # kinds, and the lines that pass
    for row in rows:
        columns[level[row["kind"]]].append(row["kind"])
    lines = sorted(needs.edges)  # of the same rows the same picture
    for line in lines:
        for between in columns[level[line[0]] + 1 : level[line[1]]]:
            between.append(line)
    height = 5.5 * max(map(len, columns), default=1) + 1
    canvas, apart = _sheet(height), 86 / max(len(columns) - 1, 1)
    number = {row["kind"]: row["cells"] for row in rows}
    points: dict[Any, list[Point]] = {line: [] for line in lines}
    boxes: dict[str, Box] = {}
    for column, members in enumerate(columns):
        for place, one in enumerate(members):
            x, y = 7 + apart * column, height - 3.25 - 5.5 * place
            if one in points:
                points[one] += [(x - 6.5, y), (x + 6.5, y)]
            else:
                boxes[one] = canvas.box(f"{one} ({number[one]})", x, y, width=13, height=4)
    for (name, kind), passed in points.items():
        line = zip(boxes[name].right, *passed, boxes[kind].left, strict=True)
        canvas.axes.plot(*line, color="black", lw=0.5, alpha=0.6)
    return canvas.figure


def _methods(training: Mapping[str, Any]) -> str:
    return ", ".join(name.upper() for name in training["attack_methods"])


# --- what draws ---


def _sheet(height: float, *, top: float | None = None) -> "Canvas":
    """What draws on a figure 100 wide, in tenths of an inch, with y up to `top`."""
    figure, top = Figure(figsize=(10, height / 10)), height if top is None else top
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 100), ylim=(top - height, top))
    axes.set_axis_off()
    return Canvas(figure, axes)


Point = tuple[float, float]


class Box(NamedTuple):
    """A box around (x, y), with the points where arrows meet it."""

    x: float
    y: float
    left: Point
    right: Point
    top: Point
    bottom: Point


def _around(x: float, y: float, width: float, height: float) -> Box:
    right, up = width / 2, height / 2
    return Box(x, y, (x - right, y), (x + right, y), (x, y + up), (x, y - up))


@dataclass(frozen=True)
class Canvas:
    """Where the diagram is drawn."""

    figure: Figure
    axes: Axes

    def block(self, title: str, module: Mapping[str, Any], x: float, y: float, group: str) -> Box:
        """A block of the model: title, output size, parameters where it has any."""
        lines = [title, module["output"], *([f"{module['parameters']:,}"] if module["parameters"] else [])]
        return self.box("\n".join(lines), x, y, group)

    def operator(self, sign: str, x: float, y: float) -> Box:
        self.axes.add_patch(Circle((x, y), 1.6, fc=COLOURS["data"], ec="black", lw=0.8))
        self.axes.text(x, y, sign, ha="center", va="center", fontsize=10)
        return _around(x, y, 3.2, 3.2)

    def arrow(self, start: Point, end: Point) -> None:
        style = {"arrowstyle": "-|>", "color": "black", "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
        self.axes.annotate("", xy=end, xytext=start, arrowprops=style)

    def line(self, *points: Point, arrow_to: Point | None = None) -> None:
        """A line along the points, with an arrow from its end where there is one."""
        self.axes.plot(*zip(*points, strict=True), color="black", lw=0.8, solid_joinstyle="miter")
        if arrow_to:
            self.arrow(points[-1], arrow_to)

    def box(
        self, text: str, x: float, y: float, group: str = "data", width: float = 12, height: float = 8.5
    ) -> Box:
        """A box around (x, y) with lines of text, in the colour of its group."""
        box = _around(x, y, width, height)
        corner = (box.left[0], box.bottom[1])
        style = "round,pad=0,rounding_size=0.8"
        patch = FancyBboxPatch(corner, width, height, boxstyle=style, fc=COLOURS[group], ec="black", lw=0.8)
        self.axes.add_patch(patch)
        self.axes.text(x, y, text, ha="center", va="center", fontsize=7.5, linespacing=1.35)
        return box
