"""Writes a workbook's report: `index.html`, `results.json` and the executed notebooks beside them."""

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from meddef_lib import params
from meddef_lib.app import freshness
from meddef_lib.app.plan import Estimate
from meddef_lib.engine.files import PART, write_whole
from meddef_lib.engine.receipts import environment
from meddef_lib.engine.schedule import Outcome
from meddef_lib.report import mathematics, notebook_page, rendering
from meddef_lib.report.blocks import Figure, Prose, Section, Table
from meddef_lib.report.sections import (
    classification,
    comparison,
    data,
    front,
    learning,
    robustness,
    saliency,
    verdicts,
)
from meddef_lib.report.view import View
from meddef_lib.workbook import notebooks
from meddef_lib.workbook.cells import Workbook
from meddef_lib.workbook.collected import Collected

FAILURES = ".failures.json"  # beside the report: what it says failed
SECONDS_OF_A_PART = 3600.0  # what is older was left by a call that was killed


def write(
    book: Workbook,
    outcomes: Mapping[str, Outcome],
    *,
    estimate: Estimate | None = None,
    seconds: float | None = None,
    folder: Path | None = None,
) -> Path:
    """Render the report of what is there; returns the path of `index.html`.

    `outcomes` tell which cells failed in this run, `estimate` and `seconds` what it was thought to cost
    and did cost. What failed in an earlier run is told again until it is made.
    Files appear whole, `index.html` last. Raises notebook_page.NotSelfContained.
    """
    folder = folder or freshness.folder_of(book)
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    freshness.forget(folder)
    _sweep(folder)
    view = View(Collected(book))
    document = verdicts.document(view)
    numbers = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(folder / "results.json", numbers)
    pages = _copy_notebooks(book, folder / "notebooks")
    failures = _failures(view, folder / FAILURES, outcomes)
    page = render(view, document, outcomes, failures, pages, estimate=estimate, seconds=seconds)
    write_whole(folder / "index.html", page)
    if not book.given and not failures:
        freshness.note(book, folder)  # what failed must not stay on a page that nothing renders again
    return folder / "index.html"


def render(
    view: View,
    document: Mapping[str, Any],
    outcomes: Mapping[str, Outcome],
    failures: Sequence[Outcome],
    pages: Mapping[str, bool],
    *,
    estimate: Estimate | None = None,
    seconds: float | None = None,
) -> str:
    """The whole page as HTML. `failures` are what it says failed, `pages` tell which notebooks are there."""
    template = rendering.template("page.html.j2")
    page = template.render(
        title="MedDef, reproduced: " + view.book.profile.title,
        view=view,
        smoke=view.smoke,
        sections=sections(view, document),
        front=front.summary(view, document, outcomes, estimate=estimate, seconds=seconds),
        failures=failures,
        pages=pages,
        linked=[f"notebooks/{stem}.html" for stem, there in pages.items() if there],
        environment=environment(),
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup((rendering.TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup((rendering.TEMPLATES / "script.js").read_text(encoding="utf-8")),
    )
    page = mathematics.to_mathml(page)
    notebook_page.require_self_contained(page, "index.html")
    return page


def sections(view: View, document: Mapping[str, Any]) -> list[Section]:
    """The sections in the paper's own order and numbering."""
    datasets = list(view.book.datasets)

    def each(*builders: Any) -> list[Prose | Table | Figure]:
        return [
            block for dataset in datasets for build in builders for block in _blocks(build(view, dataset))
        ]

    return [
        Section("", "Claims", verdicts.claims(view, document)),
        Section(
            "3.1", "Dataset and preprocessing", each(data.samples, data.distribution, data.counts, data.audit)
        ),
        Section(
            "3.2–3.3, 3.7",
            "The network",
            [
                *_blocks(learning.diagram(view, datasets[0])),
                learning.equations(),
                learning.map_size(view),
                learning.parameter_table(view),
                *_blocks(learning.block_table(view, datasets[0])),
            ],
        ),
        Section(
            "3.2.2, 3.8",
            "Adversarial training",
            [learning.schedule_figure(view), *each(learning.training_figure, learning.training_table)],
        ),
        Section("3.5", "Unstructured pruning", each(learning.magnitude_figure, learning.sparsity_table)),
        Section("4.2", "Comprehensive ablation study", each(robustness.ablation_table)),
        Section(
            "4.3",
            "Attack intensity analysis across epsilon values",
            each(robustness.accuracy_table, robustness.accuracy_curves, robustness.trainings_table),
        ),
        Section(
            "4.1, 4.4",
            "Compression-security trade-off analysis",
            each(robustness.success_table, robustness.success_curves, robustness.clean_curves),
        ),
        Section("4.5", "State-of-the-art comparison", [comparison.table5(view)]),
        Section(
            "4.6",
            "Confusion matrices",
            each(classification.confusion_figure, classification.confusion_table),
        ),
        Section(
            "4.7",
            "Per-class performance",
            each(classification.per_class_table, classification.every_class_table),
        ),
        Section("4.8", "Interpretability through saliency mapping", each(saliency.panels, saliency.numbers)),
        Section("", "Every printed number", [verdicts.values_table(view)]),
        Section("", "The paper against itself", verdicts.paper_audit(document)),
        Section("", "What the paper does not say", verdicts.ledger(document)),
        Section("", "Cells, cost and environment", front.costs(view)),
    ]


def _failures(view: View, file: Path, outcomes: Mapping[str, Outcome]) -> list[Outcome]:
    """What failed or could not start, in this run or in an earlier one; kept in `file` for the next."""
    cells, store = front.every_cell(view), view.book.store
    found = [outcome for outcome in outcomes.values() if outcome.state in ("failed", "blocked")]
    if file.is_file():
        earlier = [Outcome(**told) for told in json.loads(file.read_text(encoding="utf-8"))]
        lacking = {name for name, recipe in cells.items() if not store.has(recipe)}
        found += [told for told in earlier if told.id in lacking and told.id not in outcomes]
    write_whole(file, json.dumps([asdict(outcome) for outcome in found]))
    return found


def _blocks(found: Any) -> list[Prose | Table | Figure]:
    return list(found) if isinstance(found, list | tuple) else [found]


def _copy_notebooks(book: Workbook, folder: Path) -> dict[str, bool]:
    """Put the executed notebooks and their pages beside the report; which of them are there, by stem."""
    if book.given:  # the notebooks show what was trained here
        return {}
    recipes = notebooks.recipes(book, notebooks.NOTEBOOKS)
    there = {stem: book.store.has(recipe) for stem, recipe in recipes.items()}
    of_others = [each.executed_name(name) for each in notebooks.NOTEBOOKS for name in params.DATASET_IDS]
    for stem in dict.fromkeys([*there, *of_others]):
        for made, suffix in (("executed.ipynb", "ipynb"), ("page.html", "html")):
            target = folder / f"{stem}.{suffix}"
            if there.get(stem):
                part = target.with_name(f"{target.name}.{os.getpid()}{PART}")
                shutil.copyfile(book.store.folder(recipes[stem]) / made, part)
                part.replace(target)
            else:
                target.unlink(missing_ok=True)  # of an earlier run: it shows other numbers than this report
    return there


def _sweep(folder: Path) -> None:
    """Remove what killed calls left half written in a report's folder; others may be writing there now."""
    for part in (*folder.glob(f"*{PART}"), *(folder / "notebooks").glob(f"*{PART}")):
        with suppress(FileNotFoundError):  # another call's, finished in this moment
            if part.stat().st_mtime < time.time() - SECONDS_OF_A_PART:
                part.unlink()
