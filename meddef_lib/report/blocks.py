"""What a section of the report is made of: paragraphs, tables and figures, each with how it was made."""

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from markupsafe import Markup

NOTHING = Markup()


@dataclass(frozen=True)
class Made:
    """How a table or figure was made: the notebook that shows it, and the cells behind it."""

    notebook: str  # file name of the executed notebook's page, beside the report
    cells: Sequence["MadeCell"] = ()


@dataclass(frozen=True)
class MadeCell:
    """One cell behind a table or figure, from its receipt."""

    id: str
    key: str
    seconds: float
    device: str
    commit: str
    settings: str  # JSON


class Shown:
    """What a notebook shows by itself, as the report does."""

    def _repr_html_(self) -> str:
        from meddef_lib.report import rendering

        return str(rendering.block_html(self))


@dataclass(frozen=True)
class Prose(Shown):
    """A paragraph of HTML that the report itself wrote."""

    html: Markup
    kind: Literal["text", "note", "missing"] = "text"


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and how its cells stand."""

    title: str
    align: Literal["left", "right"] = "left"
    heading: bool = False  # its cells head their rows
    wide: bool = False  # of sentences, which would be squeezed between numbers


@dataclass(frozen=True)
class Table(Shown):
    """A table as shown (`rows` of texts or Markup) and as copied (`frame`, one value a row)."""

    id: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Markup]]
    frame: pd.DataFrame
    note: Markup = NOTHING
    made: Made | None = None
    smoke: bool = False
    decimals: int | None = None  # of the numbers in its LaTeX

    @property
    def csv(self) -> str:
        return self.frame.to_csv(index=False)

    @property
    def latex(self) -> str:
        return latex(self.frame, self.caption, self.id, self.decimals)


@dataclass(frozen=True)
class Figure(Shown):
    """A figure as HTML (inline SVG or an embedded image), with its text alternative and its data."""

    id: str
    caption: str
    alt: str
    picture: Markup
    data: pd.DataFrame | None = None
    note: Markup = NOTHING
    made: Made | None = None
    smoke: bool = False

    def __post_init__(self) -> None:
        if not self.alt.strip() or self.alt.strip() == self.caption.strip():
            raise ValueError(f"figure {self.id} needs a text alternative of its own")
        if self.alt not in html.unescape(self.picture):
            raise ValueError(f"the picture of figure {self.id} does not say its text alternative")


@dataclass(frozen=True)
class Section:
    """A section of the report under the paper's number and title."""

    number: str
    title: str
    blocks: Sequence[Prose | Table | Figure] = field(default_factory=tuple)

    @property
    def anchor(self) -> str:
        return "s" + re.sub(r"[^0-9a-z]+", "-", f"{self.number} {self.title}".lower()).strip("-")


def frame_table(
    frame: pd.DataFrame,
    *,
    id: str,
    caption: str,
    decimals: int = 2,
    note: Markup = NOTHING,
    made: Made | None = None,
    smoke: bool = False,
) -> Table:
    """A plain table of a frame: numbers to the right, absent ones a dash; the first column is a heading."""
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    columns = [
        Column(str(name).replace("_", " "), "right" if is_number else "left", heading=position == 0)
        for position, (name, is_number) in enumerate(zip(frame.columns, numeric, strict=True))
    ]
    rows = [[text_of(value, decimals) for value in row] for row in frame.itertuples(index=False)]
    return Table(id, caption, columns, rows, frame, note, made, smoke, decimals)


def text_of(value: Any, decimals: int = 2) -> str:
    """A value as a table shows it: a dash for what does not exist, thousands apart, fixed decimals."""
    if value is None or value is pd.NA or value is pd.NaT:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return "–" if math.isnan(value) else f"{value:z,.{decimals}f}".replace("-", "−")  # z: no "-0.00"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    return str(value)


LATEX = {
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "−": "$-$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "[": "{[}",  # LaTeX would read it as the options of the row's end before it; so, too, the next
    "*": "{*}",
    "\n": " ",
}


def latex(frame: pd.DataFrame, caption: str, label: str, decimals: int | None = None) -> str:
    """A data frame as a LaTeX table with rules of booktabs; without `decimals`, six digits of a number."""

    def cell(value: Any) -> str:
        if decimals is None and isinstance(value, float) and math.isfinite(value):
            value = f"{value:.6g}"
        return "".join(LATEX.get(sign, sign) for sign in text_of(value, decimals or 0))

    names = " & ".join(cell(str(name)) for name in frame.columns)
    rows = [" & ".join(cell(value) for value in row) + r" \\" for row in frame.itertuples(index=False)]
    alignment = "".join("r" if pd.api.types.is_numeric_dtype(frame[name]) else "l" for name in frame.columns)
    lines = [
        r"\begin{table}",
        rf"\caption{{{cell(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        rf"{names} \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
