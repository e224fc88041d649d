"""Devices: what the driver lists and the environment leaves visible, without importing torch."""

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from meddef_lib.engine import devices
from meddef_lib.engine.devices import DeviceError


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A driver that lists so many GPUs, and a MIG instance of the first; without a call there is none."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(gpus):
        lines = [f"echo 'GPU {gpu}: NVIDIA H100 (UUID: GPU-{gpu}abc)'" for gpu in range(gpus)]
        lines.insert(1, "echo '  MIG 1g.10gb Device 0: (UUID: MIG-1)'")
        file = tmp_path / "nvidia-smi"
        file.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
        file.chmod(0o755)

    return install


def test_gpus_are_counted_by_the_driver(driver):
    assert devices.cuda_devices() == []
    driver(2)
    assert devices.cuda_devices() == ["0", "1"]


@pytest.mark.parametrize(
    ("visible", "seen"),
    [("1, MIG-1", ["1", "MIG-1"]), ("GPU-0a", ["GPU-0a"]), ("0,7,1", ["0"]), ("-1", []), ("", [])],
)
def test_the_environment_chooses_among_them(driver, monkeypatch, visible, seen):
    driver(2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.cuda_devices() == seen


def test_a_gpu_that_only_the_environment_names_is_none(driver, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert devices.cuda_devices() == []
    assert devices.resolve_device("auto") == "cpu"
    with pytest.raises(DeviceError, match="the device is cuda, but the NVIDIA driver lists no GPU"):
        devices.resolve_device("cuda")


@pytest.mark.parametrize(
    ("workers", "shares"),
    [
        (4, [["0"], ["1"], ["2"], ["3"]]),
        (2, [["0", "2"], ["1", "3"]]),
        (1, [["0", "1", "2", "3"]]),
        (3, [["0", "3"], ["1"], ["2"]]),
        (5, [["0"], ["1"], ["2"], ["3"], ["0"]]),
    ],
)
def test_fewer_workers_see_more_gpus(driver, workers, shares):
    driver(4)
    assert [devices.gpus_of(slot, workers) for slot in range(workers)] == shares
    assert devices.default_workers("cuda", threads=1) == 4


def test_the_device_is_one_that_is_here(driver, monkeypatch):
    monkeypatch.setattr(devices.platform, "system", lambda: "Linux")
    assert devices.resolve_device("auto") == "cpu"
    for device in ("cuda", "mps"):
        with pytest.raises(DeviceError, match=f"the device is {device}"):
            devices.resolve_device(device)
    driver(1)
    assert devices.resolve_device("cuda") == "cuda"
    monkeypatch.setattr(devices, "torch_cuda", lambda: "13.0")
    assert devices.resolve_device("auto") == "cuda"
    monkeypatch.setattr(devices, "torch_cuda", lambda: None)
    assert devices.resolve_device("auto") == "cpu", "a torch without CUDA computes on the CPU"


def test_what_torch_was_built_for_is_read_without_importing_it():
    code = "import sys; from meddef_lib.engine import devices; print(devices.torch_cuda(), *sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    version = Path(importlib.util.find_spec("torch").origin).with_name("version.py")
    assert said.split()[0] == str(runpy.run_path(str(version))["cuda"])
    assert "torch" not in said.split()


def test_workers_fill_the_cores(monkeypatch):
    monkeypatch.setattr(devices, "available_cores", lambda: 6)
    assert devices.default_workers("cpu", threads=4) == 1
    assert devices.default_workers("cpu", threads=1) == 6
    assert devices.default_workers("mps", threads=1) == 1
