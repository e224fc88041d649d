"""Printed numbers beside measured ones: a status in words, a cell that compares, a table of such cells."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import elements
from meddef_lib.report.elements import Prose, Table, label, text_of
from meddef_lib.report.view import View

ONE_ANSWER = ("one answer", "open", "∅")  # of clean images or of attacked ones alone
COLLAPSED = ("collapsed", "open", "∅")  # that of clean images
STATUS_WORDS = {
    "within_tolerance": ("agrees", "good", "="),
    "better": ("better", "good", "▲"),
    "differs": ("differs", "bad", "≠"),
    "inconclusive": ("inconclusive", "open", "?"),
    "other_setting": ("other setting", "open", "◇"),
    "not_run": ("not run", "", "⊖"),
    "cannot_run": ("cannot be run", "", "×"),
    "collapsed": ONE_ANSWER,
    "smoke": elements.MADE_UP,
    "pending": ("pending", "", "…"),
}
CLAIM_WORDS = {
    "holds": ("holds", "good", "●"),
    "does_not_hold": ("does not hold", "bad", "▼"),
    "mixed": ("mixed", "open", "◐"),
    "undecided": ("undecided", "open", "?"),
    "not_testable": ("not testable", "", "×"),
    "smoke": elements.MADE_UP,
    "pending": ("pending", "", "…"),
}
FEW = 3  # of what deviates, under the pointer; the table of every printed number has all
NOTHING_PRINTED: Mapping[str, Any] = dict.fromkeys(
    ("id", "published", "reproduced", "ci_low", "ci_high", "difference", "tolerance", "n", "status")
)
FLAGS = {
    "collapsed": ONE_ANSWER,
    "unreliable": ("failed a check of its robustness", "bad", "†"),
}
HOW_TO_READ = Markup(
    "In each cell: the paper's number, ours in bold, the status as a shape (= agrees, ▲ better, ≠ differs, "
    "? inconclusive, ◇ other setting, □ made-up images); on demand ours with its 95 % interval, balanced "
    "accuracy (the mean of the classes' recalls) on the same images, the difference in points, and n. "
    "‡: a check of the paper's own numbers finds this row or class in doubt. "
    "∅ and faded: one answer for nearly every image, clean ones (collapsed) or attacked ones alone."
)


NONE_RIGHT = Markup(
    '<span class="ours" title="No image was right before the attack: there is no success rate">–</span>'
)
NO_GRADIENT = Markup(
    " Gradient 0: for so many images the gradient was exactly 0 where the attack began, as where logits "
    "saturate the softmax. It could not take a step on them, which is no robustness."
)


def comparison(row: Mapping[str, Any] | None) -> Markup:
    """One cell of a comparing table in a line: paper, ours, the status as a shape; the rest on demand."""
    if row is None:
        return Markup("–")
    paper, ours, low, high = _numbers(row)
    printed, measured = row["published"] is not None, row["reproduced"] is not None
    said = [Markup('<span class="paper">{}</span>').format(paper) + _doubt(row)] if printed else []
    more: list[Markup | str] = []
    if measured:
        said.append(Markup('<span class="ours">{}</span>').format(ours))
        more += [f"[{low}, {high}]"] if row["ci_low"] is not None else []
        if (balanced := row["alternatives"].get("balanced_accuracy")) is not None:
            more.append(f"balanced {text_of(balanced, row['decimals'])}")
        more += [f"difference {signed(row['difference'], row['decimals'])}"] if printed else []
        more += [f"n {row['n']:,}"] if row["n"] else []
        more += no_gradient(row)
    elif row["n"] == 0:
        said.append(NONE_RIGHT)
    said += [_shape(*FLAGS[name]) for name in FLAGS if row.get(name) and name != row["status"]]
    if row["status"] is not None:
        said.append(_shape(*STATUS_WORDS[row["status"]], why=_why(row)))
    said += [Markup('<span class="more">{}</span>').format(Markup(" · ").join(more))] if more else []
    kind = "pair faint" if row.get("collapsed") else "pair"
    return Markup('<span class="{}">{}</span>').format(kind, Markup(" ").join(said))


def _shape(word: str, kind: str, shape: str, why: str = "") -> Markup:
    """A status by its shape; its word is said to who cannot see it, and under the pointer."""
    html = '<span class="status {}" role="img" aria-label="{}" title="{}">{}</span>'
    return Markup(html).format(kind, word, f"{word}: {why}" if why else word, shape)


def _doubt(row: Mapping[str, Any]) -> Markup:
    """A mark on a printed number whose row or class the paper's audit faults, and the way to why."""
    if not row.get("faulted_by"):
        return Markup()
    html = '<a class="doubt" href="#finding-{}" aria-label="{}" title="{}">‡</a>'
    return Markup(html).format(
        row["faulted_by"][0],
        "in doubt",
        "a check of the paper's own numbers finds this row or class in doubt",
    )


