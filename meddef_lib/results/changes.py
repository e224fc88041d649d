"""What changed since an earlier run: number by number and claim by claim, from two documents.

Why a number changed is read from the steps that it is made from, directly or through others: their settings
(of images: which ones), the code behind them, or which steps there are. Where every step is the same the
number is another reading of the same results, or its steps were made anew elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from meddef_lib.engine.receipts import differences
from meddef_lib.results.verdicts import EXACT

Document = Mapping[str, Any]
Row = dict[str, Any]
Cells = Mapping[str, Mapping[str, Any]]  # by key

MANIFEST = "settings.manifest"  # which images there are
PARAMETERS, DATA, CODE, SAME = "parameters", "data", "code", "same"
WHYS = (PARAMETERS, DATA, CODE, SAME)
MOST_TOLD = 5  # of the differences behind one number


def since(before: Document, now: Document) -> dict[str, Any]:
    """The part `changes` of the document `now`: what differs from the one `before`.

    Numbers that only one of them has are counted and not listed. `why` and `told` are of the runs as a whole,
    and again of each number.
    """
    cells = [{cell["key"]: cell for cell in found["cells"]} for found in (before, now)]
    earlier = {row["id"]: row for row in before["values"]}
    both = [(earlier[row["id"]], row) for row in now["values"] if row["id"] in earlier]
    measured = [(old["reproduced"] is not None, new["reproduced"] is not None) for old, new in both]
    values = [
        _value(old, new, *cells)
        for (old, new), there in zip(both, measured, strict=True)
        if all(there)
        and (abs(old["reproduced"] - new["reproduced"]) > EXACT or old["status"] != new["status"])
    ]
    return {
        "since": before["run"]["environment"].get("commit") or "",
        "values": values,
        "claims": list(_claims(before, now)),
        "new": sum(new and not old for old, new in measured),
        "gone": sum(old and not new for old, new in measured),
        **_told(_between(*map(_by_id, cells))),
    }


def are_none(found: Mapping[str, Any]) -> bool:
    return not (found["values"] or found["claims"] or found["new"] or found["gone"])


def fit(found: Mapping[str, Any], document: Document) -> bool:
    """Whether what is said to be so now is what the document says."""
    values = {row["id"]: row for row in document["values"]}
    claims = {row["id"]: row for row in document["claims"]}
    return all(
        row["id"] in values
        and row["now"] == values[row["id"]]["reproduced"]
        and row["status_now"] == values[row["id"]]["status"]
        for row in found["values"]
    ) and all(row["id"] in claims and row["now"] == _said(claims[row["id"]]) for row in found["claims"])


def _value(old: Mapping[str, Any], new: Mapping[str, Any], before: Cells, now: Cells) -> Row:
    reached = [_by_id(_reached(row["keys"], cells)) for row, cells in ((old, before), (new, now))]
    low, high = new["ci_low"], new["ci_high"]
    return {
        "id": new["id"],
        "unit": new["unit"],
        "decimals": new["decimals"],
        "before": old["reproduced"],
        "now": new["reproduced"],
        "difference": new["reproduced"] - old["reproduced"],
        "inside": None if low is None else low - EXACT <= old["reproduced"] <= high + EXACT,
        "status_before": old["status"],
        "status_now": new["status"],
        **_told(_between(*reached)),
    }


def _claims(before: Document, now: Document) -> Iterator[Row]:
    """The claims of both of which another thing is said, here or in the paper's own tables."""
    earlier = {row["id"]: row for row in before["claims"]}
    for row in now["claims"]:
        old = earlier.get(row["id"])
        if old is not None and _said(old) != _said(row):
            yield {"id": row["id"], "text": row["text"], "before": _said(old), "now": _said(row)}


def _said(claim: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "verdict": claim["verdict"],
        "indicative": claim["indicative"],
        "for": len(claim["for"]),
        "tested": claim["tested"],
        "in_paper": claim["in_paper"]["verdict"],
    }


# --- why ------------------------------------------------------------------------------------------


def _reached(keys: Iterable[str], cells: Cells) -> Cells:
    """The cells with these keys and all that they are made from, as far as the document has them."""
    found: dict[str, Mapping[str, Any]] = {}
    key_of = {cell["id"]: key for key, cell in cells.items()}
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key in cells and key not in found:
            found[key] = cells[key]
            waiting += [key_of[id] for id in cells[key]["inputs"] if id in key_of]
    return found


def _by_id(cells: Cells) -> Cells:
    """The cells that are there, by id; executed notebooks, from which no number is made, aside."""
    return {
        cell["id"]: cell for cell in cells.values() if cell["kind"] != "notebook" and cell["state"] == "there"
    }


def _between(before: Cells, now: Cells) -> Iterator[tuple[str, str]]:
    """What differs between two sets of cells (by id): the kind of reason, and it in words."""
    for id in sorted(before.keys() | now.keys()):
        old, new = before.get(id), now.get(id)
        if old is None or new is None:
            yield PARAMETERS, f"{'with' if old is None else 'without'} {id}"
        elif old["key"] != new["key"]:
            if old["code"] != new["code"]:
                yield CODE, f"code of {new['kind']}"
            for said in differences(*({"settings": cell["settings"]} for cell in (old, new))):
                if said.startswith(MANIFEST):
                    yield DATA, f"other images ({id})"
                else:
                    yield PARAMETERS, said.removeprefix("settings.")


def _told(found: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The kinds of reasons, and the reasons themselves, each once and not too many."""
    every = list(dict.fromkeys(found))
    kinds = {kind for kind, _ in every} or {SAME}
    told = [said for _, said in every]
    more = [f"and {len(told) - MOST_TOLD} more"] if len(told) > MOST_TOLD else []
    return {"why": [kind for kind in WHYS if kind in kinds], "told": [*told[:MOST_TOLD], *more]}
