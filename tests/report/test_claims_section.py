"""The section of claims says which tests they were put to."""

import pytest

from meddef_lib.engine.store import Store
from meddef_lib.report.sections import verdicts
from meddef_lib.report.view import View
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.collected import Collected


@pytest.mark.parametrize(
    ("seeds", "test"), [([0], "McNemar's exact test"), ([0, 1, 2], "Student's t-test over the seeds")]
)
def test_the_test_named_is_that_of_the_profiles_seeds(seeds, test, tmp_path):
    book = workbook("smoke", overrides={"seeds": seeds}, store=Store(tmp_path))
    intro, *_ = verdicts.claims(View(Collected(book)), {"claims": []})
    assert f"({test} with Holm's correction" in intro.html.unescape()
