"""The networks of the paper's ablation: building, saving, loading, and what feeds them.

Which there are (`VARIANTS`) is known without torch; the rest is imported when it is first asked for.
"""

from importlib import import_module
from typing import Any

from meddef_lib.models import variants

VARIANTS = tuple(variants.VARIANTS)
_MODULES = {
    **dict.fromkeys(("MedDef", "Network", "ResNet18", "build"), "network"),
    **dict.fromkeys(("load", "recipe", "save"), "files"),
    **{"read_weights": "given", "pixels": "blocks", "ModelFileError": "contents"},
}
__all__ = ["VARIANTS", *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
