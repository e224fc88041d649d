"""Variants are declared, and read without torch."""

from importlib import import_module

import pytest

from meddef_lib.models import variants
from meddef_lib.models.variants import VARIANTS


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_names_a_network(variant):
    module, _, name = variant.network.partition(":")
    assert issubclass(getattr(import_module(module), name), import_module("torch").nn.Module)


def test_a_recipe_says_what_is_built():
    assert VARIANTS["no_afd"].recipe() == {
        "variant": "no_afd",
        "network": variants.MEDDEF,
        "branches": ["mfe", "msf"],
    }
    assert "branches" not in VARIANTS["resnet18"].recipe()
    assert VARIANTS["no_afd_mfe_msf"].recipe()["branches"] == []


def test_a_file_of_its_own_declares_a_network_of_its_own(tmp_path):
    own = 'VARIANT = Variant(id="own", title="Own", network="OwnNetwork")\n'
    (tmp_path / "a_block.py").write_text(f"import torch\n{own}")
    (tmp_path / "variants.py").write_text('FIRST = Variant(id="first", title="First")\n')
    found = variants.declared_in(tmp_path)
    assert list(found) == ["first", "own"], "those of the paper come first"
    assert found["own"].network == "meddef_lib.models.a_block:OwnNetwork"
