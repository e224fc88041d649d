"""What a run has measured, as tables: all that numbers are made from. The workbook fills it from its store.

What is not there yet is empty: a frame without rows, a mapping without the data set.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import pandas as pd

from meddef_lib.data.image_audit import Audit
from meddef_lib.data.prepared import Prepared
from meddef_lib.paper.published import Paper
from meddef_lib.params import Dataset, Profile
from meddef_lib.results.model import Model
from meddef_lib.results.outcomes import Outcomes

NAMES = ("dataset", "variant", "mode", "seed")  # of a model, in every row that is about it


def names_of(model: Model) -> dict[str, Any]:
    """What a row of the document says of its model."""
    return {name: getattr(model, name) for name in ("id", *NAMES, "image_size")}


def of_model(records: pd.DataFrame, model: Model) -> pd.DataFrame:
    """The rows of one model, at whatever image size."""
    if records.empty:
        return records
    return records[(records[list(NAMES)] == [getattr(model, name) for name in NAMES]).all(axis="columns")]


def by(column: str, records: pd.DataFrame) -> dict[Any, pd.DataFrame]:
    """The rows of each value of a column, in the order in which values come."""
    return dict(iter(records.groupby(column, sort=False)))


class Planned(Protocol):
    """Which networks of a data set there are to be."""

    def modes(self, variant: str) -> Sequence[str]: ...  # ways of training; the first fills the tables
    def models(self, dataset: str) -> Sequence[Model]: ...  # in each mode and with each seed
    def main_models(self, dataset: str) -> Sequence[Model]: ...  # that fill the tables
    def larger_models(self, dataset: str) -> Sequence[Model]: ...  # of larger images, for saliency alone
    def saliency_models(self, dataset: str) -> Sequence[Model]: ...  # first seed of tables, and larger


class Collected(Protocol):
    """The tables of one run; each is read when it is first asked for."""

    @property
    def profile(self) -> Profile: ...
    @property
    def datasets(self) -> Mapping[str, Dataset]: ...
    @property
    def paper(self) -> Paper: ...
    @property
    def book(self) -> Planned: ...

    # --- what was made ---

    def folder(self, id: str) -> Path | None: ...  # of a finished cell; None while it is missing
    @property
    def data(self) -> Mapping[str, Prepared]: ...  # by data set, as the next
    @property
    def audits(self) -> Mapping[str, Audit]: ...
    @property
    def trainings(self) -> Mapping[str, Mapping[str, Any]]: ...  # what training wrote of itself, by model id
    @property
    def history(self) -> pd.DataFrame: ...  # an epoch a row, with the names of its model and its `id`
    @property
    def sizes(self) -> Mapping[str, Mapping[str, int]]: ...  # parameters by variant, by data set
    @property
    def attacked(self) -> pd.DataFrame: ...  # records: a row an image, model, attack and epsilon
    @property
    def pruned(self) -> pd.DataFrame: ...  # the same of pruned models, with `rate`
    @property
    def compared(self) -> pd.DataFrame: ...  # both of these records, of the networks that are compared
    @property
    def saliency(self) -> pd.DataFrame: ...  # a row an image and model
    @property
    def checks(self) -> Sequence[Mapping[str, Any]]: ...  # the part `diagnostics`, which marks others
    @property
    def forgotten(self) -> Sequence[Mapping[str, Any]]: ...  # the part `forgetting`, which Table 5 quotes

    # --- numbers that several parts are made from ---

    @property
    def outcomes(self) -> Outcomes: ...  # every measured number under the address of the paper's
    @property
    def by_mode(self) -> Mapping[tuple[str, str, str], Outcomes]: ...  # by data set, variant, training

    def key(self, kind: Literal["prepared", "audit", "sizes"], dataset: str) -> str:
        """The key of the cell that counts, duplicates or the sizes of networks come from."""


def records_of(found: Collected, *tables: Literal["attacked", "pruned", "compared"]) -> pd.DataFrame:
    """The records of these tables in one, those of unpruned networks with a `rate` of 0."""
    frames = [getattr(found, name) for name in tables]
    there = [frame if "rate" in frame else frame.assign(rate=0.0) for frame in frames if not frame.empty]
    return pd.concat(there, ignore_index=True) if there else pd.DataFrame()


def tables_of(found: Collected, kind: str, dataset: str, file: str) -> dict[Model, pd.DataFrame]:
    """The table of each network of a data set of which the cell of a kind is there."""
    folders = {model: found.folder(f"{kind}/{model.id}") for model in found.book.models(dataset)}
    return {model: pd.read_parquet(folder / file) for model, folder in folders.items() if folder}


def first_models(found: Collected, dataset: str) -> list[Model]:
    """The networks that fill the tables of a data set, with the first seed."""
    return [model for model in found.book.main_models(dataset) if model.seed == found.profile.seeds[0]]
