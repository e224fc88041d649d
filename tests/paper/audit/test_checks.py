"""Every check of a paper against itself, on a made-up paper whose mistakes are known."""

from itertools import product
from pathlib import Path

import pytest

from meddef_lib.paper import published
from meddef_lib.paper.audit import counts, granularity, matrices, orders, quotes, stated, success_rates
from meddef_lib.paper.audit.checks import CHECKS, audit
from meddef_lib.paper.audit.finding import GRADES
from meddef_lib.paper.datasets import Archive, ClassMetrics

ANOTHER = Path(__file__).parent / "another_paper"


@pytest.fixture(scope="module")
def paper():
    return published.read(ANOTHER)


def grades(check, paper):
    return {finding.id: finding.grade for finding in check(paper)}


def only(check, paper, id):
    (found,) = (finding for finding in check(paper) if finding.id == id)
    return found


# --- granularity ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "n", "expected"),
    [
        (50.00, 200, [100]),
        (80.33, 200, []),
        (33.33, 3, [1]),
        (0.00, 7, [0]),
        (100.00, 7, [7]),
        (0.13, 800, [1]),
    ],
)
def test_which_counts_are_printed_so(printed, n, expected):
    assert list(granularity.counts_fitting(printed, 2, n)) == expected


def test_a_tie_counts_under_either_rounding():
    assert list(granularity.counts_fitting(12.5, 1, 8)) == [1]
    assert list(granularity.counts_fitting(0.12, 2, 800)) == [1], "0.125 is 0.12 half to even"
    assert list(granularity.counts_fitting(0.13, 2, 800)) == [1], "and 0.13 half up"


def test_the_search_agrees_with_trying_every_count():
    for n in (7, 40, 333):
        for printed in (x / 100 for x in range(0, 10001, 37)):
            tried = [k for k in range(n + 1) if abs(100 * k / n - printed) <= 0.005 + 1e-9]
            assert set(granularity.counts_fitting(printed, 2, n)) <= set(tried)
            strictly = [k for k in tried if abs(100 * k / n - printed) < 0.005 - 1e-9]
            assert set(strictly) <= set(granularity.counts_fitting(printed, 2, n))


def test_percentages_that_are_no_share_of_the_test_set(paper):
    found = only(granularity.percentages_of_stated_size, paper, "granularity/table1")
    assert (found.grade, found.printed) == ("impossible", "80.33")
    assert "1 of 18 percentages" in found.text
    assert "plain 0 of 9, gadget 1 of 9" in found.text


def test_the_size_that_a_model_fits(paper):
    assert grades(granularity.one_size_for_a_model, paper)["model_size/table1/plain"] == "consistent"


def test_a_size_that_fits_by_chance_contradicts_nothing(paper):
    assert granularity.sizes_by_chance([33.3, 0.0, 100.0], 1, [500, 1000]) == 1.5
    rows = ((0.01, "plain", 33.30), (0.10, "plain", 33.40))
    small = paper.tables["table1"].model_copy(
        update={"columns": ("eps", "variant", "step"), "repeated": (), "rows": rows, "n": 2000}
    )
    other = paper.model_copy(update={"tables": {"table1": small}})
    assert grades(granularity.one_size_for_a_model, other) == {"model_size/table1/plain": "consistent"}
    few = paper.model_copy(update={"tables": {"table1": small.model_copy(update={"n": 500})}})
    assert grades(granularity.one_size_for_a_model, few) == {"model_size/table1/plain": "unusual"}
    assert grades(granularity.size_of_a_table, few) == {"table_size/table1": "unusual"}


def test_a_quoted_percentage(paper):
    assert grades(granularity.quoted_percentages, paper) == {"granularity/text/best": "impossible"}


def test_differences_of_few_images(paper):
    assert "19 images" not in only(granularity.differences_of_few_images, paper, "few_images/table1").text
    assert grades(granularity.differences_of_few_images, paper) == {"few_images/table1": "consistent"}


def test_a_stated_size_is_preferred_where_others_fit_as_well():
    found = only(granularity.size_of_a_table, published.read(), "table_size/table1")
    assert "clean 968 (5 of 5)" in found.text


# --- success rates --------------------------------------------------------------------------------


def test_denominators(paper):
    found = only(success_rates.common_denominators, paper, "denominator/table2/gadget")
    assert found.grade == "impossible"
    assert grades(success_rates.common_denominators, paper)["denominator/table2/plain"] == "consistent"


def test_bounds_of_an_unpruned_success_rate():
    assert success_rates.unpruned_bounds(80, 40) == (50, 75)
    assert success_rates.unpruned_bounds(80, 90) == (0, 12.5)


def test_rates_are_read_against_either_size_of_the_test_set(paper):
    row = success_rates.Row("gadget", 30, {"step": 33.33}, within=[150], beyond=[300, 900])
    assert success_rates.largest_denominators(row, [200, 400]) == {200: 150, 400: 300}
    assert success_rates.largest_denominators(row._replace(within=[]), [200, 400]) == {400: 300}
    chest = only(
        success_rates.implied_clean_accuracy, published.read(), "implied_accuracy/table4/no_afd_mfe_msf"
    )
    assert chest.grade == "ambiguous", "94.9 % of 879 images is near 97.94 %, 74.9 % of 1,114 is not"
    assert "1,091 of 1,114 images (97.9 %)" in chest.text


