"""The section on distance and transfer: what is said and drawn of the numbers of the document."""

import pytest

from meddef_lib.report.elements import MADE_UP, block_html, label
from meddef_lib.report.sections import boundary

DATASET = "chest_xray"
RESNET, FULL = (f"{DATASET}/{variant}/clean/seed=0" for variant in ("resnet18", "full"))


def share(value, n=8):
    return {"n": n, "share": value, "ci_low": value and value / 2, "ci_high": value and (1 + value) / 2}


def pair(source, target, accuracy, transferred, n=8, **tested):
    found = {"dataset": DATASET, "eps": 0.05, "source": source, "target": target}
    found |= {"accuracy": share(accuracy), "transferred": share(transferred, n)}
    return found | dict.fromkeys(("difference", "difference_low", "difference_high", "p", "p_holm")) | tested


TESTED = {"difference": 0.5, "difference_low": 0.1, "difference_high": 0.9, "p": 0.002, "p_holm": 0.004}
TRANSFER = [
    pair(RESNET, RESNET, 0.12, 0.9),
    pair(RESNET, FULL, 0.62, 0.25, **TESTED),
    pair(FULL, RESNET, 0.4, None, n=0, **TESTED | {"p_holm": 0.5}),
    pair(FULL, FULL, 0.05, 0.95),
]


def searched(rate=0, median=0.02, right=8):
    quartiles = [
        {"share": at, "least_eps": value, "ci_low": 0.001, "ci_high": None}
        for at, value in ((0.25, 0.01), (0.5, median), (0.75, None))
    ]
    names = {
        "id": FULL,
        "dataset": DATASET,
        "variant": "full",
        "mode": "clean",
        "seed": 0,
        "image_size": None,
    }
    curve = [{"eps": eps, "accuracy": 0.5, "ci_low": 0.2, "ci_high": 0.8} for eps in (0.001, 0.5)]
    counts = {"rate_percent": rate, "images": 10, "right": right, "collapsed": False, "by_apgd": 3}
    return (
        names
        | counts
        | {
            "largest": 0.5,
            "quartiles": quartiles,
            "not_flipped": share(0.3),
            "curve": curve,
        }
    )


def compared(reading, comparison="pruned", rate=30, **changed):
    found = {"dataset": DATASET, "comparison": comparison, "id": FULL, "against": FULL, "rate_percent": rate}
    found |= {"against_rate_percent": 0, "n": 7, "farther": 1, "nearer": 6, "p": 0.01, "p_holm": 0.02}
    return found | {"collapsed": False, "reading": reading} | changed


@pytest.fixture
def view(view_of):
    """The numbers of a run on real images, as far as its words go."""
    return view_of(
        phantom=False,
        transfer=TRANSFER,
        least_eps=[searched(), searched(30, median=None)],
        least_eps_compared=[
            compared("nearer"),
            compared("collapsed", rate=80),
            compared("undecided", "variant", against=RESNET, p_holm=0.6),
            compared("farther", "variant", rate=0, against=RESNET, farther=5, nearer=2),
        ],
    )


def test_transfer_is_told_both_ways_beside_the_white_box(view):
    said = boundary.transfer_reading(view, DATASET).html
    assert "(3.8)" in said
    assert "leave MedDef (Full DAAM, clean training) an accuracy of 62 % [31, 81]" in said
    assert "those made on itself 5 % [2, 52] (p = 0.004); of 8 images that both" in said
    assert "25 % [12, 62] fool it." in said
    assert "made on itself 12 % [6, 56] (p = 0.5); there is no image that both answer correctly." in said
    assert "made-up" not in said


def test_the_full_model_meets_the_baseline_of_its_own_training_too(view_of):
    modes = {"training.modes.resnet18": "[clean, paper]", "training.modes.full": "[paper]"}
    full, *baselines = (
        f"{DATASET}/{name}/seed=0" for name in ("full/paper", "resnet18/clean", "resnet18/paper")
    )
    pairs = [pair(baseline, full, 0.62, 0.25) for baseline in baselines]
    view = view_of("mini", [f"{name}={value}" for name, value in modes.items()], transfer=pairs)
    said = boundary.transfer_reading(view, DATASET).html
    assert said.count("leave MedDef (Full DAAM, the paper&#39;s training) an accuracy of 62 %") == 2
    assert "Images made on ResNet18 (clean training) leave" in said
    assert "Images made on ResNet18 (the paper&#39;s training) leave" in said


def test_every_pair_of_networks_is_in_the_picture(view):
    figure = boundary.transfer_figure(view, DATASET)
    assert len(figure.data) == 4
    assert "white box: accuracy of 5 to 12 %; images of another network: accuracy of 40 to 62 %" in figure.alt
    assert ">62<" in figure.picture
    assert ">–<" in figure.picture, "a share of no images"


def test_the_boundary_is_told_as_it_moved(view):
    said = boundary.least_eps_reading(view, DATASET).html
    assert "(4.1)" in said
    assert "of a pruned network with itself unpruned: 1 nearer, 1 with one answer for all images." in said
    assert "30 % pruned: of 7 images right under both, the boundary is farther on 1 and nearer on 6" in said
    assert "(p = 0.02; nearer)" in said
    assert "as trained, beside ResNet18 (clean training): of 7 images right under both" in said
    assert "farther on 5 and nearer on 2 (p = 0.02; farther)" in said


def test_what_no_budget_flips_is_told_as_beyond_the_largest(view):
    trained, pruned = boundary.least_eps_table(view, DATASET).rows
    assert trained[1:5] == ["0 %", "8 of 10", "0.0200 [0.0010, > 0.50]", "0.0100 to > 0.50"]
    assert pruned[3] == "> 0.50 [0.0010, > 0.50]"
    assert (trained[5], trained[6], trained[7]) == ("30 % [15, 65]", "3", "–")
    assert pruned[7] == "1 farther, 6 nearer of 7, p = 0.02 (nearer)"
    assert pruned[8].startswith("ResNet18 (clean training): 1 farther")
    assert "Median least epsilon of the unpruned" in boundary.least_eps_curves(view, DATASET).alt


def test_phantoms_decide_nothing_and_what_is_missing_is_named(view_of):
    nothing = view_of(transfer=[], least_eps=[], least_eps_compared=[])
    drawn = [str(block_html(block)) for block in boundary.SECTION.draw(nothing)]
    assert len(drawn) == 5
    assert sum("invoke reproduce" in html for html in drawn) == 3
    assert sum(label(MADE_UP) in html and "not measured" in html for html in drawn) == 2
