"""What the paper prints, as data: tables, matrices, quoted figures and settings, each with its place.

`params/published/*.yaml` transcribes the paper without correction or judgement, and fixes for every number
how far a measured one may be away (`tolerances.yaml`, by the rule stated there). `read` gives it as one
`Paper`, `Paper.values` every single number under the id that `results.json` uses:

    table1/full/eps=0.05/fgsm    table1/full/clean    table3/no_afd/rate=70/jsma
    confusion/roct/DRUSEN/CNV    per_class/roct/CNV/recall    data/roct/test    text/...

Another paper's tables in the same format are another folder.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meddef_lib import paths
from meddef_lib.paper.addresses import UNITS, Address, Quantity, Unit
from meddef_lib.params import Params

FOLDER = paths.PARAMS / "published"
Better = Literal["higher", "lower"]


class PublishedError(Exception):
    """The transcription of a paper cannot be read; the message says which file, where and what is wrong."""


# --- tables of rates ------------------------------------------------------------------------------


class TableCell(NamedTuple):
    """One printed percentage of a table."""

    id: str
    variant: str
    column: str
    position: float  # eps, or the percentage of weights pruned
    printed: float


class Table(Params):
    """A table of percentages by model, attack and strength (Tables 1 to 4)."""

    section: str
    title: str
    dataset: str
    quantity: Literal["accuracy", "attack_success_rate"]
    axis: Literal["eps", "rate"]
    decimals: int
    n: int  # images of the test set, as the paper states it
    n_source: str
    columns: tuple[str, ...]
    repeated: tuple[str, ...] = ()  # columns that do not depend on the axis
    eps: float | None = None  # of every attack, where the axis is another
    rows: tuple[tuple[float | str, ...], ...]

    @model_validator(mode="after")
    def _shaped(self) -> "Table":
        if self.columns[:2] != (self.axis, "variant"):
            raise PydanticCustomError("table", "columns must begin with the axis and variant")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise PydanticCustomError(
                    "table", "row {row} has not {n} entries", {"row": str(row), "n": len(self.columns)}
                )
        return self

    @property
    def attacks(self) -> tuple[str, ...]:
        """The columns that are attacks."""
        return tuple(name for name in self.columns[2:] if name not in ("parameters", "clean"))

    @property
    def variants(self) -> tuple[str, ...]:
        """The models, in the order of the table."""
        return tuple(dict.fromkeys(str(row[1]) for row in self.rows))

    @property
    def positions(self) -> tuple[float, ...]:
        """The values of the axis, rising."""
        return tuple(sorted({float(row[0]) for row in self.rows}))

    def column(self, variant: str, column: str) -> dict[float, float]:
        """One model's column: position on the axis -> printed number, rising."""
        place = self.columns.index(column)
        found = {float(row[0]): float(row[place]) for row in self.rows if row[1] == variant}
        return dict(sorted(found.items()))

    def row(self, variant: str, position: float) -> dict[str, float]:
        """One row: column -> printed number."""
        (found,) = (row for row in self.rows if row[1] == variant and row[0] == position)
        return {name: float(value) for name, value in zip(self.columns[2:], found[2:], strict=True)}

    def clean(self, variant: str) -> float | None:
        """Accuracy on clean images, in percent, where the table prints it."""
        return next(iter(self.column(variant, "clean").values())) if "clean" in self.columns else None

    def position_text(self, position: float) -> str:
        """`eps=0.05` or `rate=70`, as ids have it."""
        return f"eps={position:.2f}" if self.axis == "eps" else f"rate={position:.0f}"

    def percentages(self, table_id: str) -> Iterator[TableCell]:
        """Every printed percentage once, row by row; a repeated column comes with its first row."""
        seen: set[str] = set()
        for row in self.rows:
            position, variant = float(row[0]), str(row[1])
            for name, printed in zip(self.columns[2:], row[2:], strict=True):
                place = () if name in self.repeated else (self.position_text(position),)
                id = "/".join((table_id, variant, *place, name))
                if name != "parameters" and id not in seen:
                    seen.add(id)
                    yield TableCell(id, variant, name, position, float(printed))

    def address(self, cell: TableCell) -> Address:
        """Where a measured counterpart of a cell lies."""
        attack = "" if cell.column == "clean" else cell.column
        return Address(
            dataset=self.dataset,
            quantity=self.quantity if attack else "accuracy",
            variant=cell.variant,
            attack=attack,
            eps=None if not attack else cell.position if self.axis == "eps" else self.eps,
            rate_percent=int(cell.position) if self.axis == "rate" else 0,
        )


