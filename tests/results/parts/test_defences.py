"""What the document says of defences: each against none on the same images, and in one sentence."""

from types import SimpleNamespace

import pandas as pd
import pytest
from jsonschema import validate

from meddef_lib.params.studies import DefencesParams
from meddef_lib.results import statistics
from meddef_lib.results.part import named
from meddef_lib.results.parts import defences
from meddef_lib.results.parts.defences import ADAPTIVE, CLEAN, EVERY, WEAK

PLAIN = "roct/resnet18/clean/seed=0"
IMAGES = 20


def answers(*runs):
    """Each run (role, made_on, attack, eps, images that are right, images without a gradient)."""
    return pd.concat(
        pd.DataFrame(
            {
                "image_id": range(100, 100 + IMAGES),
                "label": 1,
                "clean_pred": [1] * (IMAGES - 1) + [0],
                "adv_pred": [int(number in right) for number in range(IMAGES)],
                "zero_gradient": [number in stuck for number in range(IMAGES)],
                "eps": eps,
                "role": role,
                "made_on": made_on,
                "attack": attack,
            }
        )
        for role, made_on, attack, eps, right, stuck in runs
    )


@pytest.fixture
def found(tmp_path):
    """JPEG holds where it is not known, and falls where it is; an ensemble is not there yet."""
    made = {
        "none": answers(
            (ADAPTIVE, "the network itself", "pgd", 0.05, range(2), ()),
            (ADAPTIVE, "the network itself", "square", 0.05, range(1, 8), ()),
        ),
        "jpeg": answers(
            (WEAK, "the undefended network", "pgd", 0.05, range(18), range(3)),
            (ADAPTIVE, "straight", "pgd", 0.05, range(3, 9), ()),
            (ADAPTIVE, "smooth", "pgd", 0.05, range(5, IMAGES), ()),
            (ADAPTIVE, "straight", "square", 0.05, range(IMAGES), ()),
        ),
    }
    for name, frame in made.items():
        (tmp_path / name).mkdir()
        frame.to_parquet(tmp_path / name / "answers.parquet")
    folders = {f"defence/{PLAIN}/{name}": tmp_path / name for name in made}
    wanted = DefencesParams(methods=("jpeg", "ensemble"))
    profile = SimpleNamespace(seeds=(0,), defences=wanted)
    return SimpleNamespace(datasets={"roct": None}, profile=profile, folder=folders.get)


def test_an_image_counts_where_it_withstands_every_adaptive_attack_and_is_right_as_it_is(found):
    rows = defences.rows(found)
    validate(rows, named("defences").schema)
    every = {row["defence"]: row for row in rows if row["role"] == EVERY}
    assert set(every) == {"none", "jpeg"}
    assert every["none"]["accuracy"] == pytest.approx(100 * 1 / IMAGES)  # image 1 alone withstands both
    assert every["jpeg"]["accuracy"] == pytest.approx(100 * 4 / IMAGES)  # images 5 to 8
    clean = [row["accuracy"] for row in rows if row["role"] == CLEAN]
    assert clean == [95.0, 95.0]


def test_each_attack_is_compared_with_the_same_on_the_undefended_network(found):
    rows = {(row["role"], row["attack"], row["made_on"]): row for row in defences.rows(found)[4:]}
    weak = rows[WEAK, "PGD", "the undefended network"]
    assert weak["difference"] == pytest.approx(100 * (18 - 2) / IMAGES)
    interval = statistics.paired_difference(0, 16, IMAGES).scaled(100)
    assert (weak["difference_low"], weak["difference_high"]) == pytest.approx(tuple(interval))
    assert weak["p"] == pytest.approx(2 * 0.5**16)
    assert weak["p_holm"] >= weak["p"]
    assert weak["zero_gradients"] == 3
    assert rows[ADAPTIVE, "PGD", "straight"]["difference"] == pytest.approx(100 * (6 - 2) / IMAGES)
    assert rows[ADAPTIVE, "Square", "straight"]["difference"] == pytest.approx(100 * (20 - 7) / IMAGES)
    assert rows[EVERY, "", ""]["difference"] == pytest.approx(100 * (4 - 1) / IMAGES)
    assert [row["difference"] for row in defences.rows(found)[:4]] == [None] * 4


def test_the_sentence_names_what_is_proven_alone(found):
    (said,) = defences.sentences(found)
    validate([said], named("defence_sentences").schema)
    assert said["text"] == (
        "At epsilon 0.05, on 20 images, more accurate than the undefended one: under an attack that does "
        "not take the defence into account 1 of 1 (JPEG compression, +80 points); under all that do none "
        "of 1."
    )


def test_without_answers_there_is_nothing_to_say(found):
    found.folder = lambda id: None
    assert defences.rows(found) == defences.sentences(found) == []
