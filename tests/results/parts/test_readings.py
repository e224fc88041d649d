"""Which reading is named closest to a printed column, and that phantoms name none."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from jsonschema import validate

from meddef_lib.paper import published
from meddef_lib.params import protocol
from meddef_lib.results.agreement import Agreement
from meddef_lib.results.model import Model
from meddef_lib.results.part import named
from meddef_lib.results.parts import readings
from meddef_lib.results.results_json import plain
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.cells.readings import runs

DATASET, N = "chest_xray", 50
MODELS = [Model(DATASET, "resnet18", "clean", 0), Model(DATASET, "full", "paper", 0)]
MODELS += [Model(DATASET, "full", "clean", 0)]


def answered(run, printed):
    """Records in which steps that lower the loss make what is printed, and all else fools every image."""
    labels = (np.arange(N) >= 0.27 * N).astype(int)
    right = np.zeros(N, bool)
    if run["procedure"] == "descend" and not run["rate"]:
        right = np.arange(N) < round(printed.get((run["attack"], run["eps"]), 0) * N / 100)
    records = pd.DataFrame({"image_id": np.arange(N), "label": labels, "clean_pred": labels})
    run = {name: run[name] for name in ("procedure", "attack", "eps", "rate", "scope")}
    return records.assign(adv_pred=np.where(right, labels, 1 - labels), **run)


@pytest.fixture
def found(tmp_path, monkeypatch):
    """The networks of the tables, and the full one trained in another way; few resamples."""
    declared = protocol.read()
    quick = declared.model_copy(update={"measure": declared.measure.model_copy(update={"resamples": 50})})
    monkeypatch.setattr(protocol, "read", lambda: quick)
    paper, profile = published.read(), workbook("sample").profile
    table = paper.table_of("accuracy", DATASET)
    every = runs(SimpleNamespace(profile=profile))
    for model in MODELS:
        printed = {
            (attack, eps): value
            for attack in ("fgsm", "pgd", "bim")
            for eps, value in table.column(model.variant, attack).items()
        }
        folder = tmp_path / model.id
        folder.mkdir(parents=True)
        frames = [answered(run, printed) for run in every if run["made_on"] != "another"]
        pd.concat(frames, ignore_index=True).to_parquet(folder / "records.parquet")
    folders = {f"readings/{model.id}": tmp_path / model.id for model in MODELS}
    return SimpleNamespace(
        profile=profile,
        paper=paper,
        datasets={DATASET: None},
        book=SimpleNamespace(
            models=lambda dataset: MODELS,
            modes=lambda variant: {"resnet18": ("clean", "paper"), "full": ("paper", "clean")}[variant],
        ),
        folder=folders.get,
    )


def test_the_reading_that_makes_a_printed_column_is_named(found):
    rows = readings.rows(found)
    validate(plain(rows), named("readings").schema)
    by_place = {(row["training"], row["name"], row["attack"]): row for row in rows}
    assert {training for training, _, _ in by_place} == {"tables", "clean"}  # all of "paper" is in the tables
    pgd = by_place["tables", "Table 2", "pgd"]
    assert pgd["variants"] == ["resnet18", "full"]
    assert pgd["positions"] == [0.01, 0.05, 0.1]
    assert pgd["closest"] == "descend"
    first, *others = pgd["readings"]
    described = next(one for one in others if one["reading"] == "described")
    assert first["distance"] < 1 < described["distance"]
    assert described["told_apart"]
    assert not first["told_apart"]
    assert pgd["text"].startswith("Closest: steps that lower the loss")
    assert "As described: agreement" in pgd["text"]
    assert first["values"][0]["printed"] == 97.72
    assert "transfer" not in [one["reading"] for one in others]  # it was not run
    jsma = by_place["tables", "Table 4", "jsma"]
    assert jsma["positions"] == [30, 70, 80]


def test_a_tie_is_said_to_be_one():
    def one(distance):
        return Agreement(agreement=0.75, distance=distance, statements=4, agreements=np.array([0.75]))

    compared = {"descend": one(1.5), "noise": one(1.5), "one_answer": one(2.0)}
    tied = readings.sentence(compared, list(compared))
    measured = "(agreement 75 %, 1.5 points away)"
    assert tied == (
        f"Closest, tied: steps that lower the loss {measured}; uniform noise {measured}. "
        "Not told apart from the closest: one answer for all images."
    )
    alone = readings.sentence(compared, ["descend", "one_answer"])
    assert alone.startswith(f"Closest: steps that lower the loss {measured}. Not told apart")


def test_phantoms_name_no_reading(found):
    phantoms = found.profile.model_copy(
        update={"data": found.profile.data.model_copy(update={"source": "phantoms"})}
    )
    rows = readings.rows(SimpleNamespace(**vars(found) | {"profile": phantoms}))
    assert rows
    assert {(row["closest"], *row["not_told_apart"], row["text"]) for row in rows} == {
        (None, readings.PHANTOM)
    }


def test_what_the_paper_does_not_print_has_no_row(found):
    paper = SimpleNamespace(table_of=lambda quantity, dataset: None, datasets={})
    assert readings.rows(SimpleNamespace(**vars(found) | {"paper": paper})) == []


def test_the_declared_readings_stand_in_the_document():
    declared = readings.declared(SimpleNamespace())
    validate(plain(declared), named("protocol").schema)
    assert list(declared["readings"]) == list(protocol.read().readings)
