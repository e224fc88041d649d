"""Defensive distillation: a network learns, at a temperature, what another answers (Papernot et al. 2016).

The teacher is trained on labels, its logits divided by the temperature T; the student, from the same first
weights, on the teacher's softmax at T. What is kept is the student, whose logits in use are those at T = 1.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from meddef_lib import precision
from meddef_lib.engine.recipe import Progress, Workspace
from meddef_lib.models.network import Tempered
from meddef_lib.training import cell
from meddef_lib.training.distributed import Group
from meddef_lib.training.learner import Learner
from meddef_lib.training.loop import fit
from meddef_lib.training.losses import PartLoss, Step, tally


def make(space: Workspace) -> None:
    """Make a "distilled/..." cell: the files of a "train/..." cell, of the student.

    Settings: those of a "train/..." cell in the mode clean, and temperature. Input `data`: a prepared data
    set, of which the test images are not touched. One process trains, whatever `training.data_parallel` says.
    """
    temperature = space.settings["temperature"]
    plan = cell.plan_of(space, Group())
    space.ran["precision"] = precision.name(plan.params.autocast, space.device)
    sets = cell.image_sets(space)
    teacher, student = (cell.first_network(space) for _ in range(2))

    def told(part: int, who: str) -> Progress:
        def progress(done: int, total: int, text: str = "") -> None:
            space.progress(part * total + done, 2 * total, f"{who}, {text}")

        return progress

    softened = Tempered(teacher, temperature)
    work, device = space.work, space.device
    fit(softened, *sets, plan, work=work / "teacher", device=device, progress=told(0, "teacher"))
    fitted = fit(
        Tempered(student, temperature),
        *sets,
        plan,
        work=work / "student",
        device=device,
        progress=told(1, "student"),
        loss_of=answers_of(softened),
    )
    cell.write(space, student, fitted, plan, sets, temperature=temperature)


def answers_of(teacher: nn.Module) -> PartLoss:
    """What a student is trained on: the softmax of `teacher`, on its device, in the place of labels.

    Both give logits (n, classes) at the temperature. The best epoch is told by validation labels.
    """
    teacher.eval().requires_grad_(False)

    def by_answers(learner: Learner, images: Tensor, labels: Tensor, _: Step) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            answers = teacher(images).softmax(dim=1)
        logits = learner.train_logits(images)
        return cross_entropy(logits, answers), tally((logits, labels), None)

    return by_answers
