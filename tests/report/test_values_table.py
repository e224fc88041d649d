"""The table of every printed number."""

from meddef_lib.engine.store import Store
from meddef_lib.report.sections import verdicts
from meddef_lib.report.view import View
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.collected import Collected


def test_a_tolerance_is_shown_with_all_its_digits(tmp_path):
    found = Collected(workbook("smoke", store=Store(tmp_path)))
    vars(found)["outcomes"] = {}
    view = View(found)
    table = verdicts.values_table(view)
    place = [column.title for column in table.columns].index("Tolerance")
    shown = {id: row[place].replace(",", "") for id, row in zip(view.values, table.rows, strict=True)}
    assert shown["table1/full/parameters"] == "0.005", "and not 0.01, to the digits of the number itself"
    assert shown["per_class/roct/CNV/precision"] == "0.0332"
    assert shown["data/roct/test"] == "0"
    for id, value in found.paper.values.items():
        assert shown[id] == "–" if value.tolerance is None else float(shown[id]) == value.tolerance, id
