"""What a section of the page is written from: the document of a run, and the pictures beside it."""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from meddef_lib.report.blocks import Column, Made, MadeCell, Prose, Table, text_of

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
HOW_TO_READ = Markup(
    "In each cell: the paper's number, ours, its 95 % interval, the difference in points, and the status."
)


@dataclass(frozen=True)
class View:
    """A document with the pictures beside it."""

    document: Mapping[str, Any]
    folder: Path | None = None  # of the document: its pictures are in `pictures` below it

    @property
    def smoke(self) -> bool:
        """Whether the images are phantoms, so that nothing here may be taken for a result."""
        return bool(self.document["phantom"])

    @property
    def given(self) -> Mapping[str, str] | None:
        """The file and sha256 of weights that stand in for what would be trained; None where there are none."""
        return self.document["run"].get("weights")

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The profile as it was run: `parameters["attacks"]["methods"]`."""
        return self.document["run"]["parameters"]

    @property
    def datasets(self) -> Mapping[str, Mapping[str, Any]]:
        """Title and classes of each data set of the run, by id."""
        return self.document["names"]["datasets"]

    @cached_property
    def values(self) -> dict[str, Mapping[str, Any]]:
        """The entries of `values` by id."""
        return {row["id"]: row for row in self.document["values"]}

    def rows(self, part: str, **where: Any) -> pd.DataFrame:
        """The rows of a part that have these values, as a frame; without rows it has no columns either."""
        chosen = (
            row for row in self.document[part] if all(row[name] == value for name, value in where.items())
        )
        return pd.DataFrame(list(chosen))

    # --- names ---

    @property
    def first_seed(self) -> str:
        """For the caption of what shows the models of the first seed alone: "" where there is one seed."""
        seeds = self.parameters["seeds"]
        return f", seed {seeds[0]}" if len(seeds) > 1 else ""

    def title(self, variant: str) -> str:
        """The name of a variant, the paper's where it has one."""
        return self.document["names"]["variants"][variant]

    def attack(self, attack: str) -> str:
        """The name of an attack; of "" that of clean images."""
        return self.document["names"]["attacks"][attack or "clean"]

    def training(self, mode: str) -> str:
        """The name of a way of training."""
        return self.document["names"]["trainings"][mode]

    def dataset(self, dataset: str) -> str:
        """The name of a data set."""
        return self.datasets[dataset]["title"]

    def models(self, dataset: str, **where: Any) -> list[Mapping[str, Any]]:
        """The networks of a data set that have these values (`main=True`: those that fill the tables)."""
        return [
            model
            for model in self.document["models"]
            if model["dataset"] == dataset and all(model[name] == value for name, value in where.items())
        ]

    def model_title(self, id: str) -> str:
        """The name of a network, by its id."""
        (title,) = (model["title"] for model in self.document["models"] if model["id"] == id)
        return title

    # --- what is there ---

    def missing(self, what: str) -> Prose:
        """Said in the place of what has not been made."""
        if self.given:
            return Prose(Markup("Not part of an evaluation of given weights: {}.").format(what), "missing")
        command = self.document["run"]["command"]
        said = Markup("Not there yet: {}. <code>{}</code> makes it.").format(what, command)
        return Prose(said, "missing")

    def picture(self, name: str, alt: str) -> Markup | None:
        """A picture beside the document, by its name without ending: an SVG as it is, else an embedded image."""
        for suffix in ("svg", "webp", "png"):
            file = self.folder / "pictures" / f"{name}.{suffix}" if self.folder else None
            if file and file.is_file():
                if suffix == "svg":
                    return Markup(file.read_text(encoding="utf-8"))
                data = b64encode(file.read_bytes()).decode()
                return Markup('<img alt="{}" src="data:image/{};base64,{}">').format(alt, suffix, data)
        return None

    def made(self, notebook: str, cells: Iterable[str]) -> Made:
        """How something was made: the page of its notebook and those of the cells, by id, that are there.

        Notebooks show what was trained here: with given weights there is none.
        """
        found = [self._cells[id] for id in cells if id in self._cells]
        return Made("" if self.given else f"notebooks/{notebook}.html", found)

    def cells(self, models: Iterable[Mapping[str, Any]], *kinds: str) -> list[str]:
        """The ids of the cells of these kinds that are about one of the networks, kind by kind."""
        ids = {model["id"] for model in models}
        return [
            cell["id"]
            for kind in kinds
            for cell in self.document["cells"]
            if cell["kind"] == kind and cell["model"] in ids
        ]

    @cached_property
    def _cells(self) -> dict[str, MadeCell]:
        return {
            cell["id"]: MadeCell(
                id=cell["id"],
                key=cell["key"],
                seconds=cell["seconds"],
                device=device_and_precision(cell),
                commit=cell["commit"],
                settings=json.dumps(cell["settings"], ensure_ascii=False),
            )
            for cell in self.document["cells"]
            if cell["state"] == "there"
        }


def device_and_precision(cell: Mapping[str, Any]) -> str:
    """What a cell was computed on, and in which precision where its maker chose one."""
    return ", ".join(word for word in (cell["device"], cell["precision"]) if word)


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
