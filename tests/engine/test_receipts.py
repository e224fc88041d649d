"""A result is there only while each of its files is the one that was written."""

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import save_file

from meddef_lib.app import upkeep
from meddef_lib.engine import hashes, scheduler, sealed
from meddef_lib.engine.receipts import RECEIPT
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from tests.damage import flip

ROWS = np.arange(12.0)
WRITERS = {
    "records.parquet": lambda file: pd.DataFrame({"a": ROWS}).to_parquet(file),
    "model.safetensors": lambda file: save_file({"a": ROWS}, file),
    "arrays.npz": lambda file: np.savez(file, a=ROWS),
    "images.npy": lambda file: np.save(file, ROWS),
    "summary.json": lambda file: file.write_text(json.dumps(ROWS.tolist())),
    "maps/one.png": lambda file: Image.fromarray(ROWS.astype(np.uint8).reshape(3, 4)).save(file),
    "maps/two.webp": lambda file: Image.fromarray(ROWS.astype(np.uint8).reshape(3, 4)).save(file),
    "index.sqlite": lambda file: _database(file),
    "executed.ipynb": lambda file: file.write_text('{"cells": [], "metadata": {}}'),
    "page.html": lambda file: file.write_text("<p>0.5</p>"),
}


def _database(file):
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE a (b)")
        database.commit()


DAMAGE = {
    "flipped": flip,
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "emptied": lambda file: file.write_bytes(b""),
    "deleted": lambda file: file.unlink(),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "of another": lambda file: file.write_bytes(file.read_bytes() + b" "),
}


@pytest.fixture
def made(toy, tmp_path):
    """A store with a result that has a file of each kind, of an hour ago, and its recipe."""
    recipe = Recipe("kinds", "toy.engine:write", {"word": "a"})
    cells = Store(tmp_path / "store")
    folder = cells.get(recipe)
    (folder / "maps").mkdir()
    for name, write in WRITERS.items():
        write(folder / name)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != RECEIPT]
    listed = {str(file.relative_to(folder)): hashes.file_hash(file) for file in files}
    sealed.write(folder / RECEIPT, cells.receipt(recipe) | {"files": listed})
    for file in files:
        age(file)
    assert cells.has(recipe)
    return cells, recipe


def age(file, seconds=3600):
    then = time.time_ns() - seconds * 10**9
    os.utime(file, ns=(then, then))


@pytest.fixture
def read(monkeypatch):
    """The names of the files whose bytes are hashed."""
    names = []
    original = hashes.file_hash
    monkeypatch.setattr(hashes, "file_hash", lambda file: names.append(file.name) or original(file))
    return names


@pytest.mark.parametrize("how", DAMAGE)
def test_one_damaged_file_of_any_kind_is_named(made, how):
    cells, recipe = made
    for name in WRITERS:
        file = cells.folder(recipe) / name
        kept = file.read_bytes()
        DAMAGE[how](file)
        assert not cells.has(recipe), name
        (said,) = cells.state(recipe).changed
        lost = how in ("deleted", "a folder")
        assert said == f"{name} is missing" if lost else f"{name} is not what was written"
        if file.is_dir():
            file.rmdir()
        file.write_bytes(kept)
        assert cells.has(recipe), name


def test_a_file_too_many_is_named_and_taken_away_without_making_the_result_anew(made):
    cells, recipe = made
    surplus = cells.folder(recipe) / "maps/.DS_Store"
    surplus.write_bytes(b"0")
    assert cells.state(recipe).changed == ("maps/.DS_Store does not belong to it",)
    before = cells.receipt(recipe)
    cells.get(recipe)
    assert not surplus.exists()
    assert cells.receipt(recipe) == before


def test_a_damaged_result_is_made_anew_before_anything_is_made_of_it(toy, tmp_path):
    cells = Store(tmp_path / "store")
    first = Recipe("first", "toy.engine:write", {"word": "a"})
    second = Recipe("second", "toy.engine:write", {"word": "b"}, {"first": first})
    (cells.get(first) / "word").write_text("b")
    assert list(scheduler.missing([second], cells)) == ["first", "second"]
    cells.get(second)
    assert (cells.folder(first) / "word").read_text() == "a"


def test_a_damaged_result_is_not_adopted(toy, tmp_path):
    cells = Store(tmp_path / "store")
    old, wanted = (Recipe("word", "toy.engine:write", {"word": word}) for word in "ab")
    (cells.get(old) / "word").write_text("other")
    assert cells.state(wanted).state == "missing"


def test_nothing_is_read_twice_not_even_in_a_copy_or_by_another_process(made, read, tmp_path):
    cells, recipe = made
    assert Store(cells.root).has(recipe)
    assert read == []
    shutil.copytree(cells.root, tmp_path / "copy")  # with the times of its files, as cp -a does
    assert Store(tmp_path / "copy").has(recipe)
    assert read == []
    for file in (tmp_path / "copy/cells").rglob("*.*"):
        age(file, 60)  # as cp -r does
    for _ in range(2):
        assert Store(tmp_path / "copy").has(recipe)
    assert len(read) == len(WRITERS)


def test_a_flipped_bit_under_an_old_time_is_found_when_all_is_read(made):
    cells, recipe = made
    file = cells.folder(recipe) / "model.safetensors"
    before = file.stat()
    flip(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cells.has(recipe), "neither size nor time tells"
    assert cells.damage(cells.folder(recipe), in_full=True) == ("model.safetensors is not what was written",)
    assert Store(cells.root).state(recipe).state == "damaged", "whoever looks next is told"
    cells.remove_damaged(recipe)
    assert cells.state(recipe).state == "missing"


def test_no_damage_of_the_memory_makes_a_whole_result_a_damaged_one(made):
    cells, recipe = made
    memory = cells.root / hashes.MEMORY
    whole = memory.read_bytes()
    digest = cells.receipt(recipe)["files"]["page.html"].encode()
    at = whole.index(digest)
    for place in (at, at + 64, *range(0, len(whole), 97)):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1
        memory.write_bytes(spoilt)
        assert Store(cells.root).has(recipe), place


@pytest.mark.parametrize(
    "left", [b"}", b"[]", b"{}", b"1", b"null", b"\xff\xfe{}", b"[" * 10**5, b'{"id": 1}']
)
def test_what_is_json_of_another_kind_is_no_receipt(made, left):
    cells, recipe = made
    (cells.folder(recipe) / RECEIPT).write_bytes(left)
    assert cells.state(recipe).changed == ("receipt.json is missing or damaged",)
    assert cells.receipts() == {}
    assert upkeep.stale_folders(cells, []) == [cells.folder(recipe)]
    cells.get(recipe)
    assert cells.has(recipe)


def test_a_flipped_bit_of_a_receipt_is_found_and_so_is_a_seal_taken_away(made):
    cells, recipe = made
    file = cells.folder(recipe) / RECEIPT
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace('"seconds": 0', '"seconds": 9', 1), encoding="utf-8")
    assert cells.state(recipe).state == "damaged"
    told = json.loads(whole)
    del told[sealed.SEAL]
    file.write_text(json.dumps(told), encoding="utf-8")
    assert cells.state(recipe).state == "damaged"
    sealed.write(file, told | {"key": "0" * 64})
    assert cells.state(recipe).changed == ("receipt.json is that of another result",)
