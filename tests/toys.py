"""Toy makers for worker processes: a package that stands where meddef_lib would, in every process."""

import sys
import textwrap

import pytest

from meddef_lib import paths
from meddef_lib.engine import fingerprint

# `engine` counts as plumbing, so that a worker does not import torch for a toy
TOY = """
    import ctypes, json, multiprocessing, os, signal, subprocess, sys, time
    from pathlib import Path

    def write(space):
        if "log" in space.settings:
            with open(space.settings["log"], "a") as file:
                file.write(space.settings["word"])
        (space.folder / "word").write_text(space.settings.get("word", ""))

    def fail(space):
        raise ValueError("no such luck")

    def chatter(space):
        print("{stray}")
        print("to stderr", file=sys.stderr)
        os.write(1, b'{"id": "cell", "kind": "done"}\\n')
        ctypes.CDLL(None).puts(b"from C")
        ctypes.CDLL(None).fflush(None)
        read = "import sys; print('child read', repr(sys.stdin.read()))"
        subprocess.run([sys.executable, "-c", read], check=True)
        for step in range(3):
            space.progress(step + 1, 3, "steps")
        write(space)

    def die(space):
        os.kill(os.getpid(), space.settings.get("signal", signal.SIGKILL))
        time.sleep(60)

    def die_once(space):
        before = space.work / "died"
        if not before.exists():
            before.touch()
            die(space)
        write(space)

    def first_waits(space):
        path = Path(space.settings["path"])
        first = not path.exists()
        path.touch()
        while first and not path.with_suffix(".go").exists():
            time.sleep(0.01)
        (space.work / "checkpoint").write_text("half")
        write(space)

    def kill_worker(space):
        os.kill(os.getppid(), signal.SIGKILL)  # Dask's, as the system may when memory runs out
        time.sleep(60)

    def leave(space):
        sys.exit(3)

    def run_out_of(space):
        if space.settings["what"] == "memory":
            raise MemoryError
        print("libgomp: Thread creation failed: Resource temporarily unavailable", flush=True)
        os._exit(1)

    def _note(space, *pids):
        part = Path(space.settings["pids"] + ".part")
        part.write_text(json.dumps([os.getpid(), *pids]))
        part.replace(space.settings["pids"])

    def sleep(space):
        _note(space)
        time.sleep(60)

    def family(space):
        # one in this group, as a data loader forks; one in a session of its own, as a kernel starts
        forked = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        forked.start()
        nap = [sys.executable, "-c", "import time; time.sleep(60)"]
        away = subprocess.Popen(nap, start_new_session=True)
        _note(space, forked.pid, away.pid)
        if "signal" in space.settings:
            die(space)
        time.sleep(60)
"""
# of worker processes
WORKER = {"device": "cpu", "threads": 1, "deterministic": True, "context": {}}
# `run()` computes two of the toys that take long, in the store that is named first; what is named second is
# what the names of the files begin with that tell of their processes
LONG_RUN = """
import sys
from pathlib import Path
from meddef_lib.engine import scheduler
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.engine.workers import LocalEngine
from tests.toys import WORKER

def run():
    root, pids = Path(sys.argv[1]), sys.argv[2]
    cells = [Recipe(f"cell/{n}", f"toy.engine:{maker}", {"pids": f"{pids}.{n}"})
             for n, maker in enumerate(("family", "sleep"))]
    store = Store(root)
    start = lambda n: LocalEngine(store, WORKER, 2)
    scheduler.compute(cells, store, start)
    return 0
"""
# found by Python when it starts: a worker, too, then takes the toys for the library
SITE = """
from pathlib import Path
from meddef_lib.engine import fingerprint
fingerprint.PACKAGE, fingerprint.SOURCES = "toy", Path(__file__).parent / "toy"
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A package `toy` of makers, known in this process and in those that it starts."""
    home = tmp_path / "home"
    (home / "toy").mkdir(parents=True)
    (home / "toy/__init__.py").write_text("")
    (home / "toy/engine.py").write_text(textwrap.dedent(TOY))
    (home / "sitecustomize.py").write_text(SITE)
    monkeypatch.setenv("PYTHONPATH", f"{home}:{paths.ROOT}")
    monkeypatch.syspath_prepend(home)
    monkeypatch.setattr(fingerprint, "PACKAGE", "toy")
    monkeypatch.setattr(fingerprint, "SOURCES", home / "toy")
    yield home
    for name in [name for name in sys.modules if name == "toy" or name.startswith("toy.")]:
        del sys.modules[name]
