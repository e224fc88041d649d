"""The section on whether robustness is real: what failed is named, marked, and leads to its explanation."""

import re
from dataclasses import asdict

from meddef_lib.diagnostics import CHECKS, Check
from meddef_lib.report.comparing import comparison
from meddef_lib.report.sections import diagnostics

DATASET = "chest_xray"
CURVES = {
    "larger_budget": [{"eps": eps, "accuracy": 0.5, "ci_low": 0.2, "ci_high": 0.8} for eps in (0.01, 0.5)],
    "more_steps": [{"steps": steps, "accuracy": 0.5, "ci_low": 0.2, "ci_high": 0.8} for steps in (1, 9)],
    "loss_surface": [
        {"direction": name, "size": size, "loss": size * rise}
        for name, rise in (("gradient", 9), ("random 1", 1))
        for size in (0.0, 0.1)
    ],
}


def network(rate=0, defence="", made_on="", **statuses):
    checks = [
        Check(name, statuses.get(name, "pass"), 0.5, f"What {name} < found.", 8, curve=CURVES.get(name, ()))
        for name in CHECKS
    ]
    names = {"dataset": DATASET, "variant": "full", "mode": "clean", "seed": 0, "image_size": None}
    return {
        "id": f"{DATASET}/full/clean/seed=0",
        **names,
        "defence": defence,
        "made_on": made_on,
        "rate_percent": rate,
        "images": 8,
        "eps": 0.05,
        "unreliable": "fail" in statuses.values(),
        "checks": [asdict(check) for check in checks],
    }


def test_what_does_not_pass_is_named_and_leads_to_its_explanation(view_of):
    view = view_of(diagnostics=[network(), network(30, square="fail", noise="warn")])
    table = diagnostics.overview(view, DATASET)
    passed, failed = table.rows
    assert passed[1:] == ["8", str(len(CHECKS)), "0", "0", "–"]
    assert failed[2:5] == [str(len(CHECKS) - 2), "1", "1"]
    assert "30 % pruned" in failed[0]
    assert ("fail" in passed[0], "fail" in failed[0]) == (False, True)
    assert failed[5].index("What square &lt; found.") < failed[5].index("What noise &lt; found.")
    said = str(diagnostics.explanations(view).html)
    assert len(table.frame) == 2 * len(CHECKS)
    for anchor in re.findall('href="#([^"]+)"', failed[5]):
        assert f'id="{anchor}"' in said


def test_curves_are_drawn_of_networks_as_they_were_trained(view_of):
    view = view_of(diagnostics=[network(), network(30)])
    effort, surface = diagnostics.by_effort(view, DATASET), diagnostics.loss_surface(view, DATASET)
    assert len(effort.data) == 4
    assert "50 %" in effort.alt
    assert len(surface.data) == 4
    assert "highest along gradient" in surface.alt


def test_defended_networks_stand_with_the_others_and_are_marked_but_not_drawn(view_of):
    defended = [network(defence="jpeg", zero_gradient="fail"), network(defence="jpeg", made_on="BPDA")]
    view = view_of(diagnostics=[network(), *defended])
    _, as_it_is, adaptive = (row[0] for row in diagnostics.overview(view, DATASET).rows)
    assert as_it_is.startswith("JPEG compression, as it is")
    assert adaptive.startswith("JPEG compression, BPDA")
    assert ("fail" in as_it_is, "fail" in adaptive) == (True, False)
    assert len(diagnostics.by_effort(view, DATASET).data) == 4


def test_without_checks_the_section_says_what_makes_them(view_of):
    view = view_of(diagnostics=[])
    assert "invoke reproduce" in diagnostics.overview(view, DATASET).html


def test_an_unreliable_number_is_marked():
    row = dict.fromkeys(("published", "reproduced", "ci_low", "ci_high", "difference", "n", "status"))
    row |= {"unit": "percent", "decimals": 2}
    marked = [
        comparison(row | {"unreliable": unreliable, "alternatives": {}}) for unreliable in (False, True)
    ]
    assert ["failed a check" in said for said in marked] == [False, True]


def test_a_network_that_failed_is_marked_beside_its_name(view_of):
    failed = view_of(diagnostics=[network(square="fail")])
    assert failed.title("full", DATASET) == f"{failed.title('full')} †"
    assert failed.model_title(f"{DATASET}/full/clean/seed=0").endswith(" †")
    assert failed.title("resnet18", DATASET) == failed.title("resnet18")
    pruned = view_of(diagnostics=[network(), network(30, square="fail")])
    assert pruned.title("full", DATASET) == pruned.title("full")
