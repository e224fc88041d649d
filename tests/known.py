"""What exists for a profile to name, as the workbook tells the reader of parameters."""

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.defences.registry import DEFENCES
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params import Dataset, Known, Profile
from meddef_lib.workbook.book import Workbook

KNOWN = Known(
    variants=tuple(VARIANTS),
    attacks={name: attack.params for name, attack in ATTACKS.items()},
    datasets=("roct", "chest_xray"),
    defences={name: defence.params for name, defence in DEFENCES.items()},
)


def book_of(profile: Profile, dataset: Dataset) -> Workbook:
    """A workbook about one data set."""
    return Workbook(profile, {dataset.id: dataset})
