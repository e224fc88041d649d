"""Records: what the columns mean, that a killed run goes on, and that a failed attack raises."""

import gc

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from meddef_lib import evaluation, models
from meddef_lib.attacks import gradient
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import AttackError, Computing, attacked, records

PLAIN = Computing(batch_size=2, fold=False, channels_last="off")


class Brightness(nn.Module):
    """Class 1 where the mean pixel is above a half; remembers how many images it was shown at once."""

    def __init__(self):
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(20.0))

    def forward(self, images):
        score = self.sharpness * (images.flatten(1).mean(dim=1) - 0.5)
        return torch.stack([-score, score], dim=1)


def grey(*levels):
    """uint8 (n, 4, 4), each of one level."""
    return np.stack([np.full((4, 4), level, dtype=np.uint8) for level in levels])


def test_columns_of_a_model_whose_answers_are_known():
    # 0.39 and 0.59: an eps of 0.12 takes both over the line; 0.78 stays; the last is wrong to begin with
    images, labels = grey(100, 150, 200, 100), [0, 1, 1, 1]
    found = evaluation.attack(
        Brightness(), images, labels, "fgsm", {"eps": 0.12}, image_ids=[5, 6, 7, 8], computing=PLAIN
    )
    assert found["image_id"].tolist() == [5, 6, 7, 8]
    assert found["clean_pred"].tolist() == [0, 1, 1, 0]
    assert found["adv_pred"].tolist() == [1, 0, 1, 0]
    assert found["worst_pred"].tolist() == [1, 0, 1, 0]
    assert found["linf"].to_numpy() == pytest.approx(0.12, abs=1e-6)
    assert found["l0"].tolist() == [48] * 4
    assert found["l2"].to_numpy() == pytest.approx(0.12 * 48**0.5, abs=1e-5)
    score = 20 * (100 / 255 - 0.5)
    assert found["clean_confidence"][0] == pytest.approx(1 / (1 + np.exp(2 * score)), abs=1e-5)
    assert [sum(row) for row in found["adv_scores"]] == pytest.approx([1.0] * 4)
    assert found["attack"].unique().tolist() == ["fgsm"]
    assert found["eps"].unique().tolist() == [0.12]
    assert not found["early_stop"].any()


@pytest.mark.parametrize(
    ("attack", "settings", "stuck"),
    [
        ("fgsm", {"eps": 0.1}, [True, False, False]),
        ("pgd", {"eps": 0.1, "step_size": 0.02, "steps": 3}, [True, False, False]),
        ("pgd", {"eps": 0.1, "step_size": 0.02, "steps": 3, "early_stop": True}, [True, False, False]),
        ("apgd_ce", {"eps": 0.1, "steps": 3}, [True, False, False]),
        ("apgd_dlr", {"eps": 0.1, "steps": 3}, [False, False, False]),
        ("jsma", {"max_steps": 2}, [False, False, False]),
        ("square", {"eps": 0.1, "queries": 3}, [False, False, False]),
    ],
)
def test_a_softmax_that_is_saturated_is_told_from_robustness(attack, settings, stuck):
    """Logits of hundreds leave the cross-entropy flat where the answer is right."""
    model = Brightness()
    images, labels = grey(100, 127, 100), [0, 0, 1]  # far from the line, near to it, misclassified
    model.sharpness.data.fill_(2_000.0)
    found = evaluation.attack(model, images, labels, attack, settings, computing=PLAIN)
    assert found["zero_gradient"].tolist() == stuck


def test_worst_case_spends_no_step_on_what_is_wrong_already():
    found = evaluation.attack(
        Brightness(),
        grey(100, 100, 200),
        [0, 1, 1],
        "bim",
        {"eps": 0.2, "step_size": 0.02, "steps": 20, "early_stop": True},
        computing=PLAIN,
    )
    assert found["steps_used"].tolist()[1] == 0
    assert found["worst_pred"].tolist() == [1, 0, 1]
    assert 0 < found["steps_used"][0] < 20
    assert found["early_stop"].all()


def test_records_do_not_depend_on_how_they_are_cut_up(tmp_path):
    images, labels = grey(*range(60, 200, 10)), [0, 1] * 7
    settings = {"eps": 0.1, "step_size": 0.03, "steps": 4}
    whole = evaluation.attack(
        Brightness(), images, labels, "pgd", settings, computing=Computing(batch_size=64, fold=False)
    )
    parts = evaluation.attack(Brightness(), images, labels, "pgd", settings, computing=PLAIN, work=tmp_path)
    columns = ["image_id", "label", "clean_pred", "adv_pred", "worst_pred", "steps_used", "l0"]
    pd.testing.assert_frame_equal(whole[columns], parts[columns])


