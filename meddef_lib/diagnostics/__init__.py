"""Is the robustness of a network real? Checks of one model: `check(model, images, labels) -> list[Check]`.

What is checked, and why, is known without torch (`catalogue`); the rest is imported when it is asked for.
"""

from importlib import import_module
from typing import Any

from meddef_lib.diagnostics.catalogue import CHECKS, Check

__all__ = ["CHECKS", "Check", "check"]


def __getattr__(name: str) -> Any:
    if name == "check":
        return import_module(f"{__name__}.checks").check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
