"""A worker process: takes recipes as lines of JSON, makes them, and answers with events as lines of JSON.

Started by `engine.workers` as `python -m meddef_lib.engine.worker '{"device": ..., ...}'`, with the options
device, threads, deterministic, processes, store, temporary, context (of receipts) and "prepare", the function
that sets up a process for cells that compute networks (or none). Whatever is printed while a cell is made, by
Python, by libraries in C or by child processes, goes to the cell's log, as does the whole traceback of a
failure.
"""

import faulthandler
import json
import os
import queue
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TextIO

from meddef_lib.engine.files import StoreError
from meddef_lib.engine.limits import within_limits
from meddef_lib.engine.processes import kill_descendants, kill_family
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.visible import visible

SECONDS_BETWEEN_NEWS = 0.2


Answers = Callable[..., None]  # takes the fields of an event to who started this process


def main(options: dict[str, Any]) -> None:
    """Serve until whoever started this process closes the pipe, or is gone."""
    orders, answers = _own_pipes()
    faulthandler.enable()  # a crash in C leaves its place in the log
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders, waiting, options["temporary"]), daemon=True).start()
    store = Store(Path(options["store"]), context=options["context"])
    while True:
        order = json.loads(waiting.get())
        answers(**_make(order, store, options, answers))


def _own_pipes() -> tuple[TextIO, Answers]:
    """Keep both pipes for the protocol: what a maker or its children read or print must not meet it."""
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    # a forked child that outlives this process must not keep the pipe open: its end says that we are gone
    os.register_at_fork(after_in_child=lambda: os.dup2(nothing, answers.fileno(), inheritable=False))
    one_at_a_time = threading.Lock()  # makers may report from several threads

    def answer(**event: Any) -> None:
        with one_at_a_time:
            print(json.dumps(event), file=answers, flush=True)

    return orders, answer


def _listen(orders: TextIO, waiting: "queue.SimpleQueue[str]", temporary: str) -> None:
    for line in orders:
        waiting.put(line)
    kill_descendants(os.getpid())
    shutil.rmtree(temporary, ignore_errors=True)
    kill_family(os.getpid())  # nobody is left to work for: stop at once, whatever is being made
    os._exit(0)  # a process that leads no group


def _make(order: dict[str, Any], store: Store, options: dict[str, Any], answers: Answers) -> dict[str, Any]:
    recipe = Recipe.from_json(order["recipe"])
    told = 0.0

    def progress(done: int, total: int, text: str = "") -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= SECONDS_BETWEEN_NEWS or done == total:
            told = now
            answers(id=recipe.id, kind="progress", done=done, total=total, text=text)

    def say(text: str) -> None:
        answers(id=recipe.id, kind="said", text=text)

    started = time.monotonic()
    try:
        with within_limits(f"for the log {order['log']}"):
            _print_to(Path(order["log"]))
            print(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} {recipe.id}")
        if recipe.key != order["key"]:
            # the result would be filed under a recipe that nobody asked for
            raise StoreError(
                "the code or the parameters were changed while the run was going on; start it again"
            )
        if recipe.code:  # a cell without, a notebook, computes in a process of its own
            with within_limits(f"while a process for {recipe.id} was set up"):
                if prepare := options.pop("prepare", ""):  # once a process
                    resolve_name(prepare)(options)
        store.get(
            recipe, device=options["device"], processes=options["processes"], progress=progress, say=say
        )
    except (Exception, SystemExit) as error:
        # a failed cell is a result of its own: the others go on, the report shows it
        with suppress(OSError):  # where the log cannot take it: it is in the answer, too
            print(visible(traceback.format_exc()))
        name = type(error).__name__
        details = {"log": order["log"], "error": name, "traceback": traceback.format_exc()}
        return {"id": recipe.id, "kind": "failed", "text": f"{name}: {error}", "details": details}
    finally:
        with suppress(OSError):
            sys.stdout.flush()
    details = {"log": order["log"], "seconds": time.monotonic() - started}
    return {"id": recipe.id, "kind": "done", "details": details}


def _print_to(log: Path) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for output in (1, 2):
        os.dup2(file, output)
    os.close(file)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
