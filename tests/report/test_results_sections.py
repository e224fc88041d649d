"""The sections of results say what their numbers are, and render numbers that the paper does not print."""

import pandas as pd
import pytest

from meddef_lib.paper import published
from meddef_lib.report import comparing, sweeps
from meddef_lib.report.sections import claims, confusion, epsilon_sweep, pruning_sweep
from meddef_lib.results import verdicts
from meddef_lib.results.outcomes import Outcome
from meddef_lib.results.parts.names import trained

PAPER = published.read()


# --- class metrics --------------------------------------------------------------------------------


def classified(dataset, names):
    share = {"precision": 0.9, "recall": 0.9, "f1": 0.9}
    return {
        "dataset": dataset,
        "variant": "full",
        "matrix": [[9, 1], [1, 9]],
        "row_shares": [[0.9, 0.1], [0.1, 0.9]],
        "accuracy": 0.9,
        "balanced_accuracy": 0.9,
        "classes": [{"class": name, **share} for name in names],
    }


@pytest.mark.parametrize(
    ("per_seed", "said"),
    [((0.9,), "Intervals: Wilson for"), ((0.9, 0.8, 0.9), "Intervals: Student's t over 3 seeds")],
)
def test_the_note_on_intervals_is_of_the_seeds_that_are_there(per_seed, said, view_of):
    f1 = PAPER.values["per_class/chest_xray/NORMAL/f1"].address
    view = view_of(
        "smoke",
        classification=[classified("chest_xray", ["NORMAL", "PNEUMONIA"])],
        values=verdicts.rows(PAPER, {f1: Outcome(per_seed=per_seed)}),
    )
    assert confusion.per_class_table(view, "chest_xray").note.startswith(said)


def test_each_bin_of_confidence_says_on_how_many_images_its_accuracy_rests(view_of):
    row = {"dataset": "chest_xray", "variant": "full", "images": 12, "error": 0.1}
    row |= {"by_chance": 0.05, "ci_low": 0.02, "ci_high": 0.2}
    few = {"low": 0.6, "high": 0.8, "confidence": 0.7, "accuracy": 0.5, "images": 2}
    many = {"low": 0.8, "high": 1.0, "confidence": 0.95, "accuracy": 1.0, "images": 10}
    bins = [few | {"ci_low": 0.09, "ci_high": 0.91}, many | {"ci_low": 0.72, "ci_high": 1.0}]
    shown = confusion.calibration_figure(view_of(calibration=[row | {"bins": bins}]), "chest_xray")
    for said in ("sure of 60 to 80\u00a0%, n = 2", "sure of 80 to 100\u00a0%, n = 10", "mean confidence"):
        assert said in shown.picture
    assert list(shown.data["ci_high"]) == [0.91, 1.0]
    assert "10.0 points [2.0, 20.0], by chance 5.0, apart in 0 of 2 bins (0 of 12 images)" in shown.note
    sure = [bins[0], bins[1] | {"confidence": 0.6}]
    apart = confusion.calibration_figure(view_of(calibration=[row | {"bins": sure}]), "chest_xray")
    assert "apart in 1 of 2 bins (10 of 12 images)" in apart.note, "a bin of few images is within its noise"


# --- how many numbers a table prints --------------------------------------------------------------


def test_a_number_that_two_rows_show_is_counted_once(view_of):
    """The networks of a clean and of the paper's training have one printed count of parameters."""
    view = view_of("mini")
    (table,) = view.entries("tables", dataset="chest_xray", quantity="accuracy")
    ids = [id for row in table["rows"] for id in row["ids"].values()]
    assert len(set(ids)) < len(ids)
    printed = set(ids) & set(view.values)
    assert f"All {len(printed)} numbers" in sweeps.agreement("accuracy")(view, "chest_xray").html


# --- data sets, attacks and variants that the paper does not print -------------------------------


