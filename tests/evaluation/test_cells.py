"""Records as cells of a workbook: what `make` writes, and how a killed run goes on."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from meddef_lib import evaluation, models, precision
from meddef_lib.attacks import gradient
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.data.prepared import INDEX_COLUMNS
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import Computing, attacked, records
from meddef_lib.pruning import prune
from meddef_lib.results import metrics

PLAIN = Computing(batch_size=2, fold=False, channels_last="off")
SETTINGS = {
    "split": "test",
    "attack": ATTACKS["pgd"].called_with({"step_size": 0.01, "steps": 2}),
    "runs": [{"eps": 0.02, "rate": 0.0}, {"eps": 0.02, "rate": 0.6}],
    "scope": "global",
    "batch_size": 4,
    "fold": True,
    "channels_last": "off",
    "bfloat16": "off",
    "limit": None,
    "seed": 3,
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A ResNet-18 as training leaves it, and 14 prepared images of 32 px, ten of them for the test."""
    folder = tmp_path_factory.mktemp("inputs")
    torch.manual_seed(0)
    models.save(models.build("resnet18", 2, mean=0.5, std=0.2), folder / "model")
    data = folder / "data"
    data.mkdir()
    np.save(data / "images.npy", np.random.default_rng(0).integers(0, 256, (14, 32, 32), dtype=np.uint8))
    index = pd.DataFrame(
        {
            "image_id": np.arange(14) * 1_000_003,
            "path": [f"{number}.png" for number in range(14)],
            "sha256": ["0" * 64] * 14,
            "split": ["train", "val"] * 2 + ["test"] * 10,
            "label": [0, 1] * 7,
            "class_name": ["NORMAL", "PNEUMONIA"] * 7,
            "patient": [str(number) for number in range(14)],
            "width": [32] * 14,
            "height": [32] * 14,
            "mode": ["L"] * 14,
        }
    )
    assert tuple(index.columns) == INDEX_COLUMNS
    index.to_parquet(data / "index.parquet", index=False)
    (data / "summary.json").write_text(json.dumps({"classes": ["NORMAL", "PNEUMONIA"]}))
    return {"model": folder / "model", "data": data}


def made(tmp_path, inputs, **changes):
    """What `make` wrote with some settings changed, and what it said on the way."""
    said = []
    space = Workspace(
        SETTINGS | changes,
        inputs,
        tmp_path / "folder",
        tmp_path / "work",
        progress=lambda done, total, text="": said.append((done, total, text)),
    )
    space.folder.mkdir(exist_ok=True)
    space.work.mkdir(exist_ok=True)
    records.make_pruned(space)
    wanted = space.settings["bfloat16"]
    assert space.ran == {"precision": precision.name(wanted, "cpu")}, "what it came to"
    return pd.read_parquet(space.folder / "records.parquet"), said


def test_every_run_stands_below_the_other(tmp_path, inputs):
    found, said = made(tmp_path, inputs)
    assert found["rate"].tolist() == [0.0] * 10 + [0.6] * 10
    assert found["eps"].unique().tolist() == [0.02]
    assert found["image_id"].tolist() == [number * 1_000_003 for number in range(4, 14)] * 2
    assert said[-1] == (20, 20, "run 2 of 2")
    assert [done for done, _, _ in said] == sorted(done for done, _, _ in said)

    images = torch.from_numpy(np.load(inputs["data"] / "images.npy")[4:])
    trained = models.load(inputs["model"])
    for rate, model in ((0.0, trained), (0.6, prune(trained, 0.6))):
        with torch.no_grad():
            expected = model(models.pixels(images)).softmax(dim=1).numpy()
        rows = found[found["rate"] == rate]
        assert np.stack(rows["clean_scores"]) == pytest.approx(expected, abs=1e-5)


def test_a_run_in_a_cell_of_its_own_leaves_the_records_that_it_leaves_in_a_sweep(tmp_path, inputs):
    sweep, _ = made(tmp_path, inputs)
    alone = []
    for number, run in enumerate(SETTINGS["runs"]):
        (tmp_path / str(number)).mkdir()
        alone.append(made(tmp_path / str(number), inputs, runs=[run])[0])
    together = pd.concat(alone, ignore_index=True).drop(columns="seconds")
    pd.testing.assert_frame_equal(together, sweep.drop(columns="seconds"), check_exact=True)


