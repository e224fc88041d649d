"""The crate beside a page, held to the rules of RO-Crate 1.1 and of Process Run Crate 0.5; no network."""

import json
import re
from datetime import datetime

import pytest

from meddef_lib.engine.store import Store
from meddef_lib.report import crate, page
from meddef_lib.workbook import results_file
from meddef_lib.workbook.book import workbook

# of the two contexts, what a crate here uses; a term that they lack would be dropped by every reader
TERMS = {
    *("@id", "@type", "about", "actionStatus", "author", "citation", "conformsTo", "datePublished"),
    *("description", "encodingFormat", "endTime", "error", "hasPart", "identifier", "instrument"),
    *("isBasedOn", "isPartOf", "license", "mentions", "name", "object", "result", "softwareRequirements"),
    *("softwareVersion", "startTime", "value", "version"),
}
TYPES = {
    *("CreateAction", "CreativeWork", "Dataset", "File", "Person", "PropertyValue", "ScholarlyArticle"),
    *("SoftwareApplication", "SoftwareSourceCode"),
}
NOTEBOOK = "04_epsilon_sweep.chest_xray"


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """Of a run that is whole, as far as a document says."""
    store = Store(tmp_path_factory.mktemp("store"))
    weights = tmp_path_factory.mktemp("some body") / "w.pth"
    weights.write_bytes(b"weights")
    book = workbook("mini", overrides=[f"boosted.weights={weights}"], store=store)
    found = json.loads(json.dumps(results_file.document(book)))
    made_with = {"python": "3.11.7", "packages": {"torch": "2.9.0+cpu"}, "processor": "one"}
    for second, cell in enumerate(found["cells"]):
        when = f"2026-01-02T03:{second // 60:02}:{second % 60:02}.500000+00:00"
        cell |= {
            "state": "there",
            "seconds": 2.0,
            "finished": when,
            "commit": "0" * 40,
            "made_with": made_with,
        }
    found["environment"] = [{**made_with, "device": "cpu", "cells": len(found["cells"])}]
    found["costs_together"] |= {"missing": 0, "there": len(found["cells"])}
    return found


@pytest.fixture
def written(document, tmp_path):
    """Writes a report of a changed document; the crate, and its entities by id."""

    def write(change=lambda found: None):
        found = json.loads(json.dumps(document))
        change(found)
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        for suffix in (".html", ".ipynb"):
            (tmp_path / f"notebooks/{NOTEBOOK}{suffix}").write_text("{}")
        (tmp_path / page.NUMBERS).write_text(json.dumps(found))
        (tmp_path / ".rendered.json").write_text("{}")
        (tmp_path / "own.json").write_text("{}")
        page.from_folder(tmp_path)
        said = (tmp_path / crate.NAME).read_text(encoding="utf-8")
        graph = json.loads(said)["@graph"]
        entities = {each["@id"]: each for each in graph}
        assert len(entities) == len(graph), "an id stands for one thing"
        return said, entities

    return write


def references(entity):
    for value in entity.values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                assert one.keys() == {"@id"}, "entities are flat"
                yield one["@id"]


