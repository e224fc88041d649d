"""The crate beside a page, held to the rules of RO-Crate 1.1 and of the profiles that it names."""

import json
from datetime import datetime

import jsonschema

from meddef_lib.report import crate, page
from meddef_lib.report.view import View
from tests.crate_rules import ACTIVE, COMPLETED, FAILED, OUTSIDE, RULES

NOTEBOOK = "04_epsilon_sweep.chest_xray"
REALIZED_BY = {
    "PropertyValue": ("Text", "Integer", "Float", "Boolean"),
    "File": ("File",),
    "Dataset": ("Dataset",),
}


def each(value):
    return value if isinstance(value, list) else [value]


def ids(value):
    return [one["@id"] for one in each(value)]


def references(entity):
    return {one["@id"] for value in entity.values() for one in each(value) if isinstance(one, dict)}


def of(entities, kind):
    return {id: entity for id, entity in entities.items() if kind in each(entity["@type"])}


def test_the_crate_keeps_the_rules_of_ro_crate(written, tmp_path):
    said, entities = written()
    jsonschema.validate(json.loads(said), RULES)
    for entity in entities.values():
        assert references(entity) <= entities.keys() | OUTSIDE
    files = of(entities, "File")
    assert files.keys() <= references(entities["./"])
    assert all((tmp_path / id).is_file() for id in files)
    assert {"index.html", "results.json", *page.BESIDE, "tables/claims.csv"} - files.keys() == {crate.NAME}
    assert not {".rendered.json", "own.json"} & files.keys(), "what others left there"


def test_the_crate_keeps_the_rules_of_a_process_run_crate(written):
    _, entities = written()
    actions = of(entities, "CreateAction")
    assert {f"#run-{NOTEBOOK}", "#run"} <= actions.keys()
    assert sorted(actions) == sorted(ids(entities["./"]["mentions"]))
    tools = of(entities, "SoftwareApplication") | of(entities, "SoftwareSourceCode")
    for action in actions.values():
        assert action["instrument"]["@id"] in tools
        assert action["actionStatus"] == COMPLETED
        assert datetime.fromisoformat(action["startTime"]) <= datetime.fromisoformat(action["endTime"])
        moved = (*ids(action.get("object", [])), *ids(action.get("result", [])))
        kinds = {entities[id]["@type"] for id in moved}
        assert kinds <= {"File", "Dataset", "CreativeWork", "PropertyValue"}
    assert entities["#run"]["startTime"] == "2026-01-02T02:59:58+00:00", "two seconds before its end"
    made = ids(actions[f"#run-{NOTEBOOK}"]["result"])
    assert made == [f"notebooks/{NOTEBOOK}.html", f"notebooks/{NOTEBOOK}.ipynb"]


def test_the_crate_keeps_the_rules_of_a_workflow_run_crate(written):
    _, entities = written()
    workflow, run = entities["run.sh"], entities["#run"]
    assert run["instrument"] == {"@id": "run.sh"}
    assert entities[workflow["programmingLanguage"]["@id"]]["@type"] == "ComputerLanguage"
    slots = of(entities, "FormalParameter")
    assert sorted(slots) == sorted([*ids(workflow["input"]), *ids(workflow["output"])])
    for id, slot in slots.items():
        for example in ids(slot["workExample"]):
            assert entities[example]["exampleOfWork"] == {"@id": id}
            assert example in (*ids(run["object"]), *ids(run["result"]))
            assert slot["additionalType"] in REALIZED_BY[entities[example]["@type"]]
    assert slots["#slot-training.epochs"]["name"] == "training.epochs"
    assert slots["#slot-training.epochs"]["additionalType"] == "Integer"
    assert "exampleOfWork" not in entities["#parameter-name"], "which no --set changes"


def test_what_went_in_and_who_is_built_upon_is_named(written, whole):
    _, entities = written()
    went_in = ids(entities["#run"]["object"])
    assert "#images-chest_xray" in went_in
    assert entities["#parameter-training.epochs"]["value"] == "1"
    assert "#parameter-attacks.eps" in went_in
    assert entities["#paper"]["name"] == whole["paper"]
    assert [entities[id]["name"] for id in ids(entities["#paper"]["author"])] == whole["authors"]
    assert entities["https://pypi.org/project/torch/#2.9.0%2Bcpu"]["softwareVersion"] == "2.9.0+cpu"


