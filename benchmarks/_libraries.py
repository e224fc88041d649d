"""The same attacks by each library, behind one signature: (images, labels, settings) -> adversarial images.

Every library gets the network as a user would hand it over (eval mode, parameters that require gradients).
This project attacks the copy that its evaluation makes: batch normalisation folded, back through the first
convolution by phases, channels last where that pays.
"""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from meddef_lib.attacks.calling import Trace
from meddef_lib.attacks.gradient import bim, fgsm, pgd
from meddef_lib.attacks.jsma import jsma
from meddef_lib.attacks.pairs import require_finite
from meddef_lib.evaluation.attacked import Attacked, Computing

OURS = "meddef"
BARE = "bare passes"  # what an attack cannot do without: forward and backward to the input, and nothing else
PEERS = {"torchattacks": "torchattacks", "foolbox": "foolbox", "art": "art"}  # library -> module
LIBRARIES = (OURS, BARE, *PEERS, "by hand")


@dataclass(frozen=True)
class Settings:
    """What all libraries are told; for JSMA the budget is what `steps` pairs of features change."""

    eps: float
    step_size: float
    steps: int
    batch: int
    theta: float = 0.1


Attack = Callable[[Tensor, Tensor, Settings], Tensor]


@dataclass
class Library:
    """One library's attacks on one network; `image_steps` counts JSMA's iterations, one for each image."""

    attacks: dict[str, Attack]
    image_steps: int = 0


def import_peer(name: str) -> None:
    """Load the library's code, which is not the attack's memory."""
    if name in PEERS:
        importlib.import_module(PEERS[name])
    if name == "art":
        importlib.import_module("art.attacks.evasion")
        importlib.import_module("art.estimators.classification")


def missing_peers() -> list[str]:
    """Libraries that this environment lacks."""
    return [library for library, module in PEERS.items() if importlib.util.find_spec(module) is None]


def library(name: str, network: nn.Module, images: Tensor) -> Library:
    """`name`'s attacks on `network`, prepared for images of this size."""
    prepare: dict[str, Callable[[nn.Module, Tensor], Library]] = {
        OURS: _meddef,
        BARE: _bare,
        "torchattacks": _torchattacks,
        "foolbox": _foolbox,
        "art": _art,
        "by hand": _by_hand,
    }
    return prepare[name](network, images)


def _in_batches(attack: Attack) -> Attack:
    """For libraries that take one batch at a time."""

    def attack_all(images: Tensor, labels: Tensor, settings: Settings) -> Tensor:
        parts = zip(images.split(settings.batch), labels.split(settings.batch), strict=True)
        return torch.cat([attack(part, part_labels, settings) for part, part_labels in parts])

    return attack_all


def _fast(network: nn.Module, images: Tensor) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    """The copy that the evaluation attacks, and the images' way into its memory format."""
    computing = Computing()
    copy = Attacked(network, computing).fast(images)
    return copy, lambda batch: batch.contiguous(memory_format=computing.memory_format(batch))


