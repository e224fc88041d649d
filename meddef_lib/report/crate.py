"""`ro-crate-metadata.json` beside a page: what was run, by what, on what, and what came of it.

A Workflow Run Crate 0.5 of the Workflow Run RO-Crate profiles, and so a Process Run Crate and a Workflow
RO-Crate. The workflow is `run.sh`, which holds the command of the run; the steps of that follow from the
profile, in the checkout of the commit that is named. Its inputs are the arguments of the script and every
parameter, since it hands on `--set`. Nobody is named as author or agent: a document does not say who wrote
the profile or called the command.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from meddef_lib.report import rerun
from meddef_lib.report.places import without_places
from meddef_lib.report.view import View
from meddef_lib.results.setting import flat
from meddef_lib.workbook.kinds import dataset_of, name_of

if TYPE_CHECKING:
    from rocrate.model import ContextEntity as Entity
    from rocrate.rocrate import ROCrate

NAME = "ro-crate-metadata.json"
FOLDERS = ("notebooks", "pictures", "tables")  # of a report
VERSION = "1.1"  # of RO-Crate, which these profiles are written for
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
OF_A_WORKFLOW = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
SHELL = "https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html"
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
TYPES = {bool: "Boolean", int: "Integer", float: "Float"}  # of parameters; any other is told as JSON
STATUS = "http://schema.org/{}ActionStatus"  # a text, as the profile has it


def text(view: View, folder: Path, named: Collection[str]) -> str:
    """The crate of a report as JSON: of the files `named` in its folder, and those in folders below."""
    from rocrate.rocrate import ROCrate  # slow to import: it reads the whole of schema.org

    crate = ROCrate(version=VERSION)
    _describe(crate, view, folder, named)
    made = crate.metadata.generate()
    made["@graph"] = [_compact(entity) for entity in made["@graph"]]
    return json.dumps(made, indent=1) + "\n"


def _compact(entity: Mapping[str, Any]) -> dict[str, Any]:
    """An entity as RO-Crate 1.1 wants it: one thing is no list of one, and of nothing there is no list."""
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in entity.items()
        if value != []
    }


def _describe(crate: "ROCrate", view: View, folder: Path, named: Collection[str]) -> None:
    cells = view.entries("cells", state="there")
    times = _times(cells)
    finished = times.get("endTime") or datetime.now(UTC).isoformat(timespec="seconds")
    licence = _add(crate, MIT, "CreativeWork", "MIT License")
    root = crate.root_dataset
    crate.name = f"MedDef workbook: {without_places(view, view.document['run']['title'])}"
    crate.description = f"Numbers of {view.document['paper']} beside what this run measured" + (
        ", on made-up images: they decide nothing about the paper." if view.smoke else "."
    )
    root["datePublished"] = finished[:10]
    root["license"] = licence
    root["conformsTo"] = [
        _add(crate, id, "CreativeWork", name, version=id.rpartition("/")[2]) for id, name in PROFILES.items()
    ]
    root["citation"] = _paper(crate, view)
    workbook = _software(crate, view, cells, licence)
    workflow = _workflow(crate, view, workbook, license=licence, dateCreated=finished)
    files = list(_files(crate, view, folder, named))
    images, parameters = list(_images(crate, view)), list(_parameters(crate, view))
    sources = [each for each in images if each.type == "Dataset"]
    workflow["input"] = [
        *([_slot(crate, "IMAGES", "Dataset", sources)] if (rerun.IMAGES,) in rerun.words(view) else []),
        *(each["exampleOfWork"] for each in parameters if "exampleOfWork" in each),
    ]
    numbers = [each for each in files if each.id == "results.json"]
    workflow["output"] = _slot(crate, "results", "File", numbers)
    run = crate.add_action(workflow, "#run", [*images, *parameters], files, {**_run(view), **times})
    notebooks = view.entries("cells", kind="notebook", state="there")
    root["mentions"] = [run, *(_notebook(crate, cell, workbook) for cell in notebooks)]


def _add(crate: "ROCrate", id: str, kind: str, name: str, **more: Any) -> "Entity":
    """The entity of this id; one that is there stays as it is."""
    return crate.get(id) or crate.add_jsonld({"@id": id, "@type": kind, "name": name, **more})


def _slot(crate: "ROCrate", name: str, kind: str, examples: list["Entity"]) -> "Entity":
    """An input or output of the workflow, and what it was in this run."""
    linked = {"workExample": examples}
    made = crate.add_formal_parameter(name, kind, f"#slot-{name}", properties=linked)
    for each in examples:
        each["exampleOfWork"] = made
    return made


def _paper(crate: "ROCrate", view: View) -> "Entity":
    doi = view.document["paper_doi"]
    authors = [
        _add(crate, f"#author-{number}", "Person", name)
        for number, name in enumerate(view.document["authors"], start=1)
    ]
    identifier = {"identifier": f"https://doi.org/{doi}"} if doi else {}
    name = view.document["paper"]
    return _add(crate, "#paper", "ScholarlyArticle", name, author=authors, **identifier)


def _workflow(crate: "ROCrate", view: View, workbook: "Entity", **more: Any) -> "Entity":
    from rocrate.model import ComputerLanguage

    shell = crate.add(
        ComputerLanguage(crate, SHELL, {"name": "Shell Command Language of POSIX", "url": SHELL})
    )
    facts = {
        "name": "This run again",
        "description": rerun.command(view),
        "encodingFormat": "application/x-sh",
        "conformsTo": {"@id": OF_A_WORKFLOW},
        "version": view.document["run"]["environment"].get("commit") or "unknown",
        "softwareRequirements": workbook,
    }
    return crate.add_workflow(dest_path=rerun.NAME, properties=facts | more, main=True, lang=shell)


def _run(view: View) -> dict[str, Any]:
    """The whole run: from the start of its first cell to the end of its last one, in whatever calls."""
    failures, missing = view.document["run"]["failures"], view.document["costs_together"]["missing"]
    failed = ", ".join(failure["id"] for failure in failures)
    return {
        "name": f"The profile {view.document['profile']}",
        "description": rerun.command(view),
        # that of a run that goes on or was stopped is none of the two that the profile knows: without any it
        # would be read as completed
        "actionStatus": STATUS.format("Failed" if failures else "Active" if missing else "Completed"),
        **({"error": f"failed: {failed}"} if failures else {}),
    }


def _notebook(crate: "ROCrate", cell: Mapping[str, Any], workbook: "Entity") -> "Entity":
    """A notebook that was executed, as it lies in the checkout, and its execution."""
    name, notebook = name_of(cell["id"]), cell["settings"]["notebook"]
    source = _add(
        crate,
        f"#source-{name}",
        "SoftwareSourceCode",
        f"notebooks/{notebook}.ipynb",
        version=cell["settings"]["source"],
        isPartOf=workbook,
    )
    made = [crate.get(quote(f"notebooks/{name}{suffix}")) for suffix in (".html", ".ipynb")]
    facts = {
        "name": f"The notebook {name}",
        "description": f"Executed with the results of this run: notebooks/{notebook}.ipynb",
        "actionStatus": STATUS.format("Completed"),
    }
    there = [each for each in made if each]
    return crate.add_action(source, f"#run-{name}", result=there, properties=facts | _times([cell]))


def _times(cells: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """When the first of the cells was begun and the last one finished, in UTC; {} where none was."""
    known = [
        (datetime.fromisoformat(cell["finished"]), cell["seconds"]) for cell in cells if cell["finished"]
    ]
    if not known:
        return {}
    begun = min(end - timedelta(seconds=seconds or 0) for end, seconds in known)
    times = {"startTime": begun, "endTime": max(end for end, _ in known)}
    return {name: time.isoformat(timespec="seconds") for name, time in times.items()}


def _software(
    crate: "ROCrate", view: View, cells: Iterable[Mapping[str, Any]], licence: "Entity"
) -> "Entity":
    """The workbook at its commit, and the packages that its cells were made with."""
    commits = sorted({cell["commit"] for cell in cells} - {""})
    versions = {
        (name, version)
        for made in view.document["environment"]
        for name, version in (("Python", made["python"]), *made["packages"].items())
    }
    kind, packages = "SoftwareApplication", []
    for name, version in sorted(versions):
        url = "https://www.python.org/" if name == "Python" else f"https://pypi.org/project/{quote(name)}/"
        id = f"{url}#{quote(version)}"
        packages.append(_add(crate, id, kind, name, softwareVersion=version, url=url))
    return _add(
        crate,
        "#workbook",
        kind,
        "The MedDef workbook",
        softwareVersion=", ".join(commits) or "unknown",
        license=licence,
        softwareRequirements=packages,
    )


def _images(crate: "ROCrate", view: View) -> Iterator["Entity"]:
    """The images of each data set by the hash of their list, and where they were published."""
    for name, dataset in view.datasets.items():
        found = (view.document["data"][name] or {}).get("prepared")
        manifests = {
            cell["settings"]["manifest"]
            for cell in view.entries("cells", kind="prepared")
            if dataset_of(cell["id"]) == name and "manifest" in cell["settings"]
        }
        said = f", {found['version']}: {sum(found['splits'].values()):,} images" if found else ""
        title = ("Made-up images instead of " if view.smoke else "") + dataset["title"] + said
        entity = _add(crate, f"#images-{name}", "CreativeWork", title)
        if manifests:
            entity["identifier"] = [f"sha256 of the list of files: {each}" for each in sorted(manifests)]
        yield entity
        if dataset["doi"] and not view.smoke:
            url, licence = f"https://doi.org/{dataset['doi']}", dataset["licence"]
            source = crate.get(url)  # both data sets were published under one DOI
            if not source:
                under = _licence(crate, licence) if licence in LICENCES else licence or "unknown"
                source = _add(crate, url, "Dataset", f"doi:{dataset['doi']}", license=under)
                crate.root_dataset.append_to("hasPart", source)
                yield source
            entity["isBasedOn"] = source


def _licence(crate: "ROCrate", name: str) -> "Entity":
    return _add(crate, LICENCES[name], "CreativeWork", name)


def _parameters(crate: "ROCrate", view: View) -> Iterator["Entity"]:
    """Every parameter of the profile as it was run, by its dotted key, and given weights by their hash."""
    kind = "PropertyValue"
    for key, value in flat(view.parameters):
        said = without_places(view, value if isinstance(value, str) else json.dumps(value))
        entity = _add(crate, f"#parameter-{key}", kind, key, value=said)
        if key != "name":  # which no --set changes
            _slot(crate, key, TYPES.get(type(value), "Text"), [entity])
        yield entity
    if view.given:
        name = f"sha256 of the weights of {PurePath(view.given['file']).name}"
        entity = _add(crate, "#weights", kind, name, value=view.given["sha256"])
        _slot(crate, "WEIGHTS", "Text", [entity])
        yield entity


def _files(crate: "ROCrate", view: View, folder: Path, named: Collection[str]) -> Iterator["Entity"]:
    """The files of the report, by their place below its folder; others that lie there are not its own."""
    found = (file for below in FOLDERS for file in (folder / below).glob("[!.]*") if file.suffix in KINDS)
    licences = {dataset["licence"] for dataset in view.datasets.values()}
    of_images = next((name for name in licences if name in LICENCES), None)
    for place in sorted({*named, *(str(file.relative_to(folder)) for file in found)}):
        kind = KINDS[PurePath(place).suffix]
        entity = crate.add_file(dest_path=place, properties={"name": place, "encodingFormat": kind})
        if kind == KINDS[".webp"] and of_images and not view.smoke:
            entity["license"] = _licence(crate, of_images)
        yield entity
