"""Networks pruned until they give one answer are named below the table of success rates."""

import pandas as pd
import pytest

from meddef_lib.report.sections import robustness
from meddef_lib.report.view import View
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.collected import Collected


@pytest.fixture
def view(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDDEF_STORE", str(tmp_path))
    return View(Collected(workbook("mini", overrides=["pruning.rates=[0, 0.3, 0.8]"])))


def pruned(variant, rate, answers):
    return pd.DataFrame(
        {"dataset": "chest_xray", "variant": variant, "seed": 0, "rate": rate, "label": [0, 1, 1]}
    ).assign(clean_pred=answers)


def test_a_network_of_one_answer_is_named_with_its_rates(view):
    frames = [pruned("full", 0.3, [0, 1, 1]), pruned("full", 0.8, 1), pruned("resnet18", 0.8, [0, 0, 1])]
    view.found.__dict__["pruned"] = pd.concat(frames)
    said = str(robustness._one_answer(view, "chest_xray"))
    assert f"{view.title('full')} (clean training) at 80 %." in said
    assert "30" not in said
    assert view.title("resnet18") not in said


def test_where_there_is_none_nothing_is_said(view):
    view.found.__dict__["pruned"] = pruned("full", 0.8, [0, 1, 1])
    assert robustness._one_answer(view, "chest_xray") == ""