def _meddef(network: nn.Module, images: Tensor) -> Library:
    fast, formatted = _fast(network, images)

    def one_step(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        return fgsm(fast, formatted(images), labels, eps=s.eps)

    def steps(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        return bim(fast, formatted(images), labels, eps=s.eps, step_size=s.step_size, steps=s.steps)

    def random_start(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        return pgd(fast, formatted(images), labels, eps=s.eps, step_size=s.step_size, steps=s.steps)

    def worst_case(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        return pgd(
            fast,
            formatted(images),
            labels,
            eps=s.eps,
            step_size=s.step_size,
            steps=s.steps,
            early_stop=True,
            batch_size=s.batch,
        )

    def pairs(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        trace = Trace()
        gamma, batch = _gamma(images, s), formatted(images)
        adversarial = jsma(fast, batch, labels, theta=s.theta, gamma=gamma, batch_size=s.batch, trace=trace)
        assert trace.steps_used is not None
        found.image_steps += int(trace.steps_used.sum())
        return adversarial

    attacks = {"fgsm": _in_batches(one_step), "bim": _in_batches(steps), "pgd": _in_batches(random_start)}
    found = Library(attacks | {"worst_case": worst_case, "jsma": pairs})
    return found


def _bare(network: nn.Module, images: Tensor) -> Library:
    """The passes alone, on the copy that this project attacks; JSMA needs one forward and two backward."""
    fast, formatted = _fast(network, images)

    def passes(images: Tensor, labels: Tensor, steps: int) -> Tensor:
        point = formatted(images).clone().requires_grad_(True)
        for _ in range(steps):
            loss = functional.cross_entropy(fast(point), labels, reduction="sum")
            torch.autograd.grad(loss, point)
        return point.detach()

    def two_gradients(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        point = formatted(images).clone().requires_grad_(True)
        for _ in range(s.steps):
            logits = fast(point)
            chosen = logits[:, 0].sum()
            torch.autograd.grad(chosen, point, retain_graph=True)
            torch.autograd.grad(logits.sum() - chosen, point)
            found.image_steps += len(images)
        return point.detach()

    attacks: dict[str, Attack] = {
        "fgsm": lambda images, labels, s: passes(images, labels, 1),
        "bim": lambda images, labels, s: passes(images, labels, s.steps),
        "pgd": lambda images, labels, s: passes(images, labels, s.steps),
        "jsma": two_gradients,
    }
    found = Library({name: _in_batches(attack) for name, attack in attacks.items()})
    return found


def _torchattacks(network: nn.Module, images: Tensor) -> Library:
    import torchattacks

    def one_step(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        return torchattacks.FGSM(network, eps=s.eps)(images, labels)

    def steps(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        return torchattacks.BIM(network, eps=s.eps, alpha=s.step_size, steps=s.steps)(images, labels)

    def random_start(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        attack = torchattacks.PGD(network, eps=s.eps, alpha=s.step_size, steps=s.steps, random_start=True)
        return attack(images, labels)

    # Its JSMA allocates n x n matrices of float32 and int64: more than 2 GB at 64 px, 300 GB at 224 px.
    attacks = {"fgsm": one_step, "bim": steps, "pgd": random_start, "worst_case": random_start}
    return Library({name: _in_batches(attack) for name, attack in attacks.items()})


def _foolbox(network: nn.Module, images: Tensor) -> Library:
    import foolbox
    from foolbox.attacks import LinfBasicIterativeAttack, LinfFastGradientAttack, LinfPGD

    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")

    def one_step(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        return LinfFastGradientAttack()(model, images, labels, epsilons=s.eps)[1]

    def steps(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        attack = LinfBasicIterativeAttack(abs_stepsize=s.step_size, steps=s.steps, random_start=False)
        return attack(model, images, labels, epsilons=s.eps)[1]

    def random_start(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        attack = LinfPGD(abs_stepsize=s.step_size, steps=s.steps, random_start=True)
        return attack(model, images, labels, epsilons=s.eps)[1]

    attacks = {"fgsm": one_step, "bim": steps, "pgd": random_start, "worst_case": random_start}
    return Library({name: _in_batches(attack) for name, attack in attacks.items()})  # it has no JSMA


def _art(network: nn.Module, images: Tensor) -> Library:
    from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentPyTorch, SaliencyMapMethod
    from art.estimators.classification import PyTorchClassifier

    with torch.no_grad():
        classes = network(images[:1]).shape[-1]
    classifier = PyTorchClassifier(
        network,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=classes,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )

    def one_step(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        attack = FastGradientMethod(classifier, eps=s.eps, batch_size=s.batch)
        return torch.from_numpy(attack.generate(images.numpy(), labels.numpy()))

    def iterated(random_starts: int) -> Attack:
        def attack_all(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
            attack = ProjectedGradientDescentPyTorch(
                classifier,
                eps=s.eps,
                eps_step=s.step_size,
                max_iter=s.steps,
                num_random_init=random_starts,
                batch_size=s.batch,
                verbose=False,
            )
            return torch.from_numpy(attack.generate(images.numpy(), labels.numpy()))

        return attack_all

    class Counted(SaliencyMapMethod):
        def _saliency_map(self, x: np.ndarray, target: np.ndarray, search_space: np.ndarray) -> np.ndarray:
            found.image_steps += len(x)
            return super()._saliency_map(x, target, search_space)

    def top_two(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        with torch.no_grad():
            logits = torch.cat([network(part) for part in images.split(s.batch)])
        targets = logits.scatter(1, labels[:, None], -torch.inf).argmax(1)
        attack = Counted(
            classifier, theta=s.theta, gamma=_gamma(images, s), batch_size=s.batch, verbose=False
        )
        return torch.from_numpy(attack.generate(images.numpy(), targets.numpy()))

    found = Library(
        {
            "fgsm": one_step,
            "bim": iterated(0),
            "pgd": iterated(1),
            "worst_case": iterated(1),
            "jsma": top_two,
        }
    )
    return found


def _by_hand(network: nn.Module, images: Tensor) -> Library:
    """The loop that tutorials show: `backward`, the gradient's sign, two clamps."""

    def ascend(
        images: Tensor, labels: Tensor, start: Tensor, step_size: float, steps: int, eps: float
    ) -> Tensor:
        point = start.clone()
        for _ in range(steps):
            point.requires_grad_(True)
            loss = functional.cross_entropy(network(point), labels)
            network.zero_grad()
            loss.backward()
            assert point.grad is not None
            moved = point.detach() + step_size * point.grad.sign()
            point = torch.clamp(images + torch.clamp(moved - images, -eps, eps), 0, 1)
        return point

    def one_step(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        return ascend(images, labels, images, s.eps, 1, s.eps)

    def steps(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        return ascend(images, labels, images, s.step_size, s.steps, s.eps)

    def random_start(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        start = (images + torch.empty_like(images).uniform_(-s.eps, s.eps)).clamp_(0, 1)
        return ascend(images, labels, start, s.step_size, s.steps, s.eps)

    def all_pairs(images: Tensor, labels: Tensor, s: Settings) -> Tensor:
        attacked = [
            _one_by_one(network, image, label, s, found) for image, label in zip(images, labels, strict=True)
        ]
        return torch.stack(attacked)

    attacks = {"fgsm": one_step, "bim": steps, "pgd": random_start, "worst_case": random_start}
    found = Library({name: _in_batches(attack) for name, attack in attacks.items()})
    if images[0].numel() <= 64 * 64 * 3:  # each step looks at n^2 pairs: minutes at 224 px
        found.attacks["jsma"] = all_pairs
    return found


def _one_by_one(network: nn.Module, image: Tensor, label: Tensor, s: Settings, found: Library) -> Tensor:
    """JSMA as the paper's pseudo-code has it: the whole Jacobian, all pairs (a row of them at a time).

    Two steps are enough to see its rate.
    """
    point = image.clone()[None]
    with torch.no_grad():
        target = int(network(point)[0].scatter(0, label, -torch.inf).argmax())
    for _ in range(min(s.steps, 2)):
        point.requires_grad_(True)
        logits = network(point)[0]
        if int(logits.argmax()) == target:
            break
        jacobian = torch.stack(
            [torch.autograd.grad(f, point, retain_graph=True)[0].flatten() for f in logits]
        )
        point = point.detach()
        a, b = jacobian[target], jacobian.sum(0) - jacobian[target]
        require_finite(a, b)
        free = point.flatten() < 1
        best, pair = 0.0, None
        for p in free.nonzero()[:, 0].tolist():
            a_sum, b_sum = a[p] + a[p + 1 :], b[p] + b[p + 1 :]
            value = torch.where((a_sum > 0) & (b_sum < 0) & free[p + 1 :], -a_sum * b_sum, 0.0)
            if len(value) and (top := float(value.max())) > best:
                best, pair = top, (p, p + 1 + int(value.argmax()))
        if pair is None:
            break
        flat = point.flatten()
        flat[list(pair)] = (flat[list(pair)] + s.theta).clamp(max=1)
        point = flat.view_as(point)
        found.image_steps += 1
    return point.detach()[0]


def _gamma(images: Tensor, settings: Settings) -> float:
    """The share of features that `steps` pairs change, when no feature is changed twice."""
    return 2 * settings.steps / images[0].numel()
