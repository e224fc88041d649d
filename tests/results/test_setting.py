"""How a run's setting is told from the published one."""

import pytest

from meddef_lib import params
from meddef_lib.paper import published
from meddef_lib.paper.addresses import Address
from meddef_lib.results import setting
from tests.known import KNOWN

PAPER = published.read()
PUBLISHED = {"published_counts": True, "data_version": "kaggle"}


def deviations(found: dict, where: Address) -> tuple[str, ...]:
    return setting.deviations(found, where, PAPER.setting(where.dataset))


def address(
    quantity: str = "accuracy", variant: str = "full", *, dataset: str = "chest_xray", **where: object
) -> Address:
    return Address(dataset=dataset, quantity=quantity, variant=variant, **where)


def of_profile(
    name: str,
    *,
    dataset: str = "chest_xray",
    mode: str = "paper",
    summary: dict | None = None,
    **overrides: object,
) -> dict:
    profile, images = (
        params.read_profile(name, overrides, known=KNOWN),
        params.read_dataset(dataset, overrides),
    )
    return setting.of_run(profile, images, summary or PUBLISHED, mode=mode)


@pytest.mark.parametrize(
    "where", [{}, {"attack": "pgd", "eps": 0.05}, {"attack": "jsma", "rate_percent": 70}]
)
@pytest.mark.parametrize("dataset", params.dataset_ids())
def test_the_paper_profile_is_the_published_setting(dataset: str, where: dict) -> None:
    found = of_profile("paper", dataset=dataset)
    assert deviations(found, address(dataset=dataset, **where)) == ()
    assert deviations(found, address("pixel_mean", "", dataset=dataset)) == ()
    for mode in ("clean", "paper"):  # the paper does not say how ResNet18 was trained
        found = of_profile("paper", dataset=dataset, mode=mode)
        assert deviations(found, address(dataset=dataset, variant="resnet18", **where)) == ()


def test_every_fact_names_a_key_of_the_run() -> None:
    found = of_profile("paper")
    assert [fact.key for fact in PAPER.facts if fact.key not in found] == []


def test_deviations_are_phrases() -> None:
    summary = {"published_counts": False, "data_version": "sample of 6,557"}
    found = of_profile("sample", summary=summary)
    phrases = deviations(found, address(attack="jsma"))
    assert "data version sample of 6,557 instead of published" in phrases
    assert "image size in pixels 64 instead of 224" in phrases
    assert "epochs 6 instead of 100" in phrases
    assert any(phrase.startswith("JSMA truncated: steps at most") for phrase in phrases)


def test_a_setting_bears_only_on_its_numbers() -> None:
    def phrases(where: Address, **overrides: object) -> tuple[str, ...]:
        return deviations(of_profile("paper", **overrides), where)

    fewer = {"attacks.steps": 10}
    assert phrases(address(attack="pgd"), **fewer) == ("attack steps 10 instead of 40",)
    assert phrases(address(attack="fgsm"), **fewer) == ()
    assert phrases(address(attack="bim"), **{"pruning.scope": "layer"}) == ()
    assert phrases(address(attack="bim", rate_percent=70), **{"pruning.scope": "layer"}) != ()
    assert phrases(address("parameters"), image_size=64) == ()
    assert phrases(address("pixel_mean", variant=""), image_size=64) != ()


def test_of_given_weights_only_what_is_known_counts() -> None:
    changed = {"training.epochs": 3, "data.limits.train": 100, "model.dropout": 0.5, "attacks.steps": 10}
    found = of_profile("paper", mode="given", **changed)
    assert deviations(found, address(attack="pgd")) == (
        "training mode given instead of paper",
        "attack steps 10 instead of 40",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.schedule.step_cap", 0.01),
        ("training.schedule.step_divisor", 4.0),
        ("training.schedule.final_weight", 0.9),
        ("training.schedule.warmup_weight", 0.5),
        ("training.schedule.warmup_share", 0.2),
        ("training.schedule.aggressive_share", 0.3),
        ("training.attack_methods", ["fgsm"]),
        ("training.validation_attacked_share", 0.0),
        ("training.schedule.stabilization_eps", 0.1),
        ("training.safety.enabled", False),
        ("model.dropout", 0.5),
        ("model.attention_on", "fused"),
        ("data.source", "medmnist"),
        ("roct.preprocessing.denoise", "none"),
        ("roct.preprocessing.clahe", False),
        ("roct.mean", 0.5),
        ("roct.std", 0.5),
    ],
)
def test_each_published_setting_that_is_not_met_is_named(key: str, value: object) -> None:
    found = of_profile("paper", dataset="roct", **{key: value})
    (phrase,) = deviations(found, address(dataset="roct"))
    assert " instead of " in phrase


def test_a_run_without_augmentation_deviates() -> None:
    changes = ("horizontal_flip", "rotation_degrees", "translation", "brightness", "contrast")
    none = of_profile("paper", **{f"training.augmentation.{change}": 0 for change in changes})
    assert deviations(none, address()) == ("augmentation off instead of on",)
    some = of_profile("paper", **{f"training.augmentation.{change}": 0 for change in changes[1:]})
    assert deviations(some, address()) == ()


def test_an_epsilon_that_the_paper_only_limits_may_be_smaller() -> None:
    def phrases(eps: float) -> tuple[str, ...]:
        found = of_profile("paper", **{"training.schedule.stabilization_eps": eps})
        return deviations(found, address())

    assert phrases(0.02) == ()
    assert phrases(0.1) == ("epsilon of the stabilization phase 0.1 instead of at most 0.03",)


def test_preprocessing_bears_on_pixels_and_on_the_data_set_that_it_is_said_of() -> None:
    noisy = of_profile("paper", **{"chest_xray.preprocessing.denoise": "none"})
    assert deviations(noisy, address("pixel_mean", "")) == ("denoising none instead of median",)
    assert deviations(noisy, address("images", "", item="test")) == ()
    clahe = of_profile("paper", **{"chest_xray.preprocessing.clahe": True})  # said of ROCT alone
    assert deviations(clahe, address()) == ()


def test_another_reading_of_the_paper_is_no_deviation() -> None:
    assert deviations(of_profile("paper", **{"model.dropout": 0.2}), address()) == ()


def test_another_mode_of_training_deviates() -> None:
    found = of_profile("paper", mode="clean")
    assert deviations(found, address()) == ("training mode clean instead of paper",)
    fewer = of_profile("paper", mode="clean", **{"training.pgd_steps": 7})
    assert len(deviations(fewer, address())) == 1  # clean training has no PGD steps
