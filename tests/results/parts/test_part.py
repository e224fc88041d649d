"""What parts share: numbers with their intervals, and the rows of one model."""

import pandas as pd
import pytest

from meddef_lib.paper.audit import GRADES, audit
from meddef_lib.results import part
from meddef_lib.results.collected import of_model
from meddef_lib.results.model import Model
from meddef_lib.results.outcomes import Outcome
from meddef_lib.results.parts import claims
from meddef_lib.results.statistics import Interval


def test_a_number_has_the_ends_of_its_interval():
    outcome = Outcome(per_seed=(40.0,), interval=Interval(30.0, 50.0))
    assert part.number("ours", outcome) == {"ours": 40, "ci_low": 30, "ci_high": 50}
    assert part.number("ours", None) == dict.fromkeys(("ours", "ci_low", "ci_high"))
    assert part.ends(Interval(0.25, 0.5), 100) == {"ci_low": 25, "ci_high": 50}


@pytest.mark.parametrize(
    ("other", "found"), [({}, 1), ({"seed": 1}, 0), ({"mode": "paper"}, 0), ({"dataset": "chest_xray"}, 0)]
)
def test_rows_are_of_a_model_where_all_its_names_fit(other, found):
    names = {"dataset": "roct", "variant": "full", "mode": "clean", "seed": 0}
    records = pd.DataFrame([names, names | {"variant": "resnet18"}])
    assert len(of_model(records, Model(**names | other))) == found
    assert of_model(pd.DataFrame(), Model(**names)).empty


def test_every_finding_is_counted_by_its_grade():
    counted = claims.grades(None)
    assert list(counted) == list(GRADES)
    assert sum(counted.values()) == len(audit())
