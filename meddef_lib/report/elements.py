"""What a section of the report is made of: paragraphs, tables and figures, each with how it was made."""

import html
import math
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from pandas.api.types import is_numeric_dtype

from meddef_lib.paper.addresses import eps_text
from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import latex, scoped_style

TEMPLATES = Path(__file__).parent / "templates"
NOTHING = Markup()
SMOKE = "Made-up images."  # before the caption of whatever shows them
MADE_UP = ("made-up images", "", "□")  # as a `label`
NAMED = 12  # columns whose titles the style can say before their cells
SENTENCE = 60  # characters: a column with longer texts in it is one of sentences
# spaces at which no line ends: before a per cent, in an interval behind its number, in a p-value
KEPT_TOGETHER = re.compile(
    r"(?<=[\d\]]) %|(?:(?<=[\d%] )|(?<=>)|^)\[[−+\d.]+, [−+\d.]+\]|\bp (?:(?:&lt;|[<=]) )?(?=\d)"
)
LONG_WORD = re.compile(r"\S{16,}")
TextOf = Callable[[Any], str]  # of one value in a table


@dataclass(frozen=True)
class Made:
    """How a table or figure was made: the notebook that shows it, and the cells behind it."""

    notebook: str  # file name of the executed notebook's page, beside the report; "" where none shows it
    cells: Sequence[Mapping[str, Any]] = ()  # as the document has them


def device_and_precision(cell: Mapping[str, Any]) -> str:
    """What a cell was computed on, and in which precision where its maker chose one."""
    return ", ".join(word for word in (cell["device"], cell["precision"]) if word)


class Shown:
    """What a notebook shows by itself, as the report does."""

    def _repr_html_(self) -> str:
        return str(scoped_style.wrapped(block_html(self)))


@dataclass(frozen=True)
class Prose(Shown):
    """A paragraph of HTML that the report itself wrote; one with a title is folded on the page under it."""

    html: Markup
    kind: Literal["text", "note", "missing"] = "text"
    title: str = ""
    dataset: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and how its cells stand."""

    title: str
    align: Literal["left", "right"] = "left"
    heading: bool = False  # its cells head their rows
    wide: bool = False  # of sentences, which would be squeezed between numbers

    @property
    def classes(self) -> str:
        """Of its cells in HTML; "" for what stands to the left."""
        return " ".join(["right"] * (self.align == "right") + ["wide"] * self.wide)


def columns(
    *titles: str, heads: int = 1, right: Container[str] = (), wide: Container[str] = ()
) -> list[Column]:
    """Columns by their titles: the first ones head their rows, those in `right` are of numbers."""
    return [
        Column(
            _capital(title), "right" if title in right else "left", heading=place < heads, wide=title in wide
        )
        for place, title in enumerate(titles)
    ]


def _capital(title: str) -> str:
    """A title as a heading: with a capital, but for a quantity of one letter, such as n or p."""
    return title if len(title.split(" ")[0]) < 2 else title[0].upper() + title[1:]


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
    texts: Mapping[str, TextOf] = field(default_factory=dict)  # of columns that fixed decimals do not suit
    dataset: str = ""

    @cached_property
    def stacks(self) -> bool:
        """Whether each row is a block on a phone, a cell a line: where there are sentences."""
        return any(column.wide for column in self.columns) and len(self.telling) <= NAMED

    @cached_property
    def telling(self) -> list[int]:
        """The places of the columns that are shown: those that head rows, or say something in some row."""
        every = range(len(self.columns))
        said = [bool({row[place] for row in self.rows} - {"–", ""}) or not self.rows for place in every]
        return [place for place in every if self.columns[place].heading or said[place]]

    @property
    def files(self) -> dict[str, str]:
        """What can be downloaded of it: the text of each file by its ending."""
        return {"csv": self.frame.to_csv(index=False), "tex": self.latex}

    @property
    def latex(self) -> str:
        """It in LaTeX with rules of booktabs; without `decimals`, six digits of a number."""
        caption = f"{SMOKE} {self.caption}" if self.smoke else self.caption
        texts = _texts(self.frame, self.decimals, self.texts)
        return latex.table(texts, like=self.frame, caption=caption, label=self.id)


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
    dataset: str = ""

    def __post_init__(self) -> None:
        if not self.alt.strip() or self.alt.strip() == self.caption.strip():
            raise ValueError(f"figure {self.id} needs a text alternative of its own")
        if _kept_together(self.alt) not in _kept_together(html.unescape(self.picture)):
            raise ValueError(f"the picture of figure {self.id} does not say its text alternative")

    @property
    def files(self) -> dict[str, str]:
        """What can be downloaded of it: the text of each file by its ending."""
        return {} if self.data is None else {"csv": self.data.to_csv(index=False)}


Block = Prose | Table | Figure


def frame_table(
    frame: pd.DataFrame,
    *,
    id: str,
    caption: str,
    heads: int = 1,
    decimals: int = 2,
    texts: Mapping[str, TextOf] | None = None,
    note: Markup = NOTHING,
    smoke: bool = False,
) -> Table:
    """A plain table of a frame: numbers to the right, absent ones a dash; the first columns are headings.

    `texts` says the values of a column, by its name, where fixed decimals do not suit them.
    """
    texts = texts or {}
    titles = {str(name).replace("_", " "): is_numeric_dtype(frame[name]) for name in frame.columns}
    rows = _texts(frame, decimals, texts)
    long = [title for place, title in enumerate(titles) if any(len(row[place]) > SENTENCE for row in rows)]
    right = [title for title, numeric in titles.items() if numeric]
    shown = columns(*titles, heads=heads, right=right, wide=long)
    return Table(id, caption, shown, rows, frame, note, smoke=smoke, decimals=decimals, texts=texts)


def _texts(frame: pd.DataFrame, decimals: int | None, texts: Mapping[str, TextOf]) -> list[list[str]]:
    said = [texts.get(str(name)) or partial(text_of, decimals=decimals) for name in frame.columns]
    return [
        [say(value) for say, value in zip(said, row, strict=True)] for row in frame.itertuples(index=False)
    ]


def text_of(value: Any, decimals: int | None = 2) -> str:
    """A value as a table shows it: a dash for what does not exist, thousands apart, fixed decimals.

    Without `decimals`, six digits of a number.
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        if decimals is None and math.isfinite(value):
            return f"{value:.6g}"
        return "–" if math.isnan(value) else f"{value:z,.{decimals or 0}f}".replace("-", "−")  # z: no "-0.00"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    return str(value)


