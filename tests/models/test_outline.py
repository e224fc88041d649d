"""The tables of blocks and modules say what the model is."""

import pytest
import torch

from meddef_lib import models
from meddef_lib.models import outline
from meddef_lib.models.network import recipe_of, skeleton
from meddef_lib.params import ModelParams

BRANCHES = {
    "resnet18": set(),
    "no_afd_mfe_msf": set(),
    "no_afd_mfe": {"MSF"},
    "no_afd": {"MFE", "MSF"},
    "full": {"AFD", "MFE", "MSF"},
    "resnet18_cbam": set(),
    "resnet18_wide": set(),
}
READINGS = (
    {"afd_order": "relu_bn"},
    {"attention_on": "fused"},
    {"attention_over": "channels"},
    {"dropout": 0.0},
)


@pytest.mark.parametrize("variant", models.VARIANTS)
def test_no_reading_of_the_architecture_changes_a_count_and_its_width_does(variant):
    def count(**reading):
        return outline.parameters(skeleton(recipe_of(variant), 4, options=ModelParams(**reading)))

    own = sum(values.numel() for values in models.build(variant, 4).parameters())
    assert count() == own
    for reading in READINGS:
        assert count(**reading) == own, reading
    assert count(width=32) < own / 3


@pytest.mark.parametrize("variant", models.VARIANTS)
def test_the_table_accounts_for_every_parameter(variant: str) -> None:
    model = models.build(variant, 2)
    table = outline.blocks(model, image_size=64).set_index("block")
    count = sum(value.numel() for value in model.parameters())
    assert table.loc["total", "parameters"] == count
    assert table["parameters"].drop("total").sum() == count
    assert table["share"].drop("total").sum() == pytest.approx(1)
    assert table.loc["Normalisation", "parameters"] == 0
    backbone = sum(value.numel() for value in model.backbone.parameters())
    assert table.loc["Backbone B (ResNet-18)", "parameters"] == backbone
    assert set(table.index) & {"AFD", "MFE", "MSF"} == BRANCHES[variant]


def test_the_table_gives_the_size_of_every_output() -> None:
    table = outline.blocks(models.build("full", 4)).set_index("block")
    assert table.loc["MSF", "output"] == "512 × 7 × 7"
    assert table.loc["Channel attention Ω", "output"] == "512 × 1 × 1"
    assert table.loc["Self-attention A", "output"] == "49 × 512"
    assert table.loc["Head", "output"] == "4"


def test_the_model_is_left_as_it_was() -> None:
    model = models.build("full", 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    outline.output_shapes(model, 64)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
