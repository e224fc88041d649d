"""What every cell took, where it was made, and with which versions."""

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import process_diagram
from meddef_lib.report.elements import Block, Prose, device_and_precision, frame_table
from meddef_lib.report.inline import svg
from meddef_lib.report.section import Section
from meddef_lib.report.view import View


def draw(view: View) -> list[Block]:
    """The kinds of cells, and every cell: whether it is there, what it took, where."""
    by_kind = view.rows("costs").drop(columns="missing").rename(columns={"estimated_seconds": "estimated"})
    frame = pd.DataFrame(
        [
            {
                "cell": cell["id"],
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
        "Estimated: seconds on one worker, foreseen from the calibration of this machine when the cells that "
        "are there were last missing; the others have none. Cells that run side by side take longer each."
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
        caption = "The cells were made in different environments"
        table = frame_table(pd.DataFrame(differing), id="environments", caption=caption)
        blocks.insert(0, table)
    return blocks


def flow(view: View) -> Prose:
    """Which kinds of steps are computed from which."""
    rows = view.document["flow"]
    said = "; ".join(f"{row['kind']} from {', '.join(row['from'])}" for row in rows if row["from"])
    drawn = svg(process_diagram.flow(rows), f"Boxes from left to right, joined by lines: {said}.")
    html = '<div class="picture" tabindex="0" role="region" aria-label="The kinds of steps">{}</div><p>{}</p>'
    words = "Each kind of step with how many there are; lines lead to what needs it, but for what it "
    words += "needs through another kind as well. The list of steps below "
    words += "names for each the steps that it was computed from."
    return Prose(Markup(html).format(drawn, words), title="What was computed from what")


SECTION = Section(number="", title="Cells, cost and environment", order=93, draw=draw)
