"""The "automatic safety adjustments when validation performance degraded" (MedDef, 3.8), as a rule: back
off.

The paper names neither the quantity that triggers the adjustment nor what it does. Our reading: an epoch is
*degraded* if its balanced accuracy on clean validation images lies more than `drop` below the best so far.
After `patience` degraded epochs in a row the budget and the adversarial weight are multiplied by
`eps_factor`, though never below `least_factor` of what the schedule says. After `patience` epochs in a row
that are not degraded one such step is taken back.
"""

from dataclasses import dataclass, replace

from meddef_lib.params import SafetyParams, ScheduleParams
from meddef_lib.training.schedule import Phase, step_size


@dataclass(frozen=True)
class SafetyState:
    """What the rule remembers between epochs."""

    best: float = 0.0  # balanced accuracy on clean validation images
    degraded: int = 0  # epochs in a row
    sound: int = 0  # epochs in a row
    steps: int = 0  # adjustments in force


def factor(state: SafetyState, params: SafetyParams) -> float:
    """What the schedule's eps and adversarial weight are multiplied by, in [least_factor, 1]."""
    return max(params.eps_factor**state.steps, params.least_factor) if state.steps else 1.0


def after_epoch(state: SafetyState, accuracy: float, params: SafetyParams) -> SafetyState:
    """The state after an epoch with this balanced accuracy on clean validation images, in [0, 1]."""
    if not params.enabled:
        return state
    best = max(state.best, accuracy)
    if accuracy < state.best - params.drop:
        degraded, sound = state.degraded + 1, 0
    else:
        degraded, sound = 0, state.sound + 1
    steps = state.steps
    if degraded >= params.patience:
        degraded = 0
        if factor(state, params) > params.least_factor:
            steps += 1
    elif sound >= params.patience:
        sound, steps = 0, max(0, steps - 1)
    return SafetyState(best, degraded, sound, steps)


def adjusted(phase: Phase, state: SafetyState, params: SafetyParams, schedule: ScheduleParams) -> Phase:
    """The phase as the rule lets it run: eps and adversarial weight times the factor, the step to match."""
    if state.steps == 0:
        return phase
    scale = factor(state, params)
    eps = scale * phase.eps
    weight = scale * phase.adversarial_weight
    return replace(phase, eps=eps, adversarial_weight=weight, step_size=step_size(eps, schedule))
