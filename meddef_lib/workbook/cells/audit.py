"""audit/<data set>: counts, duplicates, patients, unreadable files, shortcuts."""

from meddef_lib.data import examine
from meddef_lib.engine.recipe import Progress, Recipe, silent
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import prepared
from meddef_lib.workbook.kinds import Kind


def recipe(book: Workbook, dataset: str, progress: Progress = silent) -> Recipe:
    """What the audit of the data set found. Raises DataError where the reader's images are missing.

    `progress` is told of files that are hashed for the first time.
    """

    def made() -> Recipe:
        found = book.datasets[dataset]
        source = prepared.source_of(book, dataset, book.profile.image_size, progress)
        settings = {**source[0], **prepared.split(book.profile, found, source)}
        settings["dataset"] |= {"patients": found.patients}  # whose readings it counts in names of any kind
        inputs = {**source[1], examine.INPUT: prepared.examined(source)}
        return Recipe(f"audit/{dataset}", "meddef_lib.data.image_audit:make", settings, inputs)

    return book.once(f"audit/{dataset}", made)


KINDS = (Kind("audit", place=2, cells=lambda book, dataset: [recipe(book, dataset)]),)
