"""What the paper prints, as data: tables, matrices, quoted numbers and settings, each with its place.

`params/published/*.yaml` transcribes the paper without correction or judgement, and fixes for every number
how far a measured one may be away (`tolerances.yaml`, by the rule stated there). `read` gives it as one
`Paper`, `Paper.values` every single number under the id that `results.json` uses:

    table1/full/eps=0.05/fgsm    table1/full/clean    table3/no_afd/rate=70/jsma
    confusion/roct/DRUSEN/CNV    per_class/roct/CNV/recall    data/roct/test    text/...

Another paper's tables in the same format are another folder.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from meddef_lib import paths
from meddef_lib.declared import not_hidden
from meddef_lib.paper.addresses import Address, PrintedValue, Quantity
from meddef_lib.paper.claims import comparisons
from meddef_lib.paper.datasets import Confusion, DatasetFacts, PerClass
from meddef_lib.paper.printed_tables import ComparedMethod, PrintedTable
from meddef_lib.paper.statements import (
    AttackFacts,
    Citation,
    Components,
    Extra,
    Needed,
    OrderOfSteps,
    PrintedSchedule,
    Promise,
    Quote,
    SettingFact,
    Statement,
)
from meddef_lib.params.reading import ParamsError, read_yaml, text_of
from meddef_lib.params.types import ById, EachId, NotNegative, Params, one_of

FOLDER = paths.PARAMS / "published"


class Tolerances(Params):
    """How far a measured number may be from the printed one; fixed before a run."""

    rule: str
    exceptions: dict[str, str] = Field(default_factory=dict)  # id -> why the rule does not fit
    values: dict[str, NotNegative] = Field(default_factory=dict)


class Paper(Params):
    title: str
    authors: tuple[str, ...] = ()
    doi: str | None = None
    variants: dict[str, str] = Field(default_factory=dict)  # the names that the paper prints
    tables: Annotated[dict[str, PrintedTable], ById] = Field(default_factory=dict)
    datasets: Annotated[dict[str, DatasetFacts], ById] = Field(default_factory=dict)
    confusion: Annotated[dict[str, Confusion], ById] = Field(default_factory=dict)
    per_class: Annotated[dict[str, PerClass], ById] = Field(default_factory=dict)
    quotes: Annotated[tuple[Quote, ...], EachId] = ()
    extras: Annotated[dict[str, Extra], ById] = Field(default_factory=dict)
    comparison: tuple[ComparedMethod, ...] = ()
    statements: Annotated[tuple[Statement, ...], EachId] = ()
    promises: Annotated[tuple[Promise, ...], EachId] = ()
    needed: Annotated[tuple[Needed, ...], EachId] = ()
    procedures: Annotated[tuple[OrderOfSteps, ...], EachId] = ()
    citations: tuple[Citation, ...] = ()
    schedule: PrintedSchedule | None = None
    attacks: dict[str, AttackFacts] = Field(default_factory=dict)
    components: Components | None = None
    facts: tuple[SettingFact, ...] = Field(default=(), alias="setting")
    tolerances: Tolerances = Tolerances(rule="none")
    vocabulary: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _data_sets_are_described(self) -> "Paper":
        for name in (*self.confusion, *self.per_class):
            if name not in self.datasets:
                raise ValueError(f"a matrix or class metrics of {name}, which is not among datasets")
        for name, matrix in self.confusion.items():
            if set(self.datasets[name].support) != set(self.datasets[name].classes):
                raise ValueError(
                    f"confusion.{name} needs datasets.{name}.per_class.test, the test images of each class, "
                    "of which its cells are shares"
                )
            named = [*matrix.rows, *(predicted for row in matrix.rows.values() for predicted in row)]
            self.datasets[name].check_classes("confusion", named)
        for name, metrics in self.per_class.items():
            self.datasets[name].check_classes("per_class", metrics.classes)
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> "Paper":
        """Refuse a name that nothing has: what it names would silently go unchecked."""
        printed = {value.id for value in self._printed()}
        columns = {column for table in self.tables.values() for column in table.columns}
        known: list[tuple[str, Iterable[str], Collection[str]]] = [
            ("tables: dataset", (t.dataset for t in self.tables.values()), self.datasets),
            ("tables: variant", (v for t in self.tables.values() for v in t.variants), self.variants),
            ("components", self.components.of if self.components else (), self.variants),
            ("attacks", self.attacks, columns),
            ("attacks: stronger_than", (x for a in self.attacks.values() for x in a.stronger_than), columns),
            ("promises: positions", (name for p in self.promises for name in p.positions), self.tables),
            ("tolerances", (*self.tolerances.values, *self.tolerances.exceptions), printed),
            *((f"quotes: {quote.id}", quote.ids, printed) for quote in self.quotes),
        ]
        for where, names, among in known:
            for name in names if among else ():
                if name not in among:
                    close = one_of(
                        name, [*difflib.get_close_matches(name, among, n=3, cutoff=0.3)] or [*among][:3]
                    )
                    raise ValueError(f"{where} names {name}, which nothing has; expected such as {close}")
        addresses = {value.address for value in self._printed() if value.address}
        addresses |= {replace(address, eps=None) for address in addresses if not address.attack}
        for quote in self.quotes:
            for one in (one for test in quote.tests for one in comparisons(test)):
                for side in (one.left, one.right):
                    if isinstance(side, Address) and not {side, replace(side, eps=None)} & addresses:
                        raise ValueError(f"quotes: {quote.id} is tested on {side.text}, which is not printed")
        return self

    def at(self, address: Address) -> PrintedValue | None:
        """The printed number of an address; at any epsilon the one that has none."""
        return self.by_address.get(address) or self.by_address.get(replace(address, eps=None))

    def tables_of(self, quantity: Quantity | None = None, *, axis: str | None = None) -> list[PrintedTable]:
        """The tables of a quantity, and with an axis; None: of any."""
        return [
            table
            for table in self.tables.values()
            if quantity in (None, table.quantity) and axis in (None, table.axis)
        ]

    def table_of(self, quantity: Quantity, dataset: str) -> PrintedTable | None:
        """The table of a quantity on a data set; None where the paper prints none."""
        return next((table for table in self.tables_of(quantity) if table.dataset == dataset), None)

    def attacks_in(self, table: PrintedTable) -> dict[str, AttackFacts]:
        """The attacks of a table of which the paper says what kind they are."""
        return {name: self.attacks[name] for name in table.attacks if name in self.attacks}

    def clean_accuracy(self, dataset: str, variant: str) -> PrintedValue | None:
        """A model's accuracy on clean images, in percent, where a table prints it."""
        ids = (f"{t.id}/{variant}/clean" for t in self.tables.values() if t.dataset == dataset)
        return next((self.values[id] for id in ids if id in self.values), None)

    def setting(self, dataset: str) -> tuple[SettingFact, ...]:
        """The published setting of a data set; () where the paper does not print it."""
        printed = self.datasets.get(dataset)
        return tuple(found for fact in self.facts if printed and (found := fact.of(printed)))

    @cached_property
    def values(self) -> dict[str, PrintedValue]:
        """Every printed number by id, in the order of the paper's tables, matrices, counts and text."""
        tolerances = self.tolerances.values
        return {value.id: replace(value, tolerance=tolerances.get(value.id)) for value in self._printed()}

    @cached_property
    def by_address(self) -> dict[Address, PrintedValue]:
        """The printed number at each address; where text and table both print one, the table's."""
        return {value.address: value for value in reversed(self.values.values()) if value.address}

    def _printed(self) -> Iterator[PrintedValue]:
        for table in self.tables.values():
            yield from table.values()
        for name, matrix in self.confusion.items():
            yield from matrix.values(self.datasets[name], self.per_class.get(name))
        for name, metrics in self.per_class.items():
            yield from metrics.values(self.datasets[name])
        for facts in self.datasets.values():
            yield from facts.values()
        for extra in self.extras.values():
            yield extra.value()


