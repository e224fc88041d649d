"""From records to outcomes under the paper's addresses."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from meddef_lib import params
from meddef_lib.paper import published
from meddef_lib.paper.addresses import Address
from meddef_lib.paper.statements import SettingFact
from meddef_lib.results import measured, metrics, outcomes, statistics, verdicts
from tests.known import KNOWN

PAPER = published.read()
SETTING = {"data.source": "folders", "training.mode": "paper", "attacks.steps": 40}
PGD = Address(dataset="chest_xray", quantity="accuracy", variant="full", attack="pgd", eps=0.05)


def records(attack: str = "pgd", eps: float = 0.05, *, adv: tuple[int, ...] = (1, 0, 1, 1)) -> pd.DataFrame:
    """Four images: before the attack the first three are right."""
    return pd.DataFrame(
        {
            "image_id": [11, 12, 13, 14],
            "label": [0, 0, 1, 1],
            "clean_pred": [0, 0, 1, 0],
            "adv_pred": list(adv),
            "worst_pred": [1, 1, 1, 0],
            "attack": attack,
            "eps": eps,
            "early_stop": False,
        }
    )


def found(frame: pd.DataFrame, **changes: object) -> outcomes.Outcomes:
    facts = (SettingFact(key="attacks.steps", name="steps", section="3.8", value=40, attacks=("pgd",)),)
    return outcomes.from_records(
        frame,
        dataset="chest_xray",
        classes=["NORMAL", "PNEUMONIA"],
        variant="full",
        setting=SETTING | changes,
        facts=facts,
        keys=["abc"],
    )


def test_numbers_of_four_images_by_hand() -> None:
    of = found(pd.concat([records(), records("fgsm", 0.01, adv=(0, 0, 1, 0))]))
    clean = replace(PGD, attack="", eps=None)
    assert of[clean].value == 75
    assert of[clean].alternatives == {"balanced_accuracy": 75}
    assert of[replace(clean, quantity="error_rate")].value == 25
    assert of[replace(clean, quantity="error_rate", item="PNEUMONIA")].value == 50
    assert of[PGD].value == 75
    assert of[PGD].alternatives == {"worst_iterate": 25, "balanced_accuracy": 75}
    rate = of[replace(PGD, quantity="attack_success_rate")]
    assert rate.value == pytest.approx(100 / 3)
    assert (rate.n, rate.images) == (3, 4)  # of the correctly classified
    assert rate.alternatives == pytest.approx(
        {"balanced_accuracy": 75, "relative_drop_in_accuracy": 0, "worst_iterate": 200 / 3}
    )
    assert of[replace(PGD, attack="fgsm", eps=0.01)].value == 75
    assert of[replace(clean, quantity="recall", item="PNEUMONIA")].value == 0.5
    assert of[replace(clean, quantity="precision", item="NORMAL")].value == pytest.approx(2 / 3)
    assert of[replace(clean, quantity="confusion", item="PNEUMONIA/NORMAL")].value == 0.5
    assert of[PGD].interval.low == pytest.approx(30.06, abs=0.01)  # Wilson of 3 of 4, in percent
    assert of[PGD].keys == ("abc",)


def test_a_collapsed_network_is_named_beside_its_numbers() -> None:
    """All images called NORMAL, and no attack changes that: a success rate of 0 without robustness."""
    constant = records(adv=(0, 0, 0, 0)).assign(clean_pred=0)
    rate = replace(PGD, quantity="attack_success_rate")
    said = "Collapsed: NORMAL for 100 % of the clean images; the number means nothing."
    assert found(constant)[rate].value == 0
    assert "Collapsed: NORMAL for 100 % of the attacked images" in found(constant)[rate].collapsed
    assert found(constant.assign(adv_pred=[0, 1, 0, 1]))[rate].collapsed == said
    assert {address.quantity for address, one in found(constant).items() if not one.collapsed} == set()
    assert found(records())[rate].collapsed == ""
    both = measured.over_seeds({0: found(records()), 1: found(constant)})
    assert both[rate].collapsed == found(constant)[rate].collapsed, "one seed's is named with the mean"


def test_a_network_that_collapses_under_attack_keeps_its_other_numbers() -> None:
    of = found(records(adv=(1, 1, 1, 1)))
    assert of[PGD].collapsed.startswith("Collapsed: PNEUMONIA for 100 % of the attacked images")
    assert of[replace(PGD, attack="", eps=None)].collapsed == ""


def test_a_network_has_learned_what_is_surely_above_chance() -> None:
    right = pd.DataFrame({"label": [0, 1] * 20, "clean_pred": [0, 1] * 20, "attack": "pgd", "eps": 0.05})
    classes = ("NORMAL", "PNEUMONIA")
    assert metrics.unlearned(right, classes) == ""
    assert metrics.unlearned(right[:2], classes) == (
        "Not learned: balanced accuracy 100.0 % on clean images, of which the interval reaches down to "
        "chance (50.0 %)."
    )
    assert metrics.unlearned(right.assign(clean_pred=[0, 1, 1, 0] * 10), classes).startswith(
        "Not learned: ba"
    )
    unbalanced = pd.DataFrame({"label": [0] * 10 + [1] * 90, "clean_pred": 1, "attack": "pgd", "eps": 0.05})
    assert metrics.unlearned(unbalanced, classes), "right on 90 % of the images"


def test_images_without_a_gradient_are_counted_beside_their_number() -> None:
    stuck = records().assign(zero_gradient=[True, True, False, True])
    rate = replace(PGD, quantity="attack_success_rate")
    assert (found(stuck)[PGD].zero_gradients, found(stuck)[rate].zero_gradients) == (3, 2)
    assert found(records())[PGD].zero_gradients == 0
    both = measured.over_seeds({0: found(records()), 1: found(stuck)})
    assert both[PGD].zero_gradients == 3
    printed = next(value for value in PAPER.values.values() if value.address == PGD)
    assert verdicts.row(printed, both[PGD])["zero_gradients"] == 3
    assert verdicts.row(printed, None)["zero_gradients"] == 0


def of_answers(answers: np.ndarray) -> outcomes.Outcomes:
    """The numbers of answers to ROCT's 968 test images, 242 of each class in turn."""
    labels = np.repeat([0, 1, 2, 3], 242)
    frame = pd.DataFrame({"image_id": np.arange(968), "label": labels, "clean_pred": answers})
    return outcomes.from_records(
        frame.assign(adv_pred=labels, attack="pgd", eps=0.05),
        dataset="roct",
        classes=PAPER.datasets["roct"].classes,
        variant="full",
        setting=SETTING,
    )


