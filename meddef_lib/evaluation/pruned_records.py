"""Records of an attack on pruned networks: a "prune/..." cell."""

from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import records
from meddef_lib.pruning import prune


def make(space: Workspace) -> None:
    """Make `records.parquet` as `records.make` does, each run on the network pruned at its `rate`, in memory.

    Settings: those of `records.make`, and the `scope` of pruning.
    """
    scope = space.settings["scope"]
    records.of_runs(space, lambda trained, rate: prune(trained, rate, scope=scope))
