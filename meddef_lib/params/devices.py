"""How fast devices compute networks: what `plan --on` goes by where there is none of them to measure."""

from collections.abc import Mapping
from typing import Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from meddef_lib import paths
from meddef_lib.errors import known_are
from meddef_lib.params.reading import ParamsError, read_yaml
from meddef_lib.params.types import Count, Params, Positive, Share

FILE = paths.PARAMS / "devices.yaml"


class Peak(Params):
    """What a device is built to compute in one precision, and the share of it that a ResNet gets."""

    tflops: Positive  # 10^12 multiplications and additions a second
    share: Share
    source: str


class SecondsAnImage(Params):
    """Seconds an image, as the calibration gives them."""

    forward: Positive
    gradient: Positive
    training: Positive
    crafting: Positive


class Device(Params):
    """A device by what was measured on it, or by its peaks; one without a peak in bfloat16 has none of it."""

    title: str
    unit: Literal["GPU", "core"] = "GPU"
    source: str = ""  # of what was measured
    measured: Mapping[str, SecondsAnImage] | None = None  # by network
    float32: Peak | None = None
    bfloat16: Peak | None = None

    @model_validator(mode="after")
    def _goes_by_one(self) -> "Device":
        if (self.measured is None) == (self.float32 is None):
            raise PydanticCustomError("device", "expected either `measured` or the peak in `float32`")
        return self


class Devices(Params):
    """The table; all of it is said of images of `image_size`."""

    image_size: Count
    multiply_adds: Mapping[str, Positive]  # 10^9 of a forward pass, by network
    devices: Mapping[str, Device]


def read() -> Devices:
    """The table. Raises ParamsError."""
    return read_yaml(Devices, FILE)


def named(name: str) -> Device:
    """The device that `--on` names. Raises ParamsError."""
    known = read().devices
    if name not in known:
        raise ParamsError(f"--on is {name!r}; {known_are(name, known)}")
    return known[name]
