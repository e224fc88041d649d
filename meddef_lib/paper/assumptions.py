"""What the paper does not say: every assumption of this project, with the parameter that switches it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from meddef_lib import paths
from meddef_lib.params.reading import read_yaml
from meddef_lib.params.types import EachId, Params

FILE = paths.PARAMS / "assumptions.yaml"


class Saying(Params):
    """What one place says."""

    where: str
    text: str


class Assumption(Params):
    """One open place of the paper, and what is done about it."""

    id: str
    topic: str
    says: tuple[Saying, ...] = Field(min_length=1)
    we: str
    why: str
    parameter: str | None = None  # the key that switches the reading
    fixed: str = ""  # why there is no such key
    sensitivity: str = ""  # where a run shows the other reading; "": nowhere

    @model_validator(mode="after")
    def _switchable_or_not(self) -> "Assumption":
        if bool(self.parameter) == bool(self.fixed):
            raise ValueError("needs either a parameter or a reason why there is none")
        return self


class Assumptions(Params):
    """All of `params/assumptions.yaml`."""

    assumptions: Annotated[tuple[Assumption, ...], EachId]


def read(file: Path = FILE) -> tuple[Assumption, ...]:
    """Read the assumptions. Raises ParamsError if one is not understood."""
    return read_yaml(Assumptions, file).assumptions
