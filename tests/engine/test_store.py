"""The store: a result is whole or absent, made once, and found again only by the same question."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from meddef_lib import paths
from meddef_lib.app import upkeep
from meddef_lib.engine import files, fingerprint
from meddef_lib.engine.files import StoreError
from meddef_lib.engine.limits import NoRoomLeft
from meddef_lib.engine.receipts import RECEIPT
from meddef_lib.engine.recipe import Recipe, canonical_json
from meddef_lib.engine.store import Store

TOY = {
    "__init__": "",
    "makers": """
        import json, os, time
        from toy.parts import shout

        def write(space):
            '''Write the word of the settings.'''
            log = space.settings.get("log")
            if log:
                with open(log, "a") as file:
                    file.write("made\\n")
            words = [json.loads((path / "word.json").read_text()) for path in space.inputs.values()]
            word = shout(space.settings["word"] + "".join(words))
            (space.folder / "word.json").write_text(json.dumps(word))

        def slow(space):
            done = space.work / "steps"
            start = len(done.read_text()) if done.is_file() else 0
            for step in range(start, 40):
                time.sleep(space.settings.get("pause", 0.005))
                (space.folder / "half").write_text("half written")
                with open(done, "a") as file:
                    file.write(".")
            (space.folder / "half").unlink()
            (space.folder / "word.json").write_text(done.read_text())

        def keep_to_itself(space):
            (space.folder / "below").mkdir(mode=0o700)
            for name in ("secret", "below/deeper"):
                (space.folder / name).touch(mode=0o600)

        def tell(space):
            space.ran["hands"] = 2

        def fail(space):
            (space.folder / "half").write_text("half written")
            if "steps" in space.settings:
                (space.work / "steps").write_text(space.settings["steps"])
            raise ValueError("no such luck")

        def full_disk(space):
            raise OSError(28, "No space left on device")
        """,
    "parts": """
        def shout(word):
            return word.upper()  # loudly
        """,
    "params": "KNOB = 1\n",
}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A package of toy makers that stands where meddef_lib would."""
    folder = tmp_path / "toy"
    folder.mkdir()
    for name, text in TOY.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(fingerprint, "PACKAGE", "toy")
    monkeypatch.setattr(fingerprint, "SOURCES", folder)
    fingerprint.forget()
    yield folder
    for name in [name for name in sys.modules if name == "toy" or name.startswith("toy.")]:
        del sys.modules[name]


def word(path):
    return json.loads((path / "word.json").read_text())


def test_a_result_is_made_once_with_its_inputs(toy, tmp_path):
    log = tmp_path / "log"
    first = Recipe("word/first", "toy.makers:write", {"word": "a", "log": str(log)})
    second = Recipe("word/second", "toy.makers:write", {"word": "b", "log": str(log)}, {"first": first})
    cells = Store(tmp_path / "store")
    assert word(cells.get(second)) == "BA"
    assert cells.get(second) == cells.folder(second)
    assert log.read_text().count("made") == 2
    receipt = cells.receipt(second)
    assert receipt["recipe"]["inputs"] == {"first": first.key}
    assert receipt["files"].keys() == {"word.json"}
    assert receipt["environment"]["python"] == sys.version.split()[0]
    assert not list((tmp_path / "store/work").iterdir())


def test_whoever_shares_a_store_may_read_what_another_made(toy, tmp_path):
    before = os.umask(0o022)
    try:
        for umask in (0o002, 0o027):
            os.umask(umask)
            folder = Store(tmp_path / f"{umask:o}").get(Recipe("word/own", "toy.makers:keep_to_itself", {}))
            modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}
            files = dict.fromkeys(("secret", "deeper", "receipt.json"), 0o666 & ~umask)
            assert modes == files | dict.fromkeys((folder.name, "below"), 0o777 & ~umask)
    finally:
        os.umask(before)


def test_a_maker_tells_its_receipt_how_it_ran(toy, tmp_path):
    cells = Store(tmp_path / "store")
    recipes = [Recipe("told", "toy.makers:tell"), Recipe("word", "toy.makers:write", {"word": "a"})]
    for recipe in recipes:
        cells.get(recipe)
    assert [cells.receipt(recipe)["ran"] for recipe in recipes] == [{"hands": 2}, {}]


