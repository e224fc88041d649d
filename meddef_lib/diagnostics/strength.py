"""Checks that compare attacks: what can do more must not fool fewer images.

A difference inside noise is no failure.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.attacks.folding import fast_copy
from meddef_lib.diagnostics.catalogue import Check, Status
from meddef_lib.diagnostics.subject import REACH, AttackOutcome, Subject, percent, share
from meddef_lib.evaluation.attacked import SAME
from meddef_lib.paper.audit.finding import counted
from meddef_lib.results import statistics

Bools = NDArray[np.bool_]

UNBOUNDED = 0.5  # any image can become the grey one (Carlini et al. 2019)
BUDGETS = (0.01, 0.05, 0.1, 0.2, 0.3, UNBOUNDED)  # the paper's, and on to where nothing can be robust
# share of images lost between the best iterate and the last, above which the last one's accuracy misleads;
# below it lies what sign steps of a fixed size lose by walking to and fro across the boundary
LOST = 0.05
ALPHA = 1 - statistics.CONFIDENCE  # of the paired tests, two-sided
# a proven difference up to this is a warning: sound attacks differ by a few points on adversarially trained
# networks (margin losses against cross-entropy in Croce & Hein 2020); masked gradients hide tens of them
LEEWAY = 0.05
STEPS_ON_A_COPY = 5  # enough to tell a wrong gradient from a rounded one


def larger_budget(subject: Subject) -> Check:
    """Worst-case accuracy under PGD by budget, which may not rise."""
    found = _by_budget(subject)
    steps = list(pairwise(BUDGETS))
    return not_weaker(
        "larger_budget",
        {f"{low:g} to {high:g}": (found[low].ever, found[high].ever) for low, high in steps},
        f"Worst-case accuracy falls from {percent(found[BUDGETS[0]].accuracy)} at {BUDGETS[0]:g} to "
        f"{percent(found[UNBOUNDED].accuracy)} at {UNBOUNDED:g}; least so from {{pair}}, where {{weaker}} of "
        "the images are misclassified at the smaller budget and {stronger} at the larger.",
        curve=_curve("eps", found),
    )


def unbounded(subject: Subject) -> Check:
    """Accuracy at a budget of 0.5, against that of guessing."""
    right = ~_by_budget(subject)[UNBOUNDED].ever
    accuracy, interval = share(right)
    status: Status = "fail" if interval.low > subject.guessing else "pass"
    guessing = percent(subject.guessing)
    text = f"Worst-case accuracy at {UNBOUNDED:g} is {percent(accuracy)}; guessing gives {guessing}."
    return Check("unbounded", status, accuracy, text, subject.n, *interval)


def iterative(subject: Subject) -> Check:
    """FGSM against PGD."""
    pair = subject.under("fgsm", eps=subject.eps).fooled, subject.pgd().fooled
    return not_weaker("iterative", {"": pair}, "FGSM fools {weaker} of the images, PGD {stronger}.")


def more_steps(subject: Subject) -> Check:
    """PGD with steps of one size, few and many."""
    effort, size = subject.effort, REACH * subject.eps / subject.effort.steps
    counts = sorted({1, max(1, effort.steps // 4), effort.steps, effort.most_steps})
    found = {steps: subject.pgd(steps=steps, step_size=size) for steps in counts}
    check = not_weaker(
        "more_steps",
        {f"{few} to {many}": (found[few].fooled, found[many].fooled) for few, many in pairwise(counts)},
        "Least gained from {pair} steps: {weaker} of the images fooled, then {stronger}.",
        curve=_curve("steps", found),
    )
    return _unless_gaining(
        check, found[effort.steps], found[counts[-1]], f"{effort.steps} to {counts[-1]} steps"
    )


def more_restarts(subject: Subject) -> Check:
    """PGD from several starts."""
    starts = subject.effort.restarts
    once, often = subject.pgd(), subject.pgd(restarts=starts) if starts > 1 else subject.pgd()
    said = f"One start fools {{weaker}} of the images, {counted(starts, 'start')} {{stronger}}."
    check = not_weaker("more_restarts", {"": (once.fooled, often.fooled)}, said)
    return _unless_gaining(check, once, often, f"1 to {starts} starts")


def smaller_steps(subject: Subject) -> Check:
    """PGD with steps of half the size, twice as many."""
    pair = subject.pgd().fooled, subject.pgd(steps=2 * subject.effort.steps).fooled
    said = "PGD fools {weaker} of the images, with steps of half the size {stronger}."
    return not_weaker("smaller_steps", {"": pair}, said)


def final_image(subject: Subject) -> Check:
    """Images that PGD had and lost."""
    outcome = subject.pgd()
    lost, interval = share(outcome.ever & ~outcome.fooled)
    status: Status = "fail" if interval.low > LOST else "pass"
    text = f"{percent(lost)} of the images are misclassified at some iterate and not at the last."
    return Check("final_image", status, lost, text, subject.n, *interval)


def noise(subject: Subject) -> Check:
    """Uniform noise against PGD."""
    pair = subject.under("uniform_noise", eps=subject.eps).fooled, subject.pgd().fooled
    return not_weaker("noise", {"": pair}, "Uniform noise fools {weaker} of the images, PGD {stronger}.")


def transfer(subject: Subject) -> Check | None:
    """Images made on another network against PGD; None without one."""
    if subject.surrogate is None:
        return None
    pair = subject.pgd(on=subject.surrogate).fooled, subject.pgd().fooled
    said = "Images made on another network fool {weaker}, those made on this one {stronger}."
    return not_weaker("transfer", {"": pair}, said)


def square(subject: Subject) -> Check:
    """Square against PGD, both at their best iterate."""
    queries = subject.effort.queries
    pair = subject.under("square", eps=subject.eps, queries=queries).ever, subject.pgd().ever
    said = f"Square with {queries} queries fools {{weaker}} of the images, PGD at any iterate {{stronger}}."
    return not_weaker("square", {"": pair}, said)


def losses(subject: Subject) -> Check:
    """APGD on the difference of logits ratio (of two classes: the margin), against the cross-entropy."""
    eps, steps = subject.eps, subject.effort.steps
    on_margin, on_entropy = (subject.under(name, eps=eps, steps=steps) for name in ("apgd_dlr", "apgd_ce"))
    pair = on_margin.ever, on_entropy.ever
    said = "APGD on the margin fools {weaker} of the images, on the cross-entropy {stronger}."
    return not_weaker("losses", {"": pair}, said)


def folded(subject: Subject) -> Check:
    """Images made on the folded copy against those made on the network."""
    return _copied("folded", subject)


def bfloat16(subject: Subject) -> Check:
    """The same of a copy that computes in bfloat16."""
    return _copied("bfloat16", subject, bfloat16=True)


def _copied(name: str, subject: Subject, **how: Any) -> Check:
    try:
        copy = fast_copy(subject.model, subject.images[:2], **how)
    except RuntimeError as refused:  # whose sentence says by how much the copy differs
        text = str(refused)
        if subject.drift > SAME:
            text = (
                "The network answers the same image differently each time, or beside other images: no "
                "copy can be held against it."
            )
        return Check(name, "fail", 1.0, text, subject.n)
    steps = min(STEPS_ON_A_COPY, subject.effort.steps)
    pair = subject.pgd(steps=steps).fooled, subject.pgd(steps=steps, on=copy).fooled
    said = f"{counted(steps, 'step')} on the network: {{weaker}} fooled; on its copy: {{stronger}}."
    return not_weaker(name, {"": pair}, said)


def _by_budget(subject: Subject) -> dict[float, AttackOutcome]:
    return {eps: subject.pgd(eps) for eps in BUDGETS}


def _unless_gaining(check: Check, few: AttackOutcome, many: AttackOutcome, what: str) -> Check:
    """The check, as a warning where more effort still proves to gain: the attack has not converged."""
    if check.status != "pass" or not gains(few.fooled, many.fooled):
        return check
    said = f"{check.text} From {what} {percent(few.fooled.mean())} become {percent(many.fooled.mean())}."
    return Check(check.name, "warn", check.value, said, check.n, check.ci_low, check.ci_high, check.curve)


def _curve(name: str, found: dict[Any, AttackOutcome]) -> list[dict[str, Any]]:
    """Worst-case accuracy by budget or number of steps, with Wilson's interval."""
    rows = []
    for value, outcome in found.items():
        accuracy, (low, high) = share(~outcome.ever)
        rows.append({name: value, "accuracy": accuracy, "ci_low": low, "ci_high": high})
    return rows