def test_the_crate_keeps_the_rules_of_ro_crate(written, tmp_path):
    said, entities = written()
    assert json.loads(said)["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["@type"] == "Dataset"
    assert root.keys() >= {"name", "description", "datePublished", "license", "hasPart"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", root["datePublished"])
    for entity in entities.values():
        assert entity.keys() <= TERMS
        assert entity["@type"] in TYPES
        for id in references(entity):
            assert id in entities or id.startswith((crate.CRATE, "http://schema.org/")), id
    reached = set(references(root))
    files = {id for id, entity in entities.items() if entity["@type"] == "File"}
    assert files <= reached
    assert all((tmp_path / id).is_file() for id in files)
    assert {"index.html", "results.json", "model-card.md", "data-card.md", "tables/claims.csv"} <= files
    assert not {".rendered.json", "own.json"} & files, "what others left there"


def test_the_crate_keeps_the_rules_of_a_process_run_crate(written):
    _, entities = written()
    profile = "https://w3id.org/ro/wfrun/process/0.5"
    assert {"@id": profile} in entities["./"]["conformsTo"]
    assert entities[profile]["@type"] == "CreativeWork"
    assert entities[profile].keys() >= {"name", "version"}
    actions = {id: each for id, each in entities.items() if each["@type"] == "CreateAction"}
    assert {f"#run-{NOTEBOOK}", "#run"} <= actions.keys()
    assert set(actions) == {each["@id"] for each in entities["./"]["mentions"]}
    for action in actions.values():
        tool = entities[action["instrument"]["@id"]]
        assert tool["@type"] in ("SoftwareApplication", "SoftwareSourceCode")
        assert tool["name"]
        assert tool.get("softwareVersion") or tool.get("version")
        assert action["actionStatus"] == {"@id": "http://schema.org/CompletedActionStatus"}
        assert datetime.fromisoformat(action["startTime"]) <= datetime.fromisoformat(action["endTime"])
    assert entities["#run"]["startTime"] == "2026-01-02T02:59:58+00:00", "two seconds before its end"
    made = [each["@id"] for each in actions[f"#run-{NOTEBOOK}"]["result"]]
    assert made == [f"notebooks/{NOTEBOOK}.html", f"notebooks/{NOTEBOOK}.ipynb"]


def test_what_went_in_and_who_is_built_upon_is_named(written, document):
    _, entities = written()
    went_in = {each["@id"] for each in entities["#run"]["object"]}
    assert "#images-chest_xray" in went_in
    assert entities["#parameter-training.epochs"]["value"] == "1"
    assert "#parameter-attacks.eps" in went_in
    assert entities["#paper"]["name"] == document["paper"]
    assert [entities[each["@id"]]["name"] for each in entities["#paper"]["author"]] == document["authors"]
    assert entities["#torch-2.9.0+cpu"]["softwareVersion"] == "2.9.0+cpu"


def test_real_images_go_by_their_source_licence_and_the_hash_of_their_list(written):
    def real(found):
        found["phantom"] = False
        for cell in found["cells"]:
            if cell["kind"] == "prepared":
                cell["settings"]["manifest"] = "f" * 64

    _, entities = written(real)
    source = "https://doi.org/10.17632/rscbjbr9sj"
    assert entities["#images-chest_xray"]["isBasedOn"] == {"@id": source}
    assert entities["#images-chest_xray"]["identifier"] == [f"sha256 of the list of files: {'f' * 64}"]
    assert entities[source]["@type"] == "Dataset"
    assert {"@id": source} in entities["./"]["hasPart"]
    assert entities[entities[source]["license"]["@id"]]["name"] == "CC BY 4.0"
    assert not any("doi" in each.get("name", "") for each in written()[1].values()), "phantoms are nobody's"


def test_no_place_on_the_machine_is_told(written, tmp_path):
    def failed(found):
        log = "/tmp/some body/store/logs/a.log"
        found["run"]["failures"] = [
            {"id": "train/a", "state": "failed", "text": f"see {log}", "log": log, "traceback": ""}
        ]

    said, entities = written(failed)
    assert "some body" not in said
    assert not any("some body" in (tmp_path / name).read_text() for name in page.BESIDE)
    assert entities["#parameter-boosted.weights"]["value"] == "w.pth"
    assert "w.pth" in entities["#run"]["description"]
    assert entities["#run"]["actionStatus"]["@id"].endswith("FailedActionStatus")
    assert entities["#run"]["error"] == "failed: train/a"


def test_the_same_results_are_the_same_crate(written):
    assert written()[0] == written()[0]


def test_a_run_that_is_not_whole_says_so(written):
    def half(found):
        for cell in found["cells"]:
            cell |= {"state": "missing", "seconds": None, "finished": None}
        found["costs_together"]["missing"] = len(found["cells"])

    _, entities = written(half)
    assert entities["#run"]["actionStatus"]["@id"].endswith("ActiveActionStatus")
    assert "endTime" not in entities["#run"]
