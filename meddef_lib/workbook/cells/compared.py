"""Networks that those of the tables are compared with: cells of `train`, `attack` and `prune` like theirs.

A kind of their own, so that a notebook that shows the tables does not wait for them.
"""

from collections.abc import Iterator

from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import attack, prune, train
from meddef_lib.workbook.kinds import Kind


def records_of(book: Workbook, dataset: str) -> Iterator[tuple[Model, Recipe]]:
    """The records of each such network, unpruned and, where the profile says so, pruned."""
    wanted = book.profile.comparison
    for model in book.compared_models(dataset):
        for name in wanted.methods:
            yield from ((model, part) for part in attack.apart(book, attack.recipe(book, model, name), "eps"))
        for name in wanted.pruned_methods if model.variant in wanted.pruned else ():
            if prune.rates(book, name):
                parts = attack.apart(book, prune.recipe(book, model, name), "rate")
                yield from ((model, part) for part in parts)


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """Every such network and its records."""
    for model in book.compared_models(dataset):
        yield train.recipe(book, model)
    for _, recipe in records_of(book, dataset):
        yield recipe


KIND = Kind("compared", place=9, cells=cells)
