import pytest
import torch
from torch.nn import functional

from meddef_lib.params import TrainingParams
from meddef_lib.training import losses
from meddef_lib.training.schedule import Phase

PHASE = Phase("stabilization", eps=0.05, adversarial_weight=0.3, step_size=0.02)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(10, 3, 16, 16, generator=generator), torch.arange(10) % 2


@pytest.fixture
def crafted(monkeypatch):
    """Every call of `craft`: how many images, and by which method; the attack adds 0.1."""
    calls = []

    def craft(learner, images, labels, method, *others):
        calls.append((len(images), method))
        return images + 0.1

    monkeypatch.setattr(losses, "craft", craft)
    return calls


def part_loss(learner, batch, mode, number=1, **settings):
    params = TrainingParams(pgd_steps=2, reference_steps=2, **settings)
    return losses.part_loss(learner, *batch, step_of(params, mode, number))


def step_of(params, mode="pgd", number=1, phase=PHASE):
    return losses.Step(mode, phase, params, number, torch.Generator().manual_seed(0))


def expected_parts(model, clean, attacked, labels, first_clean=0, count=4):
    """Both losses by hand, of one pass over clean and attacked images together."""
    logits = model(torch.cat([clean, attacked]))
    split = len(clean)
    return (
        functional.cross_entropy(logits[:split], labels[first_clean:]),
        functional.cross_entropy(logits[split:], labels[:count]),
    )


@pytest.mark.parametrize(("reading", "clean_share"), [("mix", 0.7), ("add", 1.0)])
def test_35_percent_of_the_batch_join_it_attacked(new_tiny, learner_of, batch, crafted, reading, clean_share):
    images, labels = batch
    found, tally = part_loss(learner_of(new_tiny()), batch, "paper", loss=reading)
    torch.manual_seed(0)

    model = new_tiny().train()
    model.body[6].p = 0.0
    without_dropout = learner_of(model)
    found, tally = part_loss(without_dropout, batch, "paper", loss=reading)
    clean, attacked = expected_parts(model, images, images[:4] + 0.1, labels)

    assert crafted[-1] == (4, "pgd")  # 35 % of 10, to the nearest even
    assert found.item() == pytest.approx((clean_share * clean + 0.3 * attacked).item(), rel=1e-5)
    assert tally[:, 2].tolist() == [10, 4]
    assert (tally[:, 0] / tally[:, 2]).tolist() == pytest.approx([clean.item(), attacked.item()], rel=1e-5)


def test_attacked_images_may_replace_their_clean_versions(tiny, learner_of, batch, crafted):
    tiny.body[6].p = 0.0
    images, labels = batch

    found, tally = part_loss(learner_of(tiny), batch, "paper", attacked_images="replace")
    clean, attacked = expected_parts(tiny, images[4:], images[:4] + 0.1, labels, first_clean=4)

    assert found.item() == pytest.approx((0.7 * clean + 0.3 * attacked).item(), rel=1e-5)
    assert tally[:, 2].tolist() == [6, 4]


@pytest.mark.usefixtures("crafted")
def test_replacing_every_image_leaves_the_adversarial_loss(tiny, learner_of, batch):
    _, tally = part_loss(learner_of(tiny), batch, "paper", attacked_images="replace", attacked_share=1.0)

    assert tally[:, 2].tolist() == [0, 10]


def test_no_attacked_share_is_clean_training(tiny, learner_of, batch, crafted):
    _, tally = part_loss(learner_of(tiny), batch, "paper", attacked_share=0.0)

    assert not crafted
    assert tally[:, 2].tolist() == [10, 0]


def test_attack_methods_take_turns(tiny, learner_of, batch, crafted):
    for number in range(4):
        part_loss(learner_of(tiny), batch, "paper", number, attack_methods=("pgd", "fgsm", "bim"))

    assert [method for _, method in crafted] == ["pgd", "fgsm", "bim", "pgd"]


