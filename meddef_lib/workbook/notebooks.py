"""The notebooks of the workbook: which there are, and what each needs.

A notebook says so of itself, in its metadata under `meddef`: the paper's `sections` that it stands for, the
kinds of cells that it `needs`, and whether it is run for each data set (`per_dataset`); its first cell is its
title and what it shows.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from meddef_lib import params, paths
from meddef_lib.declared import not_hidden
from meddef_lib.engine import fingerprint
from meddef_lib.engine.recipe import Recipe
from meddef_lib.errors import known_are
from meddef_lib.workbook import kinds
from meddef_lib.workbook.book import Workbook

COPIED = {"executed.ipynb": ".ipynb", "page.html": ".html"}  # of a cell, beside a report under its name


@dataclass(frozen=True)
class Notebook:
    """One notebook: its file's stem, the paper's sections it stands for, and the kinds of cells it shows."""

    name: str
    sections: str
    needs: tuple[str, ...]
    per_dataset: bool = True
    title: str = ""
    shows: str = ""

    @property
    def file(self) -> Path:
        return paths.NOTEBOOKS / f"{self.name}.ipynb"

    def executed_name(self, dataset: str) -> str:
        """The stem of the executed copy: `04_epsilon_sweep.roct`; without a data set where none is needed."""
        return f"{self.name}.{dataset}" if self.per_dataset else self.name

    def cells(self, book: Workbook, dataset: str) -> Iterator[Recipe]:
        if self.needs:
            yield from kinds.cells_of(book, dataset, self.needs)


@cache
def every_notebook() -> tuple[Notebook, ...]:
    """The notebooks in the order of their numbers; of one number, that of no section of the paper first.

    Raises ParamsError for one that says nothing of itself.
    """
    found = [_read(file) for file in not_hidden(paths.NOTEBOOKS.glob("*.ipynb"))]
    return tuple(sorted(found, key=lambda each: (each.name[:2], bool(each.sections), each.name)))


def _read(file: Path) -> Notebook:
    found = json.loads(file.read_text(encoding="utf-8"))
    says: dict[str, Any] = found["metadata"].get("meddef", {})
    known = {"sections": str, "needs": list, "per_dataset": bool}
    wrong = [name for name, kind in known.items() if not isinstance(says.get(name), kind)]
    wrong += [name for name in says.get("needs", ()) if name not in kinds.kinds()]
    if wrong or says.keys() - known.keys():
        raise params.ParamsError(
            f"{file.name}: its metadata need `meddef` with sections (text), needs (a list of kinds of steps: "
            f"{', '.join(kinds.kinds())}) and per_dataset (true or false); they say {says}"
        )
    first = "".join(found["cells"][0]["source"]) if found["cells"] else ""
    title, _, text = first.removeprefix("# ").partition("\n")
    shows = " ".join(text.strip().partition("\n\n")[0].split())
    return Notebook(file.stem, says["sections"], tuple(says["needs"]), says["per_dataset"], title, shows)


def chosen(only: Sequence[str]) -> list[Notebook]:
    """The notebooks whose names begin with one of `only` ("04", "04_epsilon_sweep"); all without any.

    Raises ParamsError for a name that fits none.
    """
    known = every_notebook()
    for name in only:
        if not any(notebook.name.startswith(name) for notebook in known):
            names = known_are(name, [notebook.name for notebook in known])
            raise params.ParamsError(f"--only {name} fits no notebook; {names}")
    return [n for n in known if not only or any(n.name.startswith(name) for name in only)]


def recipes(book: Workbook, notebooks: Sequence[Notebook]) -> dict[str, Recipe]:
    """The executed notebooks as recipes, by the stem of the executed file."""
    found = {}
    for notebook in notebooks:
        datasets = list(book.datasets) if notebook.per_dataset else [next(iter(book.datasets))]
        for dataset in datasets:
            found[notebook.executed_name(dataset)] = _recipe(book, notebook, dataset)
    return found


def _recipe(book: Workbook, notebook: Notebook, dataset: str) -> Recipe:
    settings = {
        "notebook": notebook.name,
        "sections": notebook.sections,
        "source": sha256(notebook.file.read_bytes()).hexdigest(),
        "library": library(book.profile.name),
        "parameters": {
            "profile": book.profile.name,
            "dataset": dataset,
            "overrides": params.overrides_text(book.overrides),
        },
    }
    needs = {recipe.id: recipe for recipe in notebook.cells(book, dataset)}
    name = f"notebook/{notebook.executed_name(dataset)}"
    return Recipe(name, "meddef_lib.app.execution:make", settings, needs)


@cache
def library(profile: str) -> str:
    """A notebook shows what the whole library makes of its cells: any change of code runs it again.

    So does one of the parameters, other than those of another profile.
    """
    sources = not_hidden(fingerprint.SOURCES.rglob("*.py"))
    of_report = not_hidden((fingerprint.SOURCES / "report" / "templates").rglob("*"))
    templates = [file for file in of_report if file.suffix in {".j2", ".css"}]  # notebooks carry the style
    every = not_hidden(paths.PARAMS.rglob("*.yaml"))
    parameters = [file for file in every if file.parent.name != "profiles" or file.stem == profile]
    digest = sha256()
    for file in [*sources, *templates, *parameters]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def cells_and_pages(book: Workbook) -> dict[str, Recipe]:
    """Every cell of a workbook by id, its executed notebooks last; given weights have no notebooks.

    Raises DataError where images are missing.
    """
    pages = {} if book.given else recipes(book, every_notebook())
    return kinds.every_cell(book) | {recipe.id: recipe for recipe in pages.values()}