PARTS = ("Paper", "Ours", "95 % interval", "Difference", "Status")


def compared(row: Mapping[str, Any] | None) -> list[str | Markup]:
    """The parts of a comparison, one a cell of a table: what `PARTS` heads."""
    if row is None:
        return ["–"] * len(PARTS)
    paper, ours, low, high = _numbers(row)
    interval = "–" if row["ci_low"] is None else f"{low} to {high}"
    difference = signed(row["difference"], row["decimals"])
    shown = Markup(" ").join([Markup("<b>{}</b>").format(ours), *no_gradient(row)])
    status = label(STATUS_WORDS[row["status"]], title=_why(row)) if row["status"] is not None else "–"
    return [paper + _doubt(row), shown, interval, difference, status]


def about_no_gradient(rows: Iterable[Mapping[str, Any]]) -> Markup:
    """What `no_gradient` means, for below a table that says it; nothing below others."""
    return NO_GRADIENT if any(row.get("zero_gradients") for row in rows) else Markup()


def no_gradient(row: Mapping[str, Any]) -> list[Markup]:
    """On how many images an attack could not begin, as a note beside its number; nothing where on none."""
    if not row.get("zero_gradients"):
        return []
    said = '<span class="interval">gradient 0: {} of {}</span>'
    return [Markup(said).format(row["zero_gradients"], row["n"])]


def _numbers(row: Mapping[str, Any]) -> list[str]:
    """The paper's number, ours, and the ends of its interval; a dash for what there is none of."""
    keys = ("published", "reproduced", "ci_low", "ci_high")
    kind = round if row["unit"] == "count" else float
    return [text_of(None if row[key] is None else kind(row[key]), row["decimals"]) for key in keys]


def _why(row: Mapping[str, Any]) -> str:
    """The reason of a status, which shows under the pointer: of what deviates the first few."""
    deviations = row["deviations"]
    if row["reason"] not in ("", "; ".join(deviations)):
        return str(row["reason"])
    more = len(deviations) - FEW
    return "; ".join([*deviations[:FEW], *([f"and {more} more"] if more > 0 else [])])


def claim_chip(row: Mapping[str, Any]) -> Markup:
    """The verdict on a claim as a coloured word, and how many of its comparisons are for it, or against."""
    word, kind, shape = CLAIM_WORDS[row["verdict"]]
    open_ = row["verdict"] == "undecided"
    of = row["tested"] + row["missing"] * open_  # what was not measured, or not printed, leaves it open
    said = f"{word} (a tendency)" if row.get("indicative") and not open_ else word
    if row["verdict"] == "does_not_hold":
        said += f" ({len(row['against'])} of {row['tested']} against)"
    elif row["tested"] and row["verdict"] != "smoke":  # of phantoms there is nothing to count
        said += f" ({len(row['for'])} of {of} for)"
    return label((said, kind, shape))


def trained_alike(view: View, claim: Mapping[str, Any]) -> Markup:
    """That a claim ends otherwise with networks of one training, and how; nothing where it does not."""
    said = [
        Markup("{} with {} for all").format(label(CLAIM_WORDS[row["verdict"]]), view.training(row["mode"]))
        for row in claim["trained_alike"]
        if row["verdict"] != claim["verdict"] and row["tested"] >= row["missing"]
    ]
    shown = ' <span class="soft">△ between networks of different trainings; {}</span>'
    return Markup(shown).format(Markup(", ").join(said)) if said else Markup()


