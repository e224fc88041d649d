"""Which cells an edit makes stale: a result goes stale when it could change, and only then.

Each edit is made in a copy of the project, and the keys of the smoke profile's cells are compared with those
of the project itself. Notebooks are left out: their pages run again after any change by design.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from meddef_lib import paths

KEYS = """
import json, sys
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.kinds import every_cell
book = workbook("smoke", overrides=sys.argv[1:])
print(json.dumps({name: recipe.key for name, recipe in every_cell(book).items()}))
"""
EVERYTHING = {"phantoms", "examined", "prepared", "audit", "train", "attack", "prune", "saliency", "anatomy"}
FROM_PREPARED = EVERYTHING - {"phantoms", "examined", "audit"}
FROM_TRAINED = FROM_PREPARED - {"prepared"}
RECORDS = {"attack", "prune"}


@dataclass(frozen=True)
class Edit:
    """Texts to replace in files of the project, or parameters to set; and which cells then go stale."""

    name: str
    stale: set[str]
    replace: dict[str, tuple[str, str]] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    ids: str = ""  # what all ids of stale cells have in them


EDITS: list[Edit] = []


@pytest.fixture(scope="session")
def before(tmp_path_factory):
    """The keys of the project as it is."""
    return keys(paths.ROOT, tmp_path_factory.mktemp("store"))


def keys(root, store, overrides=()):
    """The key of every cell of smoke, by id, as the project in `root` computes it."""
    done = subprocess.run(
        [sys.executable, "-c", KEYS, *overrides],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "MEDDEF_STORE": str(store)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_makes_stale_what_it_changes_and_nothing_else(edit, before, tmp_path):
    root = paths.ROOT
    if edit.replace:
        root = tmp_path / "project"
        for part in ("meddef_lib", "params", "notebooks"):
            shutil.copytree(paths.ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file, (old, new) in edit.replace.items():
        text = (root / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has {text.count(old)} times: {old}"
        (root / file).write_text(text.replace(old, new), encoding="utf-8")
    after = keys(root, tmp_path / "store", edit.overrides)
    assert after.keys() == before.keys()
    stale = [name for name in after if after[name] != before[name]]
    assert {name.partition("/")[0] for name in stale} == edit.stale
    assert all(edit.ids in name for name in stale)
