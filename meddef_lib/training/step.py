"""One step of the optimizer."""

from collections.abc import Iterable

import torch
from torch import Tensor

from meddef_lib.training import batches
from meddef_lib.training.augmentation import augment
from meddef_lib.training.learner import Learner
from meddef_lib.training.losses import part_loss
from meddef_lib.training.plan import Plan
from meddef_lib.training.schedule import Phase


def train_batch(
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    parts: Iterable[tuple[Tensor, Tensor, int]],
    *,
    plan: Plan,
    phase: Phase,
    batch: int,
    images: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """One step of the optimizer on batch number `batch` of `images` images, of which this process has
    `parts`.

    Each part is grey levels uint8 (n, h, w), labels int64 (n,) and the seed of its random choices. Returns,
    on the device, this process's share of the mean loss, and the tally of `losses.tally`, shape (2, 3).
    """
    loss_of_batch = torch.zeros((), device=learner.device)
    seen = torch.zeros(2, 3, device=learner.device)
    for grey, labels, seed in parts:
        torch.manual_seed(seed)  # dropout
        generator.manual_seed(seed)
        inputs = augment(batches.as_images(grey), plan.params.augmentation, generator=generator)
        loss, counted = part_loss(
            learner,
            batches.as_input(inputs, learner.memory_format),
            labels,
            mode=plan.mode,
            phase=phase,
            params=plan.params,
            batch=batch,
            generator=generator,
        )
        share = len(labels) / images
        # several processes take the mean of their gradients, one process the sum over its parts
        (loss * (share * plan.group.size)).backward()
        loss_of_batch += loss.detach() * share
        seen += counted
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss_of_batch, seen