# --- data sets, matrices, per-class metrics -------------------------------------------------------


class Pixels(Params):
    """Statistics of the training pixels, in [0, 1]."""

    section: str
    mean: float
    std: float


class Duplicates(Params):
    """Duplicate images that the paper reports."""

    section: str
    identified: int
    removed: bool


class Archive(Params):
    """The public archive that a data set is, as counted outside the paper."""

    images: int
    source: str


class DatasetFacts(Params):
    """Counts that the paper gives of a data set."""

    title: str
    section: str
    classes: tuple[str, ...]
    total: int
    split: dict[str, int]
    per_class: dict[str, dict[str, int]] = Field(default_factory=dict)
    pixels: Pixels | None = None
    duplicates: Duplicates | None = None
    archive: Archive | None = None  # not from the paper


class Confusion(Params):
    """A confusion matrix: true class -> predicted class -> images; what is not printed is left out."""

    section: str
    variant: str
    rows: dict[str, dict[str, int]]


class ClassMetrics(Params):
    """Printed precision, recall and F1 of one class, as shares."""

    precision: float
    recall: float
    f1: float


class PerClass(Params):
    """Per-class metrics of one model."""

    section: str
    variant: str
    decimals: int
    classes: dict[str, ClassMetrics]


# --- prose ----------------------------------------------------------------------------------------


class Figure(Params):
    """One number in a sentence; `is_` names what it repeats: a printed value, or the difference of two."""

    printed: float
    decimals: int = 2
    unit: Unit = "percent"
    is_: str | tuple[str, str] | None = Field(default=None, alias="is")
    called: Quantity | None = None  # what the sentence calls it, where that is another quantity


class Change(Params):
    """A direction in a sentence: `word` says that the number rises (+1) or falls (-1) from one to the other.

    The ends are printed values by id, or the numbers that the sentence itself gives.
    """

    word: str
    sign: Literal[-1, 1]
    from_: str | float = Field(alias="from")
    to: str | float


class Quote(Params):
    """A sentence of the paper with figures or a direction in it."""

    id: str
    section: str
    text: str
    figures: tuple[Figure, ...] = ()
    changes: tuple[Change, ...] = ()


class Extra(Params):
    """A number outside Tables 1 to 4, the matrices and the data counts."""

    section: str
    printed: float
    unit: Unit
    decimals: int
    n: int | None = None
    address: Address | None = None  # where a measured counterpart lies
    cannot: str = ""  # why there can be none
    note: str = ""

    @model_validator(mode="after")
    def _measurable_or_not(self) -> "Extra":
        if bool(self.cannot) == bool(self.address):
            raise PydanticCustomError(
                "extra", "needs either an address or a reason why it cannot be measured"
            )
        return self


# --- settings and statements ----------------------------------------------------------------------


class Stated(Params):
    """What one place of the paper says about a setting."""

    section: str
    value: Any


class Statement(Params):
    """One setting or name that the paper gives at several places, or from which something follows."""

    id: str
    what: str
    stated: tuple[Stated, ...] = Field(min_length=2)
    differ: Literal["contradiction", "ambiguous"]  # what it is if the places differ
    why: str = ""


class Promise(Params):
    """Results that a sentence announces (`announced`), and what of them is printed anywhere (`printed`).

    `text` says in our words what the sentence says.
    """

    id: str
    section: str
    text: str
    what: str
    announced: tuple[str | float, ...]
    printed: tuple[str | float, ...] | None = None
    tables: tuple[str, ...] = ()  # instead of `printed`: the positions of these tables


