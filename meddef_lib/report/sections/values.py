"""Every printed number, one a row."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.addresses import DIGITS
from meddef_lib.report.comparing import PARTS, STATUS_WORDS, compared, folded, label
from meddef_lib.report.elements import Table, columns, text_of
from meddef_lib.report.section import Section
from meddef_lib.report.view import View, breakable


def values_table(view: View) -> Table:
    """Every printed number, one a row, with its tolerance and what this n could have shown."""
    numbers = (*PARTS[:-1], "Tolerance", "n", "Detectable")
    titles = columns("id", "Section", *numbers, "Status", right=numbers)
    rows = [_value_row(row) for row in view.values.values()]
    keys = ["id", "section", "published", "reproduced", "unit", "n", "ci_low", "ci_high"]
    keys += ["difference", "tolerance", "status"]
    frame = pd.DataFrame(view.document["values"], columns=keys)
    note = Markup(
        "{rule} Detectable: the smallest difference that a test set of n images could have shown. The cells "
        "behind each number are in <code>results.json</code>, under its id."
    ).format(rule=view.document["tolerance_rule"])
    caption = f"Every number that the paper prints ({len(rows)})"
    return Table("values", caption, titles, rows, frame, note, None, view.smoke)


def _value_row(row: Mapping[str, Any]) -> Sequence[str | Markup]:
    *numbers, _ = compared(row)  # the status says why beside it, not under the pointer
    return [
        breakable(row["id"]),
        row["section"],
        *numbers,
        text_of(row["tolerance"], DIGITS[row["unit"]]),
        text_of(row["n"]),
        text_of(row["smallest_detectable"], row["decimals"]),
        label(STATUS_WORDS[row["status"]]) + folded("; ".join(row["deviations"]) or row["reason"]),
    ]


SECTION = Section(number="", title="Every printed number", order=90, draw=lambda view: [values_table(view)])
