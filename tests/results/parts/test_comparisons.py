"""Variants against the full model on the same images."""

import pandas as pd
import pytest

from meddef_lib.results import statistics
from meddef_lib.results.parts import classification

RIGHT = [0, 1, 0, 1, 0, 1, 0, 1]
WRONG = [1, 0, 1, 0, 1, 0, 1, 0]


@pytest.fixture
def rows(collected, records):
    attacked = pd.concat(
        [
            records("full", RIGHT, RIGHT),
            records("resnet18", RIGHT, WRONG),
            records("resnet18", RIGHT, WRONG, mode="trades"),  # not the training of the tables
            records("no_afd", [*RIGHT[:4], *WRONG[4:]], [*RIGHT[:4], *WRONG[4:]]),
            records("full", RIGHT, RIGHT, attack="jsma", eps=None),
            records("no_afd", RIGHT[:2], RIGHT[:2], dataset="roct"),  # without its full model
        ]
    )
    found = classification.comparisons(collected(attacked=attacked))
    assert {row["dataset"] for row in found} == {"chest_xray"}
    return {(row["variant"], row["attack"]): row for row in found}


def test_each_variant_meets_the_full_model_where_both_were_attacked(rows):
    assert set(rows) == {(name, attack) for name in ("resnet18", "no_afd") for attack in ("", "pgd")}
    beaten = rows["resnet18", "pgd"]
    assert (beaten["full"], beaten["accuracy"], beaten["difference"]) == (100, 0, -100)
    assert (beaten["only_full"], beaten["only_variant"]) == (8, 0)
    assert beaten["p"] == pytest.approx(2 / 2**8)
    interval = statistics.paired_difference(8, 0, 8)
    assert (beaten["ci_low"], beaten["ci_high"]) == pytest.approx([100 * end for end in interval])


def test_clean_images_have_no_attack_and_no_epsilon(rows):
    equal = rows["resnet18", ""]
    assert (equal["eps"], equal["difference"], equal["p"]) == (None, 0, 1)
    assert rows["no_afd", ""]["accuracy"] == 50


def test_p_is_corrected_over_the_rows_of_a_data_set(rows):
    corrected = statistics.holm([row["p"] for row in rows.values()]).tolist()
    assert [row["p_holm"] for row in rows.values()] == corrected


def test_the_papers_difference_is_that_of_its_table(rows, collected):
    values = collected().paper.values
    theirs, full = (values[f"table2/{name}/eps=0.05/pgd"].value for name in ("resnet18", "full"))
    assert rows["resnet18", "pgd"]["published_difference"] == theirs - full
    clean = values["table2/no_afd/clean"].value - values["table2/full/clean"].value
    assert rows["no_afd", ""]["published_difference"] == clean


def test_a_run_without_records_has_none(collected):
    assert classification.comparisons(collected()) == []