@pytest.fixture
def unprinted(view_of):
    """A view of one data set that the paper does not know."""
    names = {
        "variants": {"full": "MedDef", "mine": "mine"},
        "attacks": {
            "pgd": {"title": "PGD", "has_eps": True, "approximated": ""},
            "jsma": {"title": "JSMA", "has_eps": False, "approximated": "10 images"},
        },
        "trainings": {"clean": "clean training"},
        "datasets": {"skin": {"title": "Skin", "classes": ["a", "b"]}},
    }
    ours = {"reproduced": 81.25, "ci_low": 70.0, "ci_high": 90.0, "n": 16, "zero_gradients": 0}
    row = {"position": 0.05, "variant": "mine", "ids": {}, "ours": {"clean": ours, "pgd": dict(ours)}}
    table = {
        "id": "accuracy-skin",
        "dataset": "skin",
        "quantity": "accuracy",
        "name": "",
        "title": "",
        "axis": "eps",
        "columns": ["parameters", "clean", "pgd", "jsma"],
        "rows": [row],
    }
    return view_of(names=names, models=[], tables=[table], classification=[classified("skin", ["a", "b"])])


def test_a_table_without_printed_numbers_shows_ours_alone(unprinted):
    table = sweeps.table(unprinted, "skin", "accuracy", "accuracy, %")
    assert table.caption == "Not in the paper: Skin (accuracy, %)"
    assert [column.title for column in table.columns] == [
        *("Epsilon", "Model", "Parameters (M)", "Clean", "PGD", "JSMA")
    ]
    ((*_, parameters, clean, _pgd, jsma),) = table.rows
    assert clean == (
        '<span class="pair"><span class="ours">81.25</span> '
        '<span class="more">[70.00, 90.00] · n 16</span></span>'
    )
    assert (parameters, jsma) == ("–", "–")
    assert "JSMA has no epsilon" in table.note
    assert "JSMA is approximated here: 10 images." in table.note
    assert list(table.frame["ours"]) == [81.25, 81.25]
    assert table.frame["paper"].isna().all()


def test_images_without_a_gradient_are_said_beside_the_number(unprinted):
    assert "Gradient 0" not in sweeps.table(unprinted, "skin", "accuracy", "accuracy, %").note
    unprinted.document["tables"][0]["rows"][0]["ours"]["pgd"] |= {"n": 16, "zero_gradients": 7}
    table = sweeps.table(unprinted, "skin", "accuracy", "accuracy, %")
    ((*_, clean, pgd, _jsma),) = table.rows
    assert "gradient 0: 7 of 16" in pgd
    assert "gradient" not in clean
    assert "could not take a step" in table.note


def test_images_without_a_gradient_are_said_in_every_table_of_printed_numbers(view_of):
    value = next(one for one in PAPER.values.values() if one.id == "table2/full/eps=0.05/pgd")
    row = verdicts.row(value, Outcome(per_seed=(100.0,), n=20, zero_gradients=20))
    view = view_of("smoke", values=[row], tolerance_rule="")
    assert "gradient 0: 20 of 20" in claims.values_table(view).rows[0][3]
    assert "gradient 0: 20 of 20" in comparing.compared(row)[1]
    assert "gradient 0: 20 of 20" in comparing.comparison(row)


def test_a_success_rate_over_no_image_is_a_dash_that_says_why(unprinted):
    absent = dict.fromkeys(("reproduced", "ci_low", "ci_high"))
    unprinted.document["tables"][0]["rows"][0]["ours"]["pgd"] |= {**absent, "n": 0}
    ((*_, pgd, _jsma),) = sweeps.table(unprinted, "skin", "accuracy", "accuracy, %").rows
    assert ">–<" in pgd
    assert "No image was right before the attack" in pgd


def test_classes_that_the_paper_does_not_print_are_shown_without_it(unprinted):
    per_class = confusion.per_class_table(unprinted, "skin")
    assert list(per_class.frame["ours"]) == [0.9] * 6
    shares = confusion.confusion_table(unprinted, "skin")
    assert [row[0] for row in shares.rows] == ["a", "b"]
    assert '<span class="ours">0.1000</span>' in shares.rows[0][2]


