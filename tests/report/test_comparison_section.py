"""Section 4.5 and the one on forgetting: what they say, show and leave out."""

import pytest
from markupsafe import escape

from meddef_lib.report.elements import MADE_UP, label
from meddef_lib.report.sections import comparison, forgetting
from meddef_lib.results.parts.forgetting import RULE
from meddef_lib.results.parts.names import trained

DATASET = "chest_xray"
POINT = {"attack": "pgd", "eps": 0.05, "rate_percent": 30, "reproduced": 40.0, "n": 80, "collapsed": False}
POINT |= {"ci_low": 30.0, "ci_high": 50.0}


def row(**changes):
    near = POINT | {"rate_percent": 80, "reproduced": 25.0, "nearest": True}
    quoted = {"quoted": "22.82-47.58 % ASR (PGD)", "quoted_low": 22.82, "quoted_high": 47.58}
    method = {"method": "Chen et al.", "year": 2021, "strategy": "Pruning + CBAM", "data": "X-rays"}
    names = {"dataset": DATASET, "metric": "attack_success_rate", "unit": "percent"}
    measured = {"variant": "resnet18", "mode": "clean", "status": "measured", "how": ""}
    setting = {"setting": ["Data: <here> others."], "points": [POINT | {"nearest": False}, near]}
    return {**method, **names, **quoted, **measured, **setting, **POINT, **changes}


def none(**changes):
    nothing = {"attack": "", "eps": None, "rate_percent": None, "reproduced": None, "n": 0}
    nothing |= {"ci_low": None, "ci_high": None, "points": []}
    return row(
        **{**nothing, "method": "Holste et al.", "status": "cannot_run", "how": "2 classes.", **changes}
    )


def test_a_sentence_is_made_of_what_was_measured(view_of):
    view = view_of(
        table5=[row(), row(mode="paper", reproduced=90.0, ci_low=80.0, ci_high=95.0), none()], phantom=False
    )
    said = comparison.reading(view).html
    assert "Numbers whose 95 % interval here meets what the paper quotes: 1 of 2." in said
    assert (
        "quoted 22.82-47.58 % ASR (PGD); here from 40.0 % [30.0, 50.0] for ResNet18 (clean training)" in said
    )
    assert (
        "to 90.0 % [80.0, 95.0] for ResNet18 (the paper&#39;s training), at PGD, epsilon 0.05, 30 % pruned"
        in said
    )
    assert "nothing measured here can be compared. 2 classes." in said


def test_safe_rates_on_a_coarse_grid_are_not_counted(view_of):
    grid = row(metric="safe_rate", ci_low=30.0, ci_high=80.0)
    said = comparison.reading(view_of(table5=[row(), grid], phantom=False)).html
    assert "meets what the paper quotes: 1 of 1." in said
    assert "Safe pruning rates are left out" in said


def test_numbers_of_phantoms_are_not_compared_with_quoted_ones(view_of):
    view = view_of(table5=[row(), none()], phantom=True)
    said = comparison.reading(view).html
    assert f"<p>{label(MADE_UP)} Numbers measured beside those" in said
    assert "meets" not in said


def test_a_collapsed_network_counts_nowhere(view_of):
    view = view_of(table5=[row(collapsed=True)], phantom=False)
    said = comparison.reading(view).html
    assert "quotes: 0 of 0." in said
    assert "The network gives nearly every image one answer" in said
    assert not comparison.chart(view, DATASET).html
    assert "collapsed" in comparison.table5(view).rows[0][4]


def test_the_table_has_quoted_measured_and_nearest(view_of):
    many = [none(metric="frequency_correlation", unit="share", mode=mode) for mode in ("clean", "paper")]
    table = comparison.table5(view_of(table5=[row(), *many]))
    titles = [column.title for column in table.columns]
    first, second = (dict(zip(titles, cells, strict=True)) for cells in table.rows)
    assert first["Quoted"] == "22.82-47.58 % ASR (PGD)"
    assert first["Measured"].startswith("40.0 % [30.0, 50.0]")
    assert "PGD, epsilon 0.05, 30 % pruned" in first["Measured"]
    assert "status" not in first["Measured"], "beside a quoted number it is not judged"
    assert first["n"] == "80"
    assert "PGD, epsilon 0.05, 80 % pruned" in first["Nearest"]
    assert first["Nearest"].startswith("25.0 %")
    assert second["Network"] == "every network<br>2 classes.", "one reason, one row"
    assert second["Measured"].startswith("– ")
    assert "cannot be run" in second["Measured"]
    assert len(table.frame) == 3, "what is copied has every row"


