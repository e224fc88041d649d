"""Figure 2 says what the network is; processes say the settings of the run, and lead to what needs them."""

import os
import subprocess
import sys
from itertools import pairwise

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from meddef_lib import models
from meddef_lib.models import outline
from meddef_lib.params import ModelParams
from meddef_lib.report import diagrams
from meddef_lib.results.parts import anatomy
from meddef_lib.workbook.book import workbook

BRANCHES = {
    "resnet18": set(),
    "no_afd_mfe_msf": set(),
    "no_afd_mfe": {"MSF"},
    "no_afd": {"MFE", "MSF"},
    "full": {"AFD", "MFE", "MSF"},
    "resnet18_cbam": set(),
    "resnet18_wide": set(),
}
OF_THE_PAPER = "512 × 7 × 7\n8,393,728"
LAST_STAGE = {  # of other networks
    "resnet18_cbam": "512 × 7 × 7\n8,460,552",
    "resnet18_wide": "712 × 7 × 7\n16,229,328",
}


@pytest.mark.parametrize("variant", models.VARIANTS)
def test_the_diagram_names_the_blocks_of_the_variant(variant: str) -> None:
    labels = _labels(diagrams.network(_network(variant)))
    titles = {label.partition("\n")[0] for label in labels}
    assert titles & {"AFD", "MFE", "MSF"} == BRANCHES[variant]
    assert "Images\nin [0, 1]\n3 × 224 × 224" in labels
    assert f"Layer 4\n{LAST_STAGE.get(variant, OF_THE_PAPER)}" in labels
    assert "Logits\n4" in labels
    assert ("Fusion Φ" in titles) == (not variant.startswith("resnet18"))


def test_the_diagram_shows_what_the_channel_attention_looks_at() -> None:
    usual = diagrams.network(_network("full"))
    other = diagrams.network(_network("full", attention_on="fused"))
    assert _arrow_ends(usual) != _arrow_ends(other)


def _network(variant: str, **options: str) -> dict[str, object]:
    """An entry of `anatomy` in results.json, as far as it is drawn."""
    model = models.build(variant, 4, options=ModelParams(**options))
    return {
        "attention_on": model.options.attention_on,
        "blocks": outline.blocks(model).to_dict("records"),
        "modules": anatomy.of_modules(outline.modules(model)),
    }


def _labels(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.axes[0].texts}


def _arrow_ends(figure: Figure) -> list[tuple[float, float]]:
    return [text.xyann for text in figure.axes[0].texts if hasattr(text, "xyann")]


# --- processes ---


def parameters(*overrides):
    return workbook("paper", overrides=overrides).profile.model_dump(mode="json")


def words(figure):
    return " | ".join(text.get_text() for text in figure.axes[0].texts)


def test_the_three_stages_have_the_papers_shares():
    said = words(diagrams.stages(parameters()))
    assert "35 % of each training batch\n70 % of validation images\nevery test image" in said
    assert "224 × 224" in said
    assert "0, 10, 20, 30, 40, 50, 60, 70, 80 %" in said
    assert "25 % of each" in words(diagrams.stages(parameters("training.attacked_share=0.25")))


def test_a_step_of_training_says_how_clean_and_attacked_images_meet():
    usual = words(diagrams.training_step(parameters()))
    assert "PGD, 40 steps" in usual
    assert "evaluation mode" in usual
    assert "x′ joins x" in usual
    assert "(1 − w) L(x) + w L(x′)" in usual
    assert "epsilon 0.01 → 0.02 → 0.04, then 0.03" in usual
    assert "both less where clean validation falls" in usual
    few = [("warmup", 0.015, 0.2), ("aggressive", 0.025, 0.35), *[("stabilization", 0.03, 0.5)] * 2]
    epochs = [{"phase": phase, "eps": eps, "adversarial_weight": weight} for phase, eps, weight in few]
    short = words(diagrams.training_step(parameters(), epochs))
    assert "epsilon 0.015 → 0.025, then 0.03;\nw 0.2 → 0.5" in short
    assert "epsilon 0.015;" in words(diagrams.training_step(parameters(), epochs[:1]))
    other = ["attacked_images=replace", "crafted_in=train", "loss=add", "safety.enabled=false"]
    said = words(diagrams.training_step(parameters(*(f"training.{one}" for one in other))))
    assert "takes the place" in said
    assert "training mode" in said
    assert "L(x) + w L(x′)" in said
    assert "(1 − w)" not in said
    assert "both less" not in said


def test_what_is_computed_from_something_stands_right_of_it():
    rows = [
        {"kind": "prepared", "cells": 2, "from": []},
        {"kind": "train", "cells": 10, "from": ["prepared", "train"]},
        {"kind": "attack", "cells": 40, "from": ["prepared", "train"]},
    ]
    axes = diagrams.flow(rows).axes[0]
    assert len([patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]) == 3
    assert [text.get_text() for text in axes.texts] == ["prepared (2)", "train (10)", "attack (40)"]
    assert len(axes.lines) == 2, "none to a kind itself, or that another line goes round"
    assert all(line.get_xdata()[0] < line.get_xdata()[1] for line in axes.lines)


def test_no_line_between_steps_passes_through_a_box():
    kinds = {
        "a": [],
        "b": ["a"],
        "c": ["b"],
        "d": ["a", "c"],
        "e": ["a"],
        "f": ["e"],
        "g": ["d", "f"],
        "h": ["a"],
    }
    kinds["i"] = ["h", "g"]
    rows = [{"kind": kind, "cells": 1, "from": inputs} for kind, inputs in kinds.items()]
    axes = diagrams.flow(rows).axes[0]
    boxes = [patch.get_bbox() for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    assert max(len(line.get_xdata()) for line in axes.lines) > 2, "no line goes over a column"
    for line in axes.lines:
        for (x1, y1), (x2, y2) in pairwise(line.get_xydata()):
            for share in (0.02 * step for step in range(1, 50)):
                x, y = x1 + share * (x2 - x1), y1 + share * (y2 - y1)
                assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for box in boxes)


def test_the_same_steps_are_the_same_picture_in_every_process():
    code = """
from meddef_lib.report import diagrams, inline
needs = {"a": "", "b": "a", "c": "ba", "d": "b", "e": "cda", "f": "ae", "g": "da", "h": "fb"}
rows = [{"kind": kind, "cells": 1, "from": [*inputs]} for kind, inputs in needs.items()]
print(inline.svg(diagrams.flow(rows), "Boxes."))
"""
    drawn = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(drawn) == 1