def test_a_class_without_mistakes_is_not_surely_without() -> None:
    of = of_answers(np.repeat([0, 1, 2, 3], 242))
    printed = PAPER.values["per_class/roct/CNV/precision"]  # 0.960, 0.9932 with its tolerance
    precision, f1 = of[printed.address], of[replace(printed.address, quantity="f1")]
    least = statistics.wilson(242, 242).low
    assert precision.interval == pytest.approx((least, 1))
    assert verdicts.judge(printed, precision).status == "inconclusive"
    assert f1.value == 1
    assert f1.interval == pytest.approx((2 * least / (1 + least), 1))


def test_a_class_that_is_never_right_is_not_surely_so() -> None:
    of = of_answers(np.repeat([1, 2, 3, 0], 242))
    f1 = of[PAPER.values["per_class/roct/CNV/f1"].address]
    assert f1.interval.low == f1.value == 0
    assert f1.interval.high > 0


def test_precision_is_a_share_of_the_answers() -> None:
    answers = np.repeat([0, 1, 2, 3], 242)
    answers[484:726:2] = 0  # every other DRUSEN is taken for CNV,
    answers[0] = 2  # and one CNV for DRUSEN
    printed = PAPER.values["per_class/roct/DRUSEN/precision"]
    precision = of_answers(answers)[printed.address]
    assert (precision.value, precision.n) == (121 / 122, 122)
    assert precision.interval == pytest.approx(statistics.wilson(121, 122))
    row = verdicts.row(printed, precision)
    assert (row["n"], row["deviations"]) == (122, []), "the class has the paper's 242 images all the same"
    assert row["smallest_detectable"] == statistics.smallest_detectable_difference(printed.value, 122)


def test_the_precision_of_a_class_that_is_never_answered_does_not_exist() -> None:
    of = found(records().assign(clean_pred=0))
    precision = of[replace(PGD, attack="", eps=None, quantity="precision", item="PNEUMONIA")]
    assert (precision.value, precision.interval, precision.n) == (None, None, 0)


