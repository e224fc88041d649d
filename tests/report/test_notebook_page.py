"""Pages of executed notebooks: they load nothing, say their figures, and fold their code."""

import json

import nbformat.v4 as v4
import pandas as pd
import pytest
from markupsafe import Markup

from meddef_lib import paths
from meddef_lib.report import notebook_page
from meddef_lib.report.elements import Figure, frame_table
from meddef_lib.report.notebook_page import NotSelfContained, require_self_contained


def page_of(*cells, title="title", **metadata):
    notebook = v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}, **metadata})
    return notebook_page.render(json.loads(json.dumps(notebook)), title=title)


def code(source, *outputs, tags=()):
    return v4.new_code_cell(source, outputs=list(outputs), execution_count=1, metadata={"tags": list(tags)})


def shown(**data):
    return v4.new_output("display_data", {key.replace("_", "/"): value for key, value in data.items()})


def test_a_notebook_becomes_one_page():
    alt = "Two bars, 1 and 2."
    figure = Figure("f", "Bars", alt, Markup('<svg aria-label="{}"></svg>').format(alt), smoke=True)
    table = frame_table(pd.DataFrame({"a": [1]}), id="t", caption="Numbers")
    page = page_of(
        v4.new_markdown_cell("# Claim\n\nIt holds for $\\epsilon < 0.1$ and `$HOME`."),
        code('profile = "smoke"', tags=["parameters"]),
        code('profile = "mini"', tags=["injected-parameters"]),
        code("figure", shown(text_html=figure._repr_html_(), text_plain="Figure(...)")),
        code("table", shown(text_html=table._repr_html_())),
        code("print(1)", v4.new_output("stream", name="stdout", text="1 < 2 & $x$ IMG_$\\nonsense$.png\n")),
        title="04 <toy>",
    )
    assert "<title>04 &lt;toy&gt;</title>" in page
    assert "<h1" in page
    assert "<math" in page
    assert "<code>$HOME</code>" in page
    assert 'profile = "mini"' in page
    assert 'profile = "smoke"' not in page, "the defaults are not those of this run"
    assert f'aria-label="{alt}"' in page
    assert "Made-up images." in page
    assert "Figure(...)" not in page
    assert "1 &lt; 2 &amp; $x$ IMG_$\\nonsense$.png" in page, "only Markdown has formulas"
    assert page.count("<math") == 1
    assert page.count("<summary>code</summary>") == 3
    assert "<script" not in page
    assert 'href="../index.html"' in page


def test_the_stylesheet_arrives_as_it_is_and_once():
    style = (notebook_page.TEMPLATES / "style.css").read_text(encoding="utf-8")
    table = frame_table(pd.DataFrame({"a": [1]}), id="t", caption="Numbers")._repr_html_()
    assert table.count("<style>") == 1
    page = page_of(v4.new_markdown_cell("words"), code("table", shown(text_html=table)))
    assert style in page
    assert page.count("<style>") == 1


def test_the_name_of_a_notebook_leads_nowhere_on_a_page():
    links = '<a href="04_epsilon_sweep.ipynb">04_epsilon_sweep</a> <a href="https://example.org">more</a>'
    page = page_of(code("run.notebooks()", shown(text_html=links)))
    assert '04_epsilon_sweep <a href="https://example.org">more</a>' in page


def test_widgets_and_their_state_are_left_out():
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "Bar(value=0)"}
    page = page_of(
        code("bar", v4.new_output("display_data", widget)), widgets={"state": {"1": {"model_name": "Bar"}}}
    )
    assert "widget" not in page
    assert "Bar(value" not in page


def test_lines_of_one_stream_are_put_together():
    lines = [v4.new_output("stream", name="stdout", text=f"line {n}\n") for n in range(3)]
    page = page_of(code("loop", *lines))
    assert "line 0\nline 1\nline 2" in page


@pytest.mark.parametrize("file", sorted(paths.NOTEBOOKS.glob("*.ipynb")), ids=lambda file: file.stem)
def test_every_notebook_of_the_workbook_can_be_written(file):
    page = notebook_page.render(json.loads(file.read_text(encoding="utf-8")), title=file.stem)
    assert "$$" not in page


