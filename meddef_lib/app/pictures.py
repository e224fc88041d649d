"""Pictures in a notebook: of the data set by their ids, or of one's own, as networks see them."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from meddef_lib import paths
from meddef_lib.data import decode, steps
from meddef_lib.data.decode import Decoded
from meddef_lib.data.prepared import Prepared
from meddef_lib.data.prepared import load as load_prepared
from meddef_lib.data.reasons import UnreadableImage, clause
from meddef_lib.data.sources.opening import Source, open_source
from meddef_lib.engine.recipe import Recipe, Workspace
from meddef_lib.errors import UserError, known_are
from meddef_lib.params import PreprocessingParams
from meddef_lib.visible import one_line
from meddef_lib.workbook.cells import prepared
from meddef_lib.workbook.stored import Stored

Image = int | str | Path  # an image of the data set by its id, or a file
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Picture:
    """A picture by name: `before` the steps, uint8 (h, w), and as networks have `seen` it, uint8 (s, s)."""

    name: str
    before: NDArray[np.uint8]
    seen: NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """The pictures of a workbook's data set."""

    stored: Stored
    dataset: str

    def images(self, split: str = "test") -> pd.DataFrame:
        """The images of a split: image_id, file, class_name, patient, width and height of the file's picture.

        `file` is a path that opens, but for MedMNIST, whose images are rows of an array. Raises UserError.
        """
        if split not in SPLITS:
            raise UserError(f"there is no split {split!r}; {known_are(split, SPLITS)}")
        found = self._prepared().index
        of_split = found[found["split"] == split].reset_index(drop=True)
        with self._source() as source:
            folder = source.listing.folder
        files = [str(folder / path) if (folder / path).exists() else path for path in of_split["path"]]
        columns = ["image_id", "file", "class_name", "patient", "width", "height"]
        return of_split.assign(file=files)[columns]

    def picture(self, image: Image, **changed: Any) -> Picture:
        """A picture before and after the data set's steps.

        `changed` are other settings of the steps, such as clahe=True. Raises UserError for a file that is no
        JPEG or PNG image, for an id of no image, and for a setting that does not exist.
        """
        if not (_is_id(image) or isinstance(image, str | Path)):
            said = one_line(repr(image), 60)
            raise UserError(
                f"image is {said}; expected an id that images() of the session lists, or a file's name"
            )
        book = self.stored.book
        usual = book.datasets[self.dataset].preprocessing
        for setting in changed.keys() - PreprocessingParams.model_fields.keys():
            raise UserError(f"no step has {setting}; {known_are(setting, PreprocessingParams.model_fields)}")
        try:
            params = PreprocessingParams.model_validate(usual.model_dump() | changed)
        except ValidationError as error:
            (name, *_), said = error.errors()[0]["loc"], error.errors()[0]["msg"]
            raise UserError(f"{name} is {changed[str(name)]!r}: {said}") from error
        if _is_id(image):
            data = self._prepared()
            path = str(data.index["path"].iloc[_rows_of(data, [int(image)])[0]])
            with self._source() as source:
                grey = _decoded(source.load, path)
        else:
            path = str(paths.given(str(image), "image", Path.cwd()))
            grey = _decoded(partial(decode.load, max_pixels=book.profile.data.max_pixels), path)
        return Picture(
            one_line(Path(path).name), grey, steps.prepare(grey, params, image_size=book.profile.image_size)
        )

    def _prepared(self) -> Prepared:
        return load_prepared(self._folder(prepared.recipe(self.stored.book, self.dataset)))

    @contextmanager
    def _source(self) -> Iterator[Source]:
        """The files that the prepared data set was made from."""
        recipe = prepared.recipe(self.stored.book, self.dataset)
        inputs = {name: self._folder(found) for name, found in recipe.inputs.items()}
        with tempfile.TemporaryDirectory(prefix="meddef-") as temporary:
            folder = Path(temporary)  # MedMNIST's arrays are unpacked there
            yield open_source(Workspace(recipe.settings, inputs, folder, folder))

    def _folder(self, recipe: Recipe) -> Path:
        """Where a finished cell lies. Raises UserError where it is missing."""
        book = self.stored.book
        if not book.store.has(recipe):
            raise UserError(f"{recipe.id} has not been computed; `{book.command}` makes it")
        return book.store.folder(recipe)


def rows_of_test_images(data: Prepared, chosen: int | Sequence[int], seed: int) -> NDArray[np.int64]:
    """Rows of so many test images, drawn as for an attack that sees a part of them, or of these ids."""
    if np.iterable(chosen) and not isinstance(chosen, str):
        rows = _rows_of(data, chosen)
        others = data.index.iloc[rows].query("split != 'test'")
        if not others.empty:  # the maker of records would leave them out
            id, split = others[["image_id", "split"]].iloc[0]
            raise UserError(f"the image {id} is of {split}; networks are attacked on test images alone")
        return rows
    if not _is_id(chosen) or chosen < 1:
        raise UserError(f"images is {chosen!r}; expected at least 1, or a list of ids")
    return data.subset("test", limit=int(chosen), seed=seed)


def _rows_of(data: Prepared, ids: Sequence[int]) -> NDArray[np.int64]:
    places = pd.Series(data.index.index, index=data.index["image_id"])
    unknown = [id for id in ids if not _is_id(id) or id not in places.index]
    if unknown or not len(ids):
        what = f"no image has the id {unknown[0]}" if unknown else "no image was named"
        raise UserError(f"{what}; images() of the session lists them")
    return places.loc[list(dict.fromkeys(ids))].to_numpy(np.int64)


def _is_id(value: object) -> TypeGuard[int]:
    """Whether it is a whole number; True is 1 to Python, and a slip here."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _decoded(load: Callable[[str], Decoded], path: str) -> NDArray[np.uint8]:
    try:
        return load(path).grey
    except UnreadableImage as error:
        raise UserError(f"{one_line(path)} {clause(error.reason)}; name a JPEG or PNG image") from error
