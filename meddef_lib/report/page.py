"""The page of a document: `index.html` from `results.json` and the pictures and notebooks beside it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from markupsafe import Markup

from meddef_lib.durations import duration
from meddef_lib.engine.files import write_whole
from meddef_lib.errors import UserError
from meddef_lib.paper import conclusions
from meddef_lib.report import cards, crate, elements, layout, notebook_page, rerun
from meddef_lib.report.comparing import CLAIM_WORDS, STATUS_WORDS, trained_alike
from meddef_lib.report.elements import Block, Prose, macros
from meddef_lib.report.layout import Place
from meddef_lib.report.section import place_of
from meddef_lib.report.view import View
from meddef_lib.results import findings, results_json
from meddef_lib.visible import one_line, visible
from meddef_lib.workbook.kinds import name_of

INDEX, NUMBERS = "index.html", "results.json"
TABLES = "tables"  # the folder beside the page with what can be downloaded
BESIDE = {
    cards.MODELS: "model card",
    cards.DATA: "data card",
    rerun.NAME: "this run again",
    crate.NAME: "RO-Crate",
}  # the page, which links to them
UNFITTING = (  # what comes of a document whose parts do not fit one another
    *(ArithmeticError, AttributeError, LookupError, RuntimeError, StopIteration, TypeError, ValueError),
    *(TemplateError, notebook_page.NotSelfContained),
)
LARGEST = 2**27  # bytes of it, a hundred times those of a smoke run
TESTED = {
    "published": "the images that the folder calls test",
    "all": "every image of the folder",
    "pooled": "the 15 % of all images that the paper's pooled split draws",
    "patient_disjoint": "some 15 % of all images, apart by patient",
}  # on which given weights were tried, by the rule of the split
TITLES = {
    "run": "What was run",
    "not_run": "What was not run",
    "open": "What was easy, and what was not",
    "cost": "What it cost",
}
WHERE = {"run": "", "paper": " in the paper's own tables"}
OF_NUMBERS = {  # as `CLAIM_WORDS`, and what those on the paper's side and the others are said to do
    "contradiction": (("printed numbers disagree", "bad", "▼"), "places in agreement", "in contradiction"),
    "agrees": (("reproduced", "good", "="), "numbers within tolerance", "outside it"),
    "differs": (("not reproduced", "bad", "≠"), "numbers within tolerance", "outside it"),
}
CLAIM_LEGEND = CLAIM_WORDS | {
    "mixed": ("mixed: some comparisons for, some against", "open", "◐"),
    "undecided": ("undecided: too few, or too close", "open", "?"),
}


class NoDocument(UserError):
    """There is nothing to render a page from; the message names the folder and what is wrong with it."""


def from_folder(folder: Path) -> Path:
    """Render the page of a folder that has `results.json`; returns the path of `index.html`.

    Raises NoDocument.
    """
    document = read(folder / NUMBERS)
    try:
        return write(document, folder)
    except UNFITTING as error:
        raise NoDocument(
            f"{folder / NUMBERS} was changed after it was written, or is incomplete: "
            f"{_unfitting(document, error)}; take it from where it came, or let `invoke report` write it anew"
        ) from error


def _unfitting(document: Mapping[str, Any], error: Exception) -> str:
    """What of a document does not fit its other parts, with the place of an id that nothing is said of."""
    if isinstance(error, StopIteration | RuntimeError):
        return "something that its page is drawn from is not there"
    if not isinstance(error, KeyError) or not isinstance(error.args[0], str):
        return one_line(error)
    place = next(_places(document, error.args[0], "$"), None)
    said = repr(one_line(error.args[0]))
    return f"{place} is {said}, of which it says nothing else" if place else f"it lacks {said}"


def _places(value: Any, wanted: str, place: str) -> Iterator[str]:
    if value == wanted:
        yield place
    if isinstance(value, dict):
        yield from (at for key, each in value.items() for at in _places(each, wanted, f"{place}.{key}"))
    if isinstance(value, list):
        yield from (at for key, each in enumerate(value) for at in _places(each, wanted, f"{place}[{key}]"))


def read(file: Path) -> dict[str, Any]:
    """The document that a file holds, or the report in a folder.

    Raises NoDocument, also for one of another version's schema.
    """
    file = file / NUMBERS if file.is_dir() else file
    try:
        if not file.is_file():  # to open a pipe would wait for who writes to it
            raise FileNotFoundError("there is no such file")
        if file.stat().st_size > LARGEST:
            raise ValueError(f"it has over {LARGEST:,} bytes")
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        json.dumps(found, allow_nan=False)  # NaN is read, and 1e999 as infinite: neither is a number of JSON
    except (OSError, ValueError, RecursionError) as error:
        raise NoDocument(
            f"{file.parent} has no {file.name} that can be read ({one_line(error)}); name the folder of a "
            "report, such as reports/smoke"
        ) from error
    try:
        results_json.check(found)
    except ValueError as error:
        why = one_line(error)
        raise NoDocument(f"{file} is not of this version: {why}; `invoke report` writes it anew") from error
    return found


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """Write `index.html`, and beside it the cards, the script, the crate and the files of tables and figures.

    Returns the page's path.

    Raises notebook_page.NotSelfContained.
    """
    index = folder / INDEX
    view = View(document, folder)
    placed, before = layout.places(view), summary(view)
    page = _page(view, placed, before)
    _write_tables([*before, *(block for place in placed for block in place.blocks)], folder / TABLES)
    for name, text in (*cards.texts(view).items(), (rerun.NAME, rerun.text(view))):
        write_whole(folder / name, visible(text))
    named = (INDEX, NUMBERS, cards.MODELS, cards.DATA)
    write_whole(folder / crate.NAME, visible(crate.text(view, folder, named)))
    write_whole(index, page)
    return index


def _write_tables(blocks: Iterable[Block], folder: Path) -> None:
    """What can be downloaded of the page's blocks, and nothing of an earlier page."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        f"{block.id}.{ending}": text
        for block in blocks
        if not isinstance(block, Prose)
        for ending, text in block.files.items()
    }
    for file in (file for ending in ("csv", "tex") for file in folder.glob(f"*.{ending}")):
        if file.name not in texts:
            file.unlink()
    for name, text in texts.items():
        write_whole(folder / name, visible(text))


