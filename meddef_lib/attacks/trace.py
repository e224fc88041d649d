"""What an attack did to each image, for the records."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Trace:
    """Filled by an attack that is given one (`trace=`); an attack without one does not spend time on it.

    - steps_used: int64 (n,), the gradient steps spent on each image (Square: queries; noise: none).
    - worst: (n, c, h, w), the first misclassified iterate of each image, else its last; may share memory with
      the images that the attack returns.
    - truncated: bool (n,), JSMA gave up at `max_steps`, so that more steps might have succeeded.
    - zero_gradient: bool (n,), the gradient of what the attack climbs was exactly 0 in every value where it
      began (FGSM, BIM, JSMA: the image; PGD, APGD: each random start), so that it could not take a step. None
      of an attack that asks for no gradient.
    """

    steps_used: Tensor | None = None
    worst: Tensor | None = None
    truncated: Tensor | None = None
    zero_gradient: Tensor | None = None
