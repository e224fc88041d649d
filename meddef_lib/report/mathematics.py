"""Formulas as MathML, which browsers draw without scripts or font files.

Of a notebook the Markdown cells alone have them, once they are HTML, for MathML put in earlier does not
survive nbconvert's Markdown; the dollars of a file name, a message or an output are no formulas.
"""

import html
import re

from latex2mathml.converter import convert

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