# --- pruning --------------------------------------------------------------------------------------


def network(variant, rate, collapsed):
    model = f"chest_xray/{variant}/clean/seed=0"
    return {"dataset": "chest_xray", "model": model, "rate_percent": rate, "collapsed": collapsed}


def test_a_collapsed_network_is_named_with_its_rates(view_of):
    networks = [network("full", 30, False), network("full", 80, True), network("resnet18", 80, False)]
    view = view_of("mini", networks=networks)
    said = str(pruning_sweep.collapsed(view, "chest_xray"))
    assert f"{trained(view.title('full'), 'clean training')} at 80 %." in said
    assert "30" not in said
    assert view.title("resnet18") not in said


def test_where_there_is_none_nothing_is_said(view_of):
    view = view_of("mini", networks=[network("full", 80, False)])
    assert pruning_sweep.collapsed(view, "chest_xray") == ""


def test_the_rate_of_which_most_can_be_read_is_shown_first():
    faint = [(f"{rate} % pruned", mark, faint) for rate, mark, faint in SHOWN]
    frame = pd.DataFrame(faint, columns=["state", "mark", "faint"])
    assert sweeps.most_read(frame) == "30 % pruned"
    assert sweeps.most_read(frame.assign(faint=True)) == ""


SHOWN = [(30, "ours", False), (30, "ours", False), *[(80, "ours", True)] * 4, (80, "worst case", False)]


def curve_row(attack, rate, variant="full", quantity="attack_success_rate", eps=0.05, collapsed=True):
    place = {"attack": attack, "variant": variant, "eps": eps, "rate_percent": rate}
    return {"dataset": "chest_xray", "quantity": quantity, **place, "collapsed": collapsed}


def test_one_answer_under_attack_alone_is_no_collapse(view_of):
    curves = [
        curve_row("", 80, quantity="accuracy", eps=None),
        curve_row("pgd", 80),
        curve_row("fgsm", 70),
        curve_row("fgsm", 60, collapsed=False),
        curve_row("bim", None, "resnet18", "accuracy"),
    ]
    view = view_of("mini", curves=curves)
    of_rates = str(sweeps.under_attack_alone(view, "chest_xray", "attack_success_rate"))
    assert of_rates == f" One answer under attack alone: {view.title('full')}, FGSM at 70 % pruned."
    of_eps = str(sweeps.under_attack_alone(view, "chest_xray", "accuracy"))
    assert of_eps == f" One answer under attack alone: {view.title('resnet18')}, BIM at epsilon 0.05."
    assert sweeps.under_attack_alone(view_of("mini", curves=curves[:2]), "chest_xray", "accuracy") == ""


def test_the_ends_of_a_curve_are_said(view_of):
    frame = pd.DataFrame(
        {"attack": "pgd", "variant": "full", "eps": [0.1, 0.01], "ours": [20.0, float("nan")]}
    )
    frame = pd.concat([frame, frame.assign(eps=0.05, ours=50.0)[:1]])
    said = "PGD, full model: 50.0 % at epsilon 0.05, 20.0 % at epsilon 0.10."
    assert sweeps.ends(view_of(), frame, "eps") == said


# --- every number ---------------------------------------------------------------------------------


def test_a_tolerance_is_shown_with_all_its_digits(view_of):
    view = view_of("smoke", values=verdicts.rows(PAPER, {}))
    table = claims.values_table(view)
    place = [column.title for column in table.columns].index("Tolerance")
    shown = {id: row[place].replace(",", "") for id, row in zip(view.values, table.rows, strict=True)}
    assert shown["table1/full/parameters"] == "0.005", "and not 0.01, to the digits of the number itself"
    assert shown["per_class/roct/CNV/precision"] == "0.0332"
    assert shown["data/roct/test"] == "0"
    for id, value in PAPER.values.items():
        assert shown[id] == "–" if value.tolerance is None else float(shown[id]) == value.tolerance, id


# --- the worst case -------------------------------------------------------------------------------


