"""The style that an output of a notebook brings along."""

import re

from meddef_lib.report import scoped_style


def test_every_rule_holds_within_an_output_alone_and_every_colour_is_there_for_both_themes():
    style = scoped_style.style()
    inside = re.sub(r"\{(?:[^{}]|\{[^{}]*\})*\}", "", style.removeprefix("<style>").removesuffix("</style>"))
    assert all(".meddef" in selector for selector in inside.split(",")), inside
    light, dark = (set(re.findall(r"(--[\w-]+):", part)) for part in style.split("color-scheme:")[1:3])
    used = set(re.findall(r"var\((--[\w-]+)\)", style))
    assert used <= light
    assert light - {"--mark"} == dark
    for name in (".scroll", ".pair .ours", "figure svg", ".claims", "caption, .note"):
        assert name in style
