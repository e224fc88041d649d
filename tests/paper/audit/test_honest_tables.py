"""Tables of numbers as an experiment gives them: how often the audit calls an honest one contradictory."""

from collections import Counter

import numpy as np
import pytest

from meddef_lib.paper.audit import granularity, success_rates
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.paper.published import Paper

TABLES = 1000  # of single runs, of means over three, and of means over more that a paper does not mention
SIZES = (200, 350, 624, 879, 968)
MODELS, ATTACKS = 3, ("a", "b", "c")
CHECKS = (  # the others of granularity are about tables that the first one has not called consistent
    granularity.percentages_of_stated_size,
    granularity.one_size_for_a_model,
    success_rates.common_denominators,
)


def percent(hits, of, rounded_first):
    """Percentages with two decimals of counts by run (the last axis), or of their mean."""
    shares = 100 * hits / of
    return np.round((np.round(shares, 2) if rounded_first else shares).mean(-1), 2)


def honest(random, *, runs, stated, rounded_first=False):
    """A paper with one table of accuracies and one of success rates, of one test set."""
    n = int(random.choice(SIZES))
    places = (MODELS * 2, len(ATTACKS), runs)
    # seeds of one model differ by a few points
    rate = np.clip(random.uniform(0, 1, places[:2])[..., None] + random.normal(0, 0.02, places), 0, 1)
    right = np.clip(n * random.uniform(0.6, 1, (places[0], 1, runs)), 1, n).astype(int)
    accuracy = percent(random.binomial(n, rate), n, rounded_first)
    success = percent(random.binomial(right, rate), right, rounded_first)

    return of_tables(n, accuracy, success, runs=stated)


def of_tables(n, accuracy, success, *, runs):
    """A paper of two tables of percentages, stated to be of n images."""
    tables = {}
    for id, quantity, axis, cells in (
        ("table1", "accuracy", "eps", accuracy),
        ("table2", "attack_success_rate", "rate", success),
    ):
        positions = (0.01, 0.1) if axis == "eps" else (30, 60)
        named = [(position, f"m{model}") for model in range(MODELS) for position in positions]
        tables[id] = PrintedTable(
            id=id,
            section="1",
            dataset="d",
            quantity=quantity,
            axis=axis,
            decimals=2,
            n=n,
            runs=runs,
            columns=(axis, "variant", *ATTACKS),
            rows=tuple((*name, *row) for name, row in zip(named, cells.tolist(), strict=True)),
        )
    return Paper(title="honest", tables=tables)


SINGLE = ({"runs": 1, "stated": None}, {"runs": 1, "stated": 1})
MEANS = tuple(
    {"runs": 3, "stated": stated, "rounded_first": first} for stated in (None, 3) for first in (True, False)
)
MORE = tuple({"runs": runs, "stated": None} for runs in (4, 5, 10))


@pytest.mark.parametrize("kinds", [SINGLE, MEANS, MORE], ids=["single runs", "means of three", "of more"])
def test_honest_tables_are_hardly_ever_called_contradictory(kinds):
    random = np.random.default_rng(14)
    called = Counter()
    for number in range(TABLES):
        paper = honest(random, **kinds[number % len(kinds)])
        grades = {finding.grade for check in CHECKS for finding in check(paper)}
        called["tables"] += 1
        called["contradictory"] += bool(grades & {"impossible", "contradiction"})
    assert called["contradictory"] < called["tables"] / 100
    assert called["tables"] == TABLES


def test_tables_of_another_test_set_are_called_contradictory():
    """The same check must not excuse everything: percentages of 1,114 images in a table that states 879."""
    random = np.random.default_rng(14)
    called = 0
    for _ in range(20):
        cells = percent(random.binomial(1114, 0.8, (6, 3, 1)), 1114, rounded_first=False)
        paper = of_tables(879, cells, cells, runs=None)
        called += "contradiction" in {found.grade for found in granularity.percentages_of_stated_size(paper)}
    assert called == 20