def test_what_was_finished_is_not_computed_again(tmp_path, monkeypatch):
    calls = []

    def interrupted(model, images, labels, *, eps, trace=None):
        calls.append(len(images))
        if len(calls) == 2:
            raise RuntimeError("the power went")
        return images.clone()

    monkeypatch.setattr(gradient, "fgsm", interrupted)
    images, labels = grey(100, 110, 120, 130, 140), [0, 0, 0, 1, 1]
    arguments = (Brightness(), images, labels, "fgsm", {"eps": 0.1})
    with pytest.raises(RuntimeError, match="the power went"):
        evaluation.attack(*arguments, computing=PLAIN, work=tmp_path)
    found = evaluation.attack(*arguments, computing=PLAIN, work=tmp_path)
    assert calls == [2, 2, 2, 1], "the first batch is read from its file"
    assert found["image_id"].tolist() == [0, 1, 2, 3, 4]


def test_a_damaged_batch_is_computed_again(tmp_path, monkeypatch, capsys):
    calls = []

    def counted(model, images, labels, *, eps, trace=None):
        calls.append(len(images))
        return images.clone()

    monkeypatch.setattr(gradient, "fgsm", counted)
    arguments = (Brightness(), grey(100, 110, 120), [0, 0, 1], "fgsm", {"eps": 0.1})

    def attack():
        calls.clear()
        found = evaluation.attack(*arguments, computing=PLAIN, work=tmp_path)
        return found.drop(columns="seconds"), list(calls)

    whole, computed = attack()
    assert computed == [2, 1]
    assert attack()[1] == []
    for damage in (
        lambda old: b"",
        lambda old: old[:-1],
        lambda old: bytes([*old[:40], old[40] ^ 1, *old[41:]]),
    ):
        (batch,) = tmp_path.glob("00000002-*.parquet")
        batch.write_bytes(damage(batch.read_bytes()))
        again, computed = attack()
        assert computed == [1]
        pd.testing.assert_frame_equal(again, whole)
        assert batch.name in capsys.readouterr().err
    (tmp_path / "call.json").write_bytes(b"[]")
    assert attack()[1] == [2, 1], "whose they are cannot be told"


@pytest.mark.parametrize(
    "broken",
    [
        lambda images: images + 0.5,
        lambda images: images * float("nan"),
        lambda images: images - 2,
    ],
    ids=["beyond the budget", "NaN", "no pixels"],
)
def test_an_attack_that_returns_no_image_within_its_budget_is_a_failure(monkeypatch, broken):
    def attack(model, images, labels, *, eps, trace=None):
        return broken(images)

    monkeypatch.setattr(gradient, "fgsm", attack)
    with pytest.raises(AttackError, match="fgsm failed on image 0"):
        evaluation.attack(Brightness(), grey(10, 20), [0, 0], "fgsm", {"eps": 0.1}, computing=PLAIN)


class Changed(Brightness):
    """The same network with something done to its input, or to its logits."""

    def __init__(self, images=lambda images: images, logits=lambda logits: logits):
        super().__init__()
        self.images, self.logits = images, logits

    def forward(self, images):
        return self.logits(super().forward(self.images(images)))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Changed(logits=lambda logits: logits.softmax(dim=1)), "returns probabilities.*softmax off"),
        (Changed(logits=lambda logits: (logits, logits)), r"returns tuple for 2 images; expected logits"),
        (Changed(logits=lambda logits: {"logits": logits}), "returns dict"),
        (Changed(logits=lambda logits: logits[:, :, None]), r"returns \(2, 2, 1\)"),
        (
            Changed(images=lambda images: F.dropout(images, training=True)),
            "differently when it is asked again",
        ),
        (Changed(images=lambda images: images + torch.rand(1)), "differently when it is asked again"),
        (Changed(images=lambda images: images - images.mean(dim=0)), "beside another image"),
    ],
    ids=["softmax", "tuple", "dict", "map", "dropout", "noise", "statistics of the batch"],
)
@pytest.mark.parametrize("attack", ["fgsm", "square"])
def test_a_network_that_records_would_misrepresent_is_refused(model, reason, attack):
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=reason):
        evaluation.attack(model, grey(100, 150, 200), [0, 1, 1], attack, {"eps": 0.1}, computing=PLAIN)


def test_one_answer_to_every_image_is_recorded_and_not_taken_for_probabilities():
    constant = Changed(logits=lambda logits: 0 * logits + torch.tensor([0.0, 1.0]))
    found = evaluation.attack(constant, grey(100, 150, 200), [0, 1, 1], "fgsm", {"eps": 0.1}, computing=PLAIN)
    assert set(found["clean_pred"]) == set(found["adv_pred"]) == {1}


