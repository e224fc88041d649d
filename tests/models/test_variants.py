"""Variants are declared, and read without torch."""

from importlib import import_module

import pytest
import torch

from meddef_lib.models import build, variants
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params import ModelParams


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_names_a_network(variant):
    module, _, name = variant.network.partition(":")
    assert issubclass(getattr(import_module(module), name), torch.nn.Module)


def test_a_recipe_says_what_is_built():
    assert VARIANTS["no_afd"].recipe() == {
        "variant": "no_afd",
        "network": variants.MEDDEF,
        "branches": ["mfe", "msf"],
    }
    assert "branches" not in VARIANTS["resnet18"].recipe()
    assert VARIANTS["no_afd_mfe_msf"].recipe()["branches"] == []


@pytest.mark.parametrize(
    "variant", [each for each in VARIANTS.values() if each.ignores], ids=lambda each: each.id
)
def test_what_a_variant_ignores_changes_nothing_of_it(variant):
    other = {"afd_order": "relu_bn", "attention_on": "fused", "attention_over": "channels", "dropout": 0.9}
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = []
    for options in ({}, {name: other[name] for name in variant.ignores}):
        network = build(variant.id, 3, options=ModelParams(**options))
        torch.manual_seed(0)  # of its dropout
        logits.append(network(images))
    assert torch.equal(*logits)


def test_a_file_of_its_own_declares_a_network_of_its_own(tmp_path):
    own = 'VARIANT = Variant(id="own", title="Own", network="OwnNetwork")\n'
    (tmp_path / "a_block.py").write_text(f"import torch\n{own}")
    (tmp_path / "variants.py").write_text('FIRST = Variant(id="first", title="First")\n')
    found = variants.declared_in(tmp_path)
    assert list(found) == ["first", "own"], "those of the paper come first"
    assert found["own"].network == "meddef_lib.models.a_block:OwnNetwork"
