"""Section 4.5: the paper's Table 5, with our success rates in the rows that are MedDef's."""

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL
from meddef_lib.report.elements import Table, frame_table
from meddef_lib.report.section import Section
from meddef_lib.report.view import View
from meddef_lib.results.parts.tables import OF_TABLE_5


def table5(view: View) -> Table:
    """Table 5 as printed; for MedDef's rows every PGD success rate of this run, by pruning rate."""
    rows = [
        {name: str(row[name]) for name in ("method", "year", "strategy", "data", "printed")}
        | {
            "ours: PGD success rate of full, %": ", ".join(
                f"{one['success_rate']:.2f} ({one['rate_percent']} % pruned)" for one in row["ours"]
            )
            or "–",
        }
        for row in view.document["table5"]
    ]
    return frame_table(
        pd.DataFrame(rows),
        id="table5",
        caption="Table 5: other defences as printed, and what this run measured of MedDef",
        note=Markup(
            "Other methods' numbers are as the paper quotes them, on other data and budgets; none was run. "
            "The paper does not say at which pruning rate and epsilon MedDef's two numbers were taken."
        ),
        made=view.made(
            f"05_pruning_sweep.{next(iter(view.datasets))}",
            (
                id
                for kind in ("attack", "prune")
                for dataset in view.datasets
                for id in view.cells(dataset, kind, attacks=[OF_TABLE_5], main=True, variant=FULL.id)
            ),
        ),
        smoke=view.smoke,
    )


def draw(view: View) -> list[Table]:
    """Table 5."""
    return [table5(view)]


SECTION = Section(number="4.5", title="State-of-the-art comparison", order=45, draw=draw)
