"""What the tasks print, remove and refuse."""

import subprocess
import sys

import pytest

from meddef_lib import params, paths
from meddef_lib.app import commands, estimates, planning, runner, running, upkeep
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.errors import DONE, FAILED, INTERRUPTED, REFUSED
from meddef_lib.models import given
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.kinds import every_cell
from meddef_lib.workbook.notebooks import cells_and_pages
from tests.finished import finish


@pytest.fixture
def store():
    return Store()  # of this test alone


@pytest.fixture
def only_mini(monkeypatch):
    """The only profile is mini, so that no look at real images is needed to know what is stale."""
    monkeypatch.setattr(params, "profile_ids", lambda: ("mini",))


@pytest.fixture
def nobody(monkeypatch):
    """The input is closed."""

    def closed(question):
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)


def begin(store, name):
    """Leave work behind that was killed, of a recipe that no profile has."""
    work = store.root / "work" / (name[0] * 64)
    work.mkdir(parents=True)
    (work / ".id").write_text(name, encoding="utf-8")
    (work / "checkpoint").write_bytes(bytes(2**20))
    return work


def test_results_of_one_profile_are_not_those_of_another(capsys):
    mini = workbook("mini")
    for recipe in every_cell(mini).values():
        finish(mini.store, recipe)
    other = ["image_size=64"]
    cell = "train/chest_xray/full/clean/seed=0"
    assert running.status("mini", None, None, other, why=True) == DONE
    assert "stale    prepared/chest_xray\n         settings.image_size: 32 -> 64" in capsys.readouterr().out
    assert running.status("smoke", ["chest_xray"], None, None, why=True) == DONE
    assert "stale" not in capsys.readouterr().out
    assert commands.accept(cell, "they look alike", "smoke", None, None, yes=True) == REFUSED
    assert f"{cell} has no earlier result of the profile smoke" in capsys.readouterr().err
    assert commands.accept(cell, "a larger one is no better", "mini", None, other, yes=True) == DONE