def test_clean_training_counts_loss_and_correct_answers(tiny, learner_of, batch):
    tiny.body[6].p = 0.0
    images, labels = batch

    loss, tally = part_loss(learner_of(tiny), batch, "clean")
    logits = tiny(images)

    assert loss.item() == pytest.approx(functional.cross_entropy(logits, labels).item())
    assert tally[0].tolist() == pytest.approx(
        [10 * loss.item(), (logits.argmax(1) == labels).sum().item(), 10]
    )
    assert tally[1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("mode", ["pgd", "fast"])
def test_reference_modes_train_on_attacked_images_and_look_at_clean_ones_now_and_then(
    tiny, learner_of, batch, mode
):
    _, first = part_loss(learner_of(tiny), batch, mode, number=0)
    _, second = part_loss(learner_of(tiny), batch, mode, number=1)

    assert first[:, 2].tolist() == [10, 10]
    assert second[:, 2].tolist() == [0, 10]


@pytest.mark.parametrize("mode", ["paper", "pgd", "trades", "fast"])
@pytest.mark.parametrize("crafted_in", ["eval", "train"])
def test_the_gradient_reaches_every_parameter_and_crafting_leaves_none(
    tiny, learner_of, batch, mode, crafted_in
):
    loss, _ = part_loss(learner_of(tiny), batch, mode, crafted_in=crafted_in)
    assert all(parameter.grad is None for parameter in tiny.parameters())

    loss.backward()

    assert all(parameter.requires_grad for parameter in tiny.parameters())
    assert all(
        parameter.grad.abs().sum() > 0 for name, parameter in tiny.named_parameters() if "0.b" not in name
    )
    assert tiny.training


@pytest.mark.parametrize("method", ["pgd", "bim", "fgsm"])
def test_an_attack_stays_in_its_ball_and_raises_the_loss(tiny, learner_of, batch, method):
    images, labels = batch
    learner = learner_of(tiny)

    attacked = losses.craft(learner, images, labels, method, 5, step_of(TrainingParams()))

    logits = learner.twin_logits
    before, after = (functional.cross_entropy(logits(x), labels) for x in (images, attacked))
    assert (attacked - images).abs().max() <= PHASE.eps + 1e-6
    assert after > before
    if method == "fgsm":
        assert ((attacked - images).abs().amax(dim=(1, 2, 3)) > 0.99 * PHASE.eps).all()


def test_trades_is_the_clean_loss_plus_beta_times_the_divergence(tiny, learner_of, batch, monkeypatch):
    tiny.body[6].p = 0.0
    images, labels = batch
    monkeypatch.setattr(losses, "ascend", lambda logits, images, *others, **settings: images + 0.1)

    found, tally = part_loss(learner_of(tiny), batch, "trades", trades_beta=2.0)
    clean, attacked = tiny(torch.cat([images, images + 0.1])).log_softmax(dim=1).chunk(2)
    divergence = (clean.exp() * (clean - attacked)).sum(dim=1).mean()

    expected = functional.nll_loss(clean, labels) + 2 * divergence
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert tally[:, 2].tolist() == [10, 10]


def test_the_attack_of_trades_raises_the_divergence(tiny, learner_of, batch):
    still, _ = part_loss(learner_of(tiny), batch, "trades", trades_beta=50.0)
    images, labels = batch
    quiet = Phase("constant", eps=1e-6, adversarial_weight=1.0, step_size=1e-7)
    params = TrainingParams(reference_steps=2, trades_beta=50.0)
    less, _ = losses.part_loss(learner_of(tiny), images, labels, step_of(params, "trades", phase=quiet))

    assert still > less


def test_what_was_not_seen_counts_nothing():
    logits, labels = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])

    tally = losses.tally(None, (logits, labels))

    assert tally[0].tolist() == [0, 0, 0]
    assert tally[1].tolist() == pytest.approx(
        [functional.cross_entropy(logits, labels, reduction="sum").item(), 1, 2]
    )
