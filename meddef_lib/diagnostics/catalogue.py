"""Which checks there are, what each expects of a model whose robust accuracy means something, its source.

Sources: Athalye, Carlini & Wagner 2018, "Obfuscated gradients give a false sense of security", section 3.1;
Carlini et al. 2019, "On evaluating adversarial robustness", sections 4 and 5; Croce & Hein 2020, "Reliable
evaluation of adversarial robustness" (AutoAttack), and the flags of its public code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["pass", "warn", "fail"]

USED = ("fgsm", "pgd", "apgd_ce", "apgd_dlr", "uniform_noise", "square")  # the attacks that are compared
ATHALYE = "Athalye et al. 2018"
CARLINI = "Carlini et al. 2019"
CROCE = "Croce & Hein 2020"


@dataclass(frozen=True)
class Expected:
    """One check: its title, what it expects and what else would mean, what its value says, its source."""

    title: str
    expects: str
    value: str
    source: str


CHECKS: Mapping[str, Expected] = {
    "zero_budget": Expected(
        "No budget, no change",
        "An attack with a budget of 0 must return the clean images, and the network must answer them as it "
        "answered before. Otherwise clean and robust accuracy are not measured alike.",
        "share of images whose answer changes at a budget of 0",
        CARLINI,
    ),
    "larger_budget": Expected(
        "A larger budget is not weaker",
        "Every image within a small budget is within a larger one, too, so that worst-case accuracy under an "
        "iterative attack cannot rise with the budget. If it does, the attack fails to use its budget. (A "
        "single step may honestly rise: it overshoots.)",
        "largest rise of accuracy from a smaller budget to a larger one",
        f"{ATHALYE}; {CARLINI}",
    ),
    "unbounded": Expected(
        "A budget of 0.5 leaves guessing",
        "Within 0.5 every image can be turned into the same grey one, so that no network can do better than "
        "guess. An attack that leaves more than that is stopped by something other than robustness.",
        "worst-case accuracy at a budget of 0.5",
        f"{ATHALYE}; {CARLINI}",
    ),
    "iterative": Expected(
        "Many steps are not weaker than one",
        "PGD can do all that FGSM does. Where one large step fools more images than many small ones, the "
        "gradient near the image leads nowhere.",
        "share fooled by FGSM less share fooled by PGD",
        ATHALYE,
    ),
    "more_steps": Expected(
        "More steps are not weaker",
        "An attack that has converged finds the same with more steps, one that has not finds more. A warning "
        "says that accuracy was still falling at the most steps, so that the number is an upper bound.",
        "largest rise of accuracy from fewer steps to more",
        CARLINI,
    ),
    "more_restarts": Expected(
        "More restarts are not weaker",
        "Of several random starts the best counts. A warning says that further starts still found a good "
        "many images, as where the loss has many local maxima.",
        "share fooled with several starts less share fooled with one",
        CARLINI,
    ),
    "smaller_steps": Expected(
        "Smaller steps are not weaker",
        "Steps of half the size and twice as many must find at least what larger ones find; otherwise the "
        "loss is so rough that only leaps get across it.",
        "share fooled by larger steps less share fooled by smaller ones",
        CARLINI,
    ),
    "final_image": Expected(
        "The final image is as good as the best iterate",
        "Some attacks report the last image that they made. Where many images were misclassified on the way "
        "and are not at the end, accuracy at the last iterate overstates robustness.",
        "share of images misclassified at some iterate and not at the final image",
        CARLINI,
    ),
    "noise": Expected(
        "The attack is not weaker than noise",
        "Uniform noise of the same size knows nothing of the network. Where it fools images that the attack "
        "does not, the gradient misleads.",
        "share fooled by noise less share fooled by PGD",
        f"{ATHALYE}; {CARLINI}",
    ),
    "transfer": Expected(
        "White box is not weaker than transfer",
        "An attack that sees the network must do at least as well as images made for another network that "
        "was trained separately.",
        "share fooled by images made on the other network less share fooled by PGD",
        f"{ATHALYE}; {CARLINI}",
    ),
    "square": Expected(
        "White box is not weaker than black box",
        "Square asks for logits alone. Where it finds what the gradient does not, the gradient is masked.",
        "share fooled by Square less share fooled by PGD at any iterate",
        f"{ATHALYE}; {CROCE}",
    ),
    "zero_gradient": Expected(
        "The input has a gradient",
        "Where the gradient of the cross-entropy is exactly 0, no attack by gradients can take a step. A "
        "warning says that it is so small that rounding has taken most of it, as in a saturated softmax.",
        "share of images whose gradient is 0 in every value",
        f"{ATHALYE}; {CROCE}",
    ),
    "one_sign": Expected(
        "The gradient is not the same everywhere",
        "Where nearly all values of an image's gradient have one sign, an attack can do no more than "
        "brighten or darken the whole image.",
        "share of images whose gradient has one sign in nearly every value",
        CARLINI,
    ),
    "losses": Expected(
        "Cross-entropy is not weaker than the margin",
        "The margin between logits does not saturate where the cross-entropy does. Where APGD on the margin "
        "fools more, the scale of the logits hides what the network can be made to do.",
        "share fooled on the margin less share fooled on the cross-entropy",
        f"{CARLINI}; {CROCE}",
    ),
    "loss_surface": Expected(
        "The gradient points uphill",
        "A small step along the gradient must raise the loss more than the same step in random directions.",
        "share of images in which the gradient's step raises the loss more than both random ones",
        CARLINI,
    ),
    "logits": Expected(
        "The network returns logits",
        "Probabilities in the place of logits pass through a softmax twice: the loss is flat, and attacks "
        "are weak.",
        "share of images for which the network returns probabilities",
        CROCE,
    ),
    "deterministic": Expected(
        "The same image, the same answer",
        "A network that draws random numbers, or that looks at the images beside, needs attacks that average "
        "over that (expectation over transformation).",
        "largest difference between two passes, relative to the largest logit",
        f"{ATHALYE}; {CROCE}",
    ),
    "answers": Expected(
        "There is more than one answer",
        "A network that answers every clean image alike has learned nothing that could be attacked. A "
        "warning says that all attacked images are answered alike: accuracy is then that class's share.",
        "share of the clean images that get the commonest answer",
        CARLINI,
    ),
    "folded": Expected(
        "The faster copy is the network",
        "Attacks run on a copy with its batch normalisation folded into the convolutions; images made on it "
        "must fool the network as those made on the network itself do.",
        "share fooled by images made on the network less share fooled by those made on its copy",
        CARLINI,
    ),
    "bfloat16": Expected(
        "bfloat16 is precise enough",
        "The same of a copy that computes in bfloat16.",
        "share fooled by images made on the network less share fooled by those made on its copy",
        CARLINI,
    ),
}


@dataclass(frozen=True)
class Check:
    """What one check found.

    `value` is a share in [0, 1] or a difference of two, as `CHECKS[name].value` says, with the ends of its
    95 % interval where it has one; `n` the images. `curve` has the numbers for a picture, rows of plain
    values.
    """

    name: str
    status: Status
    value: float
    text: str
    n: int
    ci_low: float | None = None
    ci_high: float | None = None
    curve: Sequence[Mapping[str, Any]] = ()


def anchor(name: str) -> str:
    """The id, on the page, of the explanation of a check."""
    return f"check-{name.replace('_', '-')}"
