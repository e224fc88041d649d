"""The status of a number, on hand-made results."""

from dataclasses import replace

import pytest

from meddef_lib.paper import published
from meddef_lib.paper.addresses import Address, PrintedValue
from meddef_lib.results import results_json, verdicts
from meddef_lib.results.outcomes import Outcome
from meddef_lib.results.statistics import Interval, over_seeds

ADDRESS = Address(dataset="roct", quantity="accuracy", variant="full", attack="fgsm", eps=0.05)
PRINTED = PrintedValue(
    id="table1/full/eps=0.05/fgsm",
    section="4.3",
    source="Table 1",
    value=88.45,
    unit="percent",
    decimals=2,
    n=968,
    address=ADDRESS,
    tolerance=2.17,
    better="higher",
)


def measured(value: float, half: float = 0.5, **facts: object) -> Outcome:
    interval = Interval(value - half, value + half)
    return Outcome(**{"per_seed": (value,), "n": 968, "images": 968, "interval": interval, **facts})


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (measured(88.45), "within_tolerance"),  # equal
        (measured(90.62), "within_tolerance"),  # at the edge of the band
        (measured(86.28), "within_tolerance"),
        (measured(92.00), "better"),
        (measured(80.00), "differs"),
        (measured(90.80), "inconclusive"),  # outside, but the interval reaches in
        (measured(80.00, half=7.0), "inconclusive"),  # n too small to tell
        (None, "not_run"),
        (measured(88.45, phantom=True), "smoke"),
        (measured(88.45, deviations=("image size in pixels 64 instead of 224",)), "other_setting"),
        (measured(88.45, images=240, n=240), "other_setting"),
        (measured(92.00, collapsed="Collapsed: CNV."), "collapsed"),  # however good its number
        (measured(88.45, collapsed="Collapsed: CNV.", deviations=("epochs 5",)), "collapsed"),
        (measured(88.45, collapsed="Collapsed: CNV.", phantom=True), "smoke"),
        (Outcome(per_seed=(), n=0, images=968), "cannot_run"),
    ],
)
def test_status(outcome: Outcome | None, status: str) -> None:
    assert verdicts.judge(PRINTED, outcome).status == status


def test_a_phantom_is_smoke_even_where_it_is_equal_and_deviates() -> None:
    outcome = measured(88.45, phantom=True, deviations=("epochs 5 instead of 100",))
    assert verdicts.judge(PRINTED, outcome).status == "smoke"


def test_a_lower_success_rate_is_better() -> None:
    printed = replace(PRINTED, better="lower")
    assert verdicts.judge(printed, measured(80.0)).status == "better"
    assert verdicts.judge(printed, measured(95.0)).status == "differs"


def test_a_number_without_direction_only_differs() -> None:
    printed = replace(PRINTED, better=None)
    assert verdicts.judge(printed, measured(95.0)).status == "differs"


def test_a_better_baseline_is_not_praised() -> None:
    """`better` is said of what the paper praises: a stronger baseline weakens the paper's case."""
    values = published.read().values
    assert values["table1/resnet18/eps=0.05/fgsm"].better is None
    assert values["table1/full/eps=0.05/fgsm"].better == "higher"
    baseline = replace(values["table1/resnet18/eps=0.05/fgsm"], tolerance=2.0)
    assert verdicts.judge(baseline, measured(90.0)).status == "differs"


def test_a_network_that_has_not_learned_the_task_is_not_better() -> None:
    """Few of its images are right, and few of those fall: a low success rate is no defence."""
    printed = replace(PRINTED, better="lower")
    outcome = measured(0.5, unlearned="Not learned: balanced accuracy 25.1 %.")
    assert verdicts.judge(printed, outcome) == ("differs", "Not learned: balanced accuracy 25.1 %.")


def test_why_a_number_means_nothing_stands_beside_it() -> None:
    row = verdicts.row(PRINTED, measured(92.0, collapsed="Collapsed: CNV.", unlearned="Not learned."))
    assert (row["status"], row["reason"]) == ("collapsed", "Collapsed: CNV.")
    assert row["note"] == "Collapsed: CNV. Not learned."


def test_three_seeds_are_judged_by_their_interval() -> None:
    def seeds(*values: float) -> Outcome:
        return measured(0.0, per_seed=values, interval=over_seeds(values).interval)

    assert verdicts.judge(PRINTED, seeds(88.0, 89.0, 90.0)).status == "within_tolerance"
    assert verdicts.judge(PRINTED, seeds(80.0, 80.1, 80.2)).status == "differs"
    assert verdicts.judge(PRINTED, seeds(78.0, 84.0, 90.0)).status == "inconclusive"


def test_an_exact_number_needs_no_interval() -> None:
    printed = replace(PRINTED, value=21.84, unit="millions", n=None, tolerance=0.005, better=None)
    assert verdicts.judge(printed, Outcome(per_seed=(21.839556,))).status == "within_tolerance"
    assert verdicts.judge(printed, Outcome(per_seed=(21.83,))).status == "differs"


def test_the_size_of_a_class_is_part_of_the_setting() -> None:
    printed = replace(PRINTED, n=242, address=replace(ADDRESS, quantity="recall", item="CNV"))
    assert verdicts.judge(printed, measured(88.45, n=242)).status == "within_tolerance"
    verdict = verdicts.judge(printed, measured(88.45, n=60, images=240))
    assert verdict == ("other_setting", "60 images of the class instead of 242")


def test_what_cannot_be_measured_says_why() -> None:
    printed = replace(PRINTED, address=None, cannot="No epsilon is given.")
    assert verdicts.judge(printed, None) == ("cannot_run", "No epsilon is given.")


def test_a_forgotten_tolerance_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"table1/full/eps=0.05/fgsm has no tolerance in tolerances.yaml"):
        verdicts.judge(replace(PRINTED, tolerance=None), measured(1.0))


def test_row_of_results() -> None:
    row = verdicts.row(PRINTED, measured(80.0, keys=("abc",), alternatives={"worst_case": 70.0}))
    assert row["id"] == "table1/full/eps=0.05/fgsm"
    assert (row["published"], row["reproduced"], row["unit"], row["n"]) == (88.45, 80.0, "percent", 968)
    assert (row["ci_low"], row["ci_high"]) == (79.5, 80.5)
    assert row["difference"] == pytest.approx(-8.45)
    assert (row["tolerance"], row["status"], row["deviations"]) == (2.17, "differs", [])
    assert (row["keys"], row["alternatives"]) == (["abc"], {"worst_case": 70.0})
    assert row["smallest_detectable"] == pytest.approx(4.5, abs=0.2)


def test_row_of_a_number_that_was_not_run() -> None:
    row = verdicts.row(PRINTED, None)
    assert row["status"] == "not_run"
    assert row["published"] == 88.45
    assert [row[key] for key in ("reproduced", "n", "ci_low", "difference", "smallest_detectable")] == [
        None
    ] * 5


def test_counts_name_every_status() -> None:
    rows = [verdicts.row(PRINTED, None), verdicts.row(PRINTED, measured(88.0))]
    nothing = {"claims": [], "ledger": [], "paper_audit": []}
    found = results_json.counts({"values": rows, **nothing})["values"]
    assert found["not_run"] == found["within_tolerance"] == 1
    assert sum(found.values()) == 2
    assert set(found) == set(verdicts.STATUSES)
