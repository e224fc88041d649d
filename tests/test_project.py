"""The project's own promises: README and CI agree, notebooks are clean, one cv2, imports go one way."""

import ast
import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from meddef_lib import paths
from meddef_lib.engine import fingerprint

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))


def readme_commands():
    text = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```bash\n(.*?)\n```", text, flags=re.DOTALL)


def test_ci_runs_the_readmes_test_command():
    setup, tests = readme_commands()
    assert setup.endswith("invoke reproduce")
    assert tests.endswith("pytest")
    script = (paths.ROOT / ".ci/run").read_text(encoding="utf-8")
    assert script.splitlines()[-1] == tests


def test_one_distribution_provides_cv2():
    providers = [
        distribution.metadata["Name"]
        for distribution in metadata.distributions()
        if any(str(file).startswith("cv2/") for file in distribution.files or ())
    ]
    assert providers == ["opencv-python-headless"]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebooks_are_kept_without_outputs(file):
    notebook = json.loads(file.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebooks_are_thin(file):
    notebook = json.loads(file.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        assert len(source.splitlines()) <= 10, f"a cell of {file.name} is longer than ten lines"
        kinds = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try, ast.Lambda)
        assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


WITHOUT_TORCH = ("engine", "params", "paths", "paper", "results", "report")


def all_modules():
    for file in sorted(fingerprint.SOURCES.rglob("*.py")):
        parts = file.relative_to(fingerprint.SOURCES.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def module_name(value):
    return value if isinstance(value, str) else ""


def imports(file: Path, module: str):
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
                base = f"{above}.{base}" if base else above
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


# the rooms of the house, a level a line; imports go down, or stay within a room
LEVELS = (
    ("errors",),
    ("paths", "declared", "durations", "inference_mode", "visible"),
    ("engine", "params"),
    ("paper", "data", "models", "attacks", "pruning", "precision"),
    ("training", "evaluation", "defences"),
    ("results",),
    ("diagnostics",),
    ("workbook",),
    ("report",),
    ("app",),
)


def room(module):
    """The room that a module stands in; "" for the package itself."""
    return module.split(".")[1] if "." in module else ""


def level(module):
    """How far up the room of a module stands."""
    return next((height for height, rooms in enumerate(LEVELS) if room(module) in rooms), -1)


@pytest.mark.parametrize(("module", "file"), list(all_modules()), ids=module_name)
def test_imports_go_one_way(module, file):
    for name in imports(file, module):
        if name.startswith("meddef_lib."):
            below = level(name) < level(module) or room(name) == room(module)
            assert below, f"{module} imports {name}, which stands beside or above it"


@pytest.mark.parametrize(("module", "file"), list(all_modules()), ids=module_name)
def test_results_and_report_import_no_torch(module, file):
    if module.split(".")[1:2] and module.split(".")[1] in WITHOUT_TORCH:
        assert not [name for name in imports(file, module) if name.split(".")[0] in ("torch", "torchvision")]


def test_nothing_names_a_path_of_one_machine():
    pattern = re.compile(r"(?<![\w.])/(work|opt|root|home)/\w")
    files = [
        path
        for path in paths.ROOT.rglob("*")
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".ipynb"}
    ]
    own = [
        path for path in files if not {".venv", "runs", "reports"} & set(path.relative_to(paths.ROOT).parts)
    ]
    assert len(own) > 20
    assert [str(path) for path in own if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_every_pin_installs_on_the_least_python_that_is_promised():
    promised = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (least,) = (part.version for part in SpecifierSet(promised["requires-python"]))
    lines = (paths.ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    assert len(pins) > 50
    wanting = {
        found.metadata["Name"]: found.metadata.get("Requires-Python") or ""
        for found in metadata.distributions()
        if pins.get(found.metadata["Name"]) == found.version
    }
    assert len(wanting) > 50
    too_new = [name for name, wants in wanting.items() if f"{least}.0" not in SpecifierSet(wants)]
    assert too_new == [], f"what constraints.txt pins of these does not install on Python {least}.0"


def test_every_line_of_the_security_notes_names_a_test_that_exists():
    text = (paths.ROOT / "SECURITY.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ") and "| held by |" not in line]
    lines = [line for line in lines if not line.startswith("| ---")]
    assert len(lines) > 10
    for line in lines:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", line)
        assert named, f"no test holds: {line}"
        for file, test in named:
            tree = ast.parse((paths.ROOT / file).read_text(encoding="utf-8"))
            found = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
            assert test in found, f"{file} has no {test}"


def test_what_the_readme_and_the_guides_lead_to_is_there_and_the_picture_small():
    pages = [paths.ROOT / "README.md", paths.ROOT / "CONTRIBUTING.md", *(paths.ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
    assert (paths.ROOT / "docs/page.webp").stat().st_size < 150_000


def test_the_folder_of_reports_is_there_before_any_run():
    assert (paths.ROOT / "reports/README.md").is_file(), "a run's own reports are not under version control"