def worst(variant="full", eps=0.05, rate=0, gap=21.875, **changes):
    measured = {"n": 64, "accuracy": 12.5, "ci_low": 6.5, "ci_high": 22.8, "misclassified": 3}
    by_gap = {"pgd": 34.375, "gap": gap, "gap_low": 10.5, "gap_high": 32.5}
    fallen = {"pgd": 40, "apgd_ce": 9, "apgd_targeted": 3, "square": 1}
    return {
        **{"dataset": "chest_xray", "variant": variant, "mode": "clean", "seed": 0, "eps": eps},
        **{"rate_percent": rate, **measured, **by_gap, "fallen": fallen, **changes},
    }


def test_a_sentence_reads_the_gap_between_the_worst_case_and_pgd(view_of):
    rows = [
        worst(),
        worst("resnet18", eps=0.01, gap=3.0),
        worst(mode="trades", gap=90.0),
        worst(rate=30, gap=99.0),
    ]
    said = epsilon_sweep.worst_case_gap(view_of(worst_case=rows), "chest_xray").html.unescape()
    assert "only if all of PGD, APGD-CE, APGD-T, Square fail" in said
    assert "with two classes, as here, APGD-T is APGD-DLR" in said
    assert "(Full DAAM) at epsilon 0.05: 12.5 % in the worst case, 34.4 % under this run's PGD" in said
    assert "on the same 64 images, a gap of 21.9 points [10.5, 32.5]" in said
    alone = epsilon_sweep.worst_case_gap(view_of(worst_case=[worst(n=1)]), "chest_xray").html
    assert "on the same 1 image, a gap" in alone
    assert "largest" not in said, "neither another way of training nor a pruned network has a word here"


def test_an_accuracy_that_rises_with_epsilon_is_said(view_of):
    def curve(attack, *accuracies):
        for eps, ours in zip((0.05, 0.01, 0.1), accuracies, strict=True):
            ends = {"ci_low": ours - 5.0, "ci_high": ours + 5.0, "ours": ours}
            yield curve_row(attack, None, quantity="accuracy", eps=eps, collapsed=False) | ends

    def said(*rows):
        return epsilon_sweep.rises(view_of("mini", curves=list(rows), phantom=False), "chest_xray").html

    assert said(*curve("pgd", 20.0, 40.0, 20.0)) == ""
    falls, without_eps = curve("pgd", 20.0, 40.0, 0.0), curve("jsma", 1.0, 0.0, 2.0)
    rising = said(*falls, *curve("fgsm", 24.0, 20.0, 60.0), *without_eps)
    assert "accuracy rises in 2 of 4 steps, in 1 with intervals apart; most under FGSM on" in rising
    assert "(Full DAAM): 24.0 % at 0.05, 60.0 % at 0.10." in rising


def test_a_larger_gap_elsewhere_is_named(view_of):
    rows = [worst(), worst("resnet18", eps=8 / 255, gap=40.0)]
    said = epsilon_sweep.worst_case_gap(view_of(worst_case=rows), "chest_xray").html
    assert "The largest gap: ResNet18 at epsilon 0.0314" in said
    alone = view_of(worst_case=[worst(gap=None, pgd=None, gap_low=None, gap_high=None)])
    assert "PGD was not measured" in epsilon_sweep.worst_case_gap(alone, "chest_xray").html


def test_the_table_of_the_worst_case_counts_what_took_the_images(view_of):
    view = view_of(worst_case=[worst(), worst(rate=30)])
    table = epsilon_sweep.worst_case_table(view, "chest_xray")
    row = dict(zip([column.title for column in table.columns], table.rows[1], strict=True))
    counted = {"Fell to PGD": "40", "Fell to APGD-CE": "9", "Fell to APGD-T": "3", "Fell to Square": "1"}
    assert row.items() >= counted.items()
    assert (row["Pruned, %"], row["n"], row["Gap"], row["Wrong before"]) == ("30", "64", "21.9", "3")
    missing = epsilon_sweep.worst_case_table(view_of(worst_case=[]), "chest_xray")
    assert "the worst case on Chest X-ray" in missing.html
