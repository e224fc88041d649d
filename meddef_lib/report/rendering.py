"""Templates of the report, and one block of it as HTML."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from meddef_lib.report.blocks import SMOKE

TEMPLATES = Path(__file__).parent / "templates"


def template(name: str) -> Template:
    """A template of the report; what it is not given is an error, what it is given is escaped."""
    return _environment().get_template(name)


def block_html(block: Any) -> Markup:
    """A paragraph, table or figure as HTML, as the report and the notebooks show it."""
    macros: Any = template("blocks.html.j2").module
    return Markup(macros.block(block))


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["SMOKE"] = SMOKE
    return made
