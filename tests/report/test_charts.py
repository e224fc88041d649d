"""What a figure must not do to its numbers."""

import re
from html import unescape

import pandas as pd
import pytest

from meddef_lib.report import charts, inline


@pytest.mark.parametrize("epochs", [1, 3, 100])
def test_an_axis_of_epochs_has_whole_numbers(epochs):
    history = pd.DataFrame({"epoch": range(1, epochs + 1), "model": "full", "phase": "warmup"})
    history = history.assign(train_loss=0.5, eps=0.01, adversarial_weight=0.2)
    drawings = [
        charts.over_epochs(history, {"eps": "epsilon", "adversarial_weight": "weight"}, "phase"),
        charts.over_epochs(history, {"train_loss": "training loss"}, "model"),
    ]
    ticks = [
        tick for drawing in drawings for axis in drawing.axes for tick in axis.get_xticks() if axis.axison
    ]
    assert ticks
    assert all(float(tick).is_integer() for tick in ticks)


@pytest.mark.parametrize(
    ("removed", "scope", "text"),
    [
        (0, "global", None),
        (3, "global", "cut at |w| = 4\n30 % of the weights removed"),
        (3, "layer", "global cut at |w| = 4, not applied:\n30 % of each layer removed"),
    ],
)
def test_figure_4_shows_the_cut(removed, scope, text):
    weights = {
        "share": [rank / 10 for rank in range(10)],
        "magnitude": list(range(1, 11)),
        "removed": [rank < removed for rank in range(10)],
    }
    network = {"magnitudes": weights, "scope": scope, "cut": float(removed + 1), "cut_share": removed / 10}
    axes = charts.magnitudes(network).axes[0]
    assert [note.get_text() for note in axes.texts] == ([text] if text else [])
    assert "%" in axes.get_xlabel()


def test_histograms_have_a_line_a_class():
    bars = {"NORMAL": [40.0, 60.0], "PNEUMONIA": [100.0, 0.0]}
    row = {"edges": [0.0, 0.5, 1.0], "percent": bars}
    drawing = charts.histograms([row | {"quantity": name} for name in charts.QUANTITIES])
    assert [axis.get_xlabel() for axis in drawing.axes] == list(charts.QUANTITIES.values())
    for axis in drawing.axes:
        assert [list(step.get_data().values) for step in axis.patches] == list(bars.values())


@pytest.mark.parametrize("balanced", [True, False])
def test_curves_cross_out_collapsed_networks_and_show_balanced_accuracies(balanced):
    rows = {"attack": "PGD", "variant": "full", "eps": [0.01, 0.05], "paper": float("nan")}
    numbers = {"ours": [80.0, 73.0], "ci_low": [75.0, 68.0], "ci_high": [85.0, 78.0]}
    beside = {"balanced_accuracy": [70.0, 50.0], "collapsed": [False, True]}
    drawing = charts.curves(
        pd.DataFrame(rows | numbers | beside),
        x="eps",
        x_label="x",
        y_label="y",
        logarithmic=False,
        balanced=balanced,
    )
    (crossed,) = (line for line in drawing.axes[0].lines if line.get_marker() == "x")
    assert list(crossed.get_ydata()) == [73]
    dotted = [line for line in drawing.axes[0].lines if line.get_linestyle() == ":"]
    assert [list(line.get_ydata()) for line in dotted] == ([[70, 50]] if balanced else [])


def test_no_line_leads_over_a_rate_that_another_attack_was_tried_at():
    rows = [
        {"attack": attack, "variant": "full", "rate_percent": rate, "ours": ours, "paper": 50.0}
        for attack, numbers in (
            ("PGD", {0: 10.0, 30: 20.0, 60: float("nan"), 80: 30.0}),  # nothing was tried at 60
            ("worst case", {0: 40.0, 30: float("nan"), 60: float("nan"), 80: 60.0}),
        )
        for rate, ours in numbers.items()
    ]
    frame = pd.DataFrame(rows).assign(ci_low=float("nan"), ci_high=float("nan"), balanced_accuracy=50.0)
    drawing = charts.curves(
        frame.assign(collapsed=False),
        x="rate_percent",
        x_label="x",
        y_label="y",
        logarithmic=False,
        balanced=False,
    )
    for axis, expected in zip(drawing.axes, ([10, 20, 30], [40, None, 60]), strict=True):
        (line,) = (one for one in axis.lines if one.get_linestyle() == "-" and len(one.get_xdata()) == 3)
        assert [None if pd.isna(y) else y for y in line.get_ydata()] == expected


@pytest.mark.parametrize("panels", [1, 2, 3])
def test_every_line_of_a_legend_has_its_sign_however_long_its_words(panels):
    names = [f"MedDef without its part number {number} (the paper's training)" for number in range(8)]
    rows = [
        {"panel": f"{panel}", "line": name, "x": x, "y": x}
        for panel in range(panels)
        for name in names
        for x in (1, 2)
    ]
    drawn = inline.svg(charts.panels_of_lines(pd.DataFrame(rows), "epsilon"), "Lines that rise.")
    legend = re.findall("<svg .*?</svg>", drawn[drawn.index("<p>") :])
    for name, line in zip(names, legend, strict=True):
        assert name in unescape(line)
        assert "<use" in line, name
