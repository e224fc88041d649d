"""Every check of a paper against itself, on a made-up paper whose mistakes are known."""

import re
from itertools import product
from pathlib import Path

import pytest

from meddef_lib.paper import published
from meddef_lib.paper.audit import (
    CHECKS,
    audit,
    counts,
    granularity,
    matrices,
    orders,
    quotes,
    stated,
    success_rates,
    unpruned,
)
from meddef_lib.paper.audit.finding import GRADES
from meddef_lib.paper.datasets import Archive, ClassMetrics

ANOTHER = Path(__file__).parent / "another_paper"


@pytest.fixture(scope="module")
def paper():
    return published.read(ANOTHER)


def changed(part, **what):
    """A part of a paper with other values, without what it remembers of its own."""
    fields = type(part).model_fields
    return type(part).model_validate(
        {(fields[name].alias or name): getattr(part, name) for name in fields} | what
    )


def grades(check, paper):
    return {finding.id: finding.grade for finding in check(paper)}


def only(check, paper, id):
    (found,) = (finding for finding in check(paper) if finding.id == id)
    return found


# --- granularity ----------------------------------------------------------------------------------


def test_percentages_that_are_no_share_of_the_test_set(paper):
    found = only(granularity.percentages_of_stated_size, paper, "granularity/table1")
    assert (found.grade, found.printed) == ("impossible", "80.33")
    assert "1 of 18 percentages" in found.text
    assert "plain 0 of 9, gadget 1 of 9" in found.text


def test_the_size_that_a_model_fits(paper):
    assert grades(granularity.one_size_for_a_model, paper)["model_size/table1/plain"] == "consistent"


def table_of(paper, *, n, decimals=1, runs=None, **columns):
    """A table of one model with a column an attack, instead of the tables of a paper."""
    names = ("step", "walk")[: len(columns)]
    table = changed(
        paper.tables["table1"],
        axis=None,
        columns=("variant", *columns),
        rows=(("plain", *columns.values()),),
        repeated=(),
        n=n,
        decimals=decimals,
        runs=runs,
    )
    assert len(names) == len(columns)
    return changed(
        paper, tables={"table1": table}, quotes=(), promises=(), tolerances={"rule": ""}, attacks={}
    )


def test_what_means_over_unsaid_runs_could_give_contradicts_nothing(paper):
    few = table_of(paper, n=500, step=33.3, walk=33.4)
    assert grades(granularity.one_size_for_a_model, few) == {"model_size/table1/plain": "ambiguous"}
    assert grades(granularity.percentages_of_stated_size, few) == {"granularity/table1": "ambiguous"}
    assert grades(granularity.size_of_a_table, few) == {}, "half of any percentages fit 500"
    thirds = table_of(paper, n=500, decimals=2, step=26.67, walk=33.33)
    assert grades(granularity.size_of_a_table, thirds) == {"table_size/table1": "ambiguous"}
    found = only(granularity.one_size_for_a_model, few, "model_size/table1/plain")
    assert "all can be means of 2 runs on 500 images, as 100 % of any percentages can" in found.text


def test_stated_runs_are_all_that_is_read(paper):
    three = table_of(paper, n=500, runs=3, step=33.3)
    assert grades(granularity.percentages_of_stated_size, three) == {"granularity/table1": "consistent"}
    one = table_of(paper, n=500, runs=1, step=33.3)
    assert grades(granularity.percentages_of_stated_size, one) == {"granularity/table1": "impossible"}
    assert (
        "Read otherwise" not in only(granularity.percentages_of_stated_size, one, "granularity/table1").text
    )


def test_where_any_percentage_fits_the_finding_says_so(paper):
    large = table_of(paper, n=10_000, step=33.3)
    found = only(granularity.percentages_of_stated_size, large, "granularity/table1")
    assert found.grade == "consistent"
    assert "of percentages drawn at random 0 % could not" in found.text


def test_differences_of_few_images(paper):
    assert "19 images" not in only(granularity.differences_of_few_images, paper, "few_images/table1").text
    assert grades(granularity.differences_of_few_images, paper) == {"few_images/table1": "consistent"}