@pytest.mark.parametrize(
    "load",
    [
        '<script src="https://cdn.example/x.js"></script>',
        "<script src='//cdn.example/x.js'></script>",
        "<SCRIPT SRC=x.js></SCRIPT>",
        '<script type="module">import "https://cdn.example/x.js"</script>',
        "<script>fetch('https://example.org')</script>",
        "<script>import(name)</script>",
        '<img alt="x" src="picture.png">',
        '<img alt="x" srcset="https://example.org/2x.png 2x" src="data:,">',
        '<link rel="stylesheet" href="https://example.org/style.css">',
        '<iframe src="https://example.org"></iframe>',
        '<iframe srcdoc="&lt;script src=x.js&gt;"></iframe>',
        '<object data="film.swf"></object>',
        '<embed src="film.swf">',
        '<video poster="still.png"></video>',
        "<audio><source src=sound.ogg></audio>",
        '<svg><image href="https://example.org/x.png"/></svg>',
        '<svg><use xlink:href="other.svg#id"/></svg>',
        '<base href="https://example.org/">',
        '<meta http-equiv="refresh" content="0; url=https://example.org">',
        "<style>@import 'https://example.org/style.css';</style>",
        "<style>body { background: url(https://example.org/x.png) }</style>",
        '<style>@font-face { src: url("font.woff2") }</style>',
        '<p style="background: url(//example.org/x.png)">words</p>',
    ],
)
def test_every_kind_of_load_is_refused(load):
    with pytest.raises(NotSelfContained, match="a page loads"):
        require_self_contained(f"<html><body><p>before</p>{load}</body></html>", "a page")


@pytest.mark.parametrize(
    "fine",
    [
        '<a href="https://example.org">a link</a>',
        '<a href="../index.html#values">another page</a>',
        '<img alt="x" src="data:image/png;base64,AAAA">',
        '<svg xmlns="http://www.w3.org/2000/svg"><use xlink:href="#m1"/><g clip-path="url(#p1)"/></svg>',
        "<style>p { background: url('data:image/gif;base64,R0'); clip-path: url(#p1) }</style>",
        "<pre>&lt;script src=&quot;https://example.org&quot;&gt; @import url(x)</pre>",
        "<p>curl https://example.org; src=x</p>",
        "<script>// a comment\nconst share = 1 / 2;</script>",
    ],
)
def test_links_data_and_words_pass(fine):
    require_self_contained(f"<html><body>{fine}</body></html>", "a page")


def test_the_report_s_own_script_and_style_pass():
    style, script = ((notebook_page.TEMPLATES / name).read_text() for name in ("style.css", "script.js"))
    require_self_contained(f"<style>{style}</style><script>{script}</script>", "the report")


def test_a_page_that_shows_something_from_elsewhere_is_refused():
    with pytest.raises(NotSelfContained, match=r"title loads https://example\.org/x\.png"):
        page_of(v4.new_markdown_cell("![a picture](https://example.org/x.png)"))


def test_what_a_notebook_prints_is_text():
    hostile = "<script>alert(1)</script>\u202e\x9b"
    stream = v4.new_output("stream", name="stdout", text=hostile)
    error = v4.new_output("error", ename=hostile, evalue=hostile, traceback=[hostile])
    plain = v4.new_output("execute_result", data={"text/plain": hostile})
    page = page_of(
        code("1", stream, error, plain), code(hostile, tags=["injected-parameters"]), title=hostile
    )
    assert "<script>" not in page
    assert page.count("alert(1)") >= 5
    assert "\\u202e\\u009b" in page
    assert not {"\u202e", "\x9b"} & set(page)


@pytest.mark.parametrize(
    ("page", "runs"),
    [
        ('<script type="application/json">{"at": 1}</script>', []),  # data, such as the viewer's
        ("<script>1</script>", ["<script>"]),
        ('<script type="module">1</script>', ["<script>"]),
        ('<script type="" type="application/json">1</script>', ["<script>"]),
        ('<iframe type="application/json"></iframe>', ["<iframe>"]),
        ('<script type="application/json" onload="a()">{}</script>', ["onload of <script>"]),
    ],
)
def test_a_script_that_is_data_runs_nothing(page, runs):
    assert notebook_page.what_runs(page) == runs
