"""What a section of the report is written from: collected results, their verdicts, and how each was made."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from meddef_lib.engine.recipe import Recipe
from meddef_lib.paper.published import Paper
from meddef_lib.report.blocks import Column, Made, MadeCell, Prose, Table, text_of
from meddef_lib.results import verdicts
from meddef_lib.workbook.cells import Trained, Workbook
from meddef_lib.workbook.collected import Collected

STATUS_WORDS = {
    "within_tolerance": ("agrees", "good", "●"),
    "better": ("better", "good", "▲"),
    "differs": ("differs", "bad", "▼"),
    "inconclusive": ("inconclusive", "open", "◐"),
    "other_setting": ("other setting", "open", "◇"),
    "not_run": ("not run", "", "–"),
    "cannot_run": ("cannot be run", "", "×"),
    "smoke": ("smoke", "", "○"),
}
CLAIM_WORDS = {
    "holds": ("holds", "good", "●"),
    "does_not_hold": ("does not hold", "bad", "▼"),
    "mixed": ("mixed", "open", "◐"),
    "not_testable": ("not testable", "", "×"),
    "smoke": ("smoke", "", "○"),
}
TRAININGS = {
    "clean": "clean training",
    "paper": "the paper's training",
    "pgd": "PGD training",
    "trades": "TRADES",
    "fast": "fast training",
    "given": "given weights",
}
ATTACK_TITLES = {"clean": "Clean", "fgsm": "FGSM", "pgd": "PGD", "bim": "BIM", "jsma": "JSMA"}
HOW_TO_READ = Markup(
    "In each cell: the paper's number, ours, its 95 % interval, the difference in points, and the status."
)


@dataclass(frozen=True)
class View:
    """Collected results with the verdict of each printed number."""

    found: Collected

    @property
    def book(self) -> Workbook:
        return self.found.book

    @property
    def paper(self) -> Paper:
        return self.found.paper

    @property
    def smoke(self) -> bool:
        """Whether the images are phantoms, so that nothing here may be taken for a result."""
        return self.book.profile.data.source == "phantoms"

    @cached_property
    def values(self) -> dict[str, dict[str, Any]]:
        """The entries of results.json by id."""
        return {row["id"]: row for row in verdicts.rows(self.paper, self.found.outcomes)}

    @property
    def first_seed(self) -> str:
        """For the caption of what shows the models of the first seed alone: "" where there is one seed."""
        seeds = self.book.profile.seeds
        return f", seed {seeds[0]}" if len(seeds) > 1 else ""

    def title(self, variant: str) -> str:
        """The paper's name of a variant."""
        return self.paper.variants[variant]

    def model_title(self, model: Trained) -> str:
        """A model by the paper's name, how it was trained and, where there are several, its seed."""
        seed = f", seed {model.seed}" if len(self.book.profile.seeds) > 1 else ""
        size = f", {model.image_size} px" if model.image_size else ""
        return f"{self.title(model.variant)} ({TRAININGS[model.mode]}{seed}{size})"

    def missing(self, what: str) -> Prose:
        """Said in the place of what has not been made."""
        if self.book.given:
            return Prose(Markup("Not part of an evaluation of given weights: {}.").format(what), "missing")
        said = Markup("Not there yet: {}. <code>{}</code> makes it.").format(what, self.book.command)
        return Prose(said, "missing")

    def made(self, notebook: str, recipes: Iterable[Recipe]) -> Made:
        """How something was made: the page of its notebook and the receipts of its cells.

        Notebooks show what was trained here: with given weights there is none.
        """
        cells = []
        for recipe in recipes:
            if self.book.store.has(recipe):
                receipt = self.book.store.receipt(recipe)
                cells.append(
                    MadeCell(
                        id=recipe.id,
                        key=recipe.key,
                        seconds=receipt["seconds"],
                        device=device_and_precision(receipt),
                        commit=receipt["environment"]["commit"] or "",
                        settings=json.dumps(recipe.settings, ensure_ascii=False),
                    )
                )
        return Made("" if self.book.given else f"notebooks/{notebook}.html", cells)


def device_and_precision(receipt: Mapping[str, Any]) -> str:
    """What a cell was computed on, and in which precision where its maker chose one."""
    precision = receipt.get("ran", {}).get("precision")
    return f"{receipt['device']}, {precision}" if precision else receipt["device"]


def text(html: str, **values: Any) -> Prose:
    """A paragraph; `values` are escaped and filled in."""
    return Prose(Markup(html).format(**values))