def test_pruned_against_unpruned_counts_the_cells_of_a_table(paper):
    # plain under step: 90 to 70, so 22 to 33 % were flipped unpruned, and 50 after pruning; others are within
    found = only(success_rates.pruned_against_unpruned, paper, "against_unpruned/table2")
    assert found.implied == "higher than unpruned in 1 of 4 cells, lower in 0"
    assert "plain 1 of 2, gadget 0 of 2" in found.text


def test_rows_of_zeros(paper):
    assert "plain at rate=60" in only(success_rates.rows_of_zeros, paper, "rows_of_zeros/table2").printed


# --- matrices -------------------------------------------------------------------------------------


def test_metrics_of_a_matrix_by_hand(paper):
    found = matrices.metrics_of(matrices.whole(paper, "shapes"), "square")
    assert (found.precision, found.recall) == (40 / 50, 40 / 60)
    assert found.f1 == pytest.approx(2 * 0.8 * (2 / 3) / (0.8 + 2 / 3))


def test_a_matrix_against_its_metrics(paper):
    found = grades(matrices.matrix_against_metrics, paper)
    assert found == {
        "matrix_against_metrics/shapes/round": "consistent",
        "matrix_against_metrics/shapes/square": "contradiction",
    }
    assert (
        "recall 0.67"
        in only(matrices.matrix_against_metrics, paper, "matrix_against_metrics/shapes/square").implied
    )


def test_f1_of_its_parts(paper):
    assert set(grades(matrices.f1_of_its_parts, paper).values()) == {"consistent"}


def test_whether_any_matrix_has_these_metrics(paper):
    assert grades(matrices.metrics_of_any_matrix, paper) == {"metrics_of_any_matrix/shapes": "impossible"}
    # 130 of 140 and 36 of 60 right: precisions 130/154 and 36/46
    possible = {
        "round": ClassMetrics(precision=0.84, recall=0.93, f1=0.88),
        "square": ClassMetrics(precision=0.78, recall=0.60, f1=0.68),
    }
    per_class = {"shapes": paper.per_class["shapes"].model_copy(update={"classes": possible})}
    other = paper.model_copy(update={"per_class": per_class})
    found = only(matrices.metrics_of_any_matrix, other, "metrics_of_any_matrix/shapes")
    assert found.grade == "consistent"
    assert "130 of 140 round, 36 of 60 square right" in found.text


def test_matrices_of_three_classes_against_trying_every_matrix():
    """All 3 x 3 matrices with rows of 4, 3 and 2 images, grouped by their printed metrics."""
    support = {"a": 4, "b": 3, "c": 2}
    rows = [[(x, y, n - x - y) for x in range(n + 1) for y in range(n - x + 1)] for n in support.values()]
    by_metrics: dict[tuple, set] = {}
    for cells in product(*rows):
        matrix = {
            true: dict(zip(support, row, strict=True)) for true, row in zip(support, cells, strict=True)
        }
        own = {name: matrices.metrics_of(matrix, name) for name in support}
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


def test_figures_in_a_sentence(paper):
    found = only(quotes.quoted_figures, paper, "quoted_figures/drop")
    assert found.grade == "contradiction"
    assert "91.00 is quoted where 90.00 stands" in found.text
    assert "80.33 is quoted" not in found.text
    assert only(quotes.figures_without_source, paper, "figures_without_source/drop").printed == "99.99"


def test_a_figure_that_only_the_comparison_with_others_prints_is_said_to_stand_there():
    found = {finding.id: finding for finding in quotes.figures_without_source(published.read())}
    assert "Table 5 repeats 2.48" in found["figures_without_source/lowest_rates"].text
    assert "with the 2.48 of Table 5 it adds up to 100" in found["figures_without_source/headline"].text
    assert "Table 5" not in found["figures_without_source/chest_peak"].text


def test_a_direction_in_a_sentence(paper):
    found = only(quotes.directions, paper, "directions/drop/0")
    assert (found.grade, found.implied) == ("contradiction", "from 90.00 to 80.33")


def test_the_best_of_all(paper):
    found = only(quotes.superlatives, paper, "superlatives/table1")
    assert found.grade == "contradiction"
    assert "(clean 1 of 1, step 0 of 2, walk 0 of 2, stroll 2 of 2, spots 0 of 2)" in found.text
    assert "clean: plain;" in found.text, "clean accuracy has no epsilon"


def test_progressive_improvement(paper):
    found = only(quotes.progressive, paper, "progressive/table1")
    assert found.grade == "contradiction"
    assert "3 of 9 steps (clean 1 of 1, step 0 of 2, walk 0 of 2, stroll 2 of 2, spots 0 of 2)" in found.text
    fewer = only(quotes.progressive, paper, "progressive/table2")
    assert "2 of 4 steps" in fewer.text, "a higher success rate is worse: 0.00 to 10.00 and to 20.00"


