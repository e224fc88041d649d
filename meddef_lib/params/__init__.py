"""Parameters: what can be set, and the strict reader of the files that set it."""

from meddef_lib.params.dataset import Dataset, Download, MedMnistForm, PreprocessingParams, Release, SplitRule
from meddef_lib.params.known import Known
from meddef_lib.params.profile import (
    GIVEN,
    AttackParams,
    AugmentationParams,
    DataParams,
    EvaluationParams,
    LimitParams,
    ModelParams,
    PhantomParams,
    Profile,
    PruningParams,
    SafetyParams,
    SaliencyParams,
    ScheduleParams,
    TrainingParams,
)
from meddef_lib.params.reading import (
    Overrides,
    ParamsError,
    dataset_ids,
    override_pairs,
    overrides_from_text,
    overrides_text,
    profile_ids,
    read_dataset,
    read_profile,
    read_yaml,
    split_overrides,
)
from meddef_lib.params.types import DatasetId, Params, TrainingMode
