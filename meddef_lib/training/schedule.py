"""What changes with the epochs: the phases of adversarial training (MedDef, 3.8) and the learning rate."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from meddef_lib.params import SafetyParams, ScheduleParams, TrainingMode, TrainingParams

PhaseName = Literal["warmup", "aggressive", "stabilization", "constant", "clean"]


@dataclass(frozen=True)
class Phase:
    """What one epoch trains with. `eps` and `step_size` are for images in [0, 1]."""

    name: PhaseName
    eps: float
    adversarial_weight: float
    step_size: float

    @property
    def at_full_budget(self) -> bool:
        """Whether the schedule has come to the budget that it ends with."""
        return self.name not in ("warmup", "aggressive")


def at(epoch: int, params: TrainingParams) -> Phase:
    """The phase of the 0-based `epoch` of `params.epochs` in the mode `paper` (MedDef, 3.8).

    Within a phase eps and the adversarial weight run from the phase's first value at its first epoch to its
    last value at its last epoch: in the warmup eps grows linearly and the weight stands, in the aggressive
    phase eps grows quadratically and the weight linearly, in the stabilization phase both stand. A phase of
    one epoch stands at its middle. Raises ValueError for an epoch outside.
    """
    if not 0 <= epoch < params.epochs:
        raise ValueError(f"epoch {epoch} lies outside the schedule; expected 0 <= epoch < {params.epochs}")
    schedule = params.schedule
    warmup, aggressive, _ = phase_lengths(params.epochs, schedule)
    if epoch < warmup:
        eps = _between(schedule.warmup_eps, _progress(epoch, warmup))
        return Phase("warmup", eps, schedule.warmup_weight, step_size(eps, schedule))
    if epoch < warmup + aggressive:
        progress = _progress(epoch - warmup, aggressive)
        eps = _between(schedule.aggressive_eps, progress**2)
        weight = _between((schedule.warmup_weight, schedule.final_weight), progress)
        return Phase("aggressive", eps, weight, step_size(eps, schedule))
    eps = schedule.stabilization_eps
    return Phase("stabilization", eps, schedule.final_weight, step_size(eps, schedule))


def learning_rate(done: float, params: TrainingParams) -> float:
    """The step size of Adam where the share `done` of all batches lies behind, in [0, 1)."""
    if params.learning_rate_decay == "none":
        return params.learning_rate
    return params.learning_rate * (1 + math.cos(math.pi * done)) / 2


def phase_lengths(epochs: int, schedule: ScheduleParams) -> tuple[int, int, int]:
    """Epochs of the warmup, the aggressive and the stabilization phase: 8, 15, 77 of 100, in proportion.

    From 3 epochs on each phase has at least one. Of 2 epochs one is warmup and one stabilization; a single
    epoch is stabilization: the budget and weight that a training ends with are kept longest.
    """
    if epochs < 3:
        return epochs - 1, 0, 1
    warmup = min(max(1, _rounded(schedule.warmup_share * epochs)), epochs - 2)
    aggressive = min(max(1, _rounded(schedule.aggressive_share * epochs)), epochs - warmup - 1)
    return warmup, aggressive, epochs - warmup - aggressive


def step_size(eps: float, schedule: ScheduleParams) -> float:
    """One step of the attack in training: min(eps / 6, 0.003) (MedDef, 3.8)."""
    return min(eps / schedule.step_divisor, schedule.step_cap)


def phase_of(epoch: int, mode: TrainingMode, params: TrainingParams) -> Phase:
    """The phase of an epoch in any mode: `at` in the mode `paper`; the reference modes end with one budget.

    The step of `pgd` and `trades` is 2.5 eps / steps (Madry et al., 2018), that of `fast` 1.25 eps (Wong et
    al., 2020). Over the first epochs (`reference_warmup_share` of them) eps grows linearly from
    0, an epoch of clean images, and the step with it: attacked at full strength from the start, the full
    network learnt from 2,000 radiographs in 10 epochs only which class is the more frequent.
    """
    if mode == "paper":
        return at(epoch, params)
    if mode == "clean":
        return Phase("clean", 0.0, 0.0, 0.0)
    eps = params.reference_eps
    step = 1.25 * eps if mode == "fast" else 2.5 * eps / params.reference_steps
    warmup = min(_rounded(params.reference_warmup_share * params.epochs), params.epochs - 1)
    if epoch < warmup:
        grown = epoch / warmup
        return Phase("warmup", grown * eps, 1.0, grown * step)
    return Phase("constant", eps, 1.0, step)


@dataclass(frozen=True)
class SafetyState:
    """What the "automatic safety adjustments when validation performance degraded" remember (MedDef, 3.8).

    The paper names neither the quantity that triggers the adjustment nor what it does. Our reading: an epoch
    is *degraded* if its balanced accuracy on clean validation images lies more than `drop` below the best so
    far. After `patience` degraded epochs in a row the budget and the adversarial weight are multiplied by
    `eps_factor`, though never below `least_factor` of what the schedule says. After `patience` epochs in a
    row that are not degraded one such step is taken back.
    """

    best: float = 0.0  # balanced accuracy on clean validation images
    degraded: int = 0  # epochs in a row
    sound: int = 0  # epochs in a row
    steps: int = 0  # adjustments in force


def safety_factor(state: SafetyState, params: SafetyParams) -> float:
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
        if safety_factor(state, params) > params.least_factor:
            steps += 1
    elif sound >= params.patience:
        sound, steps = 0, max(0, steps - 1)
    return SafetyState(best, degraded, sound, steps)


def adjusted(phase: Phase, state: SafetyState, params: SafetyParams, schedule: ScheduleParams) -> Phase:
    """The phase as the rule lets it run: eps and adversarial weight times the factor, the step to match."""
    if state.steps == 0:
        return phase
    scale = safety_factor(state, params)
    eps = scale * phase.eps
    weight = scale * phase.adversarial_weight
    return replace(phase, eps=eps, adversarial_weight=weight, step_size=step_size(eps, schedule))


def _between(ends: tuple[float, float], progress: float) -> float:
    # weighted this way both ends are met exactly
    return ends[0] * (1 - progress) + ends[1] * progress


def _progress(index: int, length: int) -> float:
    return index / (length - 1) if length > 1 else 0.5


def _rounded(value: float) -> int:
    """To the nearest whole number, halves up (Python's own rounds them to even)."""
    return math.floor(value + 0.5)
