"""Figure 2 says what the network is."""

import pytest
from matplotlib.figure import Figure

from meddef_lib import models
from meddef_lib.models import outline
from meddef_lib.params import ModelParams
from meddef_lib.report import network_diagram
from meddef_lib.results.parts import anatomy

BRANCHES = {
    "resnet18": set(),
    "no_afd_mfe_msf": set(),
    "no_afd_mfe": {"MSF"},
    "no_afd": {"MFE", "MSF"},
    "full": {"AFD", "MFE", "MSF"},
    "resnet18_cbam": set(),
    "resnet18_wide": set(),
}
OF_THE_PAPER = "512 × 7 × 7\n8,393,728"
LAST_STAGE = {  # of other networks
    "resnet18_cbam": "512 × 7 × 7\n8,460,552",
    "resnet18_wide": "712 × 7 × 7\n16,229,328",
}


@pytest.mark.parametrize("variant", models.VARIANTS)
def test_the_diagram_names_the_blocks_of_the_variant(variant: str) -> None:
    labels = _labels(network_diagram.draw(_network(variant)))
    titles = {label.partition("\n")[0] for label in labels}
    assert titles & {"AFD", "MFE", "MSF"} == BRANCHES[variant]
    assert "Images\nin [0, 1]\n3 × 224 × 224" in labels
    assert f"Layer 4\n{LAST_STAGE.get(variant, OF_THE_PAPER)}" in labels
    assert "Logits\n4" in labels
    assert ("Fusion Φ" in titles) == (not variant.startswith("resnet18"))


def test_the_diagram_shows_what_the_channel_attention_looks_at() -> None:
    usual = network_diagram.draw(_network("full"))
    other = network_diagram.draw(_network("full", attention_on="fused"))
    assert _arrow_ends(usual) != _arrow_ends(other)


def _network(variant: str, **options: str) -> dict[str, object]:
    """An entry of `anatomy` in results.json, as far as it is drawn."""
    model = models.build(variant, 4, options=ModelParams(**options))
    return {
        "attention_on": model.options.attention_on,
        "blocks": outline.blocks(model).to_dict("records"),
        "modules": anatomy.of_modules(outline.modules(model)),
    }


def _labels(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.axes[0].texts}


def _arrow_ends(figure: Figure) -> list[tuple[float, float]]:
    return [text.xyann for text in figure.axes[0].texts if hasattr(text, "xyann")]
