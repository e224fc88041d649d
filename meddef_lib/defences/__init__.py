"""Defences of a network, one a file, and the ways in which each is attacked: `DEFENCES[id]`."""

from meddef_lib.defences.registry import DEFENCES, UNDEFENDED, Defence

__all__ = ["DEFENCES", "UNDEFENDED", "Defence"]