def test_a_key_depends_on_settings_inputs_and_code_and_on_nothing_else(toy):
    def key(maker="toy.makers:write", **settings):
        fingerprint.forget()
        return Recipe("word", maker, {"word": "a", **settings}).key

    before = key()
    assert key() == before
    assert key(word="b") != before
    assert key(maker="toy.makers:slow") != before

    source = toy / "parts.py"
    source.write_text(source.read_text().replace("# loudly", "# very") + "\n\n")
    assert key() == before, "a comment and blank lines change nothing"
    makers = toy / "makers.py"
    makers.write_text(makers.read_text().replace("Write the word of the settings.", "Another docstring."))
    assert key() == before, "a docstring changes nothing"
    (toy / "params.py").write_text("KNOB = 2\n")
    assert key() == before, "a new knob retrains nothing"
    source.write_text(source.read_text().replace("upper", "lower"))
    assert key() != before, "code that the maker imports counts"


def test_settings_that_json_cannot_say_are_refused(toy):
    with pytest.raises(ValueError):
        _ = Recipe("word", "toy.makers:write", {"word": float("nan")}).key


def test_a_recipe_survives_the_way_to_another_process(toy):
    first = Recipe("word/first", "toy.makers:write", {"word": "a"})
    second = Recipe("word/second", "toy.makers:write", {"word": "b"}, {"first": first})
    again = Recipe.from_json(json.loads(json.dumps(second.as_json())))
    assert again.key == second.key
    assert [recipe.id for recipe in again.with_inputs()] == ["word/first", "word/second"]


def test_a_failed_maker_leaves_no_result_and_its_error_travels(toy, tmp_path):
    cells = Store(tmp_path / "store")
    recipe = Recipe("word", "toy.makers:fail")
    with pytest.raises(ValueError, match="no such luck"):
        cells.get(recipe)
    assert not cells.has(recipe)
    assert not list((tmp_path / "store/parts").iterdir())


def test_a_full_disk_is_a_sentence(toy, tmp_path):
    with pytest.raises(NoRoomLeft, match=r"no room left.* half-done work of other parameters"):
        Store(tmp_path / "store").get(Recipe("word", "toy.makers:full_disk"))


@pytest.mark.parametrize("left", ["", '{"id": "word", "recipe', "\0" * 800])
def test_a_receipt_that_a_power_cut_spoilt_is_none(toy, tmp_path, left):
    cells = Store(tmp_path / "store")
    recipe = Recipe("word", "toy.makers:write", {"word": "a"})
    (cells.get(recipe) / RECEIPT).write_text(left)
    other = Recipe("word", "toy.makers:write", {"word": "b"})
    assert not cells.has(recipe)
    assert [cells.state(each).state for each in (recipe, other)] == ["damaged", "missing"]
    assert cells.receipts() == {}
    with pytest.raises(StoreError, match="not been made yet"):
        cells.receipt(recipe)
    cells.get(recipe)
    assert cells.receipt(recipe)["key"] == recipe.key


def test_a_result_is_on_the_disk_before_it_has_its_name(toy, tmp_path, monkeypatch):
    cells = Store(tmp_path / "store")
    recipe = Recipe("word", "toy.makers:write", {"word": "a"})
    synced = []

    named = []  # what is synced once the result has its name: the names above it

    def sync(number):
        (named if cells.folder(recipe).exists() else synced).append(os.fstat(number).st_ino)

    monkeypatch.setattr(files.os, "fsync", sync)
    folder = cells.get(recipe)
    assert set(synced) >= {path.stat().st_ino for path in (folder, *folder.iterdir())}
    assert named == [path.stat().st_ino for path in (folder.parent, cells.root / "cells", cells.root)]


def test_state_tells_what_changed(toy, tmp_path):
    cells = Store(tmp_path / "store")
    recipe = Recipe("word", "toy.makers:write", {"word": "a"})
    assert cells.state(recipe).state == "missing"
    cells.get(recipe)
    assert cells.state(recipe).state == "there"
    other = cells.state(Recipe("word", "toy.makers:write", {"word": "b"}))
    assert (other.state, other.changed) == ("stale", ("settings.word: 'a' -> 'b'",))


