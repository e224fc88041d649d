"""Section 4.5: the paper's Table 5, with our PGD success rates in the rows that are MedDef's."""

import pandas as pd
from markupsafe import Markup

from meddef_lib.engine.recipe import Recipe
from meddef_lib.paper.addresses import Address
from meddef_lib.report.blocks import Table, frame_table
from meddef_lib.report.view import View


def table5(view: View) -> Table:
    """Table 5 as printed; for MedDef's rows every PGD success rate of this run, by pruning rate."""
    rows = []
    for entry in view.paper.comparison:
        ours = _measured(view, entry.dataset) if entry.dataset in view.book.datasets else ""
        rows.append(
            {
                "method": entry.method,
                "year": str(entry.year),
                "strategy": entry.strategy,
                "data": entry.data,
                "printed": entry.printed,
                "ours: PGD success rate of full, %": ours or "–",
            }
        )
    return frame_table(
        pd.DataFrame(rows),
        id="table5",
        caption="Table 5: other defences as printed, and what this run measured of MedDef",
        note=Markup(
            "Other methods' numbers are as the paper quotes them, on other data and budgets; none was run. "
            "The paper does not say at which pruning rate and epsilon MedDef's two numbers were taken."
        ),
        made=view.made(f"05_pruning_sweep.{next(iter(view.book.datasets))}", _cells(view)),
        smoke=view.smoke,
    )


def _cells(view: View) -> list[Recipe]:
    """The PGD records of the full model, unpruned and pruned."""
    book = view.book
    models = [model for dataset in book.datasets for model in book.main_models(dataset)]
    full = [model for model in models if model.variant == "full"]
    makers = [
        make
        for make, methods in (
            (book.attack, book.profile.attacks.methods),
            (book.pruning, book.pruning_methods),
        )
        if "pgd" in methods
    ]
    return [make(model, "pgd") for model in full for make in makers]


def _measured(view: View, dataset: str) -> str:
    found = []
    for rate in view.book.profile.pruning.rates:
        percent = round(100 * rate)
        address = Address(
            dataset=dataset,
            quantity="attack_success_rate",
            variant="full",
            attack="pgd",
            eps=view.book.profile.pruning.eps,
            rate_percent=percent,
        )
        outcome = view.found.outcomes.get(address)
        if outcome is not None and outcome.value is not None:
            found.append(f"{outcome.value:.2f} ({percent} % pruned)")
    return ", ".join(found)
