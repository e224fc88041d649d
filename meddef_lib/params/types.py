"""What a parameter may be: numbers, shares, names of things that exist; and the base of all parameters.

`8/255`, `1e-3` and `0.05` are all numbers.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationInfo

from meddef_lib.errors import did_you_mean

DECIMALS = 6  # by which results tell epsilons and rates apart


def number(text: str) -> float:
    """`8/255`, `1e-3` or `0.05` as a number. Raises ValueError, ZeroDivisionError, OverflowError.

    Not by way of a Fraction, which takes minutes to write 1e99999999 out.
    """
    above, slash, below = text.partition("/")
    found = int(above) / int(below) if slash else float(above)
    if not math.isfinite(found):
        raise ValueError(f"{text} is not finite")
    return found


def _number(value: object) -> object:
    """Read `8/255`, `1e-3` or `0.05` as a number; pydantic would take True for 1 and refuse a fraction."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    if isinstance(value, str):
        try:
            value = number(value)
        except (ValueError, ZeroDivisionError, OverflowError):
            raise ValueError("expected a number such as 0.05, 1e-3 or 8/255") from None
    return value


def _whole(value: object) -> object:
    """Refuse True, text and 2.5 where a count is meant; a float without a fraction is a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError("expected a whole number")


def _whole_percent(rate: float) -> float:
    """The number as it is; what results and tables name is a rate in percent (`rate_percent`)."""
    if not math.isclose(100 * rate, round(100 * rate), abs_tol=1e-9):
        raise ValueError("expected whole percent, such as 0.3 or 0.35")
    return rate


def _different(values: tuple[Any, ...]) -> set[Any]:
    """The values, numbers to the decimals by which results tell them apart."""
    return {round(value, DECIMALS) if isinstance(value, float) else value for value in values}


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values or len(_different(values)) != len(values):
        raise ValueError("expected at least one value, and each only once")
    return values


def _none_twice(values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    if values and len(_different(values)) != len(values):
        raise ValueError("expected each value only once")
    return values


def _exists(what: Literal["variants", "attacks", "defences", "datasets"]) -> AfterValidator:
    """A check of names against what exists, where parameters are validated in the context of a `Known`."""

    def check(value: str, info: ValidationInfo) -> str:
        if info.context and value not in (known := getattr(info.context, what)):
            raise ValueError(f"expected {one_of(value, known)}")
        return value

    return AfterValidator(check)


def one_of(value: str, known: Collection[str]) -> str:
    """What a name may be, in words: "one of 'a' or 'b' (did you mean 'a'?)"."""
    *others, last = names = [repr(name) for name in known]
    listed = f"{', '.join(others)} or {last}" if others else last
    return f"one of {listed}{did_you_mean(repr(value), names)}"


TrainingMode = Literal["paper", "clean", "pgd", "trades", "fast"]
VariantId = Annotated[str, _exists("variants")]
AttackId = Annotated[str, _exists("attacks")]
DefenceId = Annotated[str, _exists("defences")]
DatasetId = Annotated[str, _exists("datasets")]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Epsilon = Annotated[Number, Field(gt=0, le=1)]
PruningRate = Annotated[Number, Field(ge=0, lt=1), AfterValidator(_whole_percent)]
Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(ge=1)]
Seed = Annotated[Whole, Field(ge=0)]
Flag = Annotated[bool, Strict()]
EachOnce = AfterValidator(_each_once)  # of a list that must say something, and nothing twice
NoneTwice = AfterValidator(_none_twice)  # of a list that may be empty, or left to the profile


@dataclass(frozen=True)
class Neutral:
    """Of a field: at this value everything is as if the field did not exist, and a recipe leaves it out."""

    value: Any


class Params(BaseModel):
    """Base of every parameter object: frozen, and no key beyond the declared ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    def settings(self, *without: str) -> dict[str, Any]:
        """What a result depends on, as plain JSON values for a recipe.

        All but the fields in `without` and those at their neutral value. (What a reader is shown is the
        whole: `model_dump`.)
        """
        found = self.model_dump(mode="json", exclude=set(without))
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            neutral = (mark.value for mark in field.metadata if isinstance(mark, Neutral))
            if value in neutral:
                found.pop(name, None)
            elif name in found and isinstance(value, Params):
                found[name] = value.settings()
        return found

    @classmethod
    def restored(cls, settings: Mapping[str, Any]) -> Self:
        """The parameters that `settings` wrote. Raises pydantic's ValidationError."""
        whole = dict(settings)
        for name, field in cls.model_fields.items():
            neutral = [mark.value for mark in field.metadata if isinstance(mark, Neutral)]
            if neutral:
                whole.setdefault(name, neutral[0])
            kind = field.annotation
            if name in whole and isinstance(kind, type) and issubclass(kind, Params):
                whole[name] = kind.restored(whole[name])
        return cls.model_validate(whole)


def _named(found: Any) -> Any:
    if not isinstance(found, Mapping):
        return found
    return {
        name: {"id": name, **entry} if isinstance(entry, Mapping) else entry for name, entry in found.items()
    }


def _distinct(entries: Iterable[Any]) -> Iterable[Any]:
    for id, times in Counter(entry.id for entry in entries).items():
        if times > 1:
            raise ValueError(f"the id {id} comes twice")
    return entries


ById = BeforeValidator(_named)  # of a mapping: each entry learns the name that it stands under as its `id`
EachId = AfterValidator(_distinct)  # of a list