def test_a_stale_result_is_adopted_knowingly(toy, tmp_path):
    cells = Store(tmp_path / "store")
    cells.get(Recipe("word", "toy.makers:write", {"word": "a"}))
    wanted = Recipe("word", "toy.makers:write", {"word": "b"})
    assert word(cells.accept(wanted, "the word does not matter")) == "A"
    accepted = cells.receipt(wanted)["accepted"]
    assert accepted["reason"] == "the word does not matter"
    assert accepted["changed"] == ["settings.word: 'a' -> 'b'"]
    with pytest.raises(StoreError, match="no earlier result"):
        cells.accept(Recipe("other", "toy.makers:write", {"word": "b"}), "why not")


def test_a_result_of_another_profile_is_no_earlier_result(toy, tmp_path):
    mini, smoke = (Store(tmp_path / "store", context={"profile": name}) for name in ("mini", "smoke"))
    mini.get(Recipe("word", "toy.makers:write", {"word": "a"}))
    wanted = Recipe("word", "toy.makers:write", {"word": "b"})
    assert (mini.state(wanted).state, smoke.state(wanted).state) == ("stale", "missing")
    with pytest.raises(StoreError, match="no earlier result of the profile smoke"):
        smoke.accept(wanted, "they look alike")
    Store(tmp_path / "store").get(Recipe("word", "toy.makers:write", {"word": "c"}))
    assert smoke.state(wanted).changed == ("settings.word: 'c' -> 'b'",), "of a receipt that names no profile"
    smoke.get(Recipe("word", "toy.makers:write", {"word": "d"}))
    mini.get(Recipe("word", "toy.makers:write", {"word": "e"}))
    assert smoke.state(wanted).changed == ("settings.word: 'd' -> 'b'",)


def test_stale_folders_are_those_nobody_asks_for(toy, tmp_path):
    cells = Store(tmp_path / "store")
    old = cells.get(Recipe("word", "toy.makers:write", {"word": "a"}))
    wanted = Recipe("word", "toy.makers:write", {"word": "b"})
    cells.get(wanted)
    orphan = tmp_path / "store/work/0123"
    orphan.mkdir()
    half_written = tmp_path / f"store/parts/{wanted.key}.0123"
    half_written.mkdir()
    assert upkeep.stale_folders(cells, [wanted]) == [old, half_written, orphan]
    assert half_written in upkeep.stale_folders(cells, [wanted], spare_source_files=True)


def test_half_done_work_is_called_by_its_id(toy, tmp_path):
    cells = Store(tmp_path / "store")
    recipe = Recipe("word/first", "toy.makers:fail", {"steps": "..."})
    with pytest.raises(ValueError, match="no such luck"):
        cells.get(recipe)
    with pytest.raises(ValueError, match="no such luck"):
        cells.get(Recipe("word/nothing", "toy.makers:fail"))  # it leaves nothing to go on with
    finished = cells.get(Recipe("word/second", "toy.makers:write", {"word": "a"}))
    titles = [upkeep.title(cells, folder) for folder in upkeep.stale_folders(cells, [])]
    assert titles == [f"word/second/{finished.name}", f"word/first/@{recipe.key[:16]}, half done"]


def test_what_somebody_is_making_is_not_stale(toy, tmp_path):
    cells = Store(tmp_path / "store")
    asked_for_nowhere_else = Recipe("word", "toy.makers:slow", {"pause": 60})
    process = start(tmp_path, asked_for_nowhere_else.settings)
    wait_for_part(cells, process)
    assert upkeep.stale_folders(cells, []) == []
    process.kill()
    process.communicate()
    left = {path.name.partition(".")[0] for path in upkeep.stale_folders(cells, [])}
    assert left == {asked_for_nowhere_else.key}


def test_what_killed_writers_left_is_swept_and_no_more(toy, tmp_path):
    store = Store(tmp_path / "store")
    dead, going_on, alive = (key * 64 for key in "dga")
    for key in (dead, going_on, alive):
        for name in (f"parts/{key}.0", f"work/{key}"):
            (store.root / name).mkdir(parents=True)
        (store.root / f"work/{key}/.id").write_text("word")
    (store.root / f"work/{going_on}/checkpoint").write_text("half")
    (store.root / "locks").mkdir()
    (store.root / f"locks/{dead}.owner").write_text("process 1 on a machine that was switched off")
    with store.locks.writing(alive, "word", print):
        store.sweep()
        assert [path.name for path in (store.root / "parts").iterdir()] == [f"{alive}.0"]
        assert {path.name for path in (store.root / "work").iterdir()} == {going_on, alive}
    assert list((store.root / "locks").iterdir()) == []


