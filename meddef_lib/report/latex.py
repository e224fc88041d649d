"""Tables in LaTeX, with the rules of booktabs."""

from collections.abc import Iterable, Sequence

import pandas as pd
from pandas.api.types import is_numeric_dtype

ESCAPES = str.maketrans(
    {sign: rf"\{sign}" for sign in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "–": "--",
        "−": "$-$",
        "·": r"$\cdot$",
        "×": r"$\times$",
        "≤": r"$\leq$",
        "≥": r"$\geq$",
        "[": "{[}",  # LaTeX would read it as the options of the row's end before it; so, too, the next
        "*": "{*}",
        "\n": " ",
    }
)


def table(texts: Iterable[Sequence[str]], *, like: pd.DataFrame, caption: str, label: str) -> str:
    """Cells (rows of texts) as a table whose columns are named and aligned as those of a frame."""
    shown = pd.DataFrame(
        [[escaped(text) for text in row] for row in texts], columns=[escaped(str(name)) for name in like]
    )
    alignment = "".join("r" if is_numeric_dtype(like[name]) else "l" for name in like)
    return shown.to_latex(
        index=False, escape=False, caption=escaped(caption), label=label, column_format=alignment
    )


def escaped(text: str) -> str:
    """A text in which no sign means anything to LaTeX."""
    return text.translate(ESCAPES)
