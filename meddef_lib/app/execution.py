"""Executes a notebook with papermill, and makes sure that it really ran.

A notebook file is never proof of success: a killed kernel leaves one that looks completed. Success is the
receipt of the cell that executed it, written after every code cell has been seen to have run.
"""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from meddef_lib import paths
from meddef_lib.engine.limits import advice
from meddef_lib.engine.recipe import Workspace
from meddef_lib.report import notebook_page
from meddef_lib.report.section import place_of
from meddef_lib.visible import visible

PARAMETER_NAMES = ("profile", "dataset", "overrides")
ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(Exception):
    """A notebook did not run from top to bottom; the message names the cell and the error."""


def make(space: Workspace) -> None:
    """Execute one notebook with papermill: `executed.ipynb`, and `page.html` without outside addresses.

    Raises NotebookFailed; what was executed until then stays in the work folder, which the message names.
    """
    name, parameters = space.settings["notebook"], space.settings["parameters"]
    source = paths.NOTEBOOKS / f"{name}.ipynb"
    declared = parameter_names(json.loads(source.read_text(encoding="utf-8")))
    if declared != PARAMETER_NAMES:  # papermill would only log a name that it does not know
        raise NotebookFailed(
            f"{source.name} declares {declared}; expected {PARAMETER_NAMES} in one cell tagged `parameters`"
        )
    begun, kept = (folder / f"{name}.ipynb" for folder in (space.folder, space.work))
    try:
        executed = _tidied(_execute(source, parameters, begun))
    except NotebookFailed as failure:
        if begun.is_file():
            begun.replace(kept)
            failure.args = (f"{failure} (as far as it got: {kept})",)
        raise
    begun.unlink()
    text = json.dumps(executed, indent=1, ensure_ascii=False) + "\n"
    (space.folder / "executed.ipynb").write_text(visible(text), encoding="utf-8")
    title = f"{name} ({parameters['dataset']})"
    section = place_of(space.settings["sections"])
    page = notebook_page.render(executed, title=title, section=section)
    (space.folder / "page.html").write_text(page, encoding="utf-8")


def parameter_names(notebook: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that cells tagged `parameters` assign, in order; papermill itself wants a kernel to tell."""
    tagged = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    lines = [node for cell in tagged for node in ast.parse("".join(cell["source"])).body]
    targets = [line.targets[0] for line in lines if isinstance(line, ast.Assign)]
    return tuple(target.id for target in targets if isinstance(target, ast.Name))


def _execute(source: Path, parameters: Mapping[str, Any], target: Path) -> dict[str, Any]:
    """Run a notebook from top to bottom, saving it to `target` after each cell. Raises NotebookFailed."""
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
                f"{source.name}: cell `{_first_line(error.source)}` ended with {error.ename}: {error.evalue}"
                f"{advice(f'{error.ename}: {error.evalue}')}"
            )
            failure.add_note(ANSI_COLOUR.sub("", "\n".join(error.traceback)))
            raise failure from None  # its own text has the traceback once more, in colours
        except RuntimeError as error:  # of nbclient and jupyter_client: the kernel died, or never answered
            began = [cell for cell in _code_cells(target) if cell["metadata"]["papermill"]["start_time"]]
            if last_try:  # once may be chance: memory of a moment, kernels that take each other's ports
                how = (
                    f"died in cell `{_first_line(began[-1]['source'])}`, most likely because memory ran out"
                    if began
                    else "did not start"
                )
                raise NotebookFailed(f"{source.name}: the kernel {how} ({error})") from error
    for cell in _code_cells(target):
        if cell["execution_count"] is None:
            raise NotebookFailed(
                f"{source.name}: cell `{_first_line(cell['source'])}` has not run: the kernel ended before it"
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
    """The notebook without times, paths of this machine and random ids: two runs are then the same file."""
    for part in (notebook, *notebook["cells"]):
        part["metadata"].pop("papermill", None)
        part["metadata"].pop("execution", None)
    for cell in notebook["cells"]:
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["id"] = "injected-parameters"
    return notebook
