"""What the paper claims in a section and what became of it: the same words on the page and in a notebook."""

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from meddef_lib.report import elements, layout
from meddef_lib.report.comparing import CLAIM_WORDS, claim_chip
from meddef_lib.report.elements import Prose
from meddef_lib.report.section import Section
from meddef_lib.report.view import View


def context(view: View, *, on_page: bool) -> dict[str, Any]:
    """What `claims.html.j2` refers to; on the page each claim leads to its row of the table of claims."""
    return {
        "smoke": view.smoke,
        "at_once": layout.AT_ONCE,
        "verdict_of": layout.verdict_of,
        "chip": claim_chip,
        "CLAIM_WORDS": CLAIM_WORDS,
        "on_page": on_page,
    }


def of_sections(view: View, sections: Iterable[Section]) -> Prose:
    """The claims of these sections, section by section."""
    macros: Any = elements.template("claims.html.j2").make_module(context(view, on_page=False))
    places = [layout.Place(one, (), layout.claims_of(view, one)) for one in sections]
    said = Markup().join(macros.claims(place) for place in places if place.claims)
    return Prose(said or Markup("<p>The paper makes no claim here that can be tested.</p>"))
