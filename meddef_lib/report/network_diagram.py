"""The network as boxes and arrows (MedDef, Figure 2), drawn from what its cell tells of its modules."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

# tints of Okabe and Ito's palette over a ground of either theme; every box also says what it is
COLOURS = {
    "data": "none",
    "backbone": "#88888833",
    "branch": "#56b4e944",
    "defense": "#e69f0044",
    "head": "#009e7344",
}


def draw(network: Mapping[str, Any]) -> Figure:
    """An entry of `networks`: each block with the size of its output and its parameters.

    Only what the variant has is drawn.
    """
    modules = network["modules"]
    rows = 54 if "defense" in modules else 24
    figure = Figure(figsize=(10, rows / 10))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 100), ylim=(54 - rows, 54))
    axes.set_axis_off()
    canvas = Canvas(axes, modules)
    images = canvas.note("Images\nin [0, 1]\n" + modules["normalise"]["output"], 7, 48)
    trunk = [
        images,
        canvas.block("Normalise", "normalise", 21, 48, "backbone"),
        canvas.block("Conv 7 × 7, pool", "stem", 35, 48, "backbone"),
        *(
            canvas.block(f"Layer {stage}", f"backbone.layer{stage}", 35 + 14 * stage, 48, "backbone")
            for stage in (1, 2, 3, 4)
        ),
    ]
    for left, right in pairwise(trunk):
        canvas.arrow(left.right, right.left)
    if "defense" in modules:
        _draw_defense(canvas, trunk[-1], network)
    else:
        head = canvas.block("Average, linear", "head", 91, 36, "head")
        logits = canvas.note("Logits\n" + modules["head"]["output"], 75, 36)
        canvas.arrow(trunk[-1].bottom, head.top)
        canvas.arrow(head.left, logits.right)
    return figure


def _draw_defense(canvas: "Canvas", backbone: "Box", network: Mapping[str, Any]) -> None:
    """The lower part of the picture: branches, fusion and gate (eq. 6), attention and head."""
    branches = [block for block in network["blocks"] if block["group"] == "branch"]
    middle = 21
    split = (4.0, 39.0)  # where x, the backbone's map, comes down again on the left
    canvas.line(backbone.bottom, (backbone.x, split[1]), split)
    canvas.axes.text(50, split[1] + 0.8, "x", fontsize=9, style="italic")

    fusion = canvas.block("Fusion Φ", "defense.fusion", 36, middle, "defense")
    heights = [middle + 11 * (place - (len(branches) - 1) / 2) for place in reversed(range(len(branches)))]
    for block, height in zip(branches, heights, strict=True):
        branch = canvas.block(block["block"], block["module"], 17, height, "branch")
        canvas.arrow((split[0], height), branch.left)
        canvas.arrow(branch.right, fusion.left)
    if not branches:
        canvas.arrow((split[0], middle), fusion.left)

    gate = canvas.block("Channel attention Ω", "defense.attention", 36, 5, "defense")
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

    attention = canvas.block("Self-attention A", "attention", 69, 27, "head")
    pool = canvas.note("Average over\npositions", 69, 13)
    head = canvas.block("Head", "head", 84, middle, "head")
    logits = canvas.note("Logits\n" + canvas.modules["head"]["output"], 96, middle, width=7)
    canvas.line(plus.right, (59, middle), (59, attention.y), arrow_to=attention.left)
    canvas.line((59, middle), (59, pool.y), arrow_to=pool.left)
    canvas.axes.text(56.6, middle + 0.8, "D", fontsize=9, style="italic")
    canvas.arrow(attention.right, head.left)
    canvas.arrow(pool.right, head.left)
    canvas.arrow(head.right, logits.left)


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
    """Where the diagram is drawn, and the output and parameters of every module."""

    axes: Axes
    modules: Mapping[str, Mapping[str, Any]]

    def block(self, title: str, module: str, x: float, y: float, group: str) -> Box:
        """A block of the model: title, output size, parameters where it has any."""
        output, parameters = (self.modules[module][name] for name in ("output", "parameters"))
        lines = [title, output, *([f"{parameters:,}"] if parameters else [])]
        return self.box("\n".join(lines), x, y, COLOURS[group], width=12)

    def note(self, text: str, x: float, y: float, width: float = 12) -> Box:
        """A box that is no block of the model."""
        return self.box(text, x, y, COLOURS["data"], width=width)

    def operator(self, sign: str, x: float, y: float) -> Box:
        """A circle with a sign."""
        self.axes.add_patch(Circle((x, y), 1.6, fc=COLOURS["data"], ec="black", lw=0.8))
        self.axes.text(x, y, sign, ha="center", va="center", fontsize=10)
        return _around(x, y, 3.2, 3.2)

    def arrow(self, start: Point, end: Point) -> None:
        """A straight arrow."""
        style = {"arrowstyle": "-|>", "color": "black", "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
        self.axes.annotate("", xy=end, xytext=start, arrowprops=style)

    def line(self, *points: Point, arrow_to: Point | None = None) -> None:
        """A line along the points, with an arrow from its end where there is one."""
        self.axes.plot(*zip(*points, strict=True), color="black", lw=0.8, solid_joinstyle="miter")
        if arrow_to:
            self.arrow(points[-1], arrow_to)

    def box(self, text: str, x: float, y: float, colour: str, width: float, height: float = 8.5) -> Box:
        """A box around (x, y) with lines of text."""
        box = _around(x, y, width, height)
        corner = (box.left[0], box.bottom[1])
        style = "round,pad=0,rounding_size=0.8"
        patch = FancyBboxPatch(corner, width, height, boxstyle=style, fc=colour, ec="black", lw=0.8)
        self.axes.add_patch(patch)
        self.axes.text(x, y, text, ha="center", va="center", fontsize=7.5, linespacing=1.35)
        return box