def test_log_probabilities_are_logits():
    logits, other = ({}, {"logits": lambda logits: logits.log_softmax(dim=1)})
    found = [
        evaluation.attack(Changed(**changes), grey(100, 150), [0, 1], "fgsm", {"eps": 0.12}, computing=PLAIN)
        for changes in (logits, other)
    ]
    pd.testing.assert_frame_equal(*(frame[["adv_pred", "linf", "clean_confidence"]] for frame in found))


NO_ROOT = Changed(logits=lambda logits: logits + (0 * logits).abs().sqrt())


@pytest.mark.parametrize(
    ("attack", "settings"),
    [
        ("fgsm", {"eps": 0.1}),
        ("pgd", {"eps": 0.1, "step_size": 0.02, "steps": 2}),
        ("pgd", {"eps": 0.1, "step_size": 0.02, "steps": 2, "early_stop": True}),
        ("apgd_ce", {"eps": 0.1, "steps": 3}),
        ("apgd_dlr", {"eps": 0.1, "steps": 3}),
        ("apgd_targeted", {"eps": 0.1, "steps": 3}),
        ("jsma", {"max_steps": 2}),
    ],
)
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (NO_ROOT, "gradient.* holds (NaN|nan)"),
        (Changed(images=lambda images: images.detach()), "logits have no gradient"),
    ],
    ids=["NaN", "detached"],
)
def test_an_attack_without_a_gradient_to_go_by_is_a_failure(model, reason, attack, settings):
    with pytest.raises(ValueError, match=reason):
        evaluation.attack(model, grey(100, 150), [0, 1], attack, settings, computing=PLAIN)


def test_an_unknown_attack_is_named():
    with pytest.raises(ValueError, match="no attack 'magic'"):
        evaluation.attack(Brightness(), grey(10), [0], "magic", {}, computing=PLAIN)


def test_a_mistake_of_the_fast_copy_alone_is_attacked_again_on_the_original(monkeypatch):
    """A fast copy that calls everything 1 ends a worst-case attack on class 0 at once, with nothing found."""

    class Wrong(nn.Module):
        def forward(self, images):
            return torch.stack([0 * images.sum(dim=(1, 2, 3)), images.sum(dim=(1, 2, 3)) + 1], dim=1)

    monkeypatch.setattr(attacked, "fast_copy", lambda *_, **__: Wrong())
    settings = {"eps": 0.2, "step_size": 0.05, "steps": 8, "early_stop": True}
    found = evaluation.attack(Brightness(), grey(100, 20), [0, 0], "bim", settings, computing=PLAIN)
    assert found["adv_pred"].tolist() == [1, 0], "0.39 is within 0.2 of a half, 0.08 is not"
    assert found["steps_used"].tolist() == [3, 8]


def test_an_iterate_that_only_the_fast_copy_misclassifies_is_no_worst_case(monkeypatch):
    class Early(Brightness):
        def forward(self, images):
            return super().forward(images + 0.05)

    monkeypatch.setattr(attacked, "fast_copy", lambda *_, **__: Early())
    settings = {"eps": 0.03, "step_size": 0.01, "steps": 3}
    found = evaluation.attack(Brightness(), grey(117), [0], "bim", settings, computing=PLAIN)
    assert found["worst_pred"].tolist() == [0], "0.459 + 0.03 is below a half, and 0.05 more above"


def test_where_the_copy_alone_was_wrong_first_the_network_is_looked_at_itself(monkeypatch):
    """An attack passes over the line and comes back: the copy is wrong at a step before the network is."""

    def there_and_back(model, images, labels, *, eps, trace=None):
        worst, found = images.clone(), torch.zeros(len(images), dtype=torch.bool)
        for step in (0.06, 0.12):
            wrong = (model(images + step).argmax(dim=1) != labels) & ~found
            worst[wrong], found = (images + step)[wrong], found | wrong
        trace.worst = worst
        return images.clone()

    class Early(Brightness):
        def forward(self, images):
            return super().forward(images + 0.08)

    monkeypatch.setattr(gradient, "fgsm", there_and_back)
    monkeypatch.setattr(attacked, "fast_copy", lambda *_, **__: Early())
    found = evaluation.attack(Brightness(), grey(100, 60), [0, 0], "fgsm", {"eps": 0.12}, computing=PLAIN)
    assert found["adv_pred"].tolist() == [0, 0]
    assert found["worst_pred"].tolist() == [1, 0], "0.39 + 0.12 is above a half, 0.24 + 0.12 is not"


def test_the_network_is_left_as_it_was():
    model = Brightness().train()
    evaluation.attack(model, grey(100), [0], "fgsm", {"eps": 0.1}, computing=PLAIN)
    assert model.training
    assert model.sharpness.requires_grad
    assert model.sharpness.grad is None


