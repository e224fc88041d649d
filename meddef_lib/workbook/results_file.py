"""The document of a workbook, whole for the page or a part at a time for a notebook."""

from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from meddef_lib.engine.receipts import environment
from meddef_lib.engine.recipe import Recipe, canonical_json
from meddef_lib.paper import published
from meddef_lib.results import pending, results_json
from meddef_lib.results.results_json import Document
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import about, every_cell, kind_of
from meddef_lib.workbook.notebooks import cells_and_pages
from meddef_lib.workbook.stored import Stored

NO_CALL: Mapping[str, Any] = MappingProxyType(
    {"estimate_seconds": None, "seconds": None, "made": 0, "failures": []}
)


def document(
    book: Workbook,
    call: Mapping[str, Any] = NO_CALL,
    *,
    estimated: Mapping[str, float] = MappingProxyType({}),
    to_come: Collection[str] = (),
    changed: Callable[[Mapping[str, Any]], Mapping[str, Any] | None] = lambda found: None,
) -> dict[str, Any]:
    """`results.json` of what is there.

    `call` says of this call what `run` has of it in the schema; with `underway` in it, a run goes on that is
    still to make the cells `to_come`. `estimated` are seconds by the key of a cell; `changed` tells what the
    document of a finished run says otherwise than an earlier one. Raises ValueError where it does not fit its
    schema.
    """
    found = dict(parts(book, estimated, call))
    if "underway" in call:
        found = pending.marked(found, to_come)
    elif (told := changed(found)) is not None:
        found["changes"] = told
    results_json.check(found)
    return found


def parts(
    book: Workbook,
    estimated: Mapping[str, float] = MappingProxyType({}),
    call: Mapping[str, Any] = NO_CALL,
) -> Document:
    """The document whose parts are made when they are asked for: what a notebook shows its sections from."""
    cells = cells_and_pages(book)
    return Document(
        Stored(book),
        {
            "run": lambda: {**_run(book), **call},
            "cells": lambda: [_cell(book, recipe, estimated) for recipe in cells.values()],
            "published_files": lambda: results_json.published_files(
                _published_at_run(book), published.hashes()
            ),
        },
    )


def _run(book: Workbook) -> dict[str, Any]:
    """What was asked for, and where the document was written."""
    weights = {"weights": {"file": book.given_name, "sha256": book.given}} if book.given else {}
    return {
        "title": book.title,
        "datasets": list(book.datasets),
        "overrides": dict(book.overrides),
        "settings": book.settings,
        "parameters": book.profile.model_dump(mode="json"),
        "command": book.command,
        "report": book.report_name,
        "environment": environment(),
        **weights,
    }


def _cell(book: Workbook, recipe: Recipe, estimated: Mapping[str, float]) -> dict[str, Any]:
    """One cell with its receipt, where it is there."""
    state = book.store.state(recipe).state
    model, attack = about(recipe.id, (model.id for name in book.datasets for model in book.every_model(name)))
    receipt = book.store.receipt(recipe) if state == "there" else {}
    made_with = receipt.get("environment")
    return {
        "id": recipe.id,
        "kind": kind_of(recipe.id),
        "model": model,
        "attack": attack,
        "key": recipe.key,
        "inputs": sorted({each.id for each in recipe.inputs.values()}),
        "code": sha256(canonical_json(recipe.code).encode()).hexdigest() if recipe.code else "",
        "state": state,
        "accepted": "accepted" in receipt,
        "estimated_seconds": estimated.get(recipe.key) if receipt else None,
        "seconds": receipt.get("seconds"),
        "finished": receipt.get("finished"),
        "device": receipt.get("device", ""),
        "precision": receipt.get("ran", {}).get("precision") or "",
        "commit": (made_with and made_with["commit"]) or "",
        "settings": recipe.settings,
        "made_with": made_with and {name: made_with[name] for name in ("python", "packages", "processor")},
    }


def _published_at_run(book: Workbook) -> dict[str, str]:
    """The hashes of the transcription when the oldest of the records was made; today's without records."""
    store = book.store
    recipes = [recipe for name, recipe in every_cell(book).items() if name.startswith(("attack/", "prune/"))]
    receipts = [store.receipt(recipe) for recipe in recipes if store.has(recipe)]
    oldest = min(receipts, key=lambda receipt: receipt["finished"], default=None)
    return dict(oldest["context"]["published"]) if oldest else published.hashes()
