"""Executing a notebook: parameters that fit, every cell run, and a killed kernel is never a success."""

import json

import nbformat.v4 as v4
import pytest

from meddef_lib import paths
from meddef_lib.app import execution
from meddef_lib.app.execution import PARAMETER_NAMES, NotebookFailed, parameter_names
from meddef_lib.engine.recipe import Workspace
from meddef_lib.workbook import notebooks

PARAMETERS = 'profile = "smoke"\ndataset = "roct"\noverrides = ""'
GIVEN = {"profile": "mini", "dataset": "chest_xray", "overrides": '{"training.epochs": 3}'}


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Execute a notebook made of a cell of parameters and two others; returns its workspace."""
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    for folder in ("notebooks", "folder", "work"):
        (tmp_path / folder).mkdir()
    settings = {"notebook": "01_toy", "sections": "4.3", "parameters": GIVEN}
    space = Workspace(settings, {}, tmp_path / "folder", tmp_path / "work")

    def execute(*sources, parameters=PARAMETERS, tag="parameters"):
        first = v4.new_code_cell(parameters, id="first", metadata={"tags": [tag]})
        others = [v4.new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)]
        claim = v4.new_markdown_cell("The claim: $x^2$", id="claim")
        cells = [claim, first, *others]
        notebook = v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
        (tmp_path / "notebooks/01_toy.ipynb").write_text(json.dumps(notebook))
        execution.make(space)
        return space

    return execute


def test_a_good_notebook_leaves_its_copy_and_its_page(execute, capfd):
    space = execute(
        "import json, os\nprint(json.dumps([profile, dataset, json.loads(overrides), os.getcwd()]))",
        "from IPython.display import HTML\nprint('eps $0.05$')\nHTML('<p>$x^2$</p>')",
    )
    executed = json.loads((space.folder / "executed.ipynb").read_text())
    cells = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [1, 2, 3, 4]
    said = "".join(cells[2]["outputs"][0]["text"])
    assert json.loads(said) == ["mini", "chest_xray", {"training.epochs": 3}, str(paths.NOTEBOOKS)]
    page = (space.folder / "page.html").read_text()
    assert "<title>01_toy (chest_xray)</title>" in page
    assert "http://" not in page.replace('xmlns="http://www.w3.org/1998/Math/MathML"', "")
    assert "https://" not in page
    assert "The claim: <math" in page
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in page
    assert "eps $0.05$" in page, "what a cell prints is no formula"
    assert "<p>$x^2$</p>" in page, "nor is what it displays"
    told = capfd.readouterr()
    assert "encryption" not in told.err + told.out


def test_two_runs_leave_the_same_bytes(execute):
    found = []
    for _ in range(2):
        space = execute("1 + 1", "print(dataset)")
        found.append([(space.folder / name).read_bytes() for name in ("executed.ipynb", "page.html")])
    assert found[0] == found[1]
    assert str(paths.NOTEBOOKS).encode() not in found[0][0], "no path of this machine"


def test_a_failing_cell_is_named_with_its_error(execute, tmp_path):
    with pytest.raises(NotebookFailed) as failure:
        execute("worked = 1", "\n# the third\nvalue = 1 / 0\n", "never = 1")
    message = str(failure.value)
    assert "01_toy.ipynb: cell `# the third` ended with ZeroDivisionError: division by zero" in message
    (notes,) = failure.value.__notes__
    assert "value = 1 / 0" in notes
    assert "\x1b" not in notes
    assert not list((tmp_path / "folder").iterdir())
    partial = tmp_path / "work/01_toy.ipynb"
    assert str(partial) in message
    assert json.loads(partial.read_text())["cells"][-1]["execution_count"] is None


def test_a_killed_kernel_is_a_failure(execute, tmp_path):
    with pytest.raises(
        NotebookFailed, match=r"kernel died in cell `import os, signal`, most likely because memory ran out"
    ):
        execute("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "never = 1")
    assert not list((tmp_path / "folder").iterdir())


def test_a_kernel_that_died_once_is_started_once_more(execute, monkeypatch):
    import papermill

    execute_notebook, tries = papermill.execute_notebook, []

    def dies_once(*arguments, **options):
        tries.append(arguments)
        if len(tries) == 1:
            raise RuntimeError("Kernel died")
        return execute_notebook(*arguments, **options)

    monkeypatch.setattr(papermill, "execute_notebook", dies_once)
    assert "alive" in (execute("print('alive')").folder / "page.html").read_text()
    assert len(tries) == 2


def test_a_notebook_that_stops_early_is_a_failure(execute):
    with pytest.raises(NotebookFailed, match=r"cell `never = 1` has not run"):
        execute("import sys\nsys.exit(0)", "never = 1")


def test_a_kernel_that_does_not_start_is_tried_twice(execute, monkeypatch):
    import papermill

    tries = []

    def never(source, target, **options):
        tries.append(source)
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(papermill, "execute_notebook", never)
    with pytest.raises(NotebookFailed, match="the kernel did not start"):
        execute("1")
    assert len(tries) == 2


def test_parameters_that_papermill_would_only_log_are_refused(execute):
    with pytest.raises(
        NotebookFailed, match=r"01_toy\.ipynb declares \('profile', 'data_set', 'overrides'\)"
    ):
        execute(parameters=PARAMETERS.replace("dataset", "data_set"))
    with pytest.raises(
        NotebookFailed, match=r"01_toy\.ipynb declares \(\); .* in one cell tagged `parameters`"
    ):
        execute(tag="something-else")


@pytest.mark.parametrize("notebook", notebooks.every_notebook(), ids=lambda notebook: notebook.name)
def test_every_notebook_declares_its_parameters(notebook):
    assert parameter_names(json.loads(notebook.file.read_text(encoding="utf-8"))) == PARAMETER_NAMES