def test_setting_and_phantoms_travel_with_the_numbers() -> None:
    of = found(records(), **{"attacks.steps": 5})
    assert of[PGD].deviations == ("steps 5 instead of 40",)
    assert of[replace(PGD, attack="", eps=None)].deviations == ()  # clean accuracy has no attack steps
    assert found(records(), **{"data.source": "phantoms"})[PGD].phantom


def test_runs_to_the_first_mistake_count_where_nothing_else_does_and_say_so() -> None:
    worst = records(adv=(1, 1, 0, 0)).assign(early_stop=True)
    assert found(pd.concat([records(), worst]))[PGD].value == 75
    alone = found(worst)
    assert alone[PGD].value == 0
    assert "the first mistake instead of the last iterate" in alone[PGD].deviations
    assert alone[replace(PGD, attack="", eps=None)].deviations == ()
    with pytest.raises(ValueError, match="no records of chest_xray, full, 0 % pruned"):
        found(worst.head(0))


def test_beside_a_number_under_attack_stands_the_worst_case_of_its_network() -> None:
    worst = records("worst_case", adv=(1, 1, 0, 0)).assign(early_stop=True)
    jsma = records("jsma", float("nan"))
    of = found(pd.concat([records(), records("pgd", 0.01), worst, jsma]))
    rate = replace(PGD, quantity="attack_success_rate")
    assert of[replace(PGD, attack="worst_case")].value == 0
    assert outcomes.lookup(of, PGD).alternatives["worst_case"] == 0
    assert outcomes.lookup(of, rate).alternatives["worst_case"] == 100
    assert outcomes.lookup(of, PGD).alternatives["worst_iterate"] == 25, "of PGD itself, and another thing"
    assert outcomes.lookup(of, replace(PGD, attack="jsma")).alternatives["worst_case"] == 0
    for other in (
        replace(PGD, eps=0.01),
        replace(PGD, attack="", eps=None),
        replace(PGD, attack="worst_case"),
    ):
        assert "worst_case" not in outcomes.lookup(of, other).alternatives
    assert "worst_case" not in of[PGD].alternatives, "what claims are tested with does not know it"


def test_jsma_answers_at_every_epsilon() -> None:
    of = found(records("jsma", float("nan")))
    address = replace(PGD, attack="jsma", eps=0.01)
    assert address not in of
    assert "no epsilon" in outcomes.lookup(of, address).note
    assert outcomes.lookup(of, replace(PGD, eps=0.01)) is None


def test_a_truncated_attack_does_not_decide_the_clean_accuracy() -> None:
    of = found(pd.concat([records("jsma", float("nan")).head(2), records()]))
    assert of[replace(PGD, attack="", eps=None)].images == 4
    assert of[replace(PGD, attack="jsma", eps=None)].images == 2


def test_a_rate_of_no_images_does_not_exist() -> None:
    wrong = records().assign(clean_pred=[1, 1, 0, 0])
    rate = found(wrong)[replace(PGD, quantity="attack_success_rate")]
    assert rate.value is None
    assert rate.interval is None
    assert rate.alternatives["relative_drop_in_accuracy"] is None


def test_over_seeds_by_hand() -> None:
    runs = [found(records(adv=adv)) for adv in ((0, 0, 1, 1), (1, 0, 1, 1), (1, 0, 0, 1))]
    merged = measured.over_seeds(dict(zip((0, 3, 5), runs, strict=True)))[PGD]
    assert merged.per_seed == (100, 75, 50)
    assert merged.seeds == (0, 3, 5)
    assert merged.value == 75
    assert 75 - merged.interval.low == pytest.approx(4.302653 * 25 / np.sqrt(3), rel=1e-6)
    assert len(merged.hits) == 3
    assert merged.alternatives == {"worst_iterate": 25, "balanced_accuracy": 75}
    assert measured.over_seeds({7: runs[0]})[PGD] == replace(runs[0][PGD], seeds=(7,))


def test_a_seed_without_the_number_is_none_of_its_seeds() -> None:
    wrong = found(records().assign(clean_pred=[1, 1, 0, 0]))  # no image for an attack to flip
    merged = measured.over_seeds({0: wrong, 1: found(records())})
    rate = merged[replace(PGD, quantity="attack_success_rate")]
    assert (rate.seeds, len(rate.per_seed), len(rate.hits), rate.n) == ((1,), 1, 1, 3)
    assert rate.interval == found(records())[replace(PGD, quantity="attack_success_rate")].interval
    assert merged[PGD].seeds == (0, 1)


