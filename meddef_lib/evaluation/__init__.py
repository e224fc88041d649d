"""What attacks do to networks, and what saliency and pruning show of them."""

from meddef_lib.evaluation.records import COLUMNS, Attacked, AttackError, Computing, attack

__all__ = ["COLUMNS", "AttackError", "Attacked", "Computing", "attack"]