def test_records_of_a_trained_network_are_of_no_pruned_one(tmp_path, inputs):
    (tmp_path / "work").mkdir()
    space = Workspace(SETTINGS, inputs, tmp_path, tmp_path / "work")
    with pytest.raises(ValueError, match=r"at the pruning rate 0\.6"):
        records.make(space)


def test_a_limit_is_drawn_by_class_and_records_are_all_that_is_kept(tmp_path, inputs):
    found, _ = made(tmp_path, inputs, limit=4, runs=[{"eps": 0.02, "rate": 0.0}])
    assert sorted(found["label"]) == [0, 0, 1, 1]
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["records.parquet"]


def test_an_attack_without_a_budget_has_no_eps(tmp_path, inputs):
    jsma = ATTACKS["jsma"].called_with({"theta": 0.1, "gamma": 0.01, "target": "runner_up", "max_steps": 2})
    found, _ = made(tmp_path, inputs, attack=jsma, limit=2, runs=[{"eps": None, "rate": 0.0}])
    assert found["eps"].isna().all()
    assert (found["l0"] <= 0.01 * 3 * 32 * 32).all()
    assert (found["steps_used"] <= 2).all()


def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(tmp_path, inputs, monkeypatch):
    whole, interrupted = tmp_path / "whole", tmp_path / "interrupted"
    whole.mkdir()
    interrupted.mkdir()
    expected, _ = made(whole, inputs)
    pgd, calls = gradient.pgd, []

    def once_interrupted(*arguments, **settings):
        calls.append(len(arguments[1]))
        if len(calls) == 5:
            raise RuntimeError("the power went")
        return pgd(*arguments, **settings)

    monkeypatch.setattr(gradient, "pgd", once_interrupted)
    with pytest.raises(RuntimeError, match="the power went"):
        made(interrupted, inputs)
    found, _ = made(interrupted, inputs)
    assert calls == [4, 4, 2, 4, 4, 4, 2], "the fifth batch fails and is the first of the second call"
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), expected.drop(columns="seconds"))


def test_a_run_goes_on_where_auto_comes_to_another_precision(tmp_path, inputs, monkeypatch):
    monkeypatch.setattr(precision, "pays", lambda device: False)
    first, _ = made(tmp_path, inputs, bfloat16="auto")
    monkeypatch.setattr(precision, "pays", lambda device: True)
    elsewhere, _ = made(tmp_path, inputs, bfloat16="auto")
    assert elsewhere["image_id"].equals(first["image_id"])


class Brightness(nn.Module):
    """Class 1 where the mean pixel is above a threshold."""

    def __init__(self, threshold):
        super().__init__()
        self.threshold = threshold

    def forward(self, images):
        score = 20 * (images.flatten(1).mean(dim=1) - self.threshold)
        return torch.stack([-score, score], dim=1)


def grey(*levels):
    """uint8 (n, 4, 4), each of one level."""
    return np.stack([np.full((4, 4), level, dtype=np.uint8) for level in levels])


def test_batches_of_other_images_are_refused(tmp_path):
    arguments = (Brightness(0.5), grey(100, 200, 100), [0, 1, 0], "fgsm", {"eps": 0.1})
    evaluation.attack(*arguments, image_ids=[1, 2, 3], computing=PLAIN, work=tmp_path)
    with pytest.raises(ValueError, match=r"00000000-\w{16}\.parquet holds records of other images"):
        evaluation.attack(*arguments, image_ids=[1, 9, 3], computing=PLAIN, work=tmp_path)


@pytest.mark.parametrize(
    "changed", [{"settings": {"eps": 0.2}}, {"attack": "sign_noise"}, {"seed": 1}, {"computing": Computing()}]
)
def test_batches_of_another_call_are_refused(tmp_path, changed):
    call = {"attack": "fgsm", "settings": {"eps": 0.1}, "seed": 0, "computing": PLAIN, "work": tmp_path}
    images = (Brightness(0.5), grey(100, 200, 100), [0, 1, 0])
    first = evaluation.attack(*images, **call)
    pd.testing.assert_frame_equal(evaluation.attack(*images, **call), first)
    with pytest.raises(ValueError, match="records of another attack, of other settings"):
        evaluation.attack(*images, **call | changed)


