"""Fingerprints: which modules count for a maker."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from meddef_lib import paths
from meddef_lib.engine import fingerprint


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write modules of a package `toy` and read the fingerprint of `toy.maker:make`."""
    folder = tmp_path / "toy"
    monkeypatch.setattr(fingerprint, "PACKAGE", "toy")
    monkeypatch.setattr(fingerprint, "SOURCES", folder)

    def write(**modules):
        for name, text in modules.items():
            file = folder.joinpath(*name.split("__")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            (file.parent / "__init__.py").touch()
            file.write_text(textwrap.dedent(text))
        (folder / "__init__.py").touch()
        fingerprint.forget()
        return set(fingerprint.modules("toy.maker:make"))

    return write


def test_imports_are_followed_wherever_they_stand(package):
    found = package(
        maker="import numpy\nfrom toy import one\ndef make(space):\n    from .two import f\n",
        one="import toy.three\n",
        two="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy import four\n",
        three="",
        four="",
        five="",
    )
    assert found == {"toy.maker", "toy.one", "toy.two", "toy.three", "toy.four"}


def test_plumbing_does_not_count(package):
    found = package(
        maker="from toy import params, store\nfrom toy.engine import cells\n", params="", store=""
    )
    assert found == {"toy.maker"}


def test_of_a_package_only_what_is_wanted_counts(package):
    modules = {"nets__building": "def build(): ...", "nets__drawing": "def draw(): ..."}
    package(maker="", **modules)
    init = "from .building import build\nfrom .drawing import draw\n"
    (fingerprint.SOURCES / "nets/__init__.py").write_text(init)
    assert package(maker="from toy.nets import build\n") == {"toy.maker", "toy.nets", "toy.nets.building"}
    everything = {"toy.maker", "toy.nets", "toy.nets.building", "toy.nets.drawing"}
    assert package(maker="from toy import nets\n") == everything


def test_a_circle_of_imports_ends(package):
    assert package(maker="from toy import one\n", one="from toy import maker\n") == {"toy.maker", "toy.one"}


# training and saliency want one attack of the package, whose `__init__` loads them all
@pytest.mark.parametrize("maker", ["data.preprocessing", "data.audit", "evaluation"])
def test_what_a_maker_really_imports_counts(maker):
    """The imports found in the sources are at least those that Python makes."""
    code = f"import sys, meddef_lib.{maker}; print(*(name for name in sys.modules if 'meddef_lib.' in name))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    counted = fingerprint.modules(f"meddef_lib.{maker}:make")
    packages = {
        name for name in done.stdout.split() if (fingerprint._file(name) or Path()).name == "__init__.py"
    }
    loaded = {name for name in done.stdout.split() if not fingerprint.is_plumbing(name)} - packages
    assert loaded <= set(counted), f"{sorted(loaded - set(counted))} would change a result unseen"
