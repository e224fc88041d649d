"""The walks of CONTRIBUTING.md, taken literally in a copy of the project, and `mini` run on all of them."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from meddef_lib import paths

MOST_LINES = 40
STEP = re.compile(
    r"^Create `(?P<new>[^`]+)`:\n+```\w*\n(?P<text>.*?)^```$"
    r"|^In `(?P<file>[^`]+)`, change\n+```\w*\n(?P<old>.*?)^```\n+to\n+```\w*\n(?P<better>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Walk:
    """A walk: its title, its text, and how many files it may touch, created and edited together."""

    title: str
    text: str

    @property
    def steps(self):
        return list(STEP.finditer(self.text))

    @property
    def files(self):
        return {step["new"] or step["file"] for step in self.steps}

    def take(self, root):
        for step in self.steps:
            if step["new"]:
                file = root / step["new"]
                assert not file.exists(), f"{file} is there already"
                file.write_text(step["text"], encoding="utf-8")
            else:
                file = root / step["file"]
                text = file.read_text(encoding="utf-8")
                assert text.count(step["old"]) == 1, f"{file} has not once: {step['old']}"
                file.write_text(text.replace(step["old"], step["better"]), encoding="utf-8")


def walks():
    text = (paths.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    parts = re.split(r"^### (Walk: .*)$", text, flags=re.MULTILINE)[1:]
    return {
        title.removeprefix("Walk: "): Walk(title, part.partition("\n## ")[0])
        for title, part in zip(parts[::2], parts[1::2], strict=True)
    }


WALKS = walks()
MOST_FILES = {"a data set": 2, "a variant": 2, "an attack": 2, "a notebook": 3, "a defence": 2}


def test_there_are_five_walks_and_they_are_short():
    assert WALKS.keys() == MOST_FILES.keys()
    for name, walk in WALKS.items():
        assert 1 <= len(walk.files) <= MOST_FILES[name], name
        assert len(walk.text.strip().splitlines()) < MOST_LINES, name


@pytest.fixture
def project(tmp_path):
    """A copy of the project, and how to run `mini` in it; returns results.json and the page."""
    root = tmp_path / "project"
    for part in ("meddef_lib", "params", "notebooks"):
        shutil.copytree(paths.ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(paths.ROOT / "tasks.py", root)

    def run(*words):
        env = os.environ | {"PYTHONPATH": str(root), "MEDDEF_STORE": str(tmp_path / "store")}
        env |= {"MEDDEF_REPORTS": str(root / "reports"), "MPLBACKEND": "Agg"}
        env.pop("MEDDEF_DATA", None)
        command = [sys.executable, "-m", "invoke", "reproduce", "--profile", "mini", *words]
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        folder = root / "reports/mini"
        page = (folder / "index.html").read_text(encoding="utf-8")
        return json.loads((folder / "results.json").read_text(encoding="utf-8")), page

    return root, run


@pytest.fixture
def hands(tmp_path):
    """The data root with the images of the walk's data set: folders of noise, of a brightness a class."""
    draw = np.random.default_rng(0)
    for split, images in {"train": 8, "val": 4, "test": 4}.items():
        for level, name in enumerate(("HEALTHY", "BROKEN", "IMPLANT")):
            folder = tmp_path / "data/hands" / split / name
            folder.mkdir(parents=True)
            for number in range(images):
                grey = draw.integers(60 * level, 60 * level + 100, (48, 40), dtype=np.uint8)
                assert cv2.imwrite(str(folder / f"{name}-{split}-{number}.png"), grey)
    return tmp_path / "data"


def test_the_walks_end_in_one_run_that_has_all_they_add(project, hands):
    root, run = project
    for walk in WALKS.values():
        walk.take(root)
    found, page = run("--data-root", str(hands))
    cells = {cell["id"]: cell["state"] for cell in found["cells"]}
    assert set(cells.values()) == {"there"}
    assert {name.split("/")[1] for name in cells if name.startswith("train/")} == {"hands"}
    assert [row for row in found["values"] if row["reproduced"] is not None] == []
    assert "train/hands/only_afd/clean/seed=0" in cells
    assert "attack/hands/full/clean/seed=0/mim" in cells
    assert any(name.startswith("notebook/10_") for name in cells)
    assert "defence/hands/resnet18/clean/seed=0/smoothing" in cells
    added = ("Hand radiographs", "MedDef, AFD alone", "MI-FGSM", "Answers to clean images", "Mean filter")
    for words in added:
        assert words in page, words
