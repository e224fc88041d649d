"""The doctor: what it looks at, and what it says of what is wrong."""

import pytest

from meddef_lib.workbook import doctor


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    monkeypatch.delenv("MEDDEF_DATA", raising=False)


def found(what):
    (one,) = (one for one in doctor.look() if one.what == what)
    return one


def test_this_machine_can_run_the_workbook(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "LEAST_FREE_GIB", 0.0)
    assert doctor.main() == 0
    said = capsys.readouterr().out
    for what in ("Python", "torch", "cv2", "Jupyter kernel", "store", "reports", "data root"):
        assert f"ok  {what}: " in said


def test_a_second_wheel_of_cv2_is_bad(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "opencv_wheels", lambda: ["opencv-python 5", "opencv-python-headless 5"])
    assert not found("cv2").good
    assert doctor.main() == 1
    assert "pip uninstall" in capsys.readouterr().out


def test_a_full_disk_is_bad(monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_FREE_GIB", 1e9)
    assert not found("store").good
    assert "MEDDEF_STORE" in found("store").remedy


def test_the_data_root_is_looked_into(monkeypatch, tmp_path):
    assert "phantoms only" in found("data root").found
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path / "nowhere"))
    assert not found("data root").good
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path))
    assert "no data set" in found("data root").found