class Needed(Params):
    """Something a reader needs to repeat the work, and the words that would have to occur to state it."""

    id: str
    section: str
    what: str
    words: tuple[str, ...]  # any of them would be a sign of it


class Procedure(Params):
    """Steps in the order in which the paper writes them; `first` has to come before another one."""

    id: str
    section: str
    what: str
    written: tuple[str, ...]
    first: str
    before: str
    why: str


class Phase(Params):
    """One phase of a training schedule."""

    name: str
    epochs: int | None = None
    eps: tuple[float, float] | None = None  # at its start and its end
    eps_at_most: float | None = None
    weight: tuple[float, float]


class Schedule(Params):
    """The adversarial training schedule and the attack in it."""

    section: str
    epochs: int
    phases: tuple[Phase, ...]
    steps: int
    step_divisor: float
    step_cap: float


class AttackFacts(Params):
    """What kind of attack a column is, as far as orders between attacks follow from it."""

    iterative: bool
    budget: Literal["eps", "features"]
    steps: int | None = None
    step_size: float | None = None
    section: str


class Components(Params):
    """Which parts each variant has, for the arithmetic of its parameters."""

    section: str
    of: dict[str, tuple[str, ...]]
    feature_width: int  # channels that enter the last layer, which alone depends on the number of classes


class Method(Params):
    """One row of a table that compares defences, as printed (Table 5); its numbers are among the extras."""

    method: str
    year: int
    strategy: str
    data: str
    printed: str
    dataset: str = ""  # of this project, where the row is one of the paper's own results


class SettingFact(Params):
    """One published setting that a measured number must share before the two are compared."""

    key: str  # of the run's parameters, dotted
    name: str
    section: str
    value: Any  # or, by data set, a mapping
    also: tuple[Any, ...] = ()
    per_dataset: bool = False
    at_most: bool = False  # any value up to `value` is the published one
    quantities: tuple[Quantity, ...] = (  # the numbers it bears on
        "accuracy",
        "attack_success_rate",
        "error_rate",
        "confusion",
        "precision",
        "recall",
        "f1",
    )
    variants: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()  # "": clean
    modes: tuple[str, ...] = ()  # training modes
    datasets: tuple[str, ...] = ()
    pruned_only: bool = False


# --- the paper ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Published:
    """One printed number, with all that a comparison needs."""

    id: str
    section: str
    source: str
    value: float
    unit: Unit
    decimals: int
    n: int | None  # images it is a share of, as far as the paper says
    address: Address | None
    tolerance: float | None
    better: Better | None = None
    cannot: str = ""
    note: str = ""


class Tolerances(Params):
    """How far a measured number may be from the printed one; fixed before a run."""

    rule: str
    exceptions: dict[str, str] = Field(default_factory=dict)  # id -> why the rule does not fit
    values: dict[str, float] = Field(default_factory=dict)


