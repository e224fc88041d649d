"""Transfer and the least budgets in the document: numbers of planted records."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from jsonschema import validate

from meddef_lib.results import part, statistics
from meddef_lib.results.model import Model
from meddef_lib.results.parts import boundary
from meddef_lib.results.results_json import plain

RESNET, FULL = Model("roct", "resnet18", "clean", 0), Model("roct", "full", "paper", 0)
INF = np.inf


@pytest.fixture
def found(tmp_path):
    """`found({model: frame}, "transfer", source="folders")`: a run whose cells of this kind hold these."""

    def made(frames, kind, source="folders"):
        folders = {f"{kind}/{model.id}": tmp_path / model.variant for model in frames}
        for model, frame in frames.items():
            folder = folders[f"{kind}/{model.id}"]
            folder.mkdir()
            frame.to_parquet(folder / f"{kind}.parquet")
        profile = SimpleNamespace(
            data=SimpleNamespace(source=source),
            pruning=SimpleNamespace(eps=0.1),
            attacks=SimpleNamespace(eps=(0.05, 0.2)),
            least_eps=SimpleNamespace(smallest=0.001, largest=0.5),
            eps_scale=lambda dataset: 0.5,
        )
        return SimpleNamespace(
            datasets={"roct": None},
            book=SimpleNamespace(
                models=lambda dataset: [RESNET, FULL], modes=lambda variant: ("clean", "paper")
            ),
            folder=folders.get,
            profile=profile,
            checks=(),
        )

    return made


def checked(name, rows):
    """The rows as the document has them, which fit their schema."""
    document = json.loads(json.dumps(plain(rows), allow_nan=False))
    validate(document, part.named(name).schema)
    return document


# --- transfer -------------------------------------------------------------------------------------


def answers(target, clean, attacked):
    columns = {"image_id": range(len(clean)), "label": 0, "target": target.id}
    return pd.DataFrame(columns | {"clean_pred": clean, "adv_pred": attacked})


def made_on(*shown):
    return pd.concat(shown, ignore_index=True)


def test_images_of_one_network_are_counted_on_another(found):
    clean = {RESNET: [0, 0, 0, 0, 1], FULL: [1, 0, 0, 0, 0]}
    of_resnet = made_on(answers(RESNET, clean[RESNET], [1] * 5), answers(FULL, clean[FULL], [1, 1, 0, 0, 0]))
    of_full = made_on(answers(RESNET, clean[RESNET], [1, 1, 0, 0, 1]), answers(FULL, clean[FULL], [1] * 5))
    rows = checked("transfer", boundary.transferred(found({RESNET: of_resnet, FULL: of_full}, "transfer")))
    by_pair = {(row["source"], row["target"]): row for row in rows}
    assert len(by_pair) == 4
    row = by_pair[RESNET.id, FULL.id]
    assert row["eps"] == 0.05, "in pixels"
    assert (row["accuracy"]["n"], row["accuracy"]["share"]) == (5, 0.6)
    # images 1, 2 and 3 are right on both, and image 1 of them is missed
    assert (row["transferred"]["n"], row["transferred"]["share"]) == (3, pytest.approx(1 / 3))
    assert row["transferred"]["ci_low"] == pytest.approx(statistics.wilson(1, 3).low)
    assert row["difference"] == pytest.approx(0.6), "0 of 5 are right in the white box, 3 here"
    assert row["difference_low"] < 0.6 < row["difference_high"]
    assert (row["p"], row["p_holm"]) == (0.25, 0.5)
    white = by_pair[FULL.id, FULL.id]
    assert (white["accuracy"]["share"], white["transferred"]["n"]) == (0, 4)
    assert (white["difference"], white["p"], white["p_holm"]) == (None, None, None)


def test_without_the_white_box_of_a_network_there_is_no_difference(found):
    shown = made_on(answers(RESNET, [0], [1]), answers(FULL, [1], [0]))
    rows = checked("transfer", boundary.transferred(found({RESNET: shown}, "transfer")))
    assert [row["p"] for row in rows] == [None, None]
    assert rows[1]["transferred"] == {"n": 0, "share": None, "ci_low": None, "ci_high": None}


# --- the least budget -----------------------------------------------------------------------------


def searched(least, rate=0.0, clean=None, by="pgd"):
    """Records of images of two classes in turn, by their least budgets; `clean` says what is answered."""
    labels = np.arange(len(least)) % 2
    answered = np.where(np.equal(least, 0), 1 - labels, labels) if clean is None else clean
    columns = {"image_id": range(len(least)), "label": labels, "clean_pred": answered, "by": by}
    return pd.DataFrame(columns | {"rate": rate, "least_eps": np.asarray(least, float)})


def test_quartiles_are_of_what_is_answered_correctly(found):
    least = [0, 0, 0.01, 0.02, 0.03, 0.04, INF, INF, INF, INF]
    (row,) = checked("least_eps", boundary.rows(found({FULL: searched(least)}, "least_eps")))
    assert (row["images"], row["right"], row["rate_percent"], row["collapsed"]) == (10, 8, 0, False)
    first, median, third = row["quartiles"]
    assert (first["least_eps"], median["least_eps"], third["least_eps"]) == (0.02, 0.04, None)
    assert (median["ci_low"], median["ci_high"]) == (0.01, None)
    assert (row["not_flipped"]["n"], row["not_flipped"]["share"]) == (8, 0.5)


def test_the_curve_counts_each_image_up_to_its_own_budget(found):
    least = [0, 0.025, 0.026, 0.5, INF]
    (row,) = checked("least_eps", boundary.rows(found({FULL: searched(least)}, "least_eps")))
    curve = {point["eps"]: point["accuracy"] for point in row["curve"]}
    assert curve[0.025] == 0.6, "the budgets of the tables are among them, in pixels"
    assert (curve[min(curve)], curve[0.5]) == (0.8, 0.2)
    accuracies = [curve[eps] for eps in sorted(curve)]
    assert accuracies == sorted(accuracies, reverse=True)


def test_pruned_networks_meet_themselves_and_variants_the_baseline(found):
    base = np.linspace(0.01, 0.02, 12)
    of_full = pd.concat([searched(base), searched(2 * base, rate=0.3, by="apgd_ce")])
    of_resnet = searched([*base[:2] / 2, *base[2:4] * 2, 0, INF, *base[6:]])
    run = found({RESNET: of_resnet, FULL: of_full}, "least_eps")
    pruned, variant = checked("least_eps_compared", boundary.compared(run))
    assert (pruned["comparison"], pruned["id"], pruned["against"]) == ("pruned", FULL.id, FULL.id)
    assert (pruned["n"], pruned["farther"], pruned["nearer"], pruned["reading"]) == (12, 12, 0, "farther")
    assert pruned["p"] == pytest.approx(2 * 0.5**12)
    assert base[0] <= pruned["ci_low"] <= pruned["median_difference"] <= pruned["ci_high"] <= base[-1]
    # of the baseline one image is wrong already, six are as far, two nearer, two farther and one is never
    # flipped
    assert (variant["comparison"], variant["id"], variant["against"]) == ("variant", FULL.id, RESNET.id)
    assert (variant["n"], variant["farther"], variant["nearer"]) == (11, 2, 3)
    assert (variant["median_difference"], variant["reading"]) == (0, "undecided")
    assert [row["by_apgd"] for row in boundary.rows(run)] == [0, 0, 12]


def test_images_that_neither_network_is_flipped_on_are_ties(found):
    frame = pd.concat([searched([INF] * 8), searched([INF] * 8, rate=0.8)])
    (row,) = checked("least_eps_compared", boundary.compared(found({FULL: frame}, "least_eps")))
    assert (row["n"], row["farther"], row["nearer"], row["p"]) == (8, 0, 0, 1)
    assert (row["median_difference"], row["ci_low"], row["ci_high"]) == (0, 0, 0)


@pytest.mark.parametrize(("source", "reading"), [("folders", "collapsed"), ("phantoms", "smoke")])
def test_one_answer_for_all_is_no_distance_and_phantoms_decide_nothing(found, source, reading):
    one = searched([0.01, 0] * 6, rate=0.8, clean=0)
    frame = pd.concat([searched([0.4] * 12), one])
    (row,) = checked("least_eps_compared", boundary.compared(found({FULL: frame}, "least_eps", source)))
    assert (row["nearer"], row["collapsed"], row["reading"]) == (6, True, reading)
