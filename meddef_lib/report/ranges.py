"""A drawing of quoted ranges with what was measured beside them."""

import pandas as pd
from matplotlib.figure import Figure

from meddef_lib.report.charts import COLOURS, WIDTH_INCHES

LEAST_WIDTH = 0.8  # percent: a single quoted number is drawn as a bar so wide


def quoted_and_measured(frame: pd.DataFrame, x_label: str) -> Figure:
    """Quoted ranges as hollow bars, measured numbers as dots with whiskers: a panel a value of `panel`.

    Columns panel, label, low, high (quoted), value, ci_low, ci_high (NaN where there is none), in percent.
    """
    panels = list(frame.groupby("panel", sort=False))
    heights = [len(rows) for _, rows in panels]
    drawing = Figure(figsize=(WIDTH_INCHES, 0.9 * len(panels) + 0.34 * sum(heights)), layout="constrained")
    axes = drawing.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (name, rows) in zip(axes, panels, strict=True):
        for place, row in enumerate(rows.to_dict("records")):
            width = max(row["high"] - row["low"], LEAST_WIDTH)
            start = (row["low"] + row["high"] - width) / 2
            axis.barh(place, width, 0.62, start, fill=False, edgecolor="black", lw=1.1)
            spread = [[max(row["value"] - row["ci_low"], 0)], [max(row["ci_high"] - row["value"], 0)]]
            whiskers = spread if pd.notna(row["ci_low"]) else None
            axis.errorbar(row["value"], place, xerr=whiskers, fmt="o", ms=5, color=COLOURS[0], capsize=3)
        axis.set_yticks(range(len(rows)), list(rows["label"]), fontsize=8)
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.set_xlim(-2, 102)
        axis.set_title(str(name), fontsize=10, loc="left")
        axis.grid(axis="x", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel(x_label)
    return drawing