def test_a_stated_size_is_preferred_where_others_fit_as_well():
    found = only(granularity.size_of_a_table, published.read(), "table_size/table1")
    assert "clean 968 (5 of 5)" in found.text
    assert "54 of 65 (as many as 1,936)" in found.text


def test_another_size_has_one_grade_wherever_it_is_met():
    found = [finding for finding in audit() if "1,114" in finding.text and "majority" not in finding.id]
    found = [
        finding
        for finding in found
        if finding.check not in ("implied_clean_accuracy", "differences_of_few_images")
    ]
    assert len(found) > 10
    unlike = {finding.id: finding.grade for finding in found if finding.grade != "contradiction"}
    assert set(unlike) == {"quoted_figures/lowest_rates"}, "24 of 968 and 30 of 879 fit either size"


def test_other_readings_stand_beside_another_size():
    text = only(granularity.percentages_of_stated_size, published.read(), "granularity/table2").text
    assert "as shares of 1,114 images, 58 of 65 (11 % at random)" in text
    assert "means over batches of 32 (27 full, one of 15), 61 of 65 (97 % at random)" in text


# --- success rates --------------------------------------------------------------------------------


def test_denominators(paper):
    found = only(success_rates.common_denominators, paper, "denominator/table2/gadget")
    assert found.grade == "ambiguous", "of few rows it cannot be told whether they are of one run"
    assert grades(success_rates.common_denominators, paper)["denominator/table2/plain"] == "consistent"
    own = grades(success_rates.common_denominators, published.read())
    assert own["denominator/table3/no_afd_mfe_msf"] == "impossible", "14 of 15 rows have a denominator"


def test_bounds_of_an_unpruned_success_rate():
    assert unpruned.unpruned_bounds(80, 40) == (50, 75)
    assert unpruned.unpruned_bounds(80, 90) == (0, 12.5)


def test_rates_are_read_against_either_size_of_the_test_set(paper):
    row = success_rates.RateRow("gadget", 30, {"step": 33.33}, within=[150], beyond=[300, 900])
    assert success_rates.largest_denominators(row, [200, 400]) == {200: 150, 400: 300}
    assert success_rates.largest_denominators(row._replace(within=[]), [200, 400]) == {400: 300}
    chest = only(
        success_rates.implied_clean_accuracy, published.read(), "implied_accuracy/table4/no_afd_mfe_msf"
    )
    assert chest.grade == "ambiguous", "94.9 % of 879 images is near 97.94 %, 74.9 % of 1,114 is not"
    assert "1,091 of 1,114 images (97.9 %)" in chest.text


def test_pruned_against_unpruned_counts_the_cells_of_a_table(paper):
    # plain under step: 90 to 70, so 22 to 33 % were flipped unpruned, and 50 after pruning; others are within
    found = only(unpruned.pruned_against_unpruned, paper, "against_unpruned/table2")
    assert found.implied == "higher than unpruned in 1 of 4 cells, lower in 0"
    assert "plain 1 of 2, gadget 0 of 2" in found.text


def test_the_epsilon_that_success_rates_go_with(paper):
    # at 0.01 plain allows step 22 to 33 % (50 is printed) and walk 33 to 44 % (33.33 is printed)
    found = only(unpruned.epsilon_of_success_rates, paper, "epsilon_of_success_rates/table2")
    assert found.implied == "cells within 5 points by epsilon: 0.01: 3 of 4, 0.10: 2 of 4"
    assert "plain 0.01 (1 of 2)" in found.text


def test_a_row_without_denominator_is_held_against_nobody_where_most_have_none(paper):
    rows = tuple((rate, "plain", 12.34, 45.67 + rate / 100) for rate in (30, 60, 70))
    columns = ("rate", "variant", "step", "walk")
    table = changed(paper.tables["table2"], columns=columns, rows=rows, n=40)
    other = changed(paper, tables=paper.tables | {"table2": table}, quotes=(), promises=())
    assert set(grades(success_rates.common_denominators, other).values()) == {"ambiguous"}
    means = changed(other, tables=paper.tables | {"table2": changed(table, runs=3)})
    assert grades(success_rates.common_denominators, means) == {}, "a mean over runs has no denominator"


