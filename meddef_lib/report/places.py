"""Places of one machine that a document names: what is handed on tells the files' names alone."""

import json
from pathlib import PurePosixPath, PureWindowsPath

from meddef_lib.report.view import View
from meddef_lib.results.setting import flat


def name_of_place(said: object) -> str | None:
    """The name of the file that an absolute path leads to; None for all else."""
    if not isinstance(said, str):
        return None
    found = (kind(said) for kind in (PurePosixPath, PureWindowsPath))
    return next((path.name for path in found if path.is_absolute()), None)


def without_places(view: View, said: str) -> str:
    """A text in which the files that parameters name go by their names: not where they lay."""
    run = view.document["run"]
    found = [value for one in (run["parameters"], run["overrides"]) for _, value in flat(one)]
    for place in sorted({each for each in found if isinstance(each, str)}, key=len, reverse=True):
        name = name_of_place(place)
        if name is not None:
            for written in (json.dumps(place)[1:-1], json.dumps(place, ensure_ascii=False)[1:-1], place):
                said = said.replace(written, name)
    return said
