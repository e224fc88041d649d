"""Places of one machine that a document names: what is handed on tells the files' names alone."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath

from meddef_lib.report.view import View


def name_of_place(said: object) -> str | None:
    """The name of the file that an absolute path leads to; None for all else."""
    if not isinstance(said, str):
        return None
    found = (kind(said) for kind in (PurePosixPath, PureWindowsPath))
    return next((path.name for path in found if path.is_absolute() and path.name), None)


def places_in(said: object) -> set[str]:
    """The absolute paths of files among values, however deep they lie in lists and mappings."""
    if isinstance(said, Mapping | list | tuple):
        inside = said.values() if isinstance(said, Mapping) else said
        return {place for each in inside for place in places_in(each)}
    return {said} if isinstance(said, str) and name_of_place(said) else set()


def without_places(view: View, said: str) -> str:
    """A text in which the files that parameters name go by their names: not where they lay."""
    run = view.document["run"]
    for place in sorted(places_in([run["parameters"], run["overrides"]]), key=len, reverse=True):
        name = str(name_of_place(place))
        for written in (json.dumps(place)[1:-1], json.dumps(place, ensure_ascii=False)[1:-1], place):
            said = said.replace(written, name)
    return said
