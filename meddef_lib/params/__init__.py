"""Parameters: what can be set, and the strict reader of the files that set it."""

from meddef_lib.params.dataset import Dataset, Download, MedMnistForm, PreprocessingParams, SplitRule
from meddef_lib.params.named import (
    Known,
    Overrides,
    dataset_ids,
    override_pairs,
    overrides_from_text,
    overrides_text,
    profile_ids,
    read_dataset,
    read_profile,
    split_overrides,
)
from meddef_lib.params.profile import (
    GIVEN,
    AugmentationParams,
    DataParams,
    LimitParams,
    ModelParams,
    PhantomParams,
    Profile,
    SafetyParams,
    ScheduleParams,
    TrainingParams,
)
from meddef_lib.params.reading import SET, ParamsError, read_yaml
from meddef_lib.params.types import Params, TrainingMode
