"""An array filled over processes, killed and filled again, is the one a single call writes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from meddef_lib.data import fill as filling
from meddef_lib.data.fill import CHUNK, WorkerDied, fill

SHAPE = (6, 5)
ITEMS = [f"{number:05d}" for number in range(2 * CHUNK + 7)]

SLOW = """
import sys, time
from pathlib import Path
from meddef_lib.data.fill import fill
import numpy as np

def make(item):
    time.sleep(0.002)
    number = int(item)
    return np.full((6, 5), number % 251, np.uint8), {"number": number}

if __name__ == "__main__":
    fill(Path(sys.argv[1]), [f"{number:05d}" for number in range(640)], make, shape=(6, 5), processes=2)
    print("whole")
"""


def make(item: str):
    """Every tenth picture is missing."""
    number = int(item)
    picture = None if number % 10 == 3 else np.full(SHAPE, number % 251, np.uint8)
    return picture, {"number": number}


def die(item: str):
    os._exit(1)


def expected() -> np.ndarray:
    pictures = [np.zeros(SHAPE, np.uint8) if make(item)[0] is None else make(item)[0] for item in ITEMS]
    return np.stack(pictures)


def test_pictures_and_records_in_order(tmp_path):
    seen = []
    records = fill(
        tmp_path / "a.npy",
        ITEMS,
        make,
        shape=SHAPE,
        progress=lambda done, total, text="": seen.append((done, total)),
    )
    assert [record["number"] for record in records] == list(range(len(ITEMS)))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected())
    assert seen == [(done, len(ITEMS)) for done in (0, CHUNK, 2 * CHUNK, len(ITEMS))]


def test_processes_change_nothing(tmp_path):
    one = fill(tmp_path / "a.npy", ITEMS, make, shape=SHAPE)
    two = fill(tmp_path / "b.npy", ITEMS, make, shape=SHAPE, processes=2)
    assert one == two
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_finished_chunks_are_taken_over_and_damaged_ones_made_again(tmp_path):
    file = tmp_path / "a.npy"
    fill(file, ITEMS, make, shape=SHAPE)
    whole = file.read_bytes()
    (tmp_path / "a.npy.chunks" / "000002.json").unlink()
    damaged = bytearray(whole)
    damaged[-1] ^= 255  # a pixel of chunk 2, which has no record
    damaged[len(whole) - len(ITEMS) * SHAPE[0] * SHAPE[1]] ^= 255  # the first pixel of chunk 0
    file.write_bytes(damaged)
    called = []

    def counted(item):
        called.append(item)
        return make(item)

    records = fill(file, ITEMS, counted, shape=SHAPE)
    assert file.read_bytes() == whole
    assert called == ITEMS[:CHUNK] + ITEMS[2 * CHUNK :]
    assert [record["number"] for record in records] == list(range(len(ITEMS)))


@pytest.mark.parametrize("content", [b"", b'{"checksum": 1, "reco', b"\0" * 40, b"[]", b"{}"])
def test_a_record_that_a_power_cut_emptied_counts_as_missing(tmp_path, content):
    file = tmp_path / "a.npy"
    records = fill(file, ITEMS, make, shape=SHAPE)
    (tmp_path / "a.npy.chunks" / "000001.json").write_bytes(content)
    assert fill(file, ITEMS, make, shape=SHAPE) == records
    np.testing.assert_array_equal(np.load(file), expected())


def test_a_record_file_is_whole_or_absent(tmp_path):
    fill(tmp_path / "a.npy", ITEMS, make, shape=SHAPE)
    files = sorted((tmp_path / "a.npy.chunks").iterdir())
    assert [file.name for file in files] == ["000000.json", "000001.json", "000002.json"]
    assert all(json.loads(file.read_text())["records"] for file in files)


def test_what_make_raises_travels(tmp_path):
    def broken(item):
        raise KeyError(item)

    with pytest.raises(KeyError, match="00000"):
        fill(tmp_path / "a.npy", ITEMS, broken, shape=SHAPE)


@pytest.mark.parametrize("left", [b"", b"\x93NUMPY", b"[]"])
def test_a_damaged_array_is_filled_anew(tmp_path, left):
    file = tmp_path / "a.npy"
    records = fill(file, ITEMS, make, shape=SHAPE)
    whole = file.read_bytes()
    file.write_bytes(left)
    assert fill(file, ITEMS, make, shape=SHAPE) == records
    assert file.read_bytes() == whole


def test_a_dead_worker_is_named(tmp_path):
    with pytest.raises(WorkerDied, match="fewer processes"):
        fill(tmp_path / "a.npy", ITEMS, die, shape=SHAPE, processes=2)


def test_a_full_disk_is_said_before_the_work(tmp_path, monkeypatch):
    def full(descriptor, offset, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(filling.os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match="No space left"):
        fill(tmp_path / "a.npy", ITEMS, make, shape=SHAPE)
    assert not (tmp_path / "a.npy").exists()


def test_killed_and_started_again_it_writes_the_same_bytes(tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    file = tmp_path / "a.npy"
    delays = random.Random(0)
    for _ in range(2):
        process = subprocess.Popen([sys.executable, script, file], start_new_session=True)
        _wait_for_progress(file, process)
        time.sleep(delays.uniform(0, 0.2))
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert not alive, "workers outlive their parent"
    done = subprocess.run([sys.executable, script, file], capture_output=True, text=True, check=True)
    assert done.stdout == "whole\n"
    values = np.arange(640) % 251
    np.testing.assert_array_equal(np.load(file), np.broadcast_to(values[:, None, None], (640, *SHAPE)))


def _wait_for_progress(file: Path, process: subprocess.Popen) -> None:
    """Until one more chunk than before is finished."""
    chunks = file.with_name(f"{file.name}.chunks")
    before = len(list(chunks.glob("*.json")))
    deadline = time.monotonic() + 30
    while len(list(chunks.glob("*.json"))) <= before:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
