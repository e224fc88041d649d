import pytest

from meddef_lib.params import SafetyParams, ScheduleParams
from meddef_lib.training import schedule
from meddef_lib.training.schedule import Phase, SafetyState

RULE = SafetyParams(drop=0.05, patience=2, eps_factor=0.8, least_factor=0.4)


def after(accuracies, rule=RULE):
    state = SafetyState()
    for accuracy in accuracies:
        state = schedule.after_epoch(state, accuracy, rule)
    return state


@pytest.mark.parametrize(
    ("accuracies", "factor"),
    [
        ([0.5, 0.7, 0.9], 1.0),
        ([0.9, 0.86, 0.86, 0.86], 1.0),  # within the drop
        ([0.9, 0.8], 1.0),  # patience
        ([0.9, 0.8, 0.88, 0.8], 1.0),  # not in a row
        ([0.9, 0.8, 0.8], 0.8),
        ([0.9, 0.8, 0.8, 0.8], 0.8),  # counting begins anew
        ([0.9, 0.8, 0.8, 0.8, 0.8], 0.64),
        ([0.9, 0.8, 0.8, 0.9], 0.8),
        ([0.9, 0.8, 0.8, 0.9, 0.88], 1.0),  # taken back
        ([0.9] + [0.1] * 40, 0.4),  # the floor
    ],
)
def test_the_rule_backs_off_and_comes_back(accuracies, factor):
    assert schedule.safety_factor(after(accuracies), RULE) == pytest.approx(factor)


def test_from_the_floor_it_takes_as_many_steps_back_as_it_took():
    at_floor = after([0.9] + [0.1] * 40)
    steps = at_floor.steps

    state = at_floor
    for _ in range(2 * steps):
        state = schedule.after_epoch(state, 0.9, RULE)

    assert 0.8**steps <= 0.4 < 0.8 ** (steps - 1)
    assert state.steps == 0


def test_switched_off_it_remembers_nothing():
    assert after([0.9, 0.1, 0.1, 0.1], SafetyParams(enabled=False)) == SafetyState()


def test_the_phase_keeps_its_name_and_gets_a_smaller_budget():
    phase = Phase("stabilization", 0.03, 0.5, 0.003)

    adjusted = schedule.adjusted(phase, after([0.9] + [0.1] * 40), RULE, ScheduleParams())

    assert adjusted == Phase(
        "stabilization", pytest.approx(0.012), pytest.approx(0.2), pytest.approx(0.012 / 6)
    )


def test_without_an_adjustment_the_phase_is_the_schedule_s():
    phase = Phase("warmup", 0.01, 0.2, 0.001)

    assert schedule.adjusted(phase, SafetyState(), RULE, ScheduleParams()) is phase