def with_interval(
    row: Mapping[Any, Any],
    number: str,
    decimals: int = 0,
    *,
    unit: str = "",
    scale: float = 1.0,
    ends: tuple[str, str] = ("ci_low", "ci_high"),
) -> str:
    """A number of a row with its interval, where it has one: "62 % [31, 81]"; a dash where there is none."""
    if row[number] is None:
        return "–"
    said = text_of(scale * row[number], decimals) + unit
    if row[ends[0]] is None:
        return said
    low, high = (text_of(scale * row[end], decimals) for end in ends)
    return f"{said} [{low}, {high}]"


def label(said: tuple[str, str, str], title: str = "") -> Markup:
    """A coloured word with its shape: (word, kind, shape), as of `comparing`; `title`: under the pointer."""
    word, kind, shape = said
    more = Markup(' title="{}"').format(title) if title else Markup()
    return Markup('<span class="status {}"{}>{} {}</span>').format(kind, more, shape, word)


# --- as HTML --------------------------------------------------------------------------------------


def template(name: str) -> Template:
    """A template of the report; what it is not given is an error, what it is given is escaped in HTML."""
    return _environment().get_template(name)


def macros(name: str, **words: Any) -> Any:
    """The macros of a template, which may use `words`."""
    return template(name).make_module(words) if words else template(name).module


def block_html(block: Any) -> Markup:
    """A paragraph, table or figure as HTML, as the report and the notebooks show it."""
    return macros("elements.html.j2").block(block)


def breakable(text: str) -> Markup:
    """A text whose long words, such as ids, a narrow column may break after their slashes and underscores."""
    if isinstance(text, Markup):
        return text
    return Markup(LONG_WORD.sub(lambda word: re.sub("[/_]", r"\g<0><wbr>", word[0]), escape(text)))


def css_text(text: str) -> str:
    """A text as CSS writes one."""
    return '"' + re.sub(r'["\\\n]', lambda sign: f"\\{ord(sign[0]):x} ", text) + '"'


def _kept_together(value: Any) -> Any:
    """What a template shows, with no break in what is read as one number (`KEPT_TOGETHER`)."""
    if not isinstance(value, str):
        return value
    said = KEPT_TOGETHER.sub(lambda found: found[0].replace(" ", "\u00a0"), value)
    return Markup(said) if isinstance(value, Markup) else said


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is None or not name.endswith(".md.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_kept_together,
    )
    shared = (device_and_precision, counted, css_text, eps_text, label, breakable)
    made.globals |= {"SMOKE": SMOKE, "MADE_UP": MADE_UP}
    made.globals |= {function.__name__: function for function in shared}
    return made
