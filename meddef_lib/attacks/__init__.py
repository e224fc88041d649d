"""Attacks on a network's input: `ATTACKS[id](model, images, labels, *, ...) -> adversarial images`."""

from meddef_lib.attacks.registry import ATTACKS, Attack

__all__ = ["ATTACKS", "Attack"]
