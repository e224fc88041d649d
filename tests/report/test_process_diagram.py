"""Drawings of processes say the settings of the run, and lead from what is needed to what needs it."""

from matplotlib.patches import FancyBboxPatch

from meddef_lib.report import process_diagram
from meddef_lib.workbook.book import workbook


def parameters(*overrides):
    return workbook("paper", overrides=overrides).profile.model_dump(mode="json")


def words(figure):
    return " | ".join(text.get_text() for text in figure.axes[0].texts)


def test_the_three_stages_have_the_papers_shares():
    said = words(process_diagram.stages(parameters()))
    assert "35 % of each training batch\n70 % of validation images\nevery test image" in said
    assert "224 × 224" in said
    assert "0, 10, 20, 30, 40, 50, 60, 70, 80 %" in said
    assert "25 % of each" in words(process_diagram.stages(parameters("training.attacked_share=0.25")))


def test_a_step_of_training_says_how_clean_and_attacked_images_meet():
    usual = words(process_diagram.training_step(parameters()))
    assert "PGD, 40 steps" in usual
    assert "evaluation mode" in usual
    assert "x′ joins x" in usual
    assert "(1 − w) L(x) + w L(x′)" in usual
    assert "ε 0.01 → 0.02 → 0.04, then 0.03" in usual
    assert "both less where clean validation falls" in usual
    other = ["attacked_images=replace", "crafted_in=train", "loss=add", "safety.enabled=false"]
    said = words(process_diagram.training_step(parameters(*(f"training.{one}" for one in other))))
    assert "takes the place" in said
    assert "training mode" in said
    assert "L(x) + w L(x′)" in said
    assert "(1 − w)" not in said
    assert "both less" not in said


def test_what_is_computed_from_something_stands_right_of_it():
    rows = [
        {"kind": "prepared", "cells": 2, "level": 0, "from": []},
        {"kind": "train", "cells": 10, "level": 1, "from": ["prepared", "train"]},
        {"kind": "attack", "cells": 40, "level": 2, "from": ["prepared", "train"]},
    ]
    axes = process_diagram.flow(rows).axes[0]
    assert len([patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]) == 3
    assert [text.get_text() for text in axes.texts] == ["prepared (2)", "train (10)", "attack (40)"]
    assert len(axes.lines) == 2, "none to a kind itself, or that another line goes round"
    assert all(line.get_xdata()[0] < line.get_xdata()[1] for line in axes.lines)
