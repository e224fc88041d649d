"""The notebooks of the workbook: which there are, what they need, and how one is executed.

A notebook file is never proof of success: a killed kernel leaves one that looks completed. Success is the
receipt of the cell that executed it, written after every code cell has been seen to have run.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from meddef_lib import params, paths
from meddef_lib.engine import fingerprint
from meddef_lib.engine.store import Recipe, Workspace
from meddef_lib.workbook.cells import Workbook

PARAMETER_NAMES = ("profile", "dataset", "overrides")
ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


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
        "library": library(book.profile.name),
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
def library(profile: str) -> str:
    """A notebook shows what the whole library makes of its cells: any change of code runs it again.

    So does one of the parameters, other than those of another profile.
    """
    sources = sorted(fingerprint.SOURCES.rglob("*.py"))
    templates = sorted((fingerprint.SOURCES / "report").rglob("*.j2"))
    every = sorted(paths.PARAMS.rglob("*.yaml"))
    parameters = [file for file in every if file.parent.name != "profiles" or file.stem == profile]
    digest = sha256()
    for file in [*sources, *templates, *parameters]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def make(space: Workspace) -> None:
    """Execute one notebook with papermill: `executed.ipynb`, and `page.html` without outside addresses.

    Raises NotebookFailed; what was executed until then stays in the work folder, which the message names.
    """
    from meddef_lib.report import notebook_page
    from meddef_lib.report import section as sections

    name, parameters = space.settings["notebook"], space.settings["parameters"]
    source = paths.NOTEBOOKS / f"{name}.ipynb"
    declared = parameter_names(json.loads(source.read_text(encoding="utf-8")))
    if declared != PARAMETER_NAMES:  # papermill would only log a name that it does not know
        raise NotebookFailed(
            f"{source.name} declares {declared}; expected {PARAMETER_NAMES} in one cell tagged `parameters`"
        )
    executed = _tidied(_execute(source, parameters, space.work / f"{name}.ipynb"))
    text = json.dumps(executed, indent=1, ensure_ascii=False) + "\n"
    (space.folder / "executed.ipynb").write_text(text, encoding="utf-8")
    title = f"{name} ({parameters['dataset']})"
    section = sections.place_of({known.name: known.sections for known in NOTEBOOKS}.get(name, ""))
    page = notebook_page.render(executed, title=title, section=section)
    (space.folder / "page.html").write_text(page, encoding="utf-8")


def parameter_names(notebook: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that cells tagged `parameters` assign, in order."""
    import ast

    tagged = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    lines = [node for cell in tagged for node in ast.parse("".join(cell["source"])).body]
    targets = [line.targets[0] for line in lines if isinstance(line, ast.Assign)]
    return tuple(target.id for target in targets if isinstance(target, ast.Name))


def _execute(source: Path, parameters: Mapping[str, Any], target: Path) -> dict[str, Any]:
    """Run a notebook from top to bottom, saving it to `target` after each cell. Raises NotebookFailed."""
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    target.unlink(missing_ok=True)  # of an earlier try
    for last_try in (False, True):
        try:
            papermill.execute_notebook(
                source,
                target,
                parameters=parameters,
                kernel_name="python3",
                cwd=paths.NOTEBOOKS,
                progress_bar=False,
                # else ipykernel warns at every start that anybody on this machine could listen
                config=Config({"KernelManager": {"transport_encryption": "auto"}}),
            )
            break
        except PapermillExecutionError as error:
            failure = NotebookFailed(
                f"{source.name}: cell `{_first_line(error.source)}` ended with {error.ename}: {error.evalue} "
                f"(as far as it got: {target})"
            )
            failure.add_note(ANSI_COLOUR.sub("", "\n".join(error.traceback)))
            raise failure from None  # its own text has the traceback once more, in colours
        except RuntimeError as error:  # of nbclient and jupyter_client: the kernel died, or never answered
            began = [cell for cell in _code_cells(target) if cell["metadata"]["papermill"]["start_time"]]
            if began or last_try:  # two kernels that start at once may take each other's ports
                how = (
                    f"died in cell `{_first_line(began[-1]['source'])}`, most likely because memory ran out"
                    if began
                    else "did not start"
                )
                raise NotebookFailed(
                    f"{source.name}: the kernel {how} ({error}; as far as it got: {target})"
                ) from error
    for cell in _code_cells(target):
        if cell["execution_count"] is None:
            raise NotebookFailed(
                f"{source.name}: cell `{_first_line(cell['source'])}` has not run: the kernel was ended "
                f"before it (as far as it got: {target})"
            )
    executed: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return executed


def _code_cells(notebook: Path) -> list[dict[str, Any]]:
    """The code cells that have something to run; none of a notebook that is not there."""
    if not notebook.is_file():
        return []
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]


def _first_line(source: str | Sequence[str]) -> str:
    lines = "".join(source).strip().splitlines()
    return lines[0] if lines else ""


def _tidied(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook without papermill's times, paths of this machine and random ids.

    Two runs of the same cells are then the same file.
    """
    for part in (notebook, *notebook["cells"]):
        part["metadata"].pop("papermill", None)
        part["metadata"].pop("execution", None)
    for cell in notebook["cells"]:
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["id"] = "injected-parameters"
    return notebook