def comparison(row: Mapping[str, Any] | None) -> Markup:
    """One cell of a comparing table: paper, ours, interval, difference, status in words and shape."""
    if row is None:
        return Markup("–")
    decimals = row["decimals"]
    lines = [
        Markup('<span class="paper">paper {}</span>').format(_number(row["published"], row["unit"], decimals))
    ]
    if row["reproduced"] is not None:
        ours = _number(row["reproduced"], row["unit"], decimals)
        lines.append(Markup('<span class="ours">{}</span>').format(ours))
        if row["ci_low"] is not None:
            low, high = (_number(row[end], row["unit"], decimals) for end in ("ci_low", "ci_high"))
            lines.append(Markup('<span class="interval">[{}, {}]</span>').format(low, high))
        lines.append(Markup('<span class="interval">{}</span>').format(signed(row["difference"], decimals)))
    lines.append(_status(row))
    return Markup(" ").join(lines)


PARTS = ("Paper", "Ours", "95 % interval", "Difference", "Status")


def compared(row: Mapping[str, Any] | None) -> list[str | Markup]:
    """The parts of a comparison, one a cell of a table: what `PARTS` heads."""
    if row is None:
        return ["–"] * len(PARTS)
    unit, decimals = row["unit"], row["decimals"]
    paper, ours, *ends = (
        "–" if row[key] is None else _number(row[key], unit, decimals)
        for key in ("published", "reproduced", "ci_low", "ci_high")
    )
    interval = "–" if row["ci_low"] is None else f"{ends[0]} to {ends[1]}"
    return [
        paper,
        Markup("<b>{}</b>").format(ours),
        interval,
        signed(row["difference"], decimals),
        _status(row),
    ]


def _status(row: Mapping[str, Any]) -> Markup:
    """The status as a coloured word with its shape; the reason shows under the pointer."""
    word, kind, shape = STATUS_WORDS[row["status"]]
    why = "; ".join(row["deviations"]) or row["reason"]
    return Markup('<span class="status {}" title="{}">{} {}</span>').format(kind, why, shape, word)


def comparing_table(
    view: View,
    *,
    id: str,
    caption: str,
    heads: Iterable[str],
    columns: Mapping[str, str],
    rows: Iterable[tuple[tuple[str, ...], Mapping[str, str]]],
    note: Markup,
    made: Made | None,
) -> Table:
    """A table of comparisons: `rows` are (heads, column -> id of the value); `columns` column -> title.

    A single column is shown as several: paper, ours, interval, difference, status.
    """
    rows = list(rows)
    shown: list[list[str | Markup]] = []
    copied: list[dict[str, Any]] = []
    head_titles = list(heads)
    for texts, ids in rows:
        values = [view.values.get(ids.get(name, "")) for name in columns]
        # one value a row leaves room to set its parts side by side
        parts = compared(values[0]) if len(columns) == 1 else [comparison(value) for value in values]
        shown.append([*texts, *parts])
        for name, title in columns.items():
            row = view.values.get(ids.get(name, ""))
            if row is not None:
                copied.append(dict(zip(head_titles, texts, strict=True)) | {"column": title} | _long(row))
    head_columns = [Column(title, heading=True) for title in head_titles]
    body = [Column(title, "right") for title in (PARTS if len(columns) == 1 else columns.values())]
    return Table(id, caption, [*head_columns, *body], shown, pd.DataFrame(copied), note, made, view.smoke)


def _long(row: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("published", "reproduced", "ci_low", "ci_high", "difference", "tolerance", "n", "unit", "status")
    names = {"published": "paper", "reproduced": "ours"}
    return {"id": row["id"]} | {names.get(key, key): row[key] for key in keys}


def breakable(id: str) -> Markup:
    """An id that a narrow column may break after its slashes and underscores."""
    return Markup(str(escape(id)).replace("/", "/<wbr>").replace("_", "_<wbr>"))


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 epoch, 2 epochs."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def signed(value: float | None, decimals: int) -> str:
    """A difference with its sign, in typographic minus."""
    if value is None:
        return "–"
    rounded = round(value, decimals)
    return f"{rounded:+,.{decimals}f}".replace("-", "−") if rounded else f"{0:.{decimals}f}"


def _number(value: float, unit: str, decimals: int) -> str:
    return text_of(float(value), decimals) if unit != "count" else text_of(round(value))


def status_label(status: str) -> Markup:
    """A status as a coloured word with its shape."""
    word, kind, shape = STATUS_WORDS[status]
    return Markup('<span class="status {}">{} {}</span>').format(kind, shape, word)


def code(words: str) -> Markup:
    """Words as code."""
    return Markup("<code>{}</code>").format(escape(words))
