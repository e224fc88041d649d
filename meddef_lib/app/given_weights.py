"""`invoke evaluate`: someone's own weights through the same attacks, tables and page."""

import os
from collections.abc import Collection
from pathlib import Path

from meddef_lib import params
from meddef_lib.app import runner
from meddef_lib.errors import UserError, did_you_mean
from meddef_lib.models import given
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params import DataParams
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import prepared, train


def evaluate(book: Workbook, file: Path, variant: str, *, images: str | None, device: str, yes: bool) -> int:
    """Attack the network of `file` on the one data set of `book`; returns the exit code.

    `images` says which are tested: test, all or paper. Raises UserError where there is no such variant and
    where the weights do not fit it.
    """
    os.environ[given.VARIABLE] = str(file)
    _require_one_of("--variant", variant, VARIANTS)
    (dataset,) = book.datasets
    book = book.with_weights(given.digest(file), file.name, variant, tested(book, dataset, images))
    (model,) = book.models(dataset)
    given.read(train.recipe(book, model).settings)  # a file that does not fit is refused before any work
    return runner.reproduce(book, device=device, yes=yes)


def tested(book: Workbook, dataset: str, images: str | None) -> DataParams:
    """Which images an evaluation tests: those of `--images`, of `--set`, or what the folder calls test.

    As many as there are, unless `--set` limits them. Raises UserError.
    """
    data = book.profile.data
    rules = {"test": "published", "all": "all", "paper": params.read_dataset(dataset).split}
    if images is not None:
        _require_one_of("--images", images, rules)
        if data.split not in (None, rules[images]):
            raise UserError(
                f"--images {images} and data.split={data.split} name different images; leave one out"
            )
    rule = rules.get(images or "", data.split)
    if rule is None and f"{dataset}.split" in book.overrides:
        rule = book.datasets[dataset].split
    if rule is None:
        as_it_lies = book.profile.model_copy(update={"data": data.model_copy(update={"split": "published"})})
        found = prepared.listing(as_it_lies, book.datasets[dataset])
        rule = "published" if found is None or "test" in set(found.images["split"]) else "all"
    limited = any(key.startswith("data.limits") for key in book.overrides)
    limits = data.limits if limited else data.limits.model_copy(update={"test": None})
    return data.model_copy(update={"split": rule, "limits": limits})


def _require_one_of(option: str, said: str, known: Collection[str]) -> None:
    if said not in known:
        raise UserError(
            f"{option} is {said!r}; expected one of {', '.join(known)}{did_you_mean(said, known)}"
        )
