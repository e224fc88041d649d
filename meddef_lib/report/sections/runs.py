"""What this run took, where and with which versions, and what changed since an earlier one."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import diagrams
from meddef_lib.report.comparing import CLAIM_WORDS, STATUS_WORDS, folded, named, signed
from meddef_lib.report.elements import (
    Block,
    Figure,
    Prose,
    Table,
    columns,
    device_and_precision,
    frame_table,
    label,
    text_of,
)
from meddef_lib.report.html_charts import stacked
from meddef_lib.report.inline import svg
from meddef_lib.report.section import Section
from meddef_lib.report.view import View

WHY_WORDS = {
    "parameters": ("other parameters", "open", "◇"),
    "data": ("other images", "open", "◆"),
    "code": ("other code", "open", "◈"),
    "same": ("the same steps", "", "="),
}
INSIDE = {True: "inside", False: "outside", None: "–"}


def costs(view: View) -> list[Block]:
    by_kind = (
        view.rows("costs")
        .drop(columns="missing")
        .rename(columns={"estimated_seconds": "estimated", "cells": "steps"})
    )
    frame = pd.DataFrame(
        [
            {
                "step": cell["id"],
                "state": f"{cell['state']} (accepted)" if cell["accepted"] else cell["state"],
                "estimated": cell["estimated_seconds"],
                "seconds": cell["seconds"],
                "device": device_and_precision(cell),
                "commit": cell["commit"][:12],
                "key": cell["key"][:12] if cell["state"] == "there" else "",
                "computed from": ", ".join(cell["inputs"]),
            }
            for cell in view.document["cells"]
        ]
    )
    for seconds in (by_kind, frame):
        seconds[["estimated", "seconds"]] = seconds[["estimated", "seconds"]].apply(pd.to_numeric)
    note = Markup(
        "Estimated: seconds on one worker, as foreseen before the step was last computed; else a dash. "
        "Steps that run side by side take longer each."
    )
    caption = "Computing time by kind of step: estimated and measured seconds"
    blocks: list[Block] = [
        frame_table(by_kind, id="costs", caption=caption, decimals=1, note=note),
        flow(view),
        frame_table(frame, id="cells", caption="Every step of this profile", decimals=1),
    ]
    differing = [
        row | {"packages": ", ".join(f"{name} {version}" for name, version in row["packages"].items())}
        for row in view.document["environment"]
    ]
    if len(differing) > 1:
        caption = "The steps were made in different environments"
        table = frame_table(pd.DataFrame(differing), id="environments", caption=caption)
        blocks.insert(0, table)
    return blocks


def flow(view: View) -> Prose:
    rows = view.document["flow"]
    said = "; ".join(f"{row['kind']} from {', '.join(row['from'])}" for row in rows if row["from"])
    drawn = svg(diagrams.flow(rows), f"Boxes from left to right, joined by lines: {said}.")
    html = '<div class="picture" tabindex="0" role="region" aria-label="The kinds of steps">{}</div><p>{}</p>'
    words = "Each kind of step with how many there are; lines lead to what needs it, but for what it "
    words += "needs through another kind as well. The list of steps below "
    words += "names for each the steps that it was computed from."
    return Prose(Markup(html).format(drawn, words), title="What was computed from what")


# --- what changed; nothing where there was no earlier run, or it said the same ---


def changes(view: View) -> list[Block]:
    found: Mapping[str, Any] | None = view.document.get("changes")
    if found is None:
        return []
    blocks: list[Block] = [_summary(found)]
    if found["values"]:
        blocks += [_by_reason(found), _values(view, found)]
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
    picture = stacked({"": counts}, WHY_WORDS, alt)
    return Figure("changes-by-reason", "What changed since the earlier run, by why", alt, picture, frame)


def _values(view: View, found: Mapping[str, Any]) -> Table:
    numbers = ("Before", "Now", "Difference")
    titles = columns(
        "Number",
        *numbers,
        "Before in the interval of now",
        "Status before",
        "Status now",
        "Why",
        right=numbers,
    )
    rows = [
        [
            named("changed", row["id"], view.words(row["id"])),
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
    return folded(Markup("<br>").join(row["told"]))


COSTS = Section(title="Steps, cost and environment", order=93, draw=costs)
CHANGES = Section(title="What changed since an earlier run", order=0.5, draw=changes)
