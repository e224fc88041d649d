"""The table of class metrics says how its intervals were computed."""

import pandas as pd
import pytest

from meddef_lib.engine.store import Store
from meddef_lib.paper import published
from meddef_lib.report.sections import classification
from meddef_lib.report.view import View
from meddef_lib.results.outcomes import Outcome
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.collected import Collected


@pytest.mark.parametrize(
    ("values", "said"),
    [((0.9,), "Intervals: Wilson for"), ((0.9, 0.8, 0.9), "Intervals: Student's t over 3 seeds")],
)
def test_the_note_on_intervals_is_of_the_seeds_that_are_there(values, said, tmp_path):
    book = workbook("smoke", datasets=["chest_xray"], store=Store(tmp_path))
    model = {"dataset": "chest_xray", "variant": "full", "mode": book.modes("full")[0], "seed": 0}
    image = {"label": 0, "clean_pred": 0, "attack": "pgd", "eps": 0.05}
    f1 = published.read().values["per_class/chest_xray/NORMAL/f1"].address
    found = Collected(book)
    vars(found).update(attacked=pd.DataFrame([model | image]), outcomes={f1: Outcome(per_seed=values)})
    table = classification.per_class_table(View(found), "chest_xray")
    assert table.note.startswith(said)