def not_weaker(
    name: str,
    pairs: Mapping[str, tuple[Bools, Bools]],
    said: str,
    *,
    curve: Sequence[Mapping[str, Any]] = (),
) -> Check:
    """A check that images fooled by what should be weaker are fooled by what should be stronger, too.

    pairs: by what is compared, (fooled by the weaker, by the stronger), each (n,); the check is of the pair
    that speaks most against the stronger, by McNemar's exact test, with Bonferroni's correction for the
    number of pairs. `said` has {pair}, {weaker} and {stronger} for its shares.
    """
    tests = {pair: statistics.mcnemar(*map(pd.Series, fooled)) for pair, fooled in pairs.items()}
    leads = {pair: test.only_first - test.only_second for pair, test in tests.items()}
    pair = max(pairs, key=lambda one: (np.sign(leads[one]) * (1 - tests[one].p_value), leads[one]))
    weaker, stronger = pairs[pair]
    n, test = len(weaker), tests[pair]
    # the difference is the weaker's share less the stronger's
    interval = statistics.paired_difference(test.only_second, test.only_first, n)
    proven = leads[pair] > 0 and min(1.0, len(pairs) * test.p_value) <= ALPHA
    status: Status = "pass"
    if proven:
        status = "fail" if interval.low > LEEWAY else "warn"
    text = said.format(pair=pair, weaker=percent(weaker.mean()), stronger=percent(stronger.mean()))
    if n < (least := least_to_fail(len(pairs))):
        text += f" {n} images are too few for this check to fail: it takes {least}."
    elif leads[pair] > 0 and not proven:
        text += f" The difference lies within noise on {n} images."
    return Check(name, status, leads[pair] / n, text, n, *interval, curve)


def least_to_fail(pairs: int) -> int:
    """On how many images two attacks must differ, all one way, for the test of `not_weaker` to prove it."""
    return math.ceil(math.log2(2 * pairs / ALPHA))


def gains(few: Bools, many: Bools) -> bool:
    """Whether more effort proves to fool more images, by more than the leeway."""
    test = statistics.mcnemar(pd.Series(few), pd.Series(many))
    return test.p_value <= ALPHA and test.interval.low > LEEWAY