def test_the_premise_of_success_rates_is_said(paper):
    for check in (
        success_rates.common_denominators,
        success_rates.implied_clean_accuracy,
        unpruned.pruned_against_unpruned,
    ):
        for finding in check(paper):
            assert (
                "read as shares of the correctly classified images of one run, which the paper does not say"
                in finding.text
            )


def test_rows_of_zeros(paper):
    assert "plain at 60 % pruned" in only(success_rates.rows_of_zeros, paper, "rows_of_zeros/table2").printed


# --- matrices -------------------------------------------------------------------------------------


def test_a_matrix_against_its_metrics(paper):
    found = grades(matrices.matrix_against_metrics, paper)
    assert found == {
        "matrix_against_metrics/shapes/round": "consistent",
        "matrix_against_metrics/shapes/square": "contradiction",
    }
    square = only(matrices.matrix_against_metrics, paper, "matrix_against_metrics/shapes/square")
    assert square.implied == "precision 0.80, recall 0.67, f1 0.73", "40 of 50 and of 60, by hand"


def test_what_a_matrix_does_not_print_may_be_anything(paper):
    """With a row left out, 20 of its 60 images can make up for the precision of the other class."""
    matrix = changed(paper.confusion["shapes"], rows={"round": {"round": 130, "square": 10}, "square": {}})
    other = changed(paper, confusion={"shapes": matrix})
    found = {finding.id.split("/")[-1]: finding for finding in matrices.matrix_against_metrics(other)}
    assert found["round"].grade == "consistent"
    assert "19 of the 60 images in no printed cell of other classes are taken for it" in found["round"].text
    assert "recall 0.60" in found["square"].text, "36 of 60 and 10 others: 0.78, not the 0.80 printed"
    assert (
        only(matrices.accuracy_against_table, other, "accuracy_against_table/shapes/matrix").grade
        == "contradiction"
    )


def test_the_open_row_of_the_papers_own_matrix():
    found = {finding.id: finding for finding in audit()}
    assert found["matrix_against_metrics/roct/CNV"].grade == "consistent"
    assert "3 of the 242 images" in found["matrix_against_metrics/roct/CNV"].text
    normal = found["matrix_against_metrics/roct/NORMAL"]
    assert (normal.grade, normal.implied) == ("contradiction", "recall at most 0.988"), "239 of 242"
    accuracy = found["accuracy_against_table/roct/matrix"]
    assert (accuracy.grade, accuracy.implied) == ("consistent", "958 of 968 images, 98.97 %")


def test_f1_of_its_parts(paper):
    assert set(grades(matrices.f1_of_its_parts, paper).values()) == {"consistent"}


def test_whether_any_matrix_has_these_metrics(paper):
    assert grades(matrices.metrics_of_any_matrix, paper) == {"metrics_of_any_matrix/shapes": "impossible"}
    # 130 of 140 and 36 of 60 right: precisions 130/154 and 36/46
    possible = {
        "round": ClassMetrics(precision=0.84, recall=0.93, f1=0.88),
        "square": ClassMetrics(precision=0.78, recall=0.60, f1=0.68),
    }
    other = changed(paper, per_class={"shapes": changed(paper.per_class["shapes"], classes=possible)})
    found = only(matrices.metrics_of_any_matrix, other, "metrics_of_any_matrix/shapes")
    assert found.grade == "consistent"
    assert "130 of 140 round, 36 of 60 square right" in found.text


