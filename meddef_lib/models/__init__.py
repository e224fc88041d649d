"""The networks of the paper's ablation: building, saving, loading, and what feeds them.

Which there are (`VARIANTS`) is known without torch; the rest is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from meddef_lib.models import variants

if TYPE_CHECKING:
    from meddef_lib.models.blocks import pixels
    from meddef_lib.models.contents import ModelFileError
    from meddef_lib.models.files import load, recipe, save
    from meddef_lib.models.foreign import read_weights
    from meddef_lib.models.network import MedDef, Network, ResNet18, build

__all__ = [
    "VARIANTS",
    "MedDef",
    "ModelFileError",
    "Network",
    "ResNet18",
    "build",
    "load",
    "pixels",
    "read_weights",
    "recipe",
    "save",
]

VARIANTS = tuple(variants.VARIANTS)

_MODULES = {
    "files": ("load", "recipe", "save"),
    "foreign": ("read_weights",),
    "network": ("MedDef", "Network", "ResNet18", "build"),
    "blocks": ("pixels",),
    "contents": ("ModelFileError",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
