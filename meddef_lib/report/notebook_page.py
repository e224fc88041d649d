"""An executed notebook as one HTML page that reaches for nothing outside itself.

nbconvert's stock templates load scripts from elsewhere and drop the text alternatives of figures; this one
keeps outputs, folds code away and leaves formulas as MathML, which browsers draw without scripts or font
files. The Markdown cells alone have formulas, once they are HTML, for MathML put in earlier does not survive
nbconvert's Markdown; the dollars of a file name, a message or an output are none.
"""

import html
import json
import re
from collections.abc import Mapping
from functools import cache
from html.parser import HTMLParser
from typing import Any

from latex2mathml.converter import convert

from meddef_lib.report import scoped_style
from meddef_lib.report.elements import TEMPLATES
from meddef_lib.visible import visible

WIDGET = "application/vnd.jupyter.widget-view+json"
LOADING = ("src", "srcset", "srcdoc", "poster", "data", "background", "manifest")  # attributes
FOLLOWED = ("a", "area")  # whose addresses are loaded by readers only
TO_A_NOTEBOOK = re.compile(r'<a href="\w+\.ipynb">(.*?)</a>')
RUNNING = ("script", "iframe", "object", "embed", "form", "base")
INERT = "application/json"  # type of a script that is data: what the viewer of images shows
ADDRESS_IN_CSS = re.compile(r"""url\(\s*['"]?([^'")]*)|@import\s*['"]([^'"]*)""", re.IGNORECASE)
ADDRESS_IN_SCRIPT = re.compile(r"(?:https?|wss?):[^'\"`\s]*|['\"`]//[^'\"`\s]*|import\([^)]*\)")


class NotSelfContained(Exception):
    """A page names an address outside itself; the message says which."""


def render(notebook: Mapping[str, Any], *, title: str, section: str = "") -> str:
    """The page of an executed notebook (nbformat 4 as JSON), linked to a section of the report.

    `section` is the section's anchor; without one the link leads to the report's beginning. Raises
    NotSelfContained.
    """
    import nbformat

    # read rather than converted: on disk a source is a list of lines
    node = nbformat.reads(json.dumps(_without_widgets(notebook)), as_version=4)
    names = {"name": title, "back": f"#{section}" if section else ""}
    page, _ = _exporter().from_notebook_node(node, resources={"metadata": names})
    page = page.replace(scoped_style.style(), "")  # the page has it once
    page = TO_A_NOTEBOOK.sub(r"\1", page)  # which lies beside the notebook, and not beside its page
    require_self_contained(page, title)
    return visible(page)


def require_self_contained(page: str, name: str) -> None:
    """Refuse a page that would load anything from elsewhere (links that a reader follows are fine)."""
    if found := _loaded(page):
        raise NotSelfContained(f"{name} loads {found[0]} from outside the page")


def what_runs(page: str) -> list[str]:
    """What of a page would run when it is opened or clicked; on a notebook's own page nothing does."""
    found = []
    for tag, attributes, _ in _Elements(page).found:
        kind = dict(reversed(attributes)).get("type")  # of two, browsers take the first
        if tag in RUNNING and not (tag == "script" and kind == INERT):
            found.append(f"<{tag}>")
        for key, value in attributes:
            said = "".join(value.split()).lower()
            if key.startswith("on") or said.startswith(("javascript:", "vbscript:", "data:text/html")):
                found.append(f"{key} of <{tag}>")
    return found


def _loaded(page: str) -> list[str]:
    """What of a page would be loaded, beside `data:` and `#...`."""
    found: list[str] = []
    for tag, attributes, text in _Elements(page).found:
        css = [value for key, value in attributes if key == "style"] + [text] * (tag == "style")
        addresses = [first or second for rules in css for first, second in ADDRESS_IN_CSS.findall(rules)]
        addresses += [
            value.strip()
            for key, value in attributes
            if key in LOADING or (key.endswith("href") and tag not in FOLLOWED)
        ]
        found += [said for said in addresses if not said.startswith(("data:", "#"))]
        if tag == "script":
            found += ADDRESS_IN_SCRIPT.findall(text)
        if tag == "meta" and ("http-equiv", "refresh") in attributes:
            found.append("another page by itself")
    return found


class _Elements(HTMLParser):
    """The elements of a page as a browser reads them: tag, attributes, and the rules or script in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str]], str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [(key, value or "") for key, value in attrs], ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem in ("style", "script"):
            tag, attributes, text = self.found[-1]
            self.found[-1] = tag, attributes, text + data


def _without_widgets(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without widget state: a page without scripts shows it as nothing, or as a bar stuck at 0 %."""
    cells = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            kept = [output for output in cell["outputs"] if WIDGET not in output.get("data", {})]
            cell = {**cell, "outputs": kept}
        cells.append(cell)
    metadata = {key: value for key, value in notebook["metadata"].items() if key != "widgets"}
    return {**notebook, "cells": cells, "metadata": metadata}


@cache
def _exporter() -> Any:
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    exporter = HTMLExporter(
        template_name="lean",
        extra_template_basedirs=[str(TEMPLATES)],
        preprocessors=[CoalesceStreamsPreprocessor],
        embed_images=True,
    )
    exporter.environment.globals["page_style"] = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    exporter.environment.filters["mathml"] = to_mathml
    return exporter


# --- formulas ---

# code shows its dollars as they are, and what stands inside a tag is no text
_KEPT = re.compile(
    r"(<(?P<kind>pre|code|script|style|svg|math|textarea)\b.*?</(?P=kind)>|<[^>]*>)", re.DOTALL
)
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)


class UnknownFormula(Exception):
    """A formula that cannot be written as MathML; the message holds it."""


def to_mathml(markdown: str) -> str:
    """Replace $...$ and $$...$$ by MathML in a Markdown cell's HTML, outside code. Raises UnknownFormula."""
    done, position = [], 0
    for kept in _KEPT.finditer(markdown):
        done += [_FORMULA.sub(_replace, markdown[position : kept.start()]), kept[0]]
        position = kept.end()
    return "".join([*done, _FORMULA.sub(_replace, markdown[position:])])


def formula(latex: str, *, block: bool = False) -> str:
    """One LaTeX formula as MathML. Raises UnknownFormula."""
    try:
        converted = convert(latex, display="block" if block else "inline")
    except Exception as error:  # the converter raises many kinds, all of which mean the same here
        raise UnknownFormula(f"the formula {latex!r} cannot be written as MathML: {error}") from error
    unknown = re.search(r"\\[A-Za-z]+", re.sub(r"<annotation.*?</annotation>", "", converted))
    if unknown:
        raise UnknownFormula(f"the formula {latex!r} holds {unknown[0]}, which is not known")
    return converted


def _replace(match: re.Match[str]) -> str:
    block, inline = match.groups()
    return formula(html.unescape(block or inline), block=block is not None)
