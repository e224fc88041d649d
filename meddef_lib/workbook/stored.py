"""What a workbook has measured so far, read from the store without torch: the one source of every table.

Cells that are missing, or failed, are left out; nothing is computed here.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from meddef_lib.data import audit_report, image_audit, splits
from meddef_lib.data.image_audit import Audit
from meddef_lib.data.prepared import Prepared
from meddef_lib.data.prepared import load as load_prepared
from meddef_lib.engine.recipe import Recipe
from meddef_lib.paper import published
from meddef_lib.paper.published import Paper
from meddef_lib.params import Dataset, Profile
from meddef_lib.results import measured
from meddef_lib.results.collected import NAMES
from meddef_lib.results.model import Model
from meddef_lib.results.outcomes import Outcomes
from meddef_lib.results.parts import diagnostics, forgetting
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import attack, audit, prepared, saliency, train
from meddef_lib.workbook.kinds import every_cell


@dataclass(frozen=True)
class Stored:
    """Finished cells of a workbook as `results.collected.Collected`; each table is read when first asked."""

    book: Workbook

    # --- what there is to be ---

    @property
    def profile(self) -> Profile:
        return self.book.profile

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return self.book.datasets

    # --- the cells themselves ---

    def folder(self, id: str) -> Path | None:
        """Where the finished cell with this id lies; None while it is missing."""
        recipe = self._cells.get(id)
        return self._folder(recipe) if recipe else None

    @cached_property
    def _cells(self) -> dict[str, Recipe]:
        return every_cell(self.book)

    def _folder(self, recipe: Recipe) -> Path | None:
        return self.book.store.folder(recipe) if self.book.store.has(recipe) else None

    def _folders(self, recipe: Callable[[Workbook, str], Recipe]) -> Iterator[tuple[str, Path]]:
        """The data sets whose cell of a kind is there, and where it lies."""
        for name in self.book.datasets:
            if folder := self._folder(recipe(self.book, name)):
                yield name, folder

    @cached_property
    def paper(self) -> Paper:
        return published.read()

    # --- data ---

    @cached_property
    def data(self) -> dict[str, Prepared]:
        """The prepared data sets, by id; their summaries with the release that they are of, in words."""
        found = {name: load_prepared(folder) for name, folder in self._folders(prepared.recipe)}
        return {
            name: replace(images, summary=images.summary | self._release(name, images.summary))
            for name, images in found.items()
        }

    def _release(self, dataset: str, summary: Mapping[str, Any]) -> dict[str, Any]:
        known, source = self.book.datasets[dataset], summary["source"]
        printed = self._printed(dataset)
        return {
            "data_version": splits.data_version(summary["listed"], known, source=source),
            "published_counts": splits.has_published_counts(summary["counts"], printed, source=source),
        }

    def _printed(self, dataset: str) -> dict[str, Any] | None:
        """What the paper prints of a data set, as plain values."""
        facts = self.paper.datasets.get(dataset)
        return facts.model_dump(mode="json") if facts else None

    @cached_property
    def audits(self) -> dict[str, Audit]:
        """What the audits found, by data set, in words and beside what the paper prints."""
        source = self.book.profile.data.source
        audits = {name: image_audit.load(folder) for name, folder in self._folders(audit.recipe)}
        return {
            name: replace(
                found,
                summary=audit_report.describe(
                    found.summary, self.book.datasets[name], self._printed(name), source=source
                ),
            )
            for name, found in audits.items()
        }

    # --- models ---

    @cached_property
    def there(self) -> list[tuple[Model, Path]]:
        """Every model that is there, trained or given, with the folder of its weights."""
        models = [model for name in self.book.datasets for model in self.book.every_model(name)]
        folders = [(model, self._folder(train.recipe(self.book, model))) for model in models]
        return [(model, folder) for model, folder in folders if folder]

    @cached_property
    def trainings(self) -> dict[str, dict[str, Any]]:
        """What training wrote of itself, by model: settings, the epoch that was kept, seconds."""
        files = {model.id: folder / "training.json" for model, folder in self.there}
        return {
            id: json.loads(file.read_text(encoding="utf-8")) for id, file in files.items() if file.is_file()
        }

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an epoch of every model, with `dataset`, `variant`, `mode`, `seed` and the model's `id`."""
        return _together(
            _named(pd.read_parquet(folder / "history.parquet"), model).assign(id=model.id)
            for model, folder in self.there
            if model.id in self.trainings  # given weights were not trained here
        )

    @cached_property
    def sizes(self) -> dict[str, dict[str, int]]:
        files = {name: folder / "sizes.json" for name, folder in self._folders(train.sizes)}
        return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items()}

    # --- records ---

    def _records(self, of: Callable[[Workbook, str], Iterable[tuple[Model, Recipe]]]) -> pd.DataFrame:
        return _together(
            _named(pd.read_parquet(folder / "records.parquet"), model).assign(key=recipe.key)
            for dataset in self.book.datasets
            for model, recipe in of(self.book, dataset)
            if (folder := self._folder(recipe))
        )

    @cached_property
    def attacked(self) -> pd.DataFrame:
        """Records of unpruned models: a row an image, model, attack and epsilon."""
        return self._records(attack.records_of)

    @cached_property
    def pruned(self) -> pd.DataFrame:
        """Records of pruned models: a row an image, model, attack and `rate`."""
        return self._records(attack.pruned_records_of)

    @cached_property
    def compared(self) -> pd.DataFrame:
        """Records of the networks for comparison: a row an image, model, attack, epsilon and `rate`."""
        found = self._records(attack.compared_records_of)
        return found if found.empty else found.fillna({"rate": 0.0})

    @cached_property
    def saliency(self) -> pd.DataFrame:
        """Saliency numbers: a row an image and model."""
        models = [model for dataset in self.book.datasets for model in self.book.saliency_models(dataset)]
        found = [(model, self._folder(saliency.recipe(self.book, model))) for model in models]
        return _together(
            _named(pd.read_parquet(folder / "saliency.parquet"), model).assign(
                image_size=model.image_size or 0
            )
            for model, folder in found
            if folder
        )

    # --- numbers ---

    def key(self, kind: Literal["prepared", "audit", "sizes"], dataset: str) -> str:
        """Of the cell of a data set that numbers come from which no record has the key of."""
        recipes: dict[str, Callable[[Workbook, str], Recipe]]
        recipes = {"prepared": prepared.recipe, "audit": audit.recipe, "sizes": train.sizes}
        return recipes[kind](self.book, dataset).key

    @cached_property
    def by_mode(self) -> dict[measured.Place, Outcomes]:
        """The numbers of each data set, variant and way of training."""
        return measured.by_mode(self)

    @cached_property
    def checks(self) -> list[dict[str, Any]]:
        return diagnostics.rows(self)

    @cached_property
    def forgotten(self) -> list[dict[str, Any]]:
        """What pruning makes each network forget."""
        return forgetting.rows(self)

    @cached_property
    def outcomes(self) -> Outcomes:
        """Every measured number under the address of the paper's."""
        return measured.of_run(self)


def _named(frame: pd.DataFrame, model: Model) -> pd.DataFrame:
    return frame.assign(**{name: getattr(model, name) for name in NAMES})


def _together(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    found = list(frames)
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()