class Paper(Params):
    """All that is transcribed of one paper."""

    title: str
    authors: tuple[str, ...] = ()
    variants: dict[str, str] = Field(default_factory=dict)
    tables: dict[str, Table] = Field(default_factory=dict)
    datasets: dict[str, DatasetFacts] = Field(default_factory=dict)
    confusion: dict[str, Confusion] = Field(default_factory=dict)
    per_class: dict[str, PerClass] = Field(default_factory=dict)
    quotes: tuple[Quote, ...] = ()
    extras: dict[str, Extra] = Field(default_factory=dict)
    comparison: tuple[Method, ...] = ()
    statements: tuple[Statement, ...] = ()
    promises: tuple[Promise, ...] = ()
    needed: tuple[Needed, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    schedule: Schedule | None = None
    attacks: dict[str, AttackFacts] = Field(default_factory=dict)
    components: Components | None = None
    setting: tuple[SettingFact, ...] = ()
    tolerances: Tolerances = Tolerances(rule="none")
    vocabulary: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _data_sets_are_described(self) -> "Paper":
        for name in (*self.confusion, *self.per_class):
            if name not in self.datasets:
                raise PydanticCustomError(
                    "dataset",
                    "a matrix or class metrics of {name}, which is not among datasets",
                    {"name": name},
                )
        return self

    def clean_accuracy(self, dataset: str, variant: str) -> tuple[str, float] | None:
        """Id and value of a model's printed accuracy on clean images, in percent."""
        for table_id, table in self.tables.items():
            if table.dataset == dataset and variant in table.variants and table.clean(variant) is not None:
                return f"{table_id}/{variant}/clean", table.clean(variant) or 0.0
        return None

    def support(self, dataset: str) -> dict[str, int]:
        """Test images of each class."""
        return self.datasets[dataset].per_class.get("test", {})

    @cached_property
    def values(self) -> dict[str, Published]:
        """Every printed number by id, in the order of the paper's tables, matrices, counts and text."""
        found = [
            *self._table_values(),
            *self._confusion_values(),
            *self._per_class_values(),
            *self._data_values(),
            *self._extra_values(),
        ]
        return {value.id: value for value in found}

    @cached_property
    def by_address(self) -> dict[Address, Published]:
        """The printed number at each address; where text and table both print one, the table's."""
        return {value.address: value for value in reversed(self.values.values()) if value.address}

    def _value(self, id: str, address: Address, **facts: Any) -> Published:
        return Published(
            id=id,
            address=address,
            unit=UNITS[address.quantity],
            tolerance=self.tolerances.values.get(id),
            **facts,
        )

    def _table_values(self) -> Iterator[Published]:
        for table_id, table in self.tables.items():
            source = f"Table {table_id.removeprefix('table')}"
            better: Better = "higher" if table.quantity == "accuracy" else "lower"
            for variant in table.variants:
                if "parameters" in table.columns:
                    yield self._value(
                        f"{table_id}/{variant}/parameters",
                        Address(dataset=table.dataset, quantity="parameters", variant=variant),
                        section=table.section,
                        source=source,
                        value=next(iter(table.column(variant, "parameters").values())),
                        decimals=table.decimals,
                        n=None,
                    )
            for cell in table.percentages(table_id):
                yield self._value(
                    cell.id,
                    table.address(cell),
                    section=table.section,
                    source=source,
                    value=cell.printed,
                    decimals=table.decimals,
                    n=table.n,
                    better="higher" if cell.column == "clean" else better,
                )

    def _confusion_values(self) -> Iterator[Published]:
        for dataset, matrix in self.confusion.items():
            support = self.support(dataset)
            for true, row in self.completed(dataset).items():
                for predicted, images in row.items():
                    yield self._value(
                        f"confusion/{dataset}/{true}/{predicted}",
                        Address(
                            dataset=dataset,
                            quantity="confusion",
                            variant=matrix.variant,
                            item=f"{true}/{predicted}",
                        ),
                        section=matrix.section,
                        source="Confusion matrix",
                        value=images / support[true],
                        decimals=4,
                        n=support[true],
                        better="higher" if true == predicted else "lower",
                        note=f"{images} of {support[true]} images"
                        + ("" if predicted in matrix.rows[true] else ", implied: this cell is not printed"),
                    )

    def completed(self, dataset: str) -> dict[str, dict[str, int]]:
        """The confusion matrix, with the cells that a row's total or a recall of 1 leaves no choice about."""
        matrix, support, full = self.confusion[dataset], self.support(dataset), {}
        for true in self.datasets[dataset].classes:
            row = dict(matrix.rows.get(true, {}))
            metrics = self.per_class[dataset].classes.get(true) if dataset in self.per_class else None
            if not row and metrics and metrics.recall == 1:
                row = {true: support[true]}
            if sum(row.values()) == support[true]:
                row = {name: row.get(name, 0) for name in self.datasets[dataset].classes}
            full[true] = row
        return full

    def _per_class_values(self) -> Iterator[Published]:
        for dataset, metrics in self.per_class.items():
            for name, row in metrics.classes.items():
                for quantity in ("precision", "recall", "f1"):
                    yield self._value(
                        f"per_class/{dataset}/{name}/{quantity}",
                        Address(dataset=dataset, quantity=quantity, variant=metrics.variant, item=name),
                        section=metrics.section,
                        source="Per-class metrics",
                        value=getattr(row, quantity),
                        decimals=metrics.decimals,
                        n=self.support(dataset).get(name),
                        better="higher",
                    )

    def _data_values(self) -> Iterator[Published]:
        for dataset, facts in self.datasets.items():
            counts = {"total": facts.total, **facts.split}
            for split, classes in facts.per_class.items():
                counts |= {f"{split}/{name}": images for name, images in classes.items()}
            for item, images in counts.items():
                address = Address(dataset=dataset, quantity="images", item=item)
                yield self._data_value(f"data/{dataset}/{item}", address, facts.section, images, 0)
            if facts.duplicates:
                address = Address(dataset=dataset, quantity="duplicates")
                found = facts.duplicates
                yield self._data_value(
                    f"data/{dataset}/duplicates", address, found.section, found.identified, 0
                )
            if facts.pixels:
                statistics: dict[Quantity, float] = {
                    "pixel_mean": facts.pixels.mean,
                    "pixel_std": facts.pixels.std,
                }
                for quantity, value in statistics.items():
                    address = Address(dataset=dataset, quantity=quantity)
                    yield self._data_value(
                        f"data/{dataset}/{quantity}", address, facts.pixels.section, value, 8
                    )

    def _data_value(self, id: str, address: Address, section: str, value: float, decimals: int) -> Published:
        return self._value(
            id, address, section=section, source="Data", value=float(value), decimals=decimals, n=None
        )

    def _extra_values(self) -> Iterator[Published]:
        for id, extra in self.extras.items():
            yield Published(
                id=id,
                section=extra.section,
                source="Table 5" if id.startswith("table5/") else "Text",
                value=extra.printed,
                unit=extra.unit,
                decimals=extra.decimals,
                n=extra.n,
                address=extra.address,
                tolerance=self.tolerances.values.get(id),
                better=_better(extra.address.quantity) if extra.address else None,
                cannot=extra.cannot,
                note=extra.note,
            )


def _better(quantity: Quantity) -> Better | None:
    if quantity in ("accuracy", "recall", "precision", "f1"):
        return "higher"
    return "lower" if quantity in ("attack_success_rate", "error_rate") else None


# --- reading --------------------------------------------------------------------------------------


def read(folder: Path = FOLDER) -> Paper:
    """Read a paper's transcription: all `*.yaml` of a folder, and `vocabulary.txt` where there is one.

    Raises PublishedError if a file is not YAML, a key is unknown or appears in two files, or a value is of
    the wrong type.
    """
    found: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for file in sorted(folder.glob("*.yaml")):
        for key, value in _mapping(file).items():
            if key in origin:
                raise PublishedError(f"{folder.name}: {key} stands in {origin[key]} and in {file.name}")
            found[key], origin[key] = value, file.name
    words = folder / "vocabulary.txt"
    if words.exists():
        lines = words.read_text(encoding="utf-8").splitlines()
        found["vocabulary"] = frozenset(line for line in lines if line and not line.startswith("#"))
    try:
        return Paper.model_validate(found)
    except ValidationError as error:
        raise PublishedError(
            "\n".join(_sentence(problem, folder, origin) for problem in error.errors())
        ) from error


def hashes(folder: Path = FOLDER) -> dict[str, str]:
    """sha256 of each file of a transcription, so that a change after a run can be seen."""
    return {
        file.name: sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.is_file()
    }


def changed(at_run: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Files of a transcription that are not what they were: altered, added or gone."""
    return sorted(name for name in {*at_run, *now} if at_run.get(name) != now.get(name))


def _mapping(file: Path) -> dict[str, Any]:
    try:
        found = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise PublishedError(f"{file.name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise PublishedError(f"{file.name} holds {type(found).__name__}; expected keys and values")
    return found


def _sentence(problem: Any, folder: Path, origin: Mapping[str, str]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    file = origin.get(str(problem["loc"][0]), "*.yaml") if problem["loc"] else "*.yaml"
    return f"{folder.name}/{file}: {place}: {problem['msg']}"
