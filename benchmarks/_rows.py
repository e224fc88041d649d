"""What every benchmark has: two options, what it says while it goes on, its rows as JSON or as tables."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import pandas as pd


def parser(about: str | None, *, quick: str = "few of each: does it work here?") -> argparse.ArgumentParser:
    """Of a benchmark's command line; `about` is its module's docstring."""
    found = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--json", action="store_true", help="print the rows as JSON")
    found.add_argument("--quick", action="store_true", help=quick)
    return found


def shown(rows: Sequence[Any], *, as_json: bool) -> str:
    """Rows (dataclasses or mappings) as a JSON list, or as tables.

    Rows that follow one another and have the same columns are one table.
    """
    listed = [row if isinstance(row, dict) else asdict(row) for row in rows]
    if as_json:
        return json.dumps(listed, indent=1)
    tables = (pd.DataFrame(list(alike)) for _, alike in groupby(listed, key=tuple))
    return "\n\n".join(
        table.to_string(index=False, na_rep="-", float_format="{:.4g}".format) for table in tables
    )


def say(text: object) -> None:
    """What a benchmark tells while it goes on, beside its rows."""
    print(text, file=sys.stderr, flush=True)
