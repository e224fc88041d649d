"""What changed since an earlier run; nothing where there was none, or it said the same."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import bars
from meddef_lib.report.comparing import CLAIM_WORDS, STATUS_WORDS, folded, label, signed
from meddef_lib.report.elements import Block, Figure, Prose, Table, columns, text_of
from meddef_lib.report.section import Section
from meddef_lib.report.view import View, breakable

WHY_WORDS = {
    "parameters": ("other parameters", "open", "◇"),
    "data": ("other images", "open", "◆"),
    "code": ("other code", "open", "◈"),
    "same": ("the same steps", "", "○"),
}
INSIDE = {True: "inside", False: "outside", None: "–"}


def draw(view: View) -> list[Block]:
    """How many numbers changed and why, in a picture; number by number and claim by claim, in tables."""
    found: Mapping[str, Any] | None = view.document.get("changes")
    if found is None:
        return []
    blocks: list[Block] = [_summary(found)]
    if found["values"]:
        blocks += [_by_reason(found), _values(found)]
    if found["claims"]:
        blocks.append(_claims(found))
    return blocks


def _summary(found: Mapping[str, Any]) -> Prose:
    said = (
        "<p>Since the earlier run{} {} of the printed numbers were measured otherwise or have another "
        "status, and of {} claims another thing is said; {} numbers are new, {} are gone. Between the two "
        "runs: {}.{}</p>"
    )
    commit = f" (commit {found['since'][:12]})" if found["since"] else ""
    counts = (len(found["values"]), len(found["claims"]), found["new"], found["gone"])
    return Prose(Markup(said).format(commit, *counts, _why(found), _told(found)))


def _by_reason(found: Mapping[str, Any]) -> Figure:
    counts = Counter(row["why"][0] for row in found["values"])
    frame = pd.DataFrame([{"why": why, "numbers": number} for why, number in counts.items()])
    alt = f"A bar of the {len(found['values'])} numbers that changed, by the first reason of each."
    picture = bars.stacked({"": counts}, WHY_WORDS, alt)
    return Figure("changes-by-reason", "What changed since the earlier run, by why", alt, picture, frame)


def _values(found: Mapping[str, Any]) -> Table:
    numbers = ("Before", "Now", "Difference")
    titles = columns(
        "id", *numbers, "Before in the interval of now", "Status before", "Status now", "Why", right=numbers
    )
    rows = [
        [
            breakable(row["id"]),
            text_of(row["before"], row["decimals"]),
            text_of(row["now"], row["decimals"]),
            signed(row["difference"], row["decimals"]),
            INSIDE[row["inside"]],
            label(STATUS_WORDS[row["status_before"]]),
            label(STATUS_WORDS[row["status_now"]]),
            _why(row) + _told(row),
        ]
        for row in found["values"]
    ]
    frame = pd.DataFrame(
        [row | {"why": " ".join(row["why"]), "told": "; ".join(row["told"])} for row in found["values"]]
    )
    caption = f"The {len(rows)} numbers that changed since the earlier run"
    return Table("changed-values", caption, titles, rows, frame)


def _claims(found: Mapping[str, Any]) -> Table:
    first = "What the paper claims, paraphrased"
    titles = columns(first, "Before", "Now", "Tables before", "Tables now", wide=[first])
    rows = []
    for row in found["claims"]:
        own = [label(CLAIM_WORDS[row[when]["in_paper"]]) for when in ("before", "now")]
        link = Markup('<a href="#claim-{}">{}</a>').format(row["id"], row["text"])
        rows.append([link, _said(row["before"]), _said(row["now"]), *own])
    frame = pd.DataFrame(
        [
            {"id": row["id"]}
            | {f"{name}_{when}": said for when in ("before", "now") for name, said in row[when].items()}
            for row in found["claims"]
        ]
    )
    caption = f"The {len(rows)} claims of which another thing is said than in the earlier run"
    return Table("changed-claims", caption, titles, rows, frame)


def _said(said: Mapping[str, Any]) -> Markup:
    """The verdict in a run, and how many comparisons were for the claim."""
    tendency = " (a tendency)" if said["indicative"] else ""
    html = Markup("{}{} {} of {}")
    return html.format(label(CLAIM_WORDS[said["verdict"]]), tendency, said["for"], said["tested"])


def _why(row: Mapping[str, Any]) -> Markup:
    return Markup(", ").join(label(WHY_WORDS[why]) for why in row["why"])


def _told(row: Mapping[str, Any]) -> Markup:
    """What differs, on demand."""
    return folded(Markup("<br>").join(row["told"]))


SECTION = Section(number="", title="What changed since an earlier run", order=0.5, draw=draw)