def test_what_is_removed_is_begun_anew(toy, tmp_path):
    cells = Store(tmp_path / "store")
    recipe = Recipe("word", "toy.makers:slow", {"pause": 0})
    cells.get(recipe)
    begun = cells.root / "work" / recipe.key
    begun.mkdir()
    (begun / "steps").write_text("..")
    cells.remove(recipe)
    assert not cells.has(recipe)
    assert not begun.exists(), "a maker would go on from the old checkpoint"
    assert not list((cells.root / "parts").iterdir())


@pytest.mark.parametrize("bad", ["../outside", "/outside", "a/../../b"])
def test_an_id_cannot_leave_the_store(toy, tmp_path, bad):
    with pytest.raises(StoreError, match="outside"):
        Store(tmp_path / "store").folder(Recipe(bad, "toy.makers:write"))


def test_an_unknown_maker_is_named(toy, tmp_path):
    with pytest.raises(ModuleNotFoundError, match=r"toy\.nowhere"):
        _ = Recipe("word", "toy.nowhere:write").key
    with pytest.raises(AttributeError, match=r"toy\.makers has no nothing"):
        Store(tmp_path / "store").get(Recipe("word", "toy.makers:nothing"))


RUN = """
import sys
sys.path.insert(0, {path!r})
from pathlib import Path
from meddef_lib.engine import fingerprint
fingerprint.PACKAGE, fingerprint.SOURCES = "toy", Path({path!r}) / "toy"
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
print(Store(Path({path!r}) / "store").get(Recipe("word", "toy.makers:slow", {settings!r})), flush=True)
"""


def start(tmp_path, settings=None):
    code = RUN.format(path=str(tmp_path), settings=settings or {})
    return subprocess.Popen([sys.executable, "-c", code], cwd=paths.ROOT, stdout=subprocess.PIPE, text=True)


def wait_for_part(cells, process):
    deadline = time.monotonic() + 60
    while not any(cells.root.glob("parts/*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def test_killed_at_any_moment_and_started_again_the_result_is_whole(toy, tmp_path):
    cells = Store(tmp_path / "store")
    recipe = Recipe("word", "toy.makers:slow")
    moments = random.Random(0)
    for _ in range(4):
        process = start(tmp_path)
        wait_for_part(cells, process)
        time.sleep(moments.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if cells.has(recipe):
            break
    folder = cells.get(recipe)
    assert (folder / "word.json").read_text() == "." * 40
    assert not (folder / "half").exists()
    assert not list((cells.root / "parts").iterdir()), "what killed writers left is swept"


def test_two_processes_make_it_once_and_the_second_waits(toy, tmp_path):
    first, second = start(tmp_path), start(tmp_path)
    outputs = [process.communicate()[0].split("\n") for process in (first, second)]
    assert first.returncode == second.returncode == 0
    assert outputs[0][-2] == outputs[1][-2]
    assert (
        Store(tmp_path / "store").get(Recipe("word", "toy.makers:slow")) / "word.json"
    ).read_text() == "." * 40


def test_who_waits_says_for_whom(toy, tmp_path):
    cells = Store(tmp_path / "store")
    recipe = Recipe("word", "toy.makers:slow")
    said = []
    with cells.locks.writing(recipe.key, recipe.id, print):
        waiting = threading.Thread(target=lambda: cells.get(recipe, say=said.append))
        waiting.start()
        deadline = time.monotonic() + 30
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
    waiting.join()
    assert said
    assert f"process {os.getpid()}" in said[0]
    assert "making word" in said[0]


def test_canonical_json_does_not_depend_on_order():
    assert canonical_json({"b": 1, "a": (1, 2)}) == canonical_json({"a": [1, 2], "b": 1})


def test_results_of_files_out_of_sight_are_spared(toy, tmp_path):
    cells = Store(tmp_path / "store")
    data = Recipe("data", "toy.makers:write", {"word": "a", "manifest": "0"})
    cells.get(Recipe("model", "toy.makers:write", {"word": "b"}, {"data": data}))
    made_up = cells.get(Recipe("phantom", "toy.makers:write", {"word": "c"}))
    assert upkeep.stale_folders(cells, [], spare_source_files=True) == [made_up]
    assert len(upkeep.stale_folders(cells, [])) == 3