# --- orders ---------------------------------------------------------------------------------------


def test_iterative_attacks_are_at_least_as_strong(paper):
    found = grades(orders.iterative_against_one_step, paper)
    assert found["iterative_against_one_step/table1/walk"] == "unusual"
    assert found["iterative_against_one_step/table1/stroll"] == "consistent"
    weaker = only(orders.iterative_against_one_step, paper, "iterative_against_one_step/table2/walk")
    assert weaker.printed.startswith("2 of 4"), "a lower success rate is the weaker attack"


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
    facts = paper.datasets["shapes"].model_copy(update={"total": 920})
    other = paper.model_copy(update={"datasets": {"shapes": facts}})
    assert grades(counts.duplicates_removed, other) == {"duplicates_removed/shapes": "ambiguous"}, (
        "920 may be what was left"
    )
    archive = facts.model_copy(update={"archive": Archive(images=920, source="a count")})
    other = paper.model_copy(update={"datasets": {"shapes": archive}})
    assert grades(counts.duplicates_removed, other) == {"duplicates_removed/shapes": "contradiction"}


def test_a_small_validation_set(paper):
    assert grades(counts.sizes_of_validation_sets, paper) == {"sizes_of_validation_sets/shapes": "unusual"}


def test_repeated_columns(paper):
    assert set(grades(counts.repeated_columns, paper).values()) == {"consistent"}


def test_parameters(paper):
    assert grades(counts.parameters_of_ablations, paper) == {"parameters_of_ablations/table1": "unusual"}
    assert grades(counts.parameters_of_classes, paper) == {}, "one table has nothing to be compared with"


# --- stated ---------------------------------------------------------------------------------------


def test_statements_that_differ(paper):
    assert grades(stated.differing_statements, paper) == {
        "differing_statements/dropout": "ambiguous",
        "differing_statements/optimizer": "consistent",
    }


def test_what_is_announced_and_not_printed(paper):
    found = only(stated.announced_results, paper, "announced_results/rates")
    assert (found.grade, found.implied) == ("unsupported", "2 of 3 printed")


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


def test_the_reach_of_an_attack(paper):
    found = only(stated.evaluation_reach, paper, "evaluation_reach/table1")
    assert found.grade == "unusual"
    assert "for walk at epsilon 0.01, stroll at epsilon 0.01" in found.text


# --- all of them ----------------------------------------------------------------------------------


def test_every_check_has_something_to_say_of_the_made_up_paper_or_none_at_all(paper):
    silent = {check.__name__ for check in CHECKS if not list(check(paper))}
    assert silent <= {"rows_of_two_sizes", "parameters_of_classes"}


@pytest.mark.parametrize("folder", [published.FOLDER, ANOTHER], ids=["meddef", "another"])
def test_findings_are_whole_neutral_and_told_apart(folder):
    found = audit(folder=folder)
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
        ("superlatives/table1", "8 of 52"),
        ("superlatives/table2", "3 of 52"),
        ("superlatives/table3", "9 of 48"),
        ("superlatives/table4", "5 of 48"),
        ("progressive/table1", "23 of 39"),
        ("progressive/table2", "11 of 39"),
        ("progressive/table3", "18 of 36"),
        ("progressive/table4", "8 of 36"),
        ("iterative_against_one_step/table1/pgd", "13 of 15"),
        ("iterative_against_one_step/table4/pgd", "7 of 15"),
        ("iterative_against_one_step/table1/bim", "0 of 15"),
        ("equal_budgets/table2/pgd/bim", "11 of 15"),
        ("rising_with_eps/table1", "10 of 40"),
        ("rising_with_eps/table2", "9 of 40"),
        ("above_clean/table1", "10 of 60"),
        ("above_clean/table2", "14 of 60"),
        ("majority_rates/table2/all", "28 of 65"),
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
    assert checks == {"percentage_of_stated_size", "one_size_for_a_model", "common_denominator"}


def test_a_finding_is_one_check_at_one_place():
    """A column or an attack is not a place of its own where a check counts the cells of a whole table."""
    found = audit()
    for check in ("superlatives", "progressive", "rising_with_eps", "above_clean", "pruned_against_unpruned"):
        assert 1 < sum(finding.check == check for finding in found) <= 4


def test_the_paper_has_at_least_fifty_findings_and_the_known_ones():
    found = {finding.id: finding for finding in audit()}
    assert sum(finding.grade != "consistent" for finding in found.values()) >= 50
    assert found["granularity/table1"].grade == "impossible"
    assert found["model_size/table2/no_afd"].implied == "n = 1,114"
    assert found["matrix_against_metrics/roct/DRUSEN"].grade == "contradiction"
    assert found["directions/msf_clean/0"].grade == "contradiction"
    assert found["duplicates_removed/chest_xray"].grade == "contradiction"
    assert found["sizes_of_validation_sets/roct"].grade == "unusual"
    assert found["images_of_splits/roct"].grade == "consistent"