def test_real_images_go_by_their_source_licence_and_the_hash_of_their_list(written):
    def real(found):
        found["phantom"] = False
        found["run"]["parameters"]["data"]["source"] = "folders"
        for cell in found["cells"]:
            if cell["kind"] == "prepared":
                cell["settings"]["manifest"] = "f" * 64

    _, entities = written(real)
    source = "https://doi.org/10.17632/rscbjbr9sj"
    assert entities["#images-chest_xray"]["isBasedOn"] == {"@id": source}
    assert entities["#images-chest_xray"]["identifier"] == f"sha256 of the list of files: {'f' * 64}"
    assert entities[source]["@type"] == "Dataset"
    assert entities[source]["exampleOfWork"] == {"@id": "#slot-IMAGES"}
    assert {"@id": "#slot-IMAGES"} in entities["run.sh"]["input"]
    assert entities["#slot-IMAGES"]["additionalType"] == "Dataset"
    assert {"@id": source} in entities["./"]["hasPart"]
    assert entities[entities[source]["license"]["@id"]]["name"] == "CC BY 4.0"
    assert not any("doi" in each.get("name", "") for each in written()[1].values()), "phantoms are nobody's"


def test_two_data_sets_of_one_publication_name_it_once(whole, tmp_path):
    names, one = whole["names"], whole["data"]["chest_xray"]
    both = names["datasets"] | {"roct": names["datasets"]["chest_xray"]}
    changed = {"names": names | {"datasets": both}, "data": {"chest_xray": one, "roct": one}}
    view = View(whole | changed | {"phantom": False})
    entities = {one["@id"]: one for one in json.loads(crate.text(view, tmp_path, ()))["@graph"]}
    source = {"@id": "https://doi.org/10.17632/rscbjbr9sj"}
    assert entities["#images-roct"]["isBasedOn"] == entities["#images-chest_xray"]["isBasedOn"] == source
    assert each(entities["./"]["hasPart"]).count(source) == 1
    assert entities["#run"]["object"].count(source) == 1


def test_no_place_on_the_machine_is_told(written, tmp_path):
    def failed(found):
        log = "/tmp/some body/store/logs/a.log"
        found["run"]["failures"] = [
            {"id": "train/a", "state": "failed", "text": f"see {log}", "log": log, "traceback": ""}
        ]
        found["run"]["parameters"]["more"] = [{"weights": "/tmp/some body/a.pth"}]

    said, entities = written(failed)
    assert "some body" not in said
    assert not any("some body" in (tmp_path / name).read_text() for name in page.BESIDE)
    assert entities["#parameter-boosted.weights"]["value"] == "w.pth"
    assert "w.pth" in entities["#run"]["description"]
    assert entities["#run"]["actionStatus"] == FAILED
    assert entities["#run"]["error"] == "failed: train/a"


def test_the_same_results_are_the_same_crate(written):
    assert written()[0] == written()[0]


def test_a_run_that_is_not_whole_says_so(written):
    def half(found):
        for cell in found["cells"]:
            cell |= {"state": "missing", "seconds": None, "finished": None}
        found["costs_together"]["missing"] = len(found["cells"])

    _, entities = written(half)
    assert entities["#run"]["actionStatus"] == ACTIVE
    assert "endTime" not in entities["#run"]


def test_given_weights_are_told_by_their_hash(written):
    def given(found):
        found["run"]["weights"] = {"file": "w.pth", "sha256": "f" * 64}
        found["run"]["parameters"]["data"]["split"] = "published"

    said, entities = written(given)
    jsonschema.validate(json.loads(said), RULES)
    assert entities["#weights"]["value"] == "f" * 64
    assert entities["#weights"]["exampleOfWork"] == {"@id": "#slot-WEIGHTS"}
    assert entities["#run"]["description"].startswith("invoke evaluate ")