def test_an_interval_over_seeds_stays_on_the_scale_of_its_quantity() -> None:
    runs = [found(records(adv=adv)) for adv in ((0, 0, 1, 1), (0, 0, 1, 1), (0, 0, 0, 1))]
    merged = measured.over_seeds(dict(enumerate(runs)))
    assert merged[PGD].per_seed == (100, 100, 75)
    assert merged[PGD].interval.high == 100  # the t-interval: 127 %
    assert merged[replace(PGD, quantity="attack_success_rate")].interval.low == 0


def test_seeds_that_agree_are_as_sure_as_their_images() -> None:
    merged = measured.over_seeds(dict.fromkeys(range(3), found(records(adv=(1, 1, 0, 0)))))
    assert merged[PGD].per_seed == (0, 0, 0)
    assert merged[PGD].interval == pytest.approx((0, 100 * statistics.wilson(0, 4).high))
    f1 = replace(PGD, attack="", eps=None, quantity="f1", item="NORMAL")
    assert merged[f1].interval == found(records())[f1].interval


def test_seeds_that_nearly_agree_are_no_surer_than_their_images() -> None:
    def of(right: int) -> outcomes.Outcomes:
        frame = pd.DataFrame(
            {"image_id": range(400), "label": 1, "clean_pred": 1, "attack": "pgd", "eps": 0.05}
        )
        labels = frame.assign(adv_pred=(frame["image_id"] < right).astype(int))
        return found(labels)

    merged = measured.over_seeds({0: of(360), 1: of(360), 2: of(361)})[PGD]
    own = statistics.wilson(360, 400).scaled(100)
    assert merged.interval.high - merged.interval.low == pytest.approx(own.high - own.low)
    assert merged.interval.low - own.low == pytest.approx(merged.value - 90)


def test_another_mode_stands_beside() -> None:
    main, other = found(records()), found(records(adv=(0, 0, 1, 1)).assign(clean_pred=[0, 0, 0, 0]))
    clean = replace(PGD, attack="", eps=None)
    beside = measured.with_alternative(
        main, {address: other[address] for address in (PGD, clean)}, "trained_clean"
    )
    assert beside[PGD].alternatives == {
        "balanced_accuracy": 75,
        "worst_iterate": 25,
        "trained_clean": 100,
        "trained_clean_balanced_accuracy": 100,
        "trained_clean_worst_iterate": 25,
    }
    assert beside[clean].alternatives == {
        "balanced_accuracy": 75,
        "trained_clean": 50,
        "trained_clean_balanced_accuracy": 50,
    }
    assert (beside[PGD].value, beside[clean].value) == (75, 75)
    error_rate = replace(clean, quantity="error_rate")
    assert beside[error_rate] == main[error_rate], "the other mode was not measured here"


def test_parameters_and_data() -> None:
    summary = {
        "counts": {"train": {"NORMAL": 3, "PNEUMONIA": 5}, "test": {"NORMAL": 1, "PNEUMONIA": 2}},
        "mean": 0.5,
        "std": 0.2,
        "published_counts": False,
        "data_version": "another",
    }
    data = measured.of_run(
        SimpleNamespace(
            profile=params.read_profile("smoke", known=KNOWN),
            datasets={"chest_xray": params.read_dataset("chest_xray")},
            paper=PAPER,
            book=SimpleNamespace(modes=lambda variant: ("clean",)),
            data={"chest_xray": SimpleNamespace(summary=summary)},
            audits={},
            by_mode={},
            sizes={"chest_xray": {"full": 21_839_556}},
            key=lambda kind, dataset: f"{kind}/{dataset}",
        )
    )
    size = data[Address(dataset="chest_xray", quantity="parameters", variant="full")]
    assert size.value == pytest.approx(21.839556)
    assert size.keys == ("sizes/chest_xray",)
    images = {
        address.item: outcome.value for address, outcome in data.items() if address.quantity == "images"
    }
    assert images == {
        "total": 11,
        "train": 8,
        "test": 3,
        "train/NORMAL": 3,
        "train/PNEUMONIA": 5,
        "test/NORMAL": 1,
        "test/PNEUMONIA": 2,
    }
    assert Address(dataset="chest_xray", quantity="duplicates") not in data
