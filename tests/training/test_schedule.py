import pytest
from hypothesis import given
from hypothesis import strategies as st

from meddef_lib.params import ScheduleParams, TrainingParams
from meddef_lib.training import schedule
from meddef_lib.training.schedule import Phase

PAPER = TrainingParams()


def test_the_paper_has_phases_of_8_15_and_77_epochs():
    names = [schedule.at(epoch, PAPER).name for epoch in range(100)]

    assert names == ["warmup"] * 8 + ["aggressive"] * 15 + ["stabilization"] * 77


def test_the_paper_s_eps_and_weight_at_the_ends_of_its_phases():
    phases = {epoch: schedule.at(epoch, PAPER) for epoch in (0, 7, 8, 22, 23, 99)}

    assert [(phase.eps, phase.adversarial_weight) for phase in phases.values()] == [
        (0.01, 0.2),
        (0.02, 0.2),
        (0.02, 0.2),
        (0.04, 0.5),
        (0.03, 0.5),
        (0.03, 0.5),
    ]


def test_eps_grows_linearly_and_then_quadratically():
    warmup = [schedule.at(epoch, PAPER).eps for epoch in range(8)]
    aggressive = [schedule.at(epoch, PAPER) for epoch in range(8, 23)]

    assert warmup == pytest.approx([0.01 + 0.01 * i / 7 for i in range(8)])
    assert [phase.eps for phase in aggressive] == pytest.approx(
        [0.02 + 0.02 * (i / 14) ** 2 for i in range(15)]
    )
    assert [phase.adversarial_weight for phase in aggressive] == pytest.approx(
        [0.2 + 0.3 * i / 14 for i in range(15)]
    )


@pytest.mark.parametrize("epoch", [0, 7, 15, 22, 60])
def test_the_step_is_a_sixth_of_eps_and_at_most_0_003(epoch):
    phase = schedule.at(epoch, PAPER)

    assert phase.step_size == min(phase.eps / 6, 0.003)


@pytest.mark.parametrize(
    ("epochs", "lengths"),
    [
        (1, (0, 0, 1)),
        (2, (1, 0, 1)),
        (3, (1, 1, 1)),
        (4, (1, 1, 2)),
        (10, (1, 2, 7)),
        (50, (4, 8, 38)),
        (100, (8, 15, 77)),
        (200, (16, 30, 154)),
    ],
)
def test_shorter_and_longer_trainings_keep_the_shares(epochs, lengths):
    assert schedule.phase_lengths(epochs, ScheduleParams()) == lengths


@given(st.integers(3, 400), st.floats(0, 0.99), st.floats(0, 1))
def test_from_three_epochs_each_phase_has_one(epochs, warmup, rest):
    shares = ScheduleParams(warmup_share=warmup, aggressive_share=rest * (0.999 - warmup))

    lengths = schedule.phase_lengths(epochs, shares)

    assert sum(lengths) == epochs
    assert min(lengths) >= 1


def test_a_single_epoch_trains_at_the_budget_that_a_training_ends_with():
    assert schedule.at(0, TrainingParams(epochs=1)) == Phase("stabilization", 0.03, 0.5, 0.003)


def test_a_phase_of_one_epoch_stands_at_its_middle():
    three = TrainingParams(epochs=3)

    assert schedule.at(0, three).eps == pytest.approx(0.015)
    assert schedule.at(1, three).eps == pytest.approx(0.025)
    assert schedule.at(1, three).adversarial_weight == pytest.approx(0.35)


@pytest.mark.parametrize("epoch", [-1, 100])
def test_an_epoch_outside_is_refused(epoch):
    with pytest.raises(ValueError, match="expected 0 <= epoch < 100"):
        schedule.at(epoch, PAPER)


def test_reference_modes_without_a_warmup_keep_one_budget():
    params = TrainingParams(reference_eps=0.02, reference_steps=5, reference_warmup_share=0)

    assert schedule.phase_of(0, "clean", params).eps == 0
    assert schedule.phase_of(3, "pgd", params) == Phase("constant", 0.02, 1.0, pytest.approx(0.01))
    assert schedule.phase_of(3, "trades", params) == schedule.phase_of(9, "pgd", params)
    assert schedule.phase_of(3, "fast", params).step_size == pytest.approx(0.025)
    assert schedule.phase_of(3, "paper", params) == schedule.at(3, params)


def test_a_reference_budget_grows_from_nothing_over_the_first_epochs():
    params = TrainingParams(epochs=8, reference_eps=0.02, reference_steps=5)

    phases = [schedule.phase_of(epoch, "pgd", params) for epoch in range(8)]

    assert [phase.eps for phase in phases] == pytest.approx([0, 0.005, 0.01, 0.015, *[0.02] * 4])
    assert [phase.step_size for phase in phases] == pytest.approx([0, 0.0025, 0.005, 0.0075, *[0.01] * 4])
    assert [phase.name for phase in phases] == ["warmup"] * 4 + ["constant"] * 4
    # the last epoch has the whole budget, whatever the share
    always = params.model_copy(update={"epochs": 1, "reference_warmup_share": 1.0})
    assert schedule.phase_of(0, "pgd", always).eps == 0.02


def test_the_learning_rate_stands_unless_it_decays_along_half_a_cosine():
    cosine = TrainingParams(learning_rate=0.2, learning_rate_decay="cosine")

    assert [schedule.learning_rate(done, PAPER) for done in (0, 0.5, 0.99)] == [1e-4] * 3
    rates = [schedule.learning_rate(done, cosine) for done in (0, 1 / 3, 0.5, 2 / 3, 1)]
    assert rates == pytest.approx([0.2, 0.15, 0.1, 0.05, 0])
