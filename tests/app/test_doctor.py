"""The doctor: what it looks at, and what it says of what is wrong."""

import ast
import json
import re
from pathlib import Path

import pytest

from meddef_lib import paths
from meddef_lib.app import doctor


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    monkeypatch.delenv("MEDDEF_DATA", raising=False)


def found(what):
    looks = {
        "torch": doctor._torch,
        "cv2": doctor._opencv,
        "Jupyter kernel": doctor._kernel,
        "store": lambda: doctor._folder("store", paths.store_root()),
        "data root": doctor._data,
    }
    return looks[what]()


def test_this_machine_can_run_the_workbook(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "LEAST_FREE_GIB", 0.0)
    assert doctor.doctor() == 0
    said = capsys.readouterr().out
    for what in ("Python", "torch", "cv2", "Jupyter kernel", "store", "reports", "data root"):
        assert f"ok  {what}: " in said


def test_a_second_wheel_of_cv2_is_bad(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "opencv_wheels", lambda: ["opencv-python 5", "opencv-python-headless 5"])
    assert doctor.doctor() == 1
    said = capsys.readouterr().out
    assert "BAD cv2: opencv-python 5, opencv-python-headless 5" in said
    assert "pip uninstall -y opencv-python opencv-python-headless &&" in said
    assert "More: docs/troubleshooting.md#opencv-is-installed-twice" in said


def test_a_full_disk_is_bad(monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_FREE_GIB", 1e9)
    assert not found("store").good
    assert "MEDDEF_STORE" in found("store").remedy


def test_a_store_that_cannot_be_is_bad(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("a file where a folder is needed")
    monkeypatch.setenv("MEDDEF_STORE", str(file / "store"))
    assert not found("store").good
    assert "is no folder" in found("store").found
    monkeypatch.setenv("MEDDEF_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(doctor.os, "access", lambda folder, mode: False)
    assert "cannot be written to" in found("store").found


def test_a_kernel_of_another_python_is_bad(monkeypatch, tmp_path):
    kernel = tmp_path / "kernels/python3"
    kernel.mkdir(parents=True)
    command = ["/usr/local/other/bin/python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "Another", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert not found("Jupyter kernel").good
    assert "python3 is /usr/local/other/bin/python3" in found("Jupyter kernel").found


def test_a_gpu_that_torch_cannot_use_is_bad_only_where_it_would_be_used(monkeypatch):
    monkeypatch.setattr(doctor.devices, "cuda_devices", lambda: ["0"])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr(doctor.devices, "torch_cuda", lambda: "13.0")
    assert not found("torch").good
    assert "--device cpu" in found("torch").remedy
    monkeypatch.setattr(doctor.devices, "torch_cuda", lambda: None)
    assert found("torch").good
    assert "1 NVIDIA GPU(s) that this torch does not see" in found("torch").found


def test_the_data_root_is_looked_into(monkeypatch, tmp_path):
    assert "phantoms only" in found("data root").found
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path / "nowhere"))
    assert not found("data root").good
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path))
    assert found("data root").found == f"{tmp_path}: no chest_xray, no roct"
    assert not found("data root").good
    assert "OCT2017" in found("data root").remedy


def test_real_images_are_counted(real_data, monkeypatch):
    monkeypatch.setenv("MEDDEF_DATA", str(real_data))
    assert found("data root").good
    assert " images)" in found("data root").found


def conditions():
    """Every call of Condition in the doctor."""
    source = ast.parse(Path(doctor.__file__).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(source) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "id", "") == "Condition"]


def test_every_finding_has_its_paragraph_and_every_paragraph_its_finding():
    guide = (paths.ROOT / doctor.TROUBLES).read_text(encoding="utf-8")
    titles = re.findall(r"^## (.+)$", guide, re.MULTILINE)
    anchors = [re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert sorted(anchors) == sorted(call.args[4].value for call in conditions() if len(call.args) == 5)
    assert all(paragraph.strip() for paragraph in re.split(r"^## .+$", guide, flags=re.MULTILINE)[1:])


def test_nothing_is_bad_without_a_finding():
    for call in conditions():
        good = isinstance(call.args[1], ast.Constant) and call.args[1].value is True
        assert good or len(call.args) == 5, ast.unparse(call)
