"""The page's style around what a cell of a notebook returns, in the colours of the reader's theme.

JupyterLab and VS Code say on an element above the outputs whether their theme is light or dark, and style
tables of their own accord. What is returned brings its rules along, so that it looks as on the page wherever
it is shown.
"""

import re
from functools import cache
from pathlib import Path

from markupsafe import Markup

STYLE = Path(__file__).parent / "templates" / "style.css"
SECTIONS = ("words", "verdicts", "tables", "pictures", "folds")  # of the page's style, by their comments
VARIABLES = re.compile(r":root \{(.*?)\n *\}", re.DOTALL)
DARK = ('[data-jp-theme-light="false"] .meddef', ".vscode-dark .meddef", ".vscode-high-contrast .meddef")
# what the page has from its own body or shows on demand, and what JupyterLab gives to every output's tables
AROUND = """
  color: var(--ink); font: var(--jp-content-font-size1, 16px)/1.5 system-ui, "Segoe UI", sans-serif;
  max-width: 72rem; padding: 0.2rem;
  table, thead, tbody, tr, th, td { color: inherit; line-height: inherit; white-space: normal; }
  tr, th, td { max-width: none; }
  table { margin: 0; border: 0; table-layout: auto; }
  dl, dt, dd { display: block; float: none; width: auto; }
  tbody tr:is(:nth-child(odd), :nth-child(even), :hover) { background: none; }
"""
ALWAYS = ".more { white-space: normal; width: 11rem; margin-left: auto; }"  # the page has a choice for it


def wrapped(html: Markup) -> Markup:
    """A block as a notebook shows it: with the style that it needs."""
    return Markup('<div class="meddef">{}{}</div>').format(style(), html)


@cache
def style() -> Markup:
    """The element with the rules."""
    text = STYLE.read_text(encoding="utf-8")
    section = r"/\* {}\b[^*]*\*/\n(.*?)(?=\n/\*|\n@media|\Z)"
    parts = [re.findall(section.format(name), text, re.DOTALL)[0] for name in SECTIONS]
    light, dark = (found.replace("color-scheme: light dark;", "") for found in VARIABLES.findall(text)[:2])
    rules = [
        f".meddef {{ color-scheme: light; {light} }}",
        f"{', '.join(DARK)} {{ color-scheme: dark; {dark} }}",
        f".meddef.meddef {{ {AROUND} {' '.join(parts)} {ALWAYS} }}",
    ]
    return Markup("<style>{}</style>").format(Markup(re.sub(r"\s+", " ", " ".join(rules))))
