"""A network under attack, and how it is computed there."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from meddef_lib import precision
from meddef_lib.attacks.calling import frozen
from meddef_lib.attacks.folding import Fast, fast_copy
from meddef_lib.inference_mode import ordinary

SAME = 1e-3  # relative to the largest logit


@dataclass(frozen=True)
class Computing:
    """How an attack is computed. `batch_size` changes the last bits of a result; the rest only speed."""

    batch_size: int = 32
    # fewer operations in the copy that is attacked, see attacks.folding
    fold: bool = True
    channels_last: Literal["auto", "on", "off"] = "auto"  # auto: where it pays on this machine
    bfloat16: bool = False
    compile: bool = False  # the copy, by torch.compile
    device: str = "cpu"

    def memory_format(self, images: Tensor) -> torch.memory_format:
        """How images (n, 3, h, w) lie in memory while they are attacked."""
        return precision.memory_format(
            self.channels_last, images.device, images.shape[-1], bfloat16=self.bfloat16
        )


class Attacked:
    """A network under attack: the original, its fast copy, and what it says of clean images.

    Both are made when they are first needed and serve every attack on the same images.
    """

    def __init__(self, model: nn.Module, computing: Computing) -> None:
        self.model = ordinary(model)
        self.computing = computing
        self._fast: Fast | None = None
        self._clean: dict[tuple[int, int], Tensor] = {}

    def fast(self, batch: Tensor) -> Fast:
        """The copy that attacks run on; `batch` shows it the kind of images."""
        if self._fast is None:
            computing = self.computing
            self._fast = fast_copy(
                self.model,
                batch[:2],
                fold=computing.fold,
                strided=computing.fold,
                channels_last=computing.memory_format(batch) == torch.channels_last,
                bfloat16=computing.bfloat16,
            )
            if computing.compile:
                self._fast.compile()
        return self._fast

    def scores(self, images: Tensor, network: nn.Module | None = None) -> Tensor:
        """Softmax (n, classes) of the original network in float32, or of its fast copy."""
        if network is None:
            network, images = self.model, images.contiguous()  # whatever the memory format of the attack
        with frozen(network), torch.no_grad():
            parts = [network(part) for part in images.split(self.computing.batch_size)]
        return torch.cat(parts).float().softmax(dim=1)

    def clean_scores(self, start: int, batch: Tensor) -> Tensor:
        """The scores of the clean batch that begins at image `start`, computed once."""
        if not self._clean:
            require_logits(self.model, batch)
        key = start, len(batch)  # a queue of several batches begins where a batch does
        if key not in self._clean:
            self._clean[key] = self.scores(batch)
        return self._clean[key]


def require_logits(model: nn.Module, batch: Tensor) -> None:
    """Raise ValueError for a network of which records would say something else than what they show.

    That is one that returns no logits, or probabilities in their place, and one whose answer to an image
    depends on chance or on the images beside it. The same numbers for all images are no sign of
    probabilities: a network that gives every image one answer may well return (0, 1). `batch`: images
    (n, 3, h, w), n >= 1.
    """
    with frozen(model), torch.no_grad():
        logits, alone = model(batch[:2]), model(batch[:1])
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"The network returns {found} for {len(batch[:2])} images; expected logits (n, classes)."
        )
    if _adds_up_to_one(logits) and not _says_the_same(model, batch):
        raise ValueError(
            "The network returns probabilities (no number is below 0, and each image's add up to 1); attacks "
            "and records need logits. Take its last softmax off."
        )
    # far more than rounding, far less than what chance does; what is not finite is told from in the records
    if (logits[:1] - alone).abs().max() > SAME * (1 + logits.abs().max()):
        raise ValueError(
            "The network answers the same image differently when it is asked again or beside another image: "
            "it draws random numbers in eval mode (dropout, noise), or normalises by the statistics of the "
            "batch (track_running_stats=False). No record of such an answer can be repeated."
        )


def _adds_up_to_one(logits: Tensor) -> bool:
    """Whether (n, classes) could be probabilities."""
    sums = logits.float().sum(dim=1)
    return logits.shape[1] > 1 and bool((logits >= 0).all() and (sums - 1).abs().max() < SAME)


def _says_the_same(model: nn.Module, batch: Tensor) -> bool:
    """Whether a network returns the same numbers for several images."""
    with frozen(model), torch.no_grad():
        logits = model(batch)
    return len(batch) > 1 and bool((logits - logits[:1]).abs().max() < SAME)