def tally(view: View, what: str, ids: Iterable[str]) -> Prose:
    """What became of so many printed numbers, each counted once, by status, in a sentence.

    `what` they are, such as "numbers printed in Table 1".
    """
    found = [view.values[id] for id in dict.fromkeys(ids) if id in view.values]
    if not found:
        return Prose(Markup())
    counts = Counter(row["status"] for row in found)
    if len(counts) == 1 and len(found) > 1:
        every = label(STATUS_WORDS[found[0]["status"]])
        return Prose(Markup("<p>All {} {}: {}.</p>").format(len(found), what, every))
    said = Markup(", ").join(
        Markup("{} {}").format(number, label(STATUS_WORDS[name])) for name, number in counts.most_common()
    )
    return Prose(Markup("<p>Of {} {}: {}.</p>").format(len(found), what, said))


def tallied(what: str, place: str) -> Callable[[View, str], Prose]:
    """Draws `tally` of the numbers of a data set whose ids begin with `place`."""
    return lambda view, dataset: tally(view, what, view.ids(f"{place}/{dataset}/"))


def comparing_table(
    view: View,
    *,
    id: str,
    caption: str,
    heads: Sequence[str],
    columns: Mapping[str, str],
    rows: Iterable[tuple[tuple[str, ...], Mapping[str, str | Mapping[str, Any]]]],
    note: Markup,
) -> Table:
    """A table of comparisons: `rows` are (heads, column -> id of the value); `columns` column -> title.

    In the place of an id may stand what `unprinted` gives of a number that the paper does not print.
    A single column is shown as several: paper, ours, interval, difference, status.
    """
    shown: list[list[str | Markup]] = []
    copied: list[dict[str, Any]] = []
    for texts, cells in rows:
        values = [view.value(cells.get(name, "")) for name in columns]
        # one value a row leaves room to set its parts side by side
        parts = compared(values[0]) if len(columns) == 1 else [comparison(value) for value in values]
        shown.append([*texts, *parts])
        for title, row in zip(columns.values(), values, strict=True):
            if row is not None:
                copied.append(dict(zip(heads, texts, strict=True)) | {"column": title} | _long(row))
    body = PARTS if len(columns) == 1 else list(columns.values())
    titles = elements.columns(*heads, *body, heads=len(heads), right=body)
    note += about_no_gradient(copied)
    return Table(id, caption, titles, shown, pd.DataFrame(copied), note)


def unprinted(measured: Mapping[str, Any], unit: str, decimals: int = 2) -> dict[str, Any]:
    """A number that the paper does not print, as an entry of `values` that compares nothing."""
    beside = {"balanced_accuracy": measured.get("balanced_accuracy")}
    return {**NOTHING_PRINTED, **measured, "alternatives": beside, "unit": unit, "decimals": decimals}


def _long(row: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("published", "reproduced", "ci_low", "ci_high", "difference", "tolerance", "n", "unit", "status")
    names = {"published": "paper", "reproduced": "ours"}
    added = {
        "balanced accuracy": row["alternatives"].get("balanced_accuracy"),
        "zero_gradients": row.get("zero_gradients", 0),
    }
    return {"id": row["id"]} | {names.get(key, key): row[key] for key in keys} | added


def signed(value: float | None, decimals: int) -> str:
    """A difference with its sign, in typographic minus."""
    if value is None:
        return "–"
    rounded = round(value, decimals)
    return f"{rounded:+,.{decimals}f}".replace("-", "−") if rounded else f"{0:.{decimals}f}"


def facet(name: str, value: str, shown: str) -> Markup:
    """A cell by whose value the rows of a long table can be chosen, under this name."""
    return Markup('<span data-name="{}" data-value="{}">{}</span>').format(name, value, shown)


def named(kind: str, id: str, words: str) -> Markup:
    """Words of what others link to as `kind-id`; the id shows under the pointer."""
    return Markup('<span id="{0}-{1}" title="{1}">{2}</span>').format(kind, id, words)


def folded(why: str | Markup) -> Markup:
    """A reason that a click shows; nothing where there is none."""
    return Markup(" <details><summary>why</summary>{}</details>").format(why) if why else Markup()