def test_matrices_of_three_classes_against_trying_every_matrix():
    """All 3 x 3 matrices with rows of 4, 3 and 2 images, grouped by their printed metrics."""
    support = {"a": 4, "b": 3, "c": 2}
    rows = [[(x, y, n - x - y) for x in range(n + 1) for y in range(n - x + 1)] for n in support.values()]

    def metrics_of(matrix, name):
        right, said = matrix[name][name], sum(row[name] for row in matrix.values())
        precision, recall = right / said if said else 0.0, right / support[name]
        f1 = 2 * right / (said + support[name])
        return ClassMetrics(precision=precision, recall=recall, f1=f1)

    by_metrics: dict[tuple, set] = {}
    for cells in product(*rows):
        matrix = {
            true: dict(zip(support, row, strict=True)) for true, row in zip(support, cells, strict=True)
        }
        own = {name: metrics_of(matrix, name) for name in support}
        predicted = {name: sum(row[name] for row in matrix.values()) for name in support}
        if min(predicted.values()) and min(metrics.recall for metrics in own.values()):
            key = tuple((m.precision, m.recall, m.f1) for m in own.values())
            counts = tuple(matrices.Counts(matrix[name][name], predicted[name]) for name in support)
            by_metrics.setdefault(key, set()).add(counts)
    assert len(by_metrics) > 100
    for key, expected in by_metrics.items():
        metrics = {
            name: ClassMetrics(precision=round(p, 6), recall=round(r, 6), f1=round(f, 6))
            for name, (p, r, f) in zip(support, key, strict=True)
        }
        found = {tuple(counts.values()) for counts in matrices.matrices_fitting(metrics, support, 6)}
        assert found == expected


def test_metrics_that_say_too_little_are_called_so(paper):
    """Two decimals of classes of thousands of images: too many counts are printed so to try them all."""
    facts = changed(paper.datasets["shapes"], per_class={"test": {"round": 14_000, "square": 6_000}})
    other = changed(paper, datasets={"shapes": facts}, confusion={})
    found = only(matrices.metrics_of_any_matrix, other, "metrics_of_any_matrix/shapes")
    assert (found.grade, found.implied) == ("consistent", "any matrix")


def test_no_matrix_where_every_mistake_would_stay_in_its_class():
    # a: 1 of 2 right and 2 predicted; b and c faultless: the one miss and the one false alarm are both a's
    metrics = {"a": ClassMetrics(precision=0.5, recall=0.5, f1=0.5)} | dict.fromkeys(
        ("b", "c"), ClassMetrics(precision=1, recall=1, f1=1)
    )
    assert matrices.matrices_fitting(metrics, {"a": 2, "b": 3, "c": 4}, 3) == []


def test_the_accuracy_of_a_matrix_against_the_table(paper):
    found = only(matrices.accuracy_against_table, paper, "accuracy_against_table/shapes/matrix")
    assert (found.grade, found.implied) == ("contradiction", "170 of 200 images, 85.00 %")


def test_rows_that_add_up(paper):
    assert set(grades(matrices.class_sizes, paper).values()) == {"consistent"}


# --- quotes ---------------------------------------------------------------------------------------


def test_a_sentence_is_one_finding_with_all_its_parts(paper):
    found = only(quotes.quoted_figures, paper, "quoted_figures/drop")
    assert found.grade == "impossible", "the gravest of its parts"
    assert "91.00 is quoted where 90.00 stands" in found.text
    assert "80.33 is quoted" not in found.text
    assert "80.33 % is no share of 200 images" in found.text
    assert "99.99 is in none of Table 1, Table 2" in found.text
    assert "“rises” is said of a number that falls, from 90.00 to 80.33" in found.text
    assert (
        "3 of 3 comparisons go the other way (shapes, gadget: accuracy at least that of plain: 80.33 and 90)"
        in found.text
    )
    assert "nothing printed gives how often" in found.text


def test_what_goes_the_other_way_by_no_more_than_noise_contradicts_nothing():
    """0.49 against 0.00 % of 879 are four images; the claim of this sentence is undecided on them, too."""
    (found,) = (one for one in audit() if one.id == "quoted_figures/chest_at_70_80")
    assert found.grade == "unsupported"
    assert "1 of 32 comparisons goes the other way, by no more than noise" in found.text


def test_a_sentence_whose_figure_agrees_is_held_against_the_other_data_set():
    """72.92 stands in the table; under attack ResNet-18 is less vulnerable on chest X-rays than on ROCT."""
    (found,) = (one for one in audit() if one.id == "quoted_figures/baseline_chest")
    assert found.grade == "contradiction"
    assert "1 figure as in the tables; 10 of 12 comparisons go the other way" in found.text


def test_works_of_the_comparison_that_are_in_no_list_of_references():
    (found,) = (one for one in audit() if one.id == "announced_results/works_compared_with")
    assert found.text.endswith("2 are not in the list of references: Chen et al. 2021; Holste et al. 2023.")


