"""The networks that can be built, by id: those of Table 1 in its order, then any that a file here declares.

A variant that recombines the branches of the DAAM is an entry of this file; one with a block of its own is a
new file in this folder with `VARIANT = Variant(id=..., title=..., network="ItsClass")`. Either way the
profile names it. Nothing here imports torch.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meddef_lib.declared import declarations

MEDDEF = "meddef_lib.models.network:MedDef"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One network: its id, its title, and the class that it is built of.

    network: the class, "package.module:name" or the name of one in the declaring module, called as
    `network(num_classes, mean=..., std=..., options=...)` and with `branches`, where the variant names those
    of `afd`, `mfe`, `msf` that it keeps. ignores: which of the `ModelParams` it does not ask for; it is built
    without them, and their values leave its results as they are. of_resnet18: whether its stages are those
    of a ResNet-18, so that weights of one (`model.pretrained`) fill them.
    """

    id: str
    title: str
    network: str = MEDDEF
    branches: tuple[str, ...] | None = None
    ignores: tuple[str, ...] = ()
    of_resnet18: bool = True

    def recipe(self) -> dict[str, Any]:
        """The network as a trained model depends on it, for a recipe (with `network` among its roots)."""
        branches = {} if self.branches is None else {"branches": list(self.branches)}
        return {"variant": self.id, "network": self.network, **branches}


RESNET18 = Variant(
    id="resnet18",
    title="ResNet18",
    network="meddef_lib.models.network:ResNet18",
    ignores=("afd_order", "attention_on", "attention_over", "dropout"),
)
NO_AFD_MFE_MSF = Variant(
    id="no_afd_mfe_msf", title="MedDef w/o AFD+MFE+MSF", branches=(), ignores=("afd_order",)
)
NO_AFD_MFE = Variant(id="no_afd_mfe", title="MedDef w/o AFD+MFE", branches=("msf",), ignores=("afd_order",))
NO_AFD = Variant(id="no_afd", title="MedDef w/o AFD", branches=("mfe", "msf"), ignores=("afd_order",))
FULL = Variant(id="full", title="MedDef (Full DAAM)", branches=("afd", "mfe", "msf"))


def declared_in(folder: Path) -> dict[str, Variant]:
    """The variants that the modules of a folder declare, by id."""
    found = list(declarations(folder, {"Variant": Variant}))
    found.sort(key=lambda each: each[0] != Path(__file__).stem)  # this file's first
    return {
        each.id: each
        if ":" in each.network
        else replace(each, network=f"meddef_lib.models.{module}:{each.network}")
        for module, each in found
    }


VARIANTS = declared_in(Path(__file__).parent)
