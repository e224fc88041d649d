"""Every printed number, one a row."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.addresses import DIGITS
from meddef_lib.report import bars
from meddef_lib.report.comparing import PARTS, STATUS_WORDS, compared, folded, label
from meddef_lib.report.elements import Figure, Table, columns, text_of
from meddef_lib.report.section import Section
from meddef_lib.report.view import View, breakable


def by_table(view: View) -> Figure:
    """A bar a table of the paper, or a section that prints numbers: what became of them."""
    counts: dict[str, Counter[str]] = {}
    for row in view.values.values():
        counts.setdefault(_place(row["id"]), Counter())[row["status"]] += 1
    alt = f"A bar for each of {len(counts)} places that print numbers, with these by status."
    rows = [
        {"place": place, "status": status, "numbers": number}
        for place, of in counts.items()
        for status, number in of.items()
    ]
    picture = bars.stacked(counts, STATUS_WORDS, alt)
    caption = "The printed numbers by where they stand"
    return Figure("values-by-table", caption, alt, picture, pd.DataFrame(rows))


def _place(id: str) -> str:
    """Where a number stands: `table1/...` is Table 1, `per_class/...` is "per class"."""
    return id.partition("/")[0].replace("_", " ").replace("table", "Table ")


def values_table(view: View) -> Table:
    """Every printed number, one a row, with its tolerance and what this n could have shown."""
    numbers = (*PARTS[:-1], "Tolerance", "n", "Smallest difference this n can show")
    titles = columns("id", "Section", *numbers, "Status", right=numbers)
    rows = [_value_row(row) for row in view.values.values()]
    keys = ["id", "section", "published", "reproduced", "unit", "n", "ci_low", "ci_high"]
    keys += ["difference", "tolerance", "status"]
    frame = pd.DataFrame(view.document["values"], columns=keys)
    rule = view.document["tolerance_rule"]
    note = Markup(
        "Tolerance = {rule} The computed steps behind each number are in <code>results.json</code>, "
        "under its id."
    ).format(rule=rule[:1].lower() + rule[1:])
    caption = f"Every number that the paper prints ({len(rows)})"
    return Table("values", caption, titles, rows, frame, note)


def _value_row(row: Mapping[str, Any]) -> Sequence[str | Markup]:
    *numbers, _ = compared(row)  # the status says why beside it, not under the pointer
    return [
        Markup('<span id="value-{}">{}</span>').format(row["id"], breakable(row["id"])),
        row["section"],
        *numbers,
        text_of(row["tolerance"], DIGITS[row["unit"]]),
        text_of(row["n"]),
        text_of(row["smallest_detectable"], row["decimals"]),
        label(STATUS_WORDS[row["status"]]) + folded("; ".join(row["deviations"]) or row["reason"]),
    ]


SECTION = Section(
    number="", title="Every printed number", order=90, draw=lambda view: [by_table(view), values_table(view)]
)
