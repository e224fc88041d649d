"""prune/<model>/<attack>: records of one attack at every pruning rate above 0 (Tables 3, 4)."""

from collections.abc import Iterator

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells.attack import apart, mib, records, seconds
from meddef_lib.workbook.kinds import Kind

MAKER = "meddef_lib.evaluation.pruned_records:make"


def recipe(book: Workbook, model: Model, attack: str) -> Recipe:
    """Records of one attack at every pruning rate, at the epsilon of Tables 3 and 4."""
    pruning = book.profile.pruning
    eps = pruning.eps if ATTACKS[attack].has_eps else None
    runs = [{"eps": eps, "rate": rate} for rate in rates(book, attack)]
    name = f"prune/{model.id}/{attack}"
    return records(book, name, model, attack, runs, maker=MAKER, scope=pruning.scope)


def rates(book: Workbook, attack: str) -> list[float]:
    """The rates at which an attack meets pruned models; rate 0 is left to the records of `attack`."""
    entry, attacks, pruning = ATTACKS[attack], book.profile.attacks, book.profile.pruning
    own = entry.rates(attacks)
    recorded = attack in attacks.methods and (not entry.has_eps or pruning.eps in entry.eps(attacks))
    return [rate for rate in (pruning.rates if own is None else own) if rate > 0 or not recorded]


def records_of(book: Workbook, dataset: str) -> Iterator[tuple[Model, Recipe]]:
    """Every attack that meets pruned models on each model of the tables."""
    for model in book.main_models(dataset):
        for attack in book.profile.pruning.methods:
            if rates(book, attack):
                for part in apart(book, recipe(book, model, attack), "rate"):
                    yield model, part


KIND = Kind(
    "prune",
    place=5,
    cells=lambda book, dataset: (each for _, each in records_of(book, dataset)),
    seconds=seconds,
    needs_rates=True,
    mib=mib,
)
