"""A worker process: takes recipes as lines of JSON, makes them, and answers with events as lines of JSON.

Started by `engine.LocalEngine` as `python -m meddef_lib.workbook.worker '{"device": ..., ...}'`. What a maker
prints goes to the cell's log, as does the whole traceback of a failure.
"""

import contextlib
import json
import os
import queue
import resource
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from meddef_lib import published
from meddef_lib.store import Recipe, Store

SECONDS_BETWEEN_NEWS = 0.2


def main(options: dict[str, Any]) -> None:
    """Serve until the parent closes the pipe, or is gone."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not read as an event
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    _prepare_torch(options)
    # receipts remember what the paper's numbers and tolerances were when a result was made
    store = Store(Path(options["store"]), context={"published": published.hashes()})
    while True:
        order = json.loads(orders.get())
        recipe = Recipe.from_json(order["recipe"])
        with Path(order["log"]).open("a", encoding="utf-8", buffering=1) as log:
            _send(answers, **_make(recipe, store, options, answers, log))


def _listen(orders: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)  # nobody is left to work for: stop at once, whatever is being made


def _make(
    recipe: Recipe, store: Store, options: dict[str, Any], answers: TextIO, log: TextIO
) -> dict[str, Any]:
    told = 0.0

    def progress(done: int, total: int, text: str = "") -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= SECONDS_BETWEEN_NEWS or done == total:
            told = now
            _send(answers, id=recipe.id, kind="progress", done=done, total=total, text=text)

    def say(text: str) -> None:
        _send(answers, id=recipe.id, kind="said", text=text)

    started = time.monotonic()
    print(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} {recipe.id}", file=log)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            store.get(
                recipe,
                device=options["device"],
                processes=options["processes"],
                progress=progress,
                say=say,
            )
    except Exception as error:  # a failed cell is a result of its own: the others go on, the report shows it
        traceback.print_exc(file=log)
        name = type(error).__name__
        details = {"log": log.name, "error": name, "traceback": traceback.format_exc()}
        return {"id": recipe.id, "kind": "failed", "text": f"{name}: {error}", "details": details}
    seconds = time.monotonic() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"id": recipe.id, "kind": "done", "details": {"seconds": seconds, "peak_mib": peak_mib}}


def _send(answers: TextIO, **event: Any) -> None:
    answers.write(json.dumps(event) + "\n")


def _prepare_torch(options: dict[str, Any]) -> None:
    import torch

    if options["device"] == "cpu":
        torch.set_num_threads(options["threads"])
    if options["deterministic"] and options["device"] == "cuda":
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