def test_progressive_improvement(paper):
    found = only(quotes.quoted_figures, paper, "quoted_figures/progress")
    assert found.grade == "contradiction"
    assert "2 of 4 comparisons" in found.text, "a higher success rate is worse: 0.00 to 10.00 and to 20.00"


def test_a_figure_against_the_images_that_it_would_be_a_share_of(paper):
    found = only(quotes.quoted_figures, paper, "quoted_figures/best")
    assert "97.30 % is no share of 200 images" in found.text
    assert (
        "7.50 % is 15 of 200 of all images, and no share of the 180 that 90.00 % are right on" in found.text
    )


def test_a_figure_that_only_the_comparison_with_others_prints_is_said_to_stand_there():
    found = {finding.id: finding for finding in quotes.quoted_figures(published.read())}
    assert "Table 5 repeats 2.48" in found["quoted_figures/lowest_rates"].text
    assert (
        "2.48 % is 24 of 968 of all images, and no share of the 958"
        in found["quoted_figures/lowest_rates"].text
    )
    assert "with the 2.48 of Table 5 it adds up to 100" in found["quoted_figures/headline"].text
    assert "Table 5" not in found["quoted_figures/chest_peak"].text


def test_only_printed_words_stand_in_quotation_marks():
    """Sentences in the data are the paper's; every word of them is one of its words."""
    paper = published.read()
    printed = " ".join(quote.text for quote in paper.quotes)
    for finding in audit():
        for quoted in re.findall("“(.*?)”", finding.text):
            assert quoted in printed, finding.id
    said = [quote.text for quote in paper.quotes]
    said += [text for finding in audit() for text in re.findall('"(.*?)"', finding.text)]
    formulas = {"x", "chen", "al.", "cxr"}
    for text in said:
        for word in re.findall(r"[a-z][a-z-]+", text.lower().replace("'s", "")):
            assert word in paper.vocabulary | formulas, f"{word} in {text}"


# --- orders ---------------------------------------------------------------------------------------


def test_iterative_attacks_are_at_least_as_strong(paper):
    found = grades(orders.iterative_against_one_step, paper)
    assert found["iterative_against_one_step/table1/walk"] == "unusual"
    assert found["iterative_against_one_step/table1/stroll"] == "consistent"
    weaker = only(orders.iterative_against_one_step, paper, "iterative_against_one_step/table2/walk")
    assert weaker.printed.startswith("2 of 4"), "a lower success rate is the weaker attack"


def test_an_attack_that_contains_another_is_at_least_as_strong(paper):
    found = only(orders.stronger_attacks, paper, "stronger_attacks/table1/stroll/walk")
    assert found.printed == "2 of 4 cells of Table 1", "60.50 and 20.50 against 60.00 and 20.00"


def test_equal_budgets(paper):
    found = only(orders.equal_budgets, paper, "equal_budgets/table1/walk/stroll")
    assert found.printed.startswith("2 of 4")
    assert "73.00" in found.text


def test_accuracy_that_rises_with_epsilon(paper):
    found = only(orders.rising_with_eps, paper, "rising_with_eps/table1")
    assert found.grade == "unusual"
    assert "2 of 8 steps (step 0 of 2, walk 1 of 2, stroll 1 of 2, spots 0 of 2)" in found.text


def test_accuracy_above_clean(paper):
    found = only(orders.above_clean, paper, "above_clean/table1")
    assert found.grade == "unusual"
    assert "1 of 16 cells (step 0 of 4, walk 1 of 4, stroll 0 of 4, spots 0 of 4)" in found.text


def test_the_rate_of_one_answer(paper):
    assert only(orders.majority_rates, paper, "majority_rates/table1/all").printed.startswith("1 of")


def test_what_a_column_can_be_read_as(paper):
    found = only(orders.readings_of_a_column, paper, "readings_of_a_column/table1/walk")
    assert (
        "read as accuracy, 2 of 4; read as attack success rate, 2 of 4; each model read as suits it better, 4"
        in found.text
    )
    assert found.grade == "unusual"


