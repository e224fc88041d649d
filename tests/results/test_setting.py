"""How a run's setting is told from the published one."""

import pytest

from meddef_lib import params, published
from meddef_lib.results import setting
from meddef_lib.results.addresses import Address

FACTS = published.read().setting
PUBLISHED = {"published_counts": True, "data_version": "kaggle"}


def address(quantity: str = "accuracy", variant: str = "full", **where: object) -> Address:
    return Address(dataset="chest_xray", quantity=quantity, variant=variant, **where)


def of_profile(name: str, *, mode: str = "paper", summary: dict | None = None, **overrides: object) -> dict:
    profile = params.read_profile(name, overrides)
    dataset = params.read_dataset("chest_xray")
    return setting.of_run(profile, dataset, summary or PUBLISHED, mode=mode)


@pytest.mark.parametrize(
    "where", [{}, {"attack": "pgd", "eps": 0.05}, {"attack": "jsma", "rate_percent": 70}]
)
def test_the_paper_profile_is_the_published_setting(where: dict) -> None:
    assert setting.deviations(of_profile("paper"), address(**where), FACTS) == ()
    for mode in ("clean", "paper"):  # the paper does not say how ResNet18 was trained
        found = of_profile("paper", mode=mode)
        assert setting.deviations(found, address(variant="resnet18", **where), FACTS) == ()


def test_every_fact_names_a_key_of_the_run() -> None:
    found = of_profile("paper")
    assert [fact.key for fact in FACTS if fact.key not in found] == []


def test_deviations_are_phrases() -> None:
    summary = {"published_counts": False, "data_version": "sample of 6,557"}
    found = of_profile("sample", summary=summary)
    phrases = setting.deviations(found, address(attack="jsma"), FACTS)
    assert "data version sample of 6,557 instead of published" in phrases
    assert "image size in pixels 64 instead of 224" in phrases
    assert "epochs 10 instead of 100" in phrases
    assert any(phrase.startswith("JSMA truncated: steps at most") for phrase in phrases)


def test_a_setting_bears_only_on_its_numbers() -> None:
    def phrases(where: Address, **overrides: object) -> tuple[str, ...]:
        return setting.deviations(of_profile("paper", **overrides), where, FACTS)

    fewer = {"attacks.steps": 10}
    assert phrases(address(attack="pgd"), **fewer) == ("attack steps 10 instead of 40",)
    assert phrases(address(attack="fgsm"), **fewer) == ()
    assert phrases(address(attack="bim"), **{"pruning.scope": "layer"}) == ()
    assert phrases(address(attack="bim", rate_percent=70), **{"pruning.scope": "layer"}) != ()
    assert phrases(address("parameters"), image_size=64) == ()
    assert phrases(address("pixel_mean", variant=""), image_size=64) != ()


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
        ("model.dropout", 0.5),
    ],
)
def test_each_published_setting_that_is_not_met_is_named(key: str, value: object) -> None:
    (phrase,) = setting.deviations(of_profile("paper", **{key: value}), address(), FACTS)
    assert " instead of " in phrase


def test_another_reading_of_the_paper_is_no_deviation() -> None:
    assert setting.deviations(of_profile("paper", **{"model.dropout": 0.2}), address(), FACTS) == ()


def test_another_mode_of_training_deviates() -> None:
    found = of_profile("paper", mode="clean")
    assert setting.deviations(found, address(), FACTS) == ("training mode clean instead of paper",)
    fewer = of_profile("paper", mode="clean", **{"training.pgd_steps": 7})
    assert len(setting.deviations(fewer, address(), FACTS)) == 1  # clean training has no PGD steps
