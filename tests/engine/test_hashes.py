"""A manifest follows the bytes of the files, and reads only what changed."""

import hashlib
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from meddef_lib.data.sources.opening import manifest
from meddef_lib.engine import hashes as module
from meddef_lib.engine.files import StoreError
from meddef_lib.engine.hashes import UNREADABLE, hashes

FILES = ["a/one.jpeg", "a/two.jpeg", "b/three.jpeg"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three files of an hour ago."""
    for path in FILES:
        file = tmp_path / "data" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.encode())
        _age(file)
    return tmp_path / "data"


def _age(file: Path, seconds: int = 3600) -> None:
    then = file.stat().st_mtime_ns - seconds * 10**9
    os.utime(file, ns=(then, then))


def _hash(folder: Path, tmp_path: Path, files=FILES, **options) -> str:
    return manifest(folder, files, store_root=tmp_path / "store", **options)


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The names of the files that are read."""
    names: list[str] = []
    original = module._hash

    def counted(file: Path) -> str:
        names.append(file.name)
        return original(file)

    monkeypatch.setattr(module, "_hash", counted)
    return names


def test_hashes_are_those_of_the_bytes(folder, tmp_path):
    found = hashes(folder, FILES, store_root=tmp_path / "store")
    assert found == {path: hashlib.sha256(path.encode()).hexdigest() for path in FILES}


def test_another_process_can_write_while_files_are_read(folder, tmp_path, monkeypatch):
    original = module._hash

    def hashed(file: Path) -> str:
        if file.name == "three.jpeg":
            time.sleep(0.2)  # the hashes of the other files are there by now
            with closing(sqlite3.connect(tmp_path / "store" / module.MEMORY, timeout=0)) as memory:
                memory.execute("INSERT INTO hashes VALUES (?, 1, 2, 'of another process')", (b"/elsewhere",))
                memory.commit()
        return original(file)

    hashes(folder, FILES[:1], store_root=tmp_path / "store")
    monkeypatch.setattr(module, "_hash", hashed)
    assert len(hashes(folder, FILES, store_root=tmp_path / "store")) == len(FILES)


def test_order_and_place_do_not_count(folder, tmp_path):
    before = _hash(folder, tmp_path)
    moved = folder.rename(tmp_path / "elsewhere")
    assert _hash(moved, tmp_path, FILES[::-1]) == before


def test_bytes_names_files_and_notes_count(folder, tmp_path):
    found = {
        _hash(folder, tmp_path),
        _hash(folder, tmp_path, FILES[:2]),
        _hash(folder, tmp_path, notes=["a: b"]),
    }
    (folder / FILES[0]).write_bytes(b"other")
    found.add(_hash(folder, tmp_path))
    (folder / FILES[0]).rename(folder / "a/new.jpeg")
    found.add(_hash(folder, tmp_path, ["a/new.jpeg", *FILES[1:]]))
    assert len(found) == 5


def test_only_what_changed_is_read_again(folder, tmp_path, read):
    before = _hash(folder, tmp_path)
    assert sorted(read) == ["one.jpeg", "three.jpeg", "two.jpeg"]
    read.clear()
    assert _hash(folder, tmp_path) == before
    assert read == []
    (folder / FILES[1]).write_bytes(b"A/two.jpeg")  # as many bytes
    assert _hash(folder, tmp_path) != before
    assert read == ["two.jpeg"]


def test_a_touched_file_is_read_again_and_the_same(folder, tmp_path, read):
    before = _hash(folder, tmp_path)
    read.clear()
    _age(folder / FILES[0], 60)
    assert _hash(folder, tmp_path) == before
    assert read == ["one.jpeg"]


def test_a_file_of_this_second_is_not_remembered(folder, tmp_path, read):
    (folder / FILES[0]).write_bytes(b"young")
    before = _hash(folder, tmp_path)
    read.clear()
    assert _hash(folder, tmp_path) == before
    assert read == ["one.jpeg"]


def test_what_is_no_file_has_no_hash(folder, tmp_path):
    (folder / "pipe.jpeg").mkdir()
    found = hashes(folder, ["gone.jpeg", "pipe.jpeg", FILES[0]], store_root=tmp_path / "store")
    assert (found["gone.jpeg"], found["pipe.jpeg"]) == (UNREADABLE, UNREADABLE)
    assert found[FILES[0]] != UNREADABLE


def test_folders_whose_names_begin_alike_are_kept_apart(folder, tmp_path, read):
    other = tmp_path / "data2"
    (other / "a").mkdir(parents=True)
    (other / FILES[0]).write_bytes(b"other")
    _age(other / FILES[0])
    _hash(other, tmp_path, FILES[:1])
    read.clear()
    _hash(folder, tmp_path)
    assert sorted(read) == ["one.jpeg", "three.jpeg", "two.jpeg"]
    read.clear()
    _hash(folder, tmp_path)
    _hash(other, tmp_path, FILES[:1])
    assert read == []


@pytest.mark.parametrize("what", ["noise", "cut", "other_table"])
def test_a_damaged_memory_is_begun_anew(folder, tmp_path, read, what):
    memory = tmp_path / "store" / module.MEMORY
    whole = hashes(folder, FILES, store_root=tmp_path / "store")
    if what == "noise":
        memory.write_bytes(os.urandom(5000))
    elif what == "cut":
        memory.write_bytes(memory.read_bytes()[:5000])
    else:
        memory.unlink()
        with closing(sqlite3.connect(memory)) as other:
            other.execute("CREATE TABLE hashes (name TEXT)")
    read.clear()
    assert hashes(folder, FILES, store_root=tmp_path / "store") == whole
    assert len(read) == len(FILES)
    assert hashes(folder, FILES, store_root=tmp_path / "store") == whole
    assert len(read) == len(FILES), "it remembers again"


def test_a_memory_that_cannot_be_is_a_sentence(folder, tmp_path):
    (tmp_path / "store" / module.MEMORY).mkdir(parents=True)
    with pytest.raises(StoreError, match=f"{module.MEMORY} cannot be used .*MEDDEF_STORE"):
        hashes(folder, FILES, store_root=tmp_path / "store")