@pytest.mark.parametrize(
    ("labels", "ids", "words"),
    [
        ([0, 1], None, r"for 3 images there are labels \(2,\)"),
        ([0, 1, 0, 1], None, r"for 3 images there are labels \(4,\)"),
        ([0, 1, 0], [1, 2], r"and ids \(2,\)"),
        ([1, 2, 1], None, "Labels reach from 1 to 2; the network has the classes 0 to 1"),
        ([-1, 0, 1], None, "Labels reach from -1 to 0"),
    ],
)
def test_labels_and_ids_must_fit(labels, ids, words):
    with pytest.raises(ValueError, match=words):
        evaluation.attack(
            Brightness(0.5),
            grey(9, 99, 199),
            labels,
            "uniform_noise",
            {"eps": 0.1},
            image_ids=ids,
            computing=PLAIN,
        )


def test_no_images_are_no_records_but_have_their_columns():
    some = evaluation.attack(Brightness(0.5), grey(100), [0], "fgsm", {"eps": 0.1}, computing=PLAIN)
    none = evaluation.attack(Brightness(0.5), grey(100)[:0], [], "fgsm", {"eps": 0.1}, computing=PLAIN)
    assert len(none) == 0
    assert list(none.columns) == list(some.columns) == list(evaluation.COLUMNS)
    assert metrics.proportion(metrics.correct(none, "adv_pred")).share is None


def test_a_queue_is_not_taken_for_the_batch_it_begins_with():
    attacked = evaluation.Attacked(Brightness(0.5), PLAIN)
    images = models.pixels(torch.from_numpy(grey(*range(100, 160, 10))))
    assert attacked.clean_scores(0, images[:2]).shape == (2, 2)
    assert attacked.clean_scores(0, images).shape == (6, 2)


def test_jsma_goes_on_where_only_the_fast_copy_fell(monkeypatch):
    """The copy's line lies lower than the original's: what reaches it is not yet a success."""
    monkeypatch.setattr(attacked, "fast_copy", lambda *_, **__: Brightness(0.45))
    settings = {"theta": 0.5, "gamma": 1.0}
    found = evaluation.attack(Brightness(0.5), grey(108), [0], "jsma", settings, computing=PLAIN)
    assert found["adv_pred"].tolist() == [1], "0.42 is raised past 0.5, and not only past 0.45"
    assert not found["early_stop"].any(), "JSMA has no last iterate beside this one"


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack not in ("bim", "pgd", "jsma")])
def test_every_attack_gives_records(attack):
    of_pgd = {"step_size": 0.03, "steps": 4}
    own = {"square": {"queries": 200}, "worst_case": {**of_pgd, "apgd_steps": 4, "queries": 20}}
    settings = own.get(attack, {})
    found = evaluation.attack(
        Brightness(0.5), grey(120, 200), [0, 1], attack, {"eps": 0.1, **settings}, computing=PLAIN
    )
    assert list(found.columns) == list(evaluation.COLUMNS)
    assert found["early_stop"].unique().tolist() == [ATTACKS[attack].worst_case]
    assert (found["linf"] <= 0.1 + 1e-6).all()
    if ATTACKS[attack].worst_case:
        assert found["adv_pred"].tolist() == [1, 1], "0.47 is within 0.1 of a half, 0.78 is not"
        assert found["steps_used"][1] > 0


@pytest.mark.parametrize("queued", [2, 5])
@pytest.mark.parametrize("kind", ["grey", "float"])
def test_the_worst_case_does_not_depend_on_the_queue_or_the_kind_of_image(queued, kind):
    images = grey(*range(60, 200, 10))
    given = images if kind == "grey" else models.pixels(torch.from_numpy(images))
    settings = {"eps": 0.1, "step_size": 0.03, "steps": 4, "early_stop": True}
    arguments = ([0, 1] * 7, "pgd", settings)
    whole = evaluation.attack(
        Brightness(0.5), images, *arguments, computing=Computing(batch_size=64, fold=False)
    )
    parts = evaluation.attack(
        Brightness(0.5), given, *arguments, computing=Computing(batch_size=queued, fold=False)
    )
    columns = ["image_id", "label", "clean_pred", "adv_pred", "worst_pred", "steps_used", "l0"]
    pd.testing.assert_frame_equal(whole[columns], parts[columns])
