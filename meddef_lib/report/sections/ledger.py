"""What the paper does not say: each open place, and what this project does there."""

import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from meddef_lib.report.elements import Block, Table, columns
from meddef_lib.report.section import Section
from meddef_lib.report.view import View


def draw(view: View) -> list[Block]:
    """Each place where the paper is silent or says two things, and what this project does there."""
    rows = []
    for entry in view.document["ledger"]:
        says = Markup().join(
            Markup("<p><b>{}</b>: {}</p>").format(saying["where"], _code(saying["text"]))
            for saying in entry["says"]
        )
        switch = (
            Markup("<code>{}</code> = {}").format(entry["parameter"], flat(entry["value"]))
            if entry["parameter"]
            else _code(entry["fixed"])
        )
        rows.append(
            [
                Markup('<span id="open-{}">{}</span>').format(entry["id"], entry["topic"]),
                says,
                _code(entry["we"]),
                _code(entry["why"]),
                switch,
                _code(entry["sensitivity_where"] or "–"),
            ]
        )
    wide = ("What the paper says, and where", "What we do", "Why")
    titles = columns("Open place", *wide, "Parameter", "Sensitivity run", wide=wide)
    copied = ["id", "topic", "we", "why", "parameter", "sensitivity_where"]
    caption = f"{len(rows)} places where the paper is silent or says two things"
    return [Table("ledger", caption, titles, rows, view.rows("ledger")[copied])]


def flat(value: Any) -> str:
    """A value of a parameter in words: nothing of it in brackets or quotes."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {flat(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(flat(inner) for inner in value)
    return "–" if value is None else str(value)


def _code(words: str) -> Markup:
    """Text of a parameter file as HTML: what stands between backticks is code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(words))))


SECTION = Section(number="", title="What the paper does not say", order=92, draw=draw)
