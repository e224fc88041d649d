"""Formulas become MathML, in Markdown and nowhere else."""

import pytest

from meddef_lib.report.notebook_page import UnknownFormula, formula, to_mathml


def test_formulas_of_markdown_become_mathml():
    page = to_mathml("<p>with $x^2$ and $$\\frac{a}{b} \\leq 1$$</p>")
    assert "$" not in page
    assert page.count("<math") == 2
    assert 'display="inline"' in page
    assert 'display="block"' in page
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in page
    assert "<mfrac>" in page


def test_what_html_escaped_is_read_as_it_was_meant():
    assert "<mo>&#x0003C;</mo>" in to_mathml("$a &lt; b$")


@pytest.mark.parametrize(
    "kept",
    [
        "<pre>$x$</pre>",
        "<p><code class='sh'>echo $HOME $PATH</code></p>",
        "<script>`${a} ${b}`</script>",
        "<style>/* $x$ */</style>",
        '<img alt="between $1 and $2" src="data:,">',
        "<p>one dollar, $5</p>",
        "<p>$5\nand $6</p>",
    ],
)
def test_code_attributes_and_lone_dollars_stay(kept):
    assert to_mathml(kept) == kept


@pytest.mark.parametrize("latex", ["\\nonsense x", "x_", "\\left( x", "x^a^b"])
def test_what_cannot_be_written_is_refused_and_named(latex):
    with pytest.raises(UnknownFormula) as refused:
        formula(latex)
    assert repr(latex) in str(refused.value)


@pytest.mark.parametrize(
    "latex",
    [
        "\\mathrm{AFD}(x) = x \\odot (1 - M(x))",
        "\\lVert \\delta \\rVert_\\infty \\leq \\epsilon",
        "\\nabla_x \\mathcal{L}(f(x), y)",
        "\\sum_{i=1}^{n} \\sqrt{x_i}",
        "Q K^T / \\sqrt{d_k}",
    ],
)
def test_the_formulas_of_this_field_are_known(latex):
    assert formula(latex).startswith("<math")
