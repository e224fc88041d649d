"""examined/<data set>: one look at every file, which the audit and the removal of duplicates start from."""

from collections.abc import Mapping
from typing import Any

from meddef_lib.data.sources import opening
from meddef_lib.engine.recipe import Progress, Recipe, silent
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import phantoms
from meddef_lib.workbook.kinds import Kind

Source = tuple[Mapping[str, Any], Mapping[str, Recipe]]


def source(book: Workbook, dataset: str, image_size: int, progress: Progress = silent) -> Source:
    """Which images are meant: what every recipe of them says, and the phantoms where they are made up.

    Raises DataError where the reader's images are missing.
    """
    data, name = book.profile.data, book.of_images(dataset, image_size)

    def read() -> Source:
        said = opening.settings(
            data,
            book.datasets[dataset],
            image_size=image_size,
            store_root=book.store.root,
            progress=progress,
            manifest=book.manifests.get(name),
        )
        made_up = data.source == opening.PHANTOMS
        return said, {opening.PHANTOMS: phantoms.recipe(book, dataset)} if made_up else {}

    return book.once(f"source/{name}", read)


def recipe(source: Source) -> Recipe:
    """Files are looked at once, whatever size they are prepared at; MedMNIST has a file for each size."""
    said, inputs = source
    size = f"/{said['medmnist_size']}px" if "medmnist_size" in said else ""
    return Recipe(f"examined/{said['dataset']['id']}{size}", "meddef_lib.data.examine:make", said, inputs)


KIND = Kind("examined", place=0)