def test_an_attack_without_epsilon_that_depends_on_it(paper):
    assert grades(orders.budgetless_attacks, paper) == {"budgetless_attacks/table1/spots": "unusual"}


def test_columns_that_run_together(paper):
    found = only(orders.alike_columns, paper, "alike_columns/table1/spots/step")
    assert found.grade == "unusual"
    assert "2 of 4 cells" in found.text


# --- counts ---------------------------------------------------------------------------------------


def test_images_of_splits(paper):
    found = grades(counts.images_of_splits, paper)
    assert found == {"images_of_splits/shapes": "contradiction", "images_of_splits/shapes/test": "consistent"}


def test_duplicates_that_were_removed(paper):
    assert grades(counts.duplicates_removed, paper) == {"duplicates_removed/shapes": "consistent"}
    facts = changed(paper.datasets["shapes"], total=920)
    other = changed(paper, datasets={"shapes": facts})
    assert grades(counts.duplicates_removed, other) == {"duplicates_removed/shapes": "ambiguous"}, (
        "920 may be what was left"
    )
    archive = changed(facts, archive=Archive(images=920, source="a count"))
    other = changed(paper, datasets={"shapes": archive})
    assert grades(counts.duplicates_removed, other) == {"duplicates_removed/shapes": "contradiction"}


def test_a_small_validation_set(paper):
    assert grades(counts.sizes_of_validation_sets, paper) == {"sizes_of_validation_sets/shapes": "unusual"}


def test_repeated_columns(paper):
    assert set(grades(counts.repeated_columns, paper).values()) == {"consistent"}


def test_parameters(paper):
    assert grades(counts.parameters_of_ablations, paper) == {"parameters_of_ablations/table1": "unusual"}
    assert grades(counts.parameters_of_classes, paper) == {}, "one table has nothing to be compared with"


def test_parts_that_are_never_removed_alone(paper):
    assert grades(counts.parts_removed_alone, paper) == {"parts_removed_alone": "consistent"}
    own = only(counts.parts_removed_alone, published.read(), "parts_removed_alone")
    assert own.implied == "no variant lacks MSF or MFE alone"


def test_maps_smaller_than_what_they_are_pooled_to(paper):
    assert "enlarged for 8" in only(counts.sizes_of_maps, paper, "sizes_of_maps").text


def test_parameters_that_no_layer_explains():
    found = only(
        counts.parameters_without_components, published.read(), "parameters_without_components/table1"
    )
    assert found.implied == "4.85 M besides attention and fusion"


# --- stated ---------------------------------------------------------------------------------------


def test_statements_that_differ(paper):
    assert grades(stated.differing_statements, paper) == {
        "differing_statements/dropout": "ambiguous",
        "differing_statements/optimizer": "consistent",
    }


def test_what_is_announced_and_not_printed(paper):
    found = only(stated.announced_results, paper, "announced_results/rates")
    assert (found.grade, found.implied) == ("unsupported", "1 of 3 not printed")


def test_what_is_never_stated(paper):
    found = only(stated.never_stated, paper, "never_stated/4")
    assert (found.grade, found.implied) == ("ambiguous", "not stated: random seed")
    assert "1 of 2 facts" in found.text


def test_a_step_that_has_to_come_first(paper):
    assert grades(stated.unlikely_orders, paper) == {"unlikely_orders/order": "unusual"}


def test_the_schedule(paper):
    found = grades(stated.schedule_statements, paper)
    assert found["schedule/lengths"] == "ambiguous"
    assert found["schedule/joint/first"] == "ambiguous"
    assert found["schedule/reach/first"] == "unusual", "two steps of 0.002 do not reach 0.05"


def test_the_cap_counts_each_epsilon_once():
    found = only(stated.schedule_statements, published.read(), "schedule/step_cap")
    assert "3 of the 4" in found.text


def test_what_is_tested_beyond_training(paper):
    assert only(stated.trained_and_tested, paper, "trained_and_tested/table1").implied.startswith("1 of 2")


def test_works_that_are_not_what_they_are_cited_for(paper):
    assert "[3] in 2, for gadgets: a cookbook" in only(stated.cited_works, paper, "cited_works").text