def test_someones_weights_take_a_yes_as_a_run_does(tmp_path, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"weights")
    monkeypatch.setenv("MEDDEF_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setenv(given.VARIABLE, "")  # which `evaluate` sets
    monkeypatch.setattr(given, "read", lambda settings: None)
    long = estimates.Estimate(seconds={"attack/chest_xray": 86400.0}, total_seconds=86400.0)
    monkeypatch.setattr(estimates, "estimate", lambda *_: long)
    monkeypatch.setattr(estimates, "remember", lambda *_: None)
    monkeypatch.setattr(runner, "compute", interrupt)

    def evaluate(yes):
        set_ = ["needs_yes_on_cpu=true"]
        return commands.evaluate(str(weights), "full", "chest_xray", "mini", None, set_, "cpu", yes)

    assert evaluate(yes=False) == REFUSED
    told = capsys.readouterr().out
    assert "in all about 24.0 h" in told
    assert "--yes" in told
    assert evaluate(yes=True) == INTERRUPTED, "it began"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {"dataset": ["chest_xry"]},
            "no data set 'chest_xry'; known are chest_xray (did you mean chest_xray?)",
        ),
        ({"only": ["04_epsilon_swep"]}, "(did you mean 04_epsilon_sweep?)"),
        ({"force": ["trian/chest_xray/full"]}, "(did you mean train/chest_xray/full?)"),
        ({"profile": "minni"}, "there is no profile 'minni'; known are"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_one_that_is_near(said, words, capsys):
    options = {"profile": "mini", "dataset": None, "only": None, "force": None} | said
    options |= {"data_root": None, "set": None, "device": "cpu", "workers": None, "yes": False}
    assert commands.reproduce(**options) == REFUSED
    assert words in capsys.readouterr().err


def test_no_command_stumbles_over_damage(store, only_mini, capsys):
    mini = workbook("mini")
    cells = list(cells_and_pages(mini).values())
    for recipe in cells:
        finish(store, recipe, ("word",))
    audit, drawn = "audit/chest_xray", "anatomy/chest_xray/full/clean/seed=0"
    folders = {recipe.id: store.folder(recipe) for recipe in cells}
    (folders[audit] / "word").write_bytes(b"[]")
    (folders[drawn] / "receipt.json").write_bytes(b"[]")
    for memory in (None, b"", b"noise" * 1000):
        if memory is not None:
            (store.root / "hashes.sqlite").write_bytes(memory)
        assert running.status("mini", None, None, None) == DONE
        said = capsys.readouterr().out
        assert f"damaged  {audit}\n         word is not what was written\n" in said
        assert f"damaged  {drawn}\n         receipt.json is missing or damaged\n" in said
        assert f"2 damaged, {len(cells) - 2} there\n" in said
        assert "made anew by: invoke reproduce --profile mini" in said
    assert planning.plan("mini", None, None, None, "cpu") == DONE
    assert f"there already: {len(cells) - 2} steps" in capsys.readouterr().out
    assert commands.accept(audit, "it looks well", "mini", None, None, yes=True) == DONE
    assert "0 stale results to adopt, 1 damaged" in capsys.readouterr().out
    assert upkeep.clean(stale=True, yes=True) == DONE
    assert "Nothing to remove" in capsys.readouterr().out
    assert all(folder.is_dir() for folder in folders.values())


def test_a_misspelt_cell_is_not_accepted(capsys):
    assert commands.accept("audit/chest_ray", "close", "mini", None, None, yes=True) == REFUSED
    assert "(did you mean audit/chest_xray?)" in capsys.readouterr().err


# --- clean ----------------------------------------------------------------------------------------


def test_what_a_profile_needs_on_the_way_is_not_stale(store, only_mini, capsys):
    for recipe in every_cell(workbook("mini")).values():
        for needed in recipe.with_inputs():
            if not store.has(needed):
                finish(store, needed)
    assert upkeep.clean(stale=True, yes=True) == DONE
    assert "Nothing to remove" in capsys.readouterr().out


def test_stale_results_are_named_before_anybody_is_asked(store, only_mini, nobody, capsys):
    results = [
        finish(store, Recipe(f"audit/{number:02}", "meddef_lib.evaluation.anatomy:make"))
        for number in range(30)
    ]
    work = begin(store, "train/roct")
    assert upkeep.clean(stale=True, yes=False) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert "other parameters (--set)" in lines[0]
    assert lines[1].strip() == "1.0 MiB  train/roct/@tttttttttttttttt, half done"
    assert lines[2].endswith(f"audit/00/{results[0].name}")
    assert lines[21] == "and 11 more"
    assert lines[-1] == "Nothing was removed."
    assert all(folder.is_dir() for folder in [*results, work])
    assert upkeep.clean(stale=True, yes=True) == DONE
    assert not any(folder.exists() for folder in [*results, work])


def test_the_whole_store_is_what_the_store_wrote(store, capsys):
    assert upkeep.clean(stale=False, yes=True) == DONE
    assert "Nothing to remove" in capsys.readouterr().out
    finish(store, Recipe("audit/roct", "meddef_lib.evaluation.anatomy:make"))
    begin(store, "train/roct")
    (store.root / "hashes.sqlite").write_bytes(b"hashes")
    foreign = store.root / "notes.txt"
    foreign.write_text("mine", encoding="utf-8")
    assert upkeep.clean(stale=False, yes=True) == DONE
    assert list(store.root.iterdir()) == [foreign]
    foreign.unlink()
    begin(store, "train/roct")
    assert upkeep.clean(stale=False, yes=True) == DONE
    assert not store.root.exists()


def test_the_store_stays_while_something_is_made(store, capsys):
    work = begin(store, "train/roct")
    with store.locks.writing("0" * 64, "audit/roct", print):
        assert upkeep.clean(stale=False, yes=True) == FAILED
    assert "is making a result" in capsys.readouterr().err
    assert work.is_dir()
    assert upkeep.clean(stale=False, yes=True) == DONE


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"profile": "mini"}, "--profile"),
        ({"dataset": ["roct"], "set": ["seeds=[1]"]}, "--dataset, --set"),
    ],
)
def test_a_page_from_a_folder_is_of_no_profile(asked, said, tmp_path, capsys):
    words = {"profile": None, "dataset": [], "data_root": None, "set": []} | asked
    assert commands.report(**words, from_=str(tmp_path)) == REFUSED
    refused = capsys.readouterr().err
    assert f"whatever {said} asks for" in refused
    assert str(tmp_path) in refused


def test_the_start_of_a_command_loads_nothing_slow_that_it_may_not_need():
    slow = ("torch", "matplotlib", "scipy.stats", "statsmodels", "jinja2", "distributed")
    code = f"import sys, tasks, meddef_lib.app.commands; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
