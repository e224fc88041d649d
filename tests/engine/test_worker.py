"""A worker process by itself: it answers whatever happens to its cell."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from meddef_lib import paths
from meddef_lib.engine.recipe import Recipe

FULL = Path("/dev/full")  # every write to it says that no room is left


def answers(tmp_path, *orders):
    """The last event of each (recipe, log) that one worker is asked to make."""
    options = {"device": "cpu", "threads": 1, "processes": 1, "deterministic": True, "context": {}}
    options["temporary"] = str(tmp_path / "temporary")
    command = [sys.executable, "-m", "meddef_lib.engine.worker"]
    worker = subprocess.Popen(
        [*command, json.dumps(options | {"store": str(tmp_path / "store")})],
        cwd=paths.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # it ends with its whole group
    )
    events = []
    for recipe, log in orders:
        order = {"recipe": recipe.as_json(), "key": recipe.key, "log": str(log)}
        worker.stdin.write(json.dumps(order) + "\n")
        worker.stdin.flush()
        events.append(json.loads(worker.stdout.readline() or "{}"))
    worker.communicate()
    return events


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
def test_a_log_that_finds_no_room_fails_its_cell_in_a_sentence(toy, tmp_path):
    cell = Recipe("cell", "toy.engine:write")
    failed, made = answers(tmp_path, (cell, FULL), (cell, tmp_path / "log"))
    assert failed["kind"] == "failed"
    assert failed["text"].startswith(f"NoRoomLeft: no room left for the log {FULL}")
    assert "OSError" in failed["details"]["traceback"]
    assert made["kind"] == "done", "with room again, the same worker goes on"