def read(folder: Path = FOLDER) -> Paper:
    """Read a paper's transcription: all `*.yaml` of a folder, and `vocabulary.txt` where there is one.

    Read once: again only where a file's content has changed. Raises ParamsError if a file is not YAML, a key
    is unknown or appears in two files, a value is of the wrong type, or an id is none of the printed ones.
    """
    if not not_hidden(folder.glob("*.yaml")):
        raise ParamsError(f"{folder} holds no *.yaml; expected the transcription of a paper")
    return _read(folder, tuple(hashes(folder).items()))


@lru_cache(maxsize=8)
def _read(folder: Path, _contents: tuple[tuple[str, str], ...]) -> Paper:
    paper = read_yaml(Paper, *not_hidden(folder.glob("*.yaml")))
    words = folder / "vocabulary.txt"
    if not (words.exists() or words.is_symlink()):
        return paper
    lines = text_of(words).splitlines()
    found = frozenset(line for line in lines if line and not line.startswith("#"))
    return paper.model_copy(update={"vocabulary": found})


def hashes(folder: Path = FOLDER) -> dict[str, str]:
    """sha256 of each file of a transcription, so that a change after a run can be seen."""
    read = not_hidden([*folder.glob("*.yaml"), *folder.glob("vocabulary.txt")])
    return {file.name: sha256(text_of(file).encode()).hexdigest() for file in read}


def changed(at_run: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Files of a transcription that are not what they were: altered, added or gone."""
    return sorted(name for name in {*at_run, *now} if at_run.get(name) != now.get(name))
