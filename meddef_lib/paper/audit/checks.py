"""All checks of a paper's printed numbers and statements, in the order in which they are listed."""

from collections.abc import Callable, Iterator
from pathlib import Path

from meddef_lib.paper import published
from meddef_lib.paper.audit import counts, granularity, matrices, orders, quotes, stated, success_rates
from meddef_lib.paper.audit.finding import GRADES, Finding
from meddef_lib.paper.published import Paper

Check = Callable[[Paper], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    granularity.percentages_of_stated_size,
    granularity.one_size_for_a_model,
    granularity.size_of_a_table,
    granularity.rows_of_two_sizes,
    granularity.quoted_percentages,
    granularity.differences_of_few_images,
    success_rates.common_denominators,
    success_rates.implied_clean_accuracy,
    success_rates.pruned_against_unpruned,
    success_rates.rows_of_zeros,
    matrices.matrix_against_metrics,
    matrices.f1_of_its_parts,
    matrices.metrics_of_any_matrix,
    matrices.accuracy_against_table,
    matrices.class_sizes,
    quotes.quoted_figures,
    quotes.figures_without_source,
    quotes.directions,
    quotes.superlatives,
    quotes.progressive,
    orders.iterative_against_one_step,
    orders.equal_budgets,
    orders.rising_with_eps,
    orders.above_clean,
    orders.majority_rates,
    orders.budgetless_attacks,
    orders.alike_columns,
    counts.images_of_splits,
    counts.duplicates_removed,
    counts.sizes_of_validation_sets,
    counts.repeated_columns,
    counts.parameters_of_ablations,
    counts.parameters_of_classes,
    stated.differing_statements,
    stated.announced_results,
    stated.never_stated,
    stated.unlikely_orders,
    stated.schedule_statements,
    stated.evaluation_reach,
)


def audit(paper: Paper | None = None, folder: Path = published.FOLDER) -> list[Finding]:
    """Every finding about a paper (the one in `folder`), the gravest grade first."""
    paper = paper or published.read(folder)
    found = [finding for check in CHECKS for finding in check(paper)]
    grades = list(GRADES)
    return sorted(found, key=lambda finding: grades.index(finding.grade))
