"""The style that an output of a notebook brings along."""

import re

from meddef_lib.report import scoped_style
from meddef_lib.report.elements import TEMPLATES


def test_every_rule_holds_within_an_output_alone_and_every_colour_is_there_for_both_themes():
    style = scoped_style.style()
    inside = style.removeprefix("<style>").removesuffix("</style>")
    while "{" in inside:
        inside = re.sub(r"\{[^{}]*\}", "", inside)
    assert all(".meddef" in selector for selector in inside.split(",")), inside
    light, dark = (set(re.findall(r"(--[\w-]+):", part)) for part in style.split("color-scheme:")[1:3])
    used = set(re.findall(r"var\((--[\w-]+)\)", style))
    of_charts = set(re.findall(r"(--[\w-]+):", (TEMPLATES / "charts.html.j2").read_text()))
    assert of_charts <= used, "each chart says its own sizes"
    assert used - of_charts <= light
    assert light == dark
    for name in (".scroll", ".pair .ours", ".picture svg", ".claims", "caption, .note"):
        assert name in style
