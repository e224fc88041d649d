"""The notebooks of the workbook: which there are, what they need, and how one is executed.

A notebook file is never proof of success: a killed kernel leaves one that looks completed. Success is the
receipt of the cell that executed it, written after every code cell has been seen to have run.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from meddef_lib import fingerprint, params, paths
from meddef_lib.store import Recipe, Workspace
from meddef_lib.workbook.cells import Workbook

PARAMETER_NAMES = ("profile", "dataset", "overrides")


class NotebookFailed(Exception):
    """A notebook did not run from top to bottom; the message names the cell and the error."""


@dataclass(frozen=True)
class Notebook:
    """One notebook: its file's stem, the paper's sections it stands for, and the cells that it shows."""

    name: str
    sections: str
    needs: Callable[[Workbook, str], Iterator[Recipe]]
    per_dataset: bool = True

    @property
    def file(self) -> Path:
        return paths.NOTEBOOKS / f"{self.name}.ipynb"

    def executed_name(self, dataset: str) -> str:
        """The stem of the executed copy: `04_epsilon_sweep.roct`; without a data set where none is needed."""
        return f"{self.name}.{dataset}" if self.per_dataset else self.name


def _nothing(book: Workbook, dataset: str) -> Iterator[Recipe]:
    yield from ()


def _data(book: Workbook, dataset: str) -> Iterator[Recipe]:
    yield book.prepared(dataset)
    yield book.audit(dataset)


def _models(book: Workbook, dataset: str) -> Iterator[Recipe]:
    yield from (book.trained(model) for model in book.models(dataset))
    yield from book.anatomies(dataset)


def _attacks(book: Workbook, dataset: str) -> Iterator[Recipe]:
    methods = book.profile.attacks.methods
    yield from (book.attack(model, name) for model in book.models(dataset) for name in methods)


def _pruning(book: Workbook, dataset: str) -> Iterator[Recipe]:
    models = book.main_models(dataset)
    yield from (book.attack(model, name) for model in models for name in book.profile.attacks.methods)
    yield from (book.pruning(model, name) for model in models for name in book.pruning_methods)
    yield from book.anatomies(dataset)


def _saliency(book: Workbook, dataset: str) -> Iterator[Recipe]:
    yield from (book.saliency(model) for model in book.saliency_models(dataset))


NOTEBOOKS: tuple[Notebook, ...] = (
    Notebook("00_paper_audit", "the paper against itself", _nothing, per_dataset=False),
    Notebook("01_preprocessing", "3.1", _data),
    Notebook("02_training", "3.2, 3.3, 3.7, 3.8", _models),
    Notebook("03_ablation", "4.2", _attacks),
    Notebook("04_epsilon_sweep", "4.3", _attacks),
    Notebook("05_pruning_sweep", "3.5, 4.1, 4.4", _pruning),
    Notebook("06_confusion_and_per_class", "4.6, 4.7", _attacks),
    Notebook("07_grad_cam", "4.8", _saliency),
)


def chosen(only: Sequence[str]) -> list[Notebook]:
    """The notebooks whose names begin with one of `only` ("04", "04_epsilon_sweep"); all without any.

    Raises ParamsError for a name that fits none.
    """
    for name in only:
        if not any(notebook.name.startswith(name) for notebook in NOTEBOOKS):
            known = ", ".join(notebook.name for notebook in NOTEBOOKS)
            raise params.ParamsError(f"--only {name} fits no notebook; there are {known}")
    return [n for n in NOTEBOOKS if not only or any(n.name.startswith(name) for name in only)]


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
        "source": sha256(notebook.file.read_bytes()).hexdigest(),
        "library": _library(),
        "parameters": {
            "profile": book.profile.name,
            "dataset": dataset,
            "overrides": params.overrides_text(book.overrides),
        },
    }
    needs = {recipe.id: recipe for recipe in notebook.needs(book, dataset)}
    name = f"notebook/{notebook.executed_name(dataset)}"
    return Recipe(name, "meddef_lib.workbook.notebooks:make", settings, needs)


@cache
def _library() -> str:
    """A notebook shows what the whole library makes of its cells: any change of code runs it again."""
    sources = sorted(fingerprint.SOURCES.rglob("*.py"))
    templates = sorted((fingerprint.SOURCES / "report").rglob("*.j2"))
    published = sorted(paths.PARAMS.rglob("*.yaml"))
    digest = sha256()
    for file in [*sources, *templates, *published]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def make(space: Workspace) -> None:
    """Execute one notebook with papermill: `executed.ipynb`, and `page.html` without outside addresses."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from meddef_lib.report import notebook_page

    settings = space.settings
    source = paths.NOTEBOOKS / f"{settings['notebook']}.ipynb"
    parameters = settings["parameters"]
    declared = parameter_names(json.loads(source.read_text(encoding="utf-8")))
    if declared != PARAMETER_NAMES:  # papermill would only log a name that it does not know
        raise NotebookFailed(f"{source.name} declares {declared}; expected the parameters {PARAMETER_NAMES}")
    target = space.work / "running.ipynb"
    try:
        papermill.execute_notebook(
            source,
            target,
            parameters=parameters,
            kernel_name="python3",
            cwd=paths.NOTEBOOKS,
            progress_bar=False,
            log_output=False,
        )
    except PapermillExecutionError as error:
        raise NotebookFailed(
            f"{source.name}: cell {error.exec_count} ended with {error.ename}: {error.evalue}"
        ) from error
    executed = json.loads(target.read_text(encoding="utf-8"))
    _require_every_cell_ran(executed, source.name)
    target.replace(space.folder / "executed.ipynb")
    page = notebook_page.render(executed, title=f"{settings['notebook']} ({parameters['dataset']})")
    (space.folder / "page.html").write_text(page, encoding="utf-8")


def parameter_names(notebook: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that the cell tagged `parameters` assigns, in order. Raises NotebookFailed without one."""
    import ast

    tagged = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise NotebookFailed(f"expected one cell tagged `parameters`, found {len(tagged)}")
    tree = ast.parse("".join(tagged[0]["source"]))
    targets = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
    return tuple(target.id for target in targets if isinstance(target, ast.Name))


def _require_every_cell_ran(notebook: Mapping[str, Any], name: str) -> None:
    code = [
        cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()
    ]
    for position, cell in enumerate(code, start=1):
        if cell["execution_count"] is None:
            raise NotebookFailed(
                f"{name}: the kernel ended before code cell {position} of {len(code)} had run, "
                "most likely because memory ran out"
            )
