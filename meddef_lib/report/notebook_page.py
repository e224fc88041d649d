"""An executed notebook as one HTML page that reaches for nothing outside itself.

nbconvert's stock templates load scripts from elsewhere and drop the text alternatives of figures; this one
keeps outputs, folds code away and leaves formulas as MathML.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from meddef_lib.report import mathematics

TEMPLATES = Path(__file__).parent / "templates"
WIDGET = "application/vnd.jupyter.widget-view+json"


class NotSelfContained(Exception):
    """A page names an address outside itself; the message says which."""


def render(notebook: Mapping[str, Any], *, title: str) -> str:
    """The page of an executed notebook (nbformat 4 as JSON). Raises NotSelfContained."""
    import nbformat

    # read rather than converted: on disk a source is a list of lines
    node = nbformat.reads(json.dumps(_without_widgets(notebook)), as_version=4)
    body, _ = _exporter().from_notebook_node(node, resources={"metadata": {"name": title}})
    page = mathematics.to_mathml(body)
    require_self_contained(page, title)
    return page


def require_self_contained(page: str, name: str) -> None:
    """Refuse a page that would load anything from elsewhere (links that a reader follows are fine)."""
    loads = re.findall(r'<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc="(?!data:)([^"]+)"', page)
    loads += re.findall(r'<link\b[^>]*\bhref="(?!data:)([^"]+)"', page)
    loads += re.findall(r"@import\s+[^;]+|url\(\s*['\"]?(?:https?:)?//[^)]+\)", page)
    if loads:
        raise NotSelfContained(f"{name} loads {loads[0]} from outside the page")


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
    from traitlets.config import Config

    config = Config()
    config.HTMLExporter.preprocessors = [CoalesceStreamsPreprocessor]
    config.HTMLExporter.embed_images = True
    exporter = HTMLExporter(
        config=config,
        template_name="lean",
        extra_template_basedirs=[str(TEMPLATES)],
    )
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    exporter.environment.globals["page_style"] = style
    return exporter