def test_the_chart_draws_quoted_ranges_and_measured_numbers_of_one_unit(view_of):
    rows = [row(), none(metric="frequency_correlation", unit="share"), row(ci_low=None, ci_high=None)]
    figure = comparison.chart(view_of(table5=rows), DATASET)
    assert figure.id == f"table5-chart-{DATASET}"
    assert figure.data["value"].tolist() == [40.0, 40.0]
    assert (figure.data["low"].tolist(), figure.data["high"].tolist()) == ([22.82] * 2, [47.58] * 2)
    assert "Chen et al.: ResNet18 (clean training)" in figure.alt


def test_what_differs_is_told_of_each_method_once(view_of):
    said = comparison.settings(view_of(table5=[row(), row(mode="paper"), none()])).html
    assert said.count("<dt>") == 2
    assert "Data: &lt;here&gt; others." in said


def test_a_network_of_torchvision_has_its_own_name(view_of):
    view = view_of(table5=[])
    assert comparison.network(view, {"variant": "resnet152", "mode": ""}) == "ResNet-152 of torchvision"
    assert comparison.network(view, {"variant": "full", "mode": "clean"}).endswith(
        "(Full DAAM, clean training)"
    )


def test_a_row_of_several_networks_says_of_which(view_of):
    missed = {"metric": "attack_success_rate", "method": "MedDef", "how": "Not met.", "variant": "full"}
    rows = [row(**missed | {"how": ""}), none(**missed), none(**missed, mode="pgd")]
    view = view_of(table5=rows)
    shown = comparison.table5(view).rows
    assert len(shown) == 2
    title = view.document["names"]["variants"]["full"]
    trainings = f"{view.training('clean')}; {view.training('pgd')}"
    assert shown[1][3] == trained(title, trainings) + "<br>Not met."
    everyone = [none(), none(variant="full")]
    assert comparison.table5(view_of(table5=everyone)).rows[0][3] == "every network<br>2 classes."
    others = [row(method="Holste et al."), *(one | {"metric": rows[0]["metric"]} for one in everyone)]
    named = comparison.table5(view_of(table5=others)).rows[1][3]
    assert named == f"ResNet18 (clean training); {trained(title, 'clean training')}<br>2 classes."


# --- forgetting -----------------------------------------------------------------------------------


def forgot(variant="full", **changes):
    rates = [
        {"rate_percent": rate, "accuracy": accuracy, "lost": 0.0, "gained": 0.0, "p_holm": p}
        | {"collapsed": False, "exemplars": changed, "exemplars_share": 1.0, "ci_low": 0.0, "ci_high": 2.0}
        for rate, accuracy, p, changed in ((0, 95.0, None, 0), (30, 94.0, 0.5, 7), (80, 50.0, 0.001, 90))
    ]
    recalls = [
        {"rate_percent": rate, "class": name, "n": 50, "recall": recall, "ci_low": 0.1, "ci_high": 1.0}
        for rate, name, recall in (
            (0, "NORMAL", 1.0),
            (80, "NORMAL", 0.2),
            (0, "PNEUMONIA", 1.0),
            (80, "PNEUMONIA", None),
        )
    ]
    correlation = {"rate_percent": 80, "classes": 2, "least_classes": 5, "reason": "2 classes, too few."}
    correlation |= dict.fromkeys(("value", "ci_low", "ci_high"))
    safe = {"safe_rate": 30.0, "ci_low": 0.0, "ci_high": 30.0, "first_loss": 80.0, "largest_rate": 80.0}
    names = {"dataset": DATASET, "variant": variant, "mode": "clean", "seeds": 1, "n": 100, "unlearned": ""}
    parts = {"rates": rates, "recalls": recalls, "correlation": correlation}
    return {**names, **safe, **parts, **changes}


