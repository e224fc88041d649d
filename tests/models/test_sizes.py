"""Parameter counts of the networks as the paper builds them."""

import pytest

from meddef_lib import models
from meddef_lib.models import sizes
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params import ModelParams

READINGS = (
    {"afd_order": "relu_bn"},
    {"attention_on": "fused"},
    {"attention_over": "channels"},
    {"dropout": 0.0},
)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_reading_of_the_architecture_changes_a_count_and_its_width_does(variant):
    recipe = VARIANTS[variant].recipe()
    own = sum(values.numel() for values in models.build(variant, 4).parameters())
    assert sizes.parameters(recipe, 4) == own
    for reading in READINGS:
        assert sizes.parameters(recipe, 4, ModelParams(**reading)) == own, reading
    assert sizes.parameters(recipe, 4, ModelParams(width=32)) < own / 3
