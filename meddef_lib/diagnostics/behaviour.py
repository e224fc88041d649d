"""Checks of the network itself: what it returns, and whether its gradient says anything."""

import pandas as pd
import torch

from meddef_lib.attacks.calling import is_zero
from meddef_lib.attacks.objectives import cross_entropy, margin
from meddef_lib.attacks.starts import signs_like
from meddef_lib.diagnostics.catalogue import Check, Status
from meddef_lib.diagnostics.subject import Subject, percent, share
from meddef_lib.evaluation.attacked import SAME
from meddef_lib.results import metrics

# of the images: a gradient that is missing on so many is no accident of a few saturated ones
MISSING = 0.05
# the largest value of the cross-entropy's gradient over that of the margin's is about 1 - p, and float32
# rounds a probability p closer to 1 than this to 1
ROUNDED = 2.0**-24
ONE_SIGN = 0.99  # of an image's values: in random ones of 3 x 32 x 32 it is unheard of
RANDOM_DIRECTIONS = 2
POINTS = 5  # along each direction, from -eps to eps
SMALL_STEP = 3  # of these points, eps / 2: the gradient is a promise about what is near


def zero_budget(subject: Subject) -> Check:
    """Answers to what PGD returns at a budget of 0, which must be those to the clean images."""
    answers = subject.pgd(0.0, 1).answers
    changed, interval = share(answers != subject.clean.argmax(dim=1).cpu().numpy())
    text = f"{percent(changed)} of the answers change under an attack without a budget."
    return Check("zero_budget", "fail" if changed else "pass", changed, text, subject.n, *interval)


def zero_gradient(subject: Subject) -> Check:
    """Images whose input gradient is 0 in every value; and those where rounding took most of it."""
    gradient, of_margin = subject.gradient(cross_entropy), subject.gradient(margin)
    zero = is_zero(gradient).cpu().numpy()
    largest, expected = (values.flatten(1).abs().amax(dim=1) for values in (gradient, of_margin))
    tiny = (largest < ROUNDED * expected).cpu().numpy() | zero
    missing, interval = share(zero)
    status: Status = "fail" if interval.low > MISSING else "warn" if share(tiny)[1].low > MISSING else "pass"
    text = (
        f"The gradient is 0 on {percent(missing)} of the images, 0 or rounded away on {percent(tiny.mean())}."
    )
    return Check("zero_gradient", status, missing, text, subject.n, *interval)


def no_gradient(subject: Subject) -> Check:
    """In the place of `zero_gradient`, for a network that autograd cannot follow back to its input."""
    nothing, interval = share(torch.ones(subject.n, dtype=torch.bool).numpy())
    text = (
        "The logits have no gradient: the network detaches its input, or computes without autograd. No "
        "attack by gradients sees it, and no check that needs one was made."
    )
    return Check("zero_gradient", "fail", nothing, text, subject.n, *interval)


def one_sign(subject: Subject) -> Check:
    """Images whose gradient has one sign: a warning, as a network may honestly go by brightness."""
    signs = subject.gradient(cross_entropy).flatten(1).sign()
    alike = torch.stack([(signs == sign).double().mean(dim=1) for sign in (-1, 1)]).amax(dim=0) >= ONE_SIGN
    found, interval = share(alike.cpu().numpy())
    text = f"On {percent(found)} of the images the gradient has one sign in nearly every value."
    return Check("one_sign", "warn" if interval.low > MISSING else "pass", found, text, subject.n, *interval)


def loss_surface(subject: Subject) -> Check:
    """The mean loss along the gradient's sign and random directions; whether the gradient leads uphill."""
    random = [
        signs_like(subject.images, subject.ids, seed=subject.seed, stream=number)
        for number in range(RANDOM_DIRECTIONS)
    ]
    directions = {"gradient": subject.gradient(cross_entropy).sign()} | {
        f"random {number + 1}": direction for number, direction in enumerate(random)
    }
    sizes = torch.linspace(-subject.eps, subject.eps, POINTS).tolist()
    losses = {
        name: torch.stack(
            [
                cross_entropy(subject.logits((subject.images + size * direction).clamp(0, 1)), subject.labels)
                for size in sizes
            ]
        )
        for name, direction in directions.items()
    }
    at_step = {name: loss[SMALL_STEP] for name, loss in losses.items()}
    beaten = torch.stack([at_step["gradient"] > loss for name, loss in at_step.items() if name != "gradient"])
    uphill, interval = share(beaten.all(dim=0).cpu().numpy())
    # a step along a gradient that says nothing is one more random one: it beats two others in a third
    status: Status = "fail" if interval.high < 1 / 2 else "warn" if uphill < 1 / 2 else "pass"
    text = (
        f"On {percent(uphill)} of the images a step along the gradient raises the loss more than random ones."
    )
    curve = [
        {"direction": name, "size": size, "loss": float(mean)}
        for name, loss in losses.items()
        for size, mean in zip(sizes, loss.mean(dim=1), strict=True)
    ]
    return Check("loss_surface", status, uphill, text, subject.n, *interval, curve)


def logits(subject: Subject) -> Check:
    """Images for which the network returns probabilities: no number below 0, and a sum of 1.

    Numbers that all lie in [0, 1] and add up to something else are a warning: a sigmoid makes such ones of
    every class by itself. So are the same numbers for every image, which say nothing of the network's kind.
    """
    clean = subject.clean.float()
    found, interval = share(((clean >= 0).all(dim=1) & ((clean.sum(dim=1) - 1).abs() < SAME)).cpu().numpy())
    bounded = bool(((clean >= 0) & (clean <= 1)).all())
    if found and len(clean) > 1 and bool((clean - clean[:1]).abs().max() < SAME):
        text = (
            "The network returns the same numbers for every image; whether they are probabilities is unknown."
        )
        return Check("logits", "warn", 0.0, text, subject.n)
    status: Status = "fail" if found == 1 else "warn" if found or bounded else "pass"
    text = f"The network returns probabilities for {percent(found)} of the images."
    if bounded and found < 1:
        text += " All that it returns lies between 0 and 1, as what a sigmoid returns does."
    return Check("logits", status, found, text, subject.n, *interval)


def deterministic(subject: Subject) -> Check:
    """The logits of the same images again, and of each image alone."""
    largest = subject.drift
    text = f"Asked again, or image by image, the network's logits move by {largest:.1e} of the largest."
    return Check("deterministic", "pass" if largest <= SAME else "fail", largest, text, subject.n)


def answers(subject: Subject) -> Check:
    """The commonest answer to clean and to attacked images."""
    attacked, labels = subject.pgd().answers, subject.labels.cpu().numpy()
    clean = subject.clean.argmax(dim=1).cpu().numpy()
    given = pd.DataFrame({"label": labels, "clean_pred": clean, "adv_pred": attacked})
    commonest, interval = share(clean == given["clean_pred"].mode()[0])
    status: Status = "pass"
    if (answer := metrics.one_answer(given)) is not None:
        # proven on images of the other classes: of two or three, all may have been hard ones
        status = "fail" if share(clean[labels != answer] == answer)[1].low > 1 / 2 else "warn"
    elif metrics.one_answer(given, "adv_pred") is not None:
        status = "warn"
    of_attacked = (given["adv_pred"] == given["adv_pred"].mode()[0]).mean()
    text = (
        f"The commonest answer goes to {percent(commonest)} of the clean and {percent(of_attacked)} of the "
    )
    return Check("answers", status, commonest, text + "attacked images.", subject.n, *interval)