def test_the_reach_of_an_attack(paper):
    found = only(stated.evaluation_reach, paper, "evaluation_reach/table1")
    assert found.grade == "unusual"
    assert "for walk at epsilon 0.01, stroll at epsilon 0.01" in found.text


# --- all of them ----------------------------------------------------------------------------------


def test_every_check_has_something_to_say_of_the_made_up_paper_or_none_at_all(paper):
    silent = {check.__name__ for check in CHECKS if not list(check(paper))}
    assert silent <= {"rows_of_two_sizes", "parameters_of_classes", "parameters_without_components"}


@pytest.mark.parametrize("folder", [published.FOLDER, ANOTHER], ids=["meddef", "another"])
def test_findings_are_whole_neutral_and_told_apart(folder):
    found = audit(published.read(folder))
    assert len({finding.id for finding in found}) == len(found)
    for finding in found:
        assert finding.grade in GRADES
        assert finding.section
        assert finding.printed
        assert finding.implied
        assert finding.text.endswith(".")
        words = finding.text.lower()
        assert not [word for word in ("fake", "fraud", "wrongly", "dishonest", "fabricat") if word in words]


@pytest.mark.parametrize(
    ("id", "counted"),
    [
        # counted from the rows of the tables by other code than the checks'
        ("quoted_figures/full_clean", "5 of 8"),
        ("quoted_figures/partial_variants", "11 of 72"),
        ("quoted_figures/progressive", "30 of 72"),
        ("quoted_figures/progressive", "6 of 96"),
        ("quoted_figures/bim_zero", "7 of 24"),
        ("quoted_figures/chen", "1 of 6"),
        ("readings_of_a_column/table1/pgd", "accuracy, 3 of 15; read as attack success rate, 7 of 15"),
        ("iterative_against_one_step/table1/pgd", "13 of 15"),
        ("iterative_against_one_step/table4/pgd", "7 of 15"),
        ("iterative_against_one_step/table1/bim", "0 of 15"),
        ("equal_budgets/table2/pgd/bim", "11 of 15"),
        ("rising_with_eps/table1", "10 of 40"),
        ("rising_with_eps/table2", "9 of 40"),
        ("above_clean/table1", "10 of 60"),
        ("above_clean/table2", "14 of 60"),
        ("majority_rates/table2/all", "28 of 65"),
        ("majority_rates/table2/all", "25 of them print 72.89, which is that share of 1,114 images (812)"),
        ("granularity/table1", "11 of 65"),
        ("granularity/table2", "51 of 65"),
        ("table_size/table2", "58 of 65"),
        ("against_unpruned/table3", "18 of 20"),
        ("against_unpruned/table4", "15 of 20"),
    ],
)
def test_counts_of_cells_in_the_paper(id, counted):
    (found,) = (finding for finding in audit() if finding.id == id)
    assert counted in found.text


def test_only_what_numbers_prove_is_called_impossible():
    checks = {finding.check for finding in audit() if finding.grade == "impossible"}
    assert checks == {
        "percentage_of_stated_size",
        "one_size_for_a_model",
        "common_denominator",
        "quoted_figures",
    }


def test_a_finding_is_one_check_at_one_place():
    """A column or an attack is not a place of its own where a check counts the cells of a whole table."""
    found = audit()
    for check in ("rising_with_eps", "above_clean", "pruned_against_unpruned"):
        assert 1 < sum(finding.check == check for finding in found) <= 4


def test_the_paper_has_at_least_fifty_findings_and_the_known_ones():
    found = {finding.id: finding for finding in audit()}
    assert sum(finding.grade != "consistent" for finding in found.values()) >= 50
    assert found["granularity/table1"].grade == "impossible"
    assert found["model_size/table2/no_afd"].implied == "n = 1,114"
    assert found["matrix_against_metrics/roct/DRUSEN"].grade == "contradiction"
    assert found["quoted_figures/msf_clean"].grade == "contradiction"
    assert found["duplicates_removed/chest_xray"].grade == "contradiction"
    assert found["sizes_of_validation_sets/roct"].grade == "unusual"
    assert found["images_of_splits/roct"].grade == "consistent"