@pytest.mark.parametrize("bfloat16", [False, True])
def test_predictions_are_those_of_the_original_in_float32(bfloat16):
    torch.manual_seed(0)
    model = models.build("resnet18", 2, mean=0.5, std=0.2)
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32), dtype=np.uint8)
    settings = {"eps": 0.02, "step_size": 0.01, "steps": 2}
    computing = Computing(batch_size=4, bfloat16=bfloat16)
    found = evaluation.attack(model, images, [0, 1] * 3, "pgd", settings, computing=computing)
    with torch.no_grad():
        expected = model.eval()(models.pixels(torch.from_numpy(images))).softmax(dim=1)
    assert np.stack(found["clean_scores"]) == pytest.approx(expected.numpy(), abs=1e-5)
    assert found["linf"].max() <= 0.02 + 1e-6


def test_memory_does_not_grow_with_the_number_of_images():
    """After the last of many batches no more image tensors are alive than after the last of few."""

    def count_alive(done, total, text=""):
        if done == total:
            found = [thing for thing in gc.get_objects() if type(thing) is torch.Tensor and thing.ndim == 4]
            alive.append(sum(tensor.nbytes for tensor in found))

    alive = []
    settings = {"eps": 0.1, "step_size": 0.05, "steps": 2}
    for count in (4, 64):
        many = Lazy(count)
        evaluation.attack(
            Brightness(), many, [0] * count, "pgd", settings, computing=PLAIN, progress=count_alive
        )
    assert alive[0] == alive[1] > 0


class Lazy:
    """Many images, made when they are asked for; remembers how many at most at once."""

    def __init__(self, count):
        self.count, self.most = count, 0

    def __len__(self):
        return self.count

    def __getitem__(self, rows):
        self.most = max(self.most, len(rows))
        return np.full((len(rows), 4, 4), 100, dtype=np.uint8)


def test_a_batch_at_a_time_is_read():
    many = Lazy(101)
    found = evaluation.attack(Brightness(), many, [0] * 101, "fgsm", {"eps": 0.1}, computing=PLAIN)
    assert len(found) == 101
    assert many.most == PLAIN.batch_size


def test_a_cell_holds_every_run_of_a_pruned_and_an_unpruned_network(tmp_path):
    found, told = made_cell(tmp_path)
    assert found.groupby(["rate", "eps"]).size().to_dict() == {(0.0, 0.01): 4, (0.0, 0.02): 4, (0.5, 0.02): 4}
    assert (found["linf"] <= found["eps"] + 1e-6).all()
    assert found["image_id"].between(52, 57).all()
    first, second, pruned = (
        found.loc[(found["rate"] == rate) & (found["eps"] == eps), "clean_confidence"].to_numpy()
        for rate, eps in [(0.0, 0.01), (0.0, 0.02), (0.5, 0.02)]
    )
    assert (first == second).all(), "what a network says of clean images does not depend on eps"
    assert (first != pruned).any()
    assert told[-1] == (12, 12)


def test_budgets_and_steps_of_standardised_pixels_are_scaled_and_keep_their_names(tmp_path):
    found, _ = made_cell(tmp_path, eps_scale=0.2)
    assert sorted(found["eps"].unique()) == [0.01, 0.02], "as the tables name them"
    for eps, rows in found.groupby("eps"):
        # two steps of 0.01 reach either budget, in their units
        assert rows["linf"].to_numpy() == pytest.approx(0.2 * eps, abs=1e-6)


def made_cell(tmp_path, **further):
    """The records of three runs of BIM, and what was told of their progress."""
    torch.manual_seed(0)
    data, trained, folder, work = (tmp_path / name for name in ("data", "model", "made", "work"))
    for new in (data, folder, work):
        new.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 32), dtype=np.uint8)
    np.save(data / "images.npy", pixels)
    index = {"image_id": np.arange(8) + 50, "path": list("abcdefgh"), "label": [0, 1] * 4}
    pd.DataFrame({**index, "split": ["train"] * 2 + ["test"] * 6}).to_parquet(data / "index.parquet")
    (data / "summary.json").write_text('{"classes": ["NORMAL", "PNEUMONIA"]}')
    models.save(models.build("resnet18", 2, mean=0.5, std=0.2), trained)
    said = {
        "split": "test",
        "attack": ATTACKS["bim"].called_with({"step_size": 0.01, "steps": 2}),
        "runs": [{"eps": 0.01, "rate": 0.0}, {"eps": 0.02, "rate": 0.0}, {"eps": 0.02, "rate": 0.5}],
        "scope": "global",
        "batch_size": 4,
        "fold": True,
        "channels_last": "auto",
        "bfloat16": "off",
        "limit": 4,
        "seed": 0,
        **further,
    }
    told = []
    inputs = {"model": trained, "data": data}

    def progress(done, total, text=""):
        told.append((done, total))

    records.make_pruned(Workspace(said, inputs, folder, work, progress=progress))
    return pd.read_parquet(folder / "records.parquet"), told
