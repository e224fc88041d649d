"""`ro-crate-metadata.json` beside a page: what was run, by what, on what, and what came of it.

A Process Run Crate 0.5 of the Workflow Run RO-Crate profiles: actions of software that took parameters and
images and left files. Not a Workflow Run Crate, which asks for the workflow as one file in the crate: what is
run here follows from a profile, and its notebooks lie in the checkout of the commit that is named. Nobody is
named as agent: a document does not say who called the command.

The crate is written here and not by the package `rocrate`: all of it is a list of small objects whose lines
say what stands in them. They would say the same with the package, which brings `arcp` with it.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import quote

from meddef_lib.report.view import View
from meddef_lib.results.setting import flat
from meddef_lib.workbook.kinds import dataset_of, name_of

NAME = "ro-crate-metadata.json"
FOLDERS = ("notebooks", "pictures", "tables")  # of a report
CRATE = "https://w3id.org/ro/crate/1.1"
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
MIT = "https://spdx.org/licenses/MIT"
LICENCES = {"CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/"}  # by what a data set calls it
KINDS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".json": "application/json",
    ".md": "text/markdown",
    ".tex": "application/x-tex",
    ".webp": "image/webp",
}  # of the files that a report is made of
STATUS = "http://schema.org/{}ActionStatus"
WORKBOOK, PAPER, RUN = "#workbook", "#paper", "#run"
Entity = dict[str, Any]


def text(view: View, folder: Path, named: Collection[str]) -> str:
    """The crate of a report as JSON: of the files `named` in its folder, and those in folders below."""
    graph = list(_described(view, list(_files(view, folder, named))))
    return json.dumps({"@context": [f"{CRATE}/context", TERMS], "@graph": graph}, indent=1) + "\n"


def _described(view: View, files: list[Entity]) -> Iterator[Entity]:
    software, images, parameters = list(_software(view)), list(_images(view)), list(_parameters(view))
    notebooks = view.entries("cells", kind="notebook", state="there")
    actions = [_run(view, files, [*images, *parameters]), *(_notebook(cell, files) for cell in notebooks)]
    sources = [each for each in images if each["@type"] == "Dataset"]
    finished = actions[0].get("endTime") or datetime.now(UTC).isoformat()
    yield {"@id": NAME, "@type": "CreativeWork", "about": _to("./"), "conformsTo": _to(CRATE)}
    yield _entity(
        "./",
        "Dataset",
        f"MedDef workbook: {without_places(view, view.document['run']['title'])}",
        description=f"Numbers of {view.document['paper']} beside what this run measured"
        + (", on made-up images: they decide nothing about the paper." if view.smoke else "."),
        datePublished=finished[:10],
        license=_to(MIT),
        conformsTo=[_to(PROFILE)],
        citation=_to(PAPER),
        hasPart=_to_each([*files, *sources]),
        mentions=_to_each(actions),
    )
    yield _entity(PROFILE, "CreativeWork", "Process Run Crate", version=PROFILE.rpartition("/")[2])
    yield _entity(MIT, "CreativeWork", "MIT License")
    yield from _paper(view)
    yield from actions
    yield from software
    yield from (_source(cell) for cell in notebooks)
    yield from images
    yield from parameters
    yield from files
    said = [each["license"] for each in (*images, *files) if "license" in each]
    yield from (_entity(url, "CreativeWork", name) for name, url in LICENCES.items() if _to(url) in said)


def _entity(id: str, kind: str, name: str, **more: Any) -> Entity:
    return {"@id": id, "@type": kind, "name": name, **more}


def _to(id: str) -> Entity:
    return {"@id": id}


def _to_each(entities: Iterable[Entity]) -> list[Entity]:
    return [_to(each["@id"]) for each in entities]


def _paper(view: View) -> Iterator[Entity]:
    doi = view.document["paper_doi"]
    authors = [
        _entity(f"#author-{number}", "Person", name)
        for number, name in enumerate(view.document["authors"], start=1)
    ]
    identifier = {"identifier": f"https://doi.org/{doi}"} if doi else {}
    yield _entity(PAPER, "ScholarlyArticle", view.document["paper"], author=_to_each(authors), **identifier)
    yield from authors


def _run(view: View, files: list[Entity], inputs: list[Entity]) -> Entity:
    """The whole run: from the start of its first cell to the end of its last one, in whatever calls."""
    run, cells = view.document["run"], view.entries("cells", state="there")
    failures, missing = run["failures"], view.document["costs_together"]["missing"]
    failed = ", ".join(failure["id"] for failure in failures)
    return _entity(
        RUN,
        "CreateAction",
        f"The profile {view.document['profile']}",
        description=without_places(view, run["command"]),
        instrument=_to(WORKBOOK),
        object=_to_each(inputs),
        result=_to_each(files),
        actionStatus=_to(STATUS.format("Failed" if failures else "Active" if missing else "Completed")),
        **({"error": f"failed: {failed}"} if failures else {}),
        **_times(cells),
    )


def _notebook(cell: Mapping[str, Any], files: list[Entity]) -> Entity:
    name = name_of(cell["id"])
    made = {quote(f"notebooks/{name}{suffix}") for suffix in (".html", ".ipynb")}
    return _entity(
        f"#run-{name}",
        "CreateAction",
        f"The notebook {name}",
        instrument=_to(_source(cell)["@id"]),
        result=_to_each(each for each in files if each["@id"] in made),
        actionStatus=_to(STATUS.format("Completed")),
        **_times([cell]),
    )


def _source(cell: Mapping[str, Any]) -> Entity:
    """The notebook that was executed, as it lies in the checkout."""
    settings, kind = cell["settings"], "SoftwareSourceCode"
    name = f"notebooks/{settings['notebook']}.ipynb"
    id = f"#source-{name_of(cell['id'])}"
    return _entity(id, kind, name, version=settings["source"], isPartOf=_to(WORKBOOK))


def _times(cells: Iterable[Mapping[str, Any]]) -> Entity:
    """When the first of the cells was begun and the last one finished, in UTC; {} where none was."""
    known = [
        (datetime.fromisoformat(cell["finished"]), cell["seconds"]) for cell in cells if cell["finished"]
    ]
    if not known:
        return {}
    begun = min(end - timedelta(seconds=seconds or 0) for end, seconds in known)
    times = {"startTime": begun, "endTime": max(end for end, _ in known)}
    return {name: time.isoformat(timespec="seconds") for name, time in times.items()}


def _software(view: View) -> Iterator[Entity]:
    """The workbook at its commit, and the packages that its cells were made with."""
    commits = sorted({cell["commit"] for cell in view.entries("cells", state="there")} - {""})
    versions = {
        (name, version)
        for made in view.document["environment"]
        for name, version in (("Python", made["python"]), *made["packages"].items())
    }
    kind = "SoftwareApplication"
    packages = [
        _entity(f"#{name}-{version}", kind, name, softwareVersion=version)
        for name, version in sorted(versions)
    ]
    yield _entity(
        WORKBOOK,
        kind,
        "The MedDef workbook",
        softwareVersion=", ".join(commits) or "unknown",
        license=_to(MIT),
        softwareRequirements=_to_each(packages),
    )
    yield from packages


def _images(view: View) -> Iterator[Entity]:
    """The images of each data set by the hash of their list, and where they were published."""
    published: dict[str, Entity] = {}
    for name, dataset in view.datasets.items():
        found = (view.document["data"][name] or {}).get("prepared")
        manifests = {
            cell["settings"]["manifest"]
            for cell in view.entries("cells", kind="prepared")
            if dataset_of(cell["id"]) == name and "manifest" in cell["settings"]
        }
        said = f", {found['version']}: {sum(found['splits'].values()):,} images" if found else ""
        title = ("Made-up images instead of " if view.smoke else "") + dataset["title"] + said
        entity = _entity(f"#images-{name}", "CreativeWork", title)
        if manifests:
            entity["identifier"] = [f"sha256 of the list of files: {each}" for each in sorted(manifests)]
        if dataset["doi"] and not view.smoke:
            url = f"https://doi.org/{dataset['doi']}"
            entity["isBasedOn"] = _to(url)
            licence = LICENCES.get(dataset["licence"])
            under = _to(licence) if licence else dataset["licence"] or "unknown"
            published[url] = _entity(url, "Dataset", f"doi:{dataset['doi']}", license=under)
        yield entity
    yield from published.values()


def _parameters(view: View) -> Iterator[Entity]:
    """Every parameter of the profile as it was run, by its dotted key."""
    kind = "PropertyValue"
    for key, value in flat(view.parameters):
        said = without_places(view, value) if isinstance(value, str) else json.dumps(value)
        yield _entity(f"#parameter-{key}", kind, key, value=said)
    if view.given:
        name = f"sha256 of the weights of {PurePath(view.given['file']).name}"
        yield _entity("#weights", kind, name, value=view.given["sha256"])


def without_places(view: View, said: str) -> str:
    """A text in which the files that parameters name go by their names: not where they lay."""
    run = view.document["run"]
    found = [value for one in (run["parameters"], run["overrides"]) for _, value in flat(one)]
    for place in sorted({each for each in found if isinstance(each, str)}, key=len, reverse=True):
        path = next(
            (kind(place) for kind in (PurePosixPath, PureWindowsPath) if kind(place).is_absolute()), None
        )
        if path is not None:
            said = said.replace(json.dumps(place)[1:-1], path.name).replace(place, path.name)
    return said


def _files(view: View, folder: Path, named: Collection[str]) -> Iterator[Entity]:
    """The files of the report, by their place below its folder; others that lie there are not its own."""
    found = (file for below in FOLDERS for file in (folder / below).glob("[!.]*") if file.suffix in KINDS)
    licences = {dataset["licence"] for dataset in view.datasets.values()}
    of_images = next((LICENCES[name] for name in licences if name in LICENCES), None)
    for place in sorted({*named, *(str(file.relative_to(folder)) for file in found)}):
        kind = KINDS[PurePath(place).suffix]
        entity = _entity(quote(place), "File", place, encodingFormat=kind)
        if kind == KINDS[".webp"] and of_images and not view.smoke:
            entity["license"] = _to(of_images)
        yield entity
