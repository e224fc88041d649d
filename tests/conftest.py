"""What every test shares: one thread a process, a store of its own, the real images where they are given."""

import os
from pathlib import Path

import pytest

from meddef_lib.engine.devices import cuda_devices
from tests.toys import toy  # noqa: F401  (a fixture for everyone)

# the suite runs one process a core; torch reads these when it is first imported
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what a GPU's products need to repeat themselves
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    """No test reads or writes the reader's store."""
    monkeypatch.setenv("MEDDEF_STORE", str(tmp_path / "store"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The data root with real images; tests that ask for it are skipped without `MEDDEF_DATA`."""
    root = os.environ.get("MEDDEF_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("MEDDEF_DATA names no folder with real images")
    return Path(root)


def pytest_collection_modifyitems(items):
    """Skip tests marked `gpu` where the driver lists none; it is asked without torch, which takes seconds."""
    if not cuda_devices():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="the NVIDIA driver lists no GPU here"))


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request) -> str:
    """Every device that results may be made on here."""
    return request.param


@pytest.fixture
def deterministic(device):
    """As workers compute on a GPU; on a CPU nothing is to be done."""
    if device == "cpu":
        yield
        return
    import torch

    from meddef_lib import precision

    before = torch.backends.cudnn.benchmark
    precision.prepare({"device": device, "threads": 1, "deterministic": True})
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = before
