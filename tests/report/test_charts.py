"""What a figure must not do to its numbers."""

import pandas as pd
import pytest

from meddef_lib.report import charts


@pytest.mark.parametrize("epochs", [1, 3, 100])
def test_an_axis_of_epochs_has_whole_numbers(epochs):
    history = pd.DataFrame({"epoch": range(1, epochs + 1), "model": "full", "phase": "warmup"})
    history = history.assign(train_loss=0.5, eps=0.01, adversarial_weight=0.2)
    drawings = [
        charts.schedule(history),
        charts.training_curves(history, {"train_loss": "training loss"}, {"full": "full"}),
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
    network = {"magnitudes": weights, "scope": scope, "cut": float(removed + 1)}
    axes = charts.magnitudes(network).axes[0]
    assert [note.get_text() for note in axes.texts] == ([text] if text else [])
    assert "%" in axes.get_xlabel()
