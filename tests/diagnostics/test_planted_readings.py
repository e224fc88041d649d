"""A planted reading is found: columns made with another seed, on other images, stand in for printed ones.

In float64, in which training gives the same networks on every processor. Which of two readings comes
first where both fit within the noise of 400 images depends on the networks (of four pairs, two had such
places); that the planted one is among those not told apart does not.
"""

from types import SimpleNamespace
from typing import get_args

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from meddef_lib.attacks.gradient import pgd
from meddef_lib.diagnostics import readings as maker
from meddef_lib.evaluation.attacked import Attacked, Computing
from meddef_lib.params import protocol
from meddef_lib.params.studies import ReadingsParams
from meddef_lib.pruning import prune
from meddef_lib.results import agreement
from meddef_lib.results.agreement import OF_A_RUN, Tried
from meddef_lib.workbook.cells import readings

pytestmark = pytest.mark.xdist_group("planted readings")  # one process makes the records

IMAGES, SLOW = 400, 60
PROFILE = SimpleNamespace(
    readings=ReadingsParams(images=IMAGES, slow_images=SLOW, steps=5, rates=(0.3, 0.6, 0.8)),
    pruning=SimpleNamespace(eps=0.12, scope="global"),
    attacks=SimpleNamespace(eps=(0.02, 0.06, 0.12), step_size=0.03),
)
SETTINGS = {
    "mean": 0.35,
    "std": 0.25,
    "eps_scale": 1.0,
    "jsma": {"theta": 0.1, "gamma": 0.14, "pairs_per_step": 4},
}
PROTOCOL = protocol.read()


def images_of(seed, count):
    """A faint bar on the left (60 %) or right of a noisy 8 x 8 image; its side is the label."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.35 + 0.25 * torch.randn(count, 1, 8, 8, generator=generator, dtype=torch.float64)
    labels = (torch.rand(count, generator=generator) > 0.6).long()
    images[labels == 0, :, :, 1:3] += 0.12
    images[labels == 1, :, :, 5:7] += 0.12
    return images.clamp(0, 1).repeat(1, 3, 1, 1), labels


def trained(seed, eps):
    """A small network, against PGD where eps is not 0."""
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 2)).double()
    images, labels = images_of(100, 256)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        batch = pgd(model, images, labels, eps=eps, step_size=eps / 2, steps=3) if eps else images
        optimizer.zero_grad()
        cross_entropy(model.train()(batch), labels).backward()
        optimizer.step()
    return model.eval()


def tried(networks, seed):
    """What networks answer to the images of every run, as the cells record it."""
    images, labels = images_of(seed, IMAGES)
    ids, computing, records = torch.arange(IMAGES), Computing(batch_size=IMAGES), {}
    for variant, model in networks.items():
        other = next(each for name, each in networks.items() if name != variant)
        frames, cut = [], {}
        for run in readings.runs(SimpleNamespace(profile=PROFILE)):
            count, place = SLOW if run["slow"] else IMAGES, (run["rate"], run["scope"])
            if place not in cut:
                cut[place] = Attacked(prune(model, *place) if run["rate"] else model, computing)
            part = images[:count], labels[:count], ids[:count]
            attacked = maker.answers(
                cut[place], Attacked(other, computing), *part, run, SETTINGS | {"seed": seed}
            )
            clean = cut[place].scores(part[0]).argmax(dim=1)
            columns = {"image_id": part[2], "label": part[1], "clean_pred": clean, "adv_pred": attacked}
            frames.append(pd.DataFrame(columns).assign(**{name: run[name] for name in OF_A_RUN}))
        records[variant] = pd.concat(frames, ignore_index=True)
    return Tried(PROTOCOL, records, PROFILE.pruning.scope, PROFILE.pruning.eps)


@pytest.fixture(scope="module")
def measured():
    networks = {"resnet18": trained(4, 0.0), "full": trained(5, 0.06)}
    return tried(networks, 1), tried(networks, 2)


def as_printed(column):
    """A column of one set of records as the paper would print it: no resamples."""
    others = {name: numbers[0] for name, numbers in column.others.items()}
    return agreement.AttackColumn(column.values[0], column.clean[0], others, column.majority, column.n)


COLUMNS = [(q, attack) for q in get_args(protocol.Quantity) for attack in get_args(protocol.PrintedAttack)]


@pytest.mark.parametrize(("quantity", "attack"), COLUMNS)
def test_every_planted_reading_comes_first_or_in_a_declared_tie(measured, quantity, attack):
    ours, theirs = measured
    place = (quantity, attack, list(ours.records), ours.positions(quantity))
    of_column = PROTOCOL.of_column(quantity, attack)
    made = {name: ours.column(reading, *place) for name, reading in of_column.items()}
    assert set(made) == set(of_column)
    for planted, reading in of_column.items():
        printed = as_printed(theirs.column(reading, *place))
        found = {
            name: agreement.compare(printed, column, quantity, PROTOCOL.measure, attack=attack)
            for name, column in made.items()
        }
        assert agreement.ranked(found)[0] in PROTOCOL.tied(planted, quantity, attack)
        assert planted in agreement.not_told_apart(found)


def test_steps_that_lower_the_loss_are_told_apart_from_those_described(measured):
    ours, theirs = measured
    place = ("accuracy", "pgd", list(ours.records), ours.positions("accuracy"))
    printed = as_printed(theirs.column(PROTOCOL.readings["descend"], *place))
    found = {
        name: agreement.compare(
            printed, ours.column(reading, *place), "accuracy", PROTOCOL.measure, attack="pgd"
        )
        for name, reading in PROTOCOL.of_column("accuracy", "pgd").items()
    }
    assert agreement.not_told_apart(found)[0] == "descend"
    assert "described" not in agreement.not_told_apart(found)
    assert found["described"].interval.high < found["descend"].interval.low
