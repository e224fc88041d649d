"""What attacks do to networks, and what saliency and pruning show of them."""

from meddef_lib.evaluation.attacked import Attacked, Computing
from meddef_lib.evaluation.batch import COLUMNS, AttackError
from meddef_lib.evaluation.records import attack

__all__ = ["COLUMNS", "AttackError", "Attacked", "Computing", "attack"]
