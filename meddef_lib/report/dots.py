"""A dot plot: numbers with intervals side by side, a row a thing, a marker a kind of number."""

import pandas as pd
from matplotlib.figure import Figure

from meddef_lib.report.charts import WIDTH_INCHES, legend, style_of

STEP = 0.22  # between the markers of one row, of the distance between two rows


def dots(frame: pd.DataFrame, *, x_label: str) -> Figure:
    """A panel a value of `panel`, in it a row a value of `row`, in each a marker a value of `mark`.

    Columns: panel, row, mark, x, low, high; rows stand in their order, the first at the top.
    """
    names, rows, marks = (list(dict.fromkeys(frame[column])) for column in ("panel", "row", "mark"))
    drawing = Figure(figsize=(WIDTH_INCHES, 1.4 + 0.42 * len(rows)), layout="constrained")
    axes = drawing.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for axis, name in zip(axes, names, strict=True):
        for number, mark in enumerate(marks):
            shown = frame[(frame["panel"] == name) & (frame["mark"] == mark)]
            offset = STEP * (number - (len(marks) - 1) / 2)
            axis.errorbar(
                shown["x"],
                [rows.index(row) + offset for row in shown["row"]],
                xerr=[shown["x"] - shown["low"], shown["high"] - shown["x"]],
                ls="none",
                ms=5,
                lw=1,
                label=mark,
                **style_of(number),
            )
        axis.set_title(name, fontsize=10)
        axis.set_xlabel(x_label)
        axis.set_xlim(-3, 103)
        axis.grid(axis="x", alpha=0.25)
    axes[0].set_yticks(range(len(rows)), rows)
    axes[0].invert_yaxis()
    legend(drawing, columns=len(marks))
    return drawing
