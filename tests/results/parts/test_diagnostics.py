"""What the document says of checks, and which printed numbers are unreliable by them."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from jsonschema import validate

from meddef_lib.diagnostics import Check
from meddef_lib.paper.addresses import Address
from meddef_lib.params.studies import DefencesParams
from meddef_lib.results.model import Model
from meddef_lib.results.part import named
from meddef_lib.results.parts import claims, diagnostics

MAIN, BESIDE = Model("roct", "full", "paper", 0), Model("roct", "full", "clean", 0)
PLAIN = Model("roct", "resnet18", "clean", 0)


@pytest.fixture
def found(tmp_path):
    """The full model of both trainings: pruned by 30 % the one of the tables fails, the other one always.

    So does the plain network behind a JPEG, but not as an adaptive attack looks at it.
    """
    folders = {}

    def made(id, column, *statuses):
        networks = [
            {column: value, "checks": [asdict(Check("noise", status, 0.25, "Noise.", 8, 0.1, 0.4))]}
            for value, status in statuses
        ]
        folder = folders[f"diagnose/{id}"] = tmp_path / str(len(folders))
        folder.mkdir()
        (folder / "checks.json").write_text(json.dumps({"images": 8, "eps": 0.05, "networks": networks}))

    made(MAIN.id, "rate", (0, "warn"), (0.3, "fail"))
    made(BESIDE.id, "rate", (0, "fail"), (0.3, "fail"))
    made(f"{PLAIN.id}/jpeg", "made_on", ("", "fail"), ("BPDA", "pass"))
    run = SimpleNamespace(
        datasets={"roct": None},
        profile=SimpleNamespace(seeds=(0,), defences=DefencesParams()),
        book=SimpleNamespace(
            models=lambda dataset: [MAIN, BESIDE, PLAIN],
            modes=lambda variant: ("clean",) if variant == "resnet18" else ("paper", "clean"),
        ),
        folder=folders.get,
    )
    run.checks = diagnostics.rows(run)
    return run


def test_a_network_is_unreliable_where_a_check_fails(found):
    rows = diagnostics.rows(found)
    validate(rows, named("diagnostics").schema)
    assert [(row["mode"], row["rate_percent"], row["unreliable"]) for row in rows if not row["defence"]] == [
        ("paper", 0, False),
        ("paper", 30, True),
        ("clean", 0, True),
        ("clean", 30, True),
    ]


def test_a_defended_network_is_examined_beside_the_plain_one_and_marks_none_of_its_numbers(found):
    rows = [row for row in diagnostics.rows(found) if row["defence"]]
    assert [(row["defence"], row["made_on"], row["unreliable"]) for row in rows] == [
        ("jpeg", "", True),
        ("jpeg", "BPDA", False),
    ]
    assert {row["id"] for row in rows} == {f"{PLAIN.id}/jpeg"}
    assert {variant for _, variant, _, _ in diagnostics.unreliable(found)} == {"full"}


def test_robust_numbers_of_a_network_that_failed_are_unreliable(found, monkeypatch):
    places = [
        Address(dataset="roct", quantity="accuracy", variant="full", attack="pgd", rate_percent=30),
        Address(dataset="roct", quantity="accuracy", variant="full", rate_percent=30),
        Address(dataset="roct", quantity="accuracy", variant="full", attack="pgd"),
        None,
    ]
    found.paper = SimpleNamespace(
        values={str(n): SimpleNamespace(id=str(n), unit="", address=at) for n, at in enumerate(places)}
    )
    found.outcomes = {}
    monkeypatch.setattr(claims.verdicts, "rows", lambda paper, outcomes: [{"id": id} for id in paper.values])
    assert [row["unreliable"] for row in claims.numbers(found)] == [True, False, False, False]


def test_rows_of_robust_numbers_say_whether_their_network_failed(found):
    def said(*others, **row):
        (one,) = diagnostics.marked(found, [{"dataset": "roct", "variant": "full"} | row], *others)
        return one["unreliable"]

    assert said(rate_percent=30), "the network of the tables, pruned"
    assert not said(rate_percent=0)
    assert not said(attack="pgd"), "as it was trained it passed"
    assert said(mode="clean"), "trained in another way it did not"
    assert said(mode="clean", rate_percent=30, attack="pgd")
    assert not said(mode="clean", attack=""), "clean images"
    assert not said(variant="resnet18", rate_percent=30)
    assert said("full", variant="resnet18", rate_percent=30), "a comparison with one that failed"