def _page(view: View, placed: Sequence[Place], before: Sequence[Block]) -> str:
    document = view.document
    executed = [name_of(cell["id"]) for cell in view.entries("cells", kind="notebook")]
    pages = {
        name: bool(view.folder and (view.folder / "notebooks" / f"{name}.html").is_file())
        for name in executed
    }
    page = elements.template("page.html.j2").render(
        title=f"MedDef workbook: {document['run']['title']}",
        **layout.context(view, on_page=True),
        datasets=view.datasets,
        places=placed,
        front=before,
        cite=paragraph(view, "cite"),
        beside=BESIDE,
        failures=document["run"]["failures"],
        pages=pages,
        pending=[name_of(cell["id"]) for cell in view.entries("cells", kind="notebook", state="pending")],
        linked=[f"notebooks/{name}.html" for name, there in pages.items() if there],
        environment=document["run"]["environment"],
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup((elements.TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup((elements.TEMPLATES / "script.js").read_text(encoding="utf-8")),
    )
    notebook_page.require_self_contained(page, "index.html")
    return visible(page)


# --- the first screen: the answer, the findings that matter most, every verdict; folded, what was run ---


def summary(view: View) -> list[Block]:
    """The answer in a sentence, the findings that matter most, all verdicts as bars; folded, what was run."""
    changed = view.document["published_files"]["changed"]  # since the results were made
    missing = view.document["costs_together"]["missing"]
    said = [*(["underway"] if view.underway else []), *(["changed"] if changed else [])]
    folded = ["run", *(["not_run"] if missing else []), "open", "cost"]
    titles = TITLES | ({"not_run": "What is pending, or was not run"} if view.underway else {})
    return [
        *(paragraph(view, what) for what in (*said, "answer", "most_important", "verdicts")),
        *(replace(paragraph(view, what), title=titles[what]) for what in folded),
    ]


def paragraph(view: View, what: str) -> Prose:
    """What a macro of `front.html.j2` says.

    Its first sentence speaks of the claims as this run decides them, or if it decides none of them as the
    paper's own tables do.
    """
    counts = view.document["counts"]
    decided = [claim for claim in view.document["claims"] if claim["verdict"] in findings.GRADES]
    words = {
        "command": rerun.command,
        "duration": duration,
        "TESTED": TESTED,
        "holding": counts["claims" if decided else "claims_in_paper"],
        "decides": bool(decided),
        "tendencies": bool(decided) and all(claim["indicative"] for claim in decided),
        "alike": _alike,
        "findings": findings,
        "finding_words": _finding_words,
        "CLAIM_LEGEND": CLAIM_LEGEND,
        "STATUS_WORDS": STATUS_WORDS,
        "claims_rule": conclusions.RULE,
        "place_of": place_of,
    }
    return Prose(getattr(macros("front.html.j2", **words), what)(view))


def _alike(view: View, about: str) -> Markup:
    """What `trained_alike` says of the claim of this id; nothing of what is no claim."""
    return Markup().join(trained_alike(view, claim) for claim in view.entries("claims", id=about))


def _finding_words(kind: str) -> tuple[tuple[str, str, str], str, str]:
    """The word, colour and shape of a kind of finding, and what its cells in favour and against it do."""
    if kind in OF_NUMBERS:
        return OF_NUMBERS[kind]
    verdict, _, where = kind.rpartition("_")
    word, colour, shape = CLAIM_WORDS[verdict]
    return (word + WHERE[where], colour, shape), "comparisons bear it out", "against it"