def test_the_farthest_and_the_nearest_safe_rate_are_named(view_of):
    view = view_of(forgetting=[forgot(), forgot("resnet18", safe_rate=80.0, ci_high=80.0, first_loss=None)])
    said = forgetting.reading(view, DATASET).html
    assert "of the pruning rates tried (30, 80 %), no loss was detected at n = 100" in said
    assert "up to 80 % [0, 80] in ResNet18 (clean training), the farthest, and up to 30 % [0, 30] in" in said
    assert "In 1 of 2 none was detected at any rate tried" in said
    same = forgetting.reading(view_of(forgetting=[forgot(), forgot("resnet18")], phantom=False), DATASET).html
    assert "up to 30 % in each of 2 networks." in same
    assert same.startswith("<p>On Chest")
    smoke = forgetting.reading(view_of(forgetting=[forgot()], phantom=True), DATASET).html
    assert smoke.startswith(f"<p>{label(MADE_UP)} On Chest")
    nothing = forgetting.reading(view_of(forgetting=[forgot(unlearned="Not learned.")]), DATASET)
    assert "no network had learned enough to forget" in nothing.html


def test_a_class_that_is_lost_while_accuracy_holds_is_named(view_of):
    def recall(rate, name, share, low, high):
        return {"rate_percent": rate, "class": name, "n": 50, "recall": share, "ci_low": low, "ci_high": high}

    recalls = [
        recall(0, "NORMAL", 0.7, 0.6, 0.8),
        recall(0, "PNEUMONIA", 0.7, 0.6, 0.8),
        recall(30, "NORMAL", 0.2, 0.1, 0.3),
        recall(30, "PNEUMONIA", 0.6, 0.5, 0.7),
        recall(80, "PNEUMONIA", 0.0, 0.0, 0.1),
    ]
    said = forgetting.reading(view_of(forgetting=[forgot("resnet18", recalls=recalls)]), DATASET).html
    lost = "At that rate recall of a class fell all the same (intervals apart): "
    assert f"{lost}ResNet18 (clean training) NORMAL 70 → 20 %." in said
    assert "all the same" not in forgetting.reading(view_of(forgetting=[forgot()]), DATASET).html


def test_the_table_of_safe_rates_says_its_rule_and_why_there_is_no_correlation(view_of):
    table = forgetting.safe_rates(view_of(forgetting=[forgot()]), DATASET)
    shown = dict(zip(table.frame.columns, table.rows[0], strict=True))
    assert (shown["safe rate, %"], shown["answers changed there"]) == ("30.0", "7")
    assert (shown["first loss at, %"], shown["p (Holm)"]) == ("80.0", "0.001")
    assert escape(RULE) in table.note
    assert "2 classes, too few." in table.note
    assert "remark" not in shown
    lost = forgot()
    lost["rates"][-1]["collapsed"] = True
    collapsed = forgetting.safe_rates(view_of(forgetting=[lost]), DATASET)
    assert collapsed.frame["remark"].tolist() == ["collapsed there"]
    known = forgot(correlation=forgot()["correlation"] | {"value": 0.75, "classes": 9, "reason": ""})
    assert "0.75 at 80 % (9 classes)" in forgetting.safe_rates(view_of(forgetting=[known]), DATASET).note


def test_recalls_are_lines_by_class(view_of):
    figure = forgetting.recall_curves(view_of(forgetting=[forgot()]), DATASET)
    assert figure.data["line"].unique().tolist() == ["NORMAL", "PNEUMONIA"]
    assert "NORMAL: 20 %" in figure.alt


@pytest.mark.parametrize("draw", [forgetting.reading, forgetting.recall_curves, forgetting.gallery])
def test_what_is_missing_is_said(view_of, draw):
    view = view_of(forgetting=[], pictures={"exemplars": []})
    assert draw(view, DATASET).html.startswith("Not there")


def test_the_gallery_names_classes_and_networks(view_of):
    images = [
        {"row": 4, "image_id": 9, "class": "NORMAL", "networks": 3, "among": 5},
        {"row": 5, "image_id": 10, "class": "PNEUMONIA", "networks": 1, "among": 5},
    ]
    entry = {"name": f"exemplars-{DATASET}", "dataset": DATASET, "images": images}
    figure = forgetting.gallery(view_of(pictures={"exemplars": [entry]}), DATASET)
    assert "NORMAL (3), PNEUMONIA (1)" in figure.alt
    assert "in the largest number of the 5 networks" in figure.caption
