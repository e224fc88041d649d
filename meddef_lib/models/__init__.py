"""The five networks of the paper's ablation: building, saving, loading, and what feeds them.

Figure 2 and the table of parameters are in `meddef_lib.models.diagram`, which needs matplotlib and pandas.
"""

from meddef_lib.models.files import load, read_weights, recipe, save
from meddef_lib.models.network import TITLES, VARIANTS, MedDef, Network, ResNet18, build
from meddef_lib.models.pixels import pixels
from meddef_lib.models.state import ModelFileError

__all__ = [
    "TITLES",
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
