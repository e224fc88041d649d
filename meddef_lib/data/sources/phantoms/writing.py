"""Phantoms: schematic OCT B-scans and chest films, as JPEG files in the layout of the published archives.

They stand in for the real images where there are none: the same folders, file names, odd sizes and clutter,
exact and near duplicates, patients on both sides of a split, and a truncated file. A class shows in shapes
only: mean and contrast of the pixels, size, aspect, border and mode are drawn without regard to it (in the
real images they are not).
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from meddef_lib.data.sources.phantoms.file_names import SPLITS, Shot, planted_shot, shot
from meddef_lib.engine.recipe import Workspace
from meddef_lib.params import PhantomParams

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_RGB_SHARE = 0.15
_EXPOSED_AT = 64  # pixels of the longer side: exposure is set without the grain, which preparing averages out
_PLANTED_SHARE = 0.01  # of the first split: so many exact duplicates, and so many near ones
_LEAST_PLANTED = 2  # one within a split, one across
_KEPT_OF_TRUNCATED = 0.6
_DS_STORE = b"\x00\x00\x00\x01Bud1"  # the beginning of such a file
_APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "  # of a ._ file


@dataclass(frozen=True)
class Modality:
    """What is particular to one kind of picture; mean and std are those of the grey levels, 0 to 255."""

    number: int  # part of every image's seed
    folder: str
    classes: tuple[str, ...]
    size: Callable[[np.random.Generator], tuple[int, int]]  # height and width at native scale 1
    draw: Callable[..., Floats]  # class_name, height=, width=, rng= to float32 (height, width), any range
    finish: Callable[[Pixels, np.random.Generator], Pixels]
    mean: tuple[float, float]
    std_to_mean: tuple[float, float]
    share_of_first_class: float | None = None  # None: classes in equal parts


def modality(kind: str) -> Modality:
    """What is particular to a kind, oct or chest, as the module of its name declares it."""
    return importlib.import_module(f"{__package__}.{kind}").MODALITY


def jpeg(
    modality: Modality,
    class_name: str,
    *,
    rng: np.random.Generator,
    native_scale: float = 1.0,
    quality: int = 90,
) -> bytes:
    """One picture as a JPEG file, grey or with three equal channels."""
    height, width = (round(native_scale * side) for side in modality.size(rng))
    mean = rng.uniform(*modality.mean)
    std = mean * rng.uniform(*modality.std_to_mean)
    rgb = bool(rng.random() < _RGB_SHARE)
    picture = modality.draw(class_name, height=height, width=width, rng=rng)
    pixels = modality.finish(_exposed(picture, mean=mean, std=std), rng)
    return encoded(np.repeat(pixels[:, :, None], 3, axis=2) if rgb else pixels, quality)


def _exposed(picture: Floats, *, mean: float, std: float) -> Pixels:
    """Map a picture to grey levels of the given mean and deviation, so that neither tells the class."""
    shrink = min(_EXPOSED_AT / max(picture.shape), 1)
    small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    gain, offset = 1.0, 0.0
    for _ in range(4):  # what black and white cut off moves both, so the line is corrected a few times
        grey = np.clip(gain * small + offset, 0, 255)
        correction = std / float(grey.std())
        gain, offset = gain * correction, (offset - float(grey.mean())) * correction + mean
    picture *= np.float32(gain)
    picture += np.float32(offset + 0.5)
    return np.clip(picture, 0, 255, out=picture).astype(np.uint8)


def encoded(pixels: MatLike, quality: int) -> bytes:
    return cv2.imencode(".jpeg", pixels, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()


@dataclass(frozen=True)
class Planted:
    """What a folder of phantoms holds on purpose; paths are relative to the data set's folder."""

    folder: str  # OCT2017 or chest_xray
    counts: dict[str, dict[str, int]]  # split -> class -> distinct images that can be read
    exact_duplicates: list[list[str]]  # groups of files with the same bytes
    near_duplicates: list[list[str]]  # an image and its altered copy
    truncated: list[str]
    clutter: list[str]  # files that are no images


def write(
    root: Path,
    kind: str,
    *,
    counts: Mapping[str, int],
    seed: int,
    native_scale: float = 1.0,
    quality: int = 90,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Planted:
    """Write the phantoms of one kind, oct or chest, below `root`; return what was planted among them.

    `counts` gives the distinct images of each split over all classes (OCT in equal parts, chest with 27 %
    NORMAL); planted copies and one truncated file come on top. `native_scale` multiplies width and height,
    `quality` is that of the JPEGs. An image depends on (seed, kind, split, class, index) alone: asking
    for more of them does not change the first ones.
    Raises FileExistsError where the data set's folder is there already.
    """
    drawn = modality(kind)
    per_class = {split: _per_class(drawn, count) for split, count in counts.items()}
    folder = root / drawn.folder
    folder.mkdir(parents=True)

    album = _Album(folder, drawn.classes, per_class)
    total = sum(counts.values())
    for split, of_class in per_class.items():
        for label, (class_name, count) in enumerate(of_class.items()):
            (folder / split / class_name).mkdir(parents=True)
            for index in range(count):
                rng = np.random.default_rng((seed, drawn.number, SPLITS.index(split), label, index))
                image = jpeg(drawn, class_name, rng=rng, native_scale=native_scale, quality=quality)
                album.add(shot(drawn.classes, split, label, index), image)
                progress(len(album.shots), total)

    first_split = next(iter(counts.values()))
    pairs = max(round(_PLANTED_SHARE * first_split), _LEAST_PLANTED)
    exact = [_plant_exact(album, order) for order in range(pairs)]
    near = [_plant_near(album, order, quality=quality) for order in range(pairs)]
    return Planted(
        folder=drawn.folder,
        counts=per_class,
        exact_duplicates=exact,
        near_duplicates=near,
        truncated=[_plant_truncated(album)],
        clutter=_plant_clutter(album),
    )


def make(space: Workspace) -> None:
    """Store maker: settings phantoms (oct or chest), params (PhantomParams), seed; makes a data root."""
    params = PhantomParams.restored(space.settings["params"])
    write(
        space.folder,
        space.settings["phantoms"],
        counts={"train": params.train, "val": params.val, "test": params.test},
        seed=space.settings["seed"],
        native_scale=params.native_scale,
        quality=params.quality,
        progress=lambda done, total: space.progress(done, total, "drawing phantoms"),
    )


def _per_class(modality: Modality, count: int) -> dict[str, int]:
    """How many of the images of a split, at least one of each class, each class gets."""
    classes = modality.classes
    if modality.share_of_first_class is not None:
        first = min(max(round(modality.share_of_first_class * count), 1), count - 1)
        return dict(zip(classes, (first, count - first), strict=True))
    each, rest = divmod(count, len(classes))
    return {name: each + (label < rest) for label, name in enumerate(classes)}


@dataclass
class _Album:
    """The folder while it fills."""

    folder: Path
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    shots: list[Shot] = field(default_factory=list)
    planted: int = 0

    def add(self, taken: Shot, image: bytes) -> str:
        """Write one image; returns its path."""
        (self.folder / taken.path).write_bytes(image)
        self.shots.append(taken)
        return taken.path

    def plant(self, source: Shot, image: bytes, *, across: bool, new_patient: bool = False) -> str:
        """Write a copy of `source` into the first split, or `across` into the last one; returns its path."""
        split = [*self.counts][-1 if across else 0]
        taken = planted_shot(self.classes, split, source.subject, self.planted, new_patient=new_patient)
        self.planted += 1
        return self.add(taken, image)

    def source(self, order: int, offset: int) -> Shot:
        """An image of the first split to be copied; classes and (by `offset`) uses take turns."""
        split, of_class = next(iter(self.counts.items()))
        label = (order + order // 2) % len(self.classes)
        return shot(self.classes, split, label, (2 * order + offset) % of_class[self.classes[label]])

    def image(self, taken: Shot) -> bytes:
        return (self.folder / taken.path).read_bytes()


def _plant_exact(album: _Album, order: int) -> list[str]:
    """The same bytes under two names: within a split, at times as somebody else, or across."""
    source = album.source(order, 0)
    copy = album.plant(source, album.image(source), across=order % 2 == 1, new_patient=order % 4 == 0)
    return [source.path, copy]


def _plant_near(album: _Album, order: int, *, quality: int) -> list[str]:
    """The same image saved once more: brighter and at lower quality, or a little smaller."""
    source = album.source(order, 1)
    pixels = np.asarray(cv2.imdecode(np.frombuffer(album.image(source), np.uint8), cv2.IMREAD_UNCHANGED))
    if order // 2 % 2 == 0:
        data = encoded(cv2.add(pixels, np.full_like(pixels, 4)), quality - 20)
    else:
        data = encoded(cv2.resize(pixels, None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA), quality)
    return [source.path, album.plant(source, data, across=order % 2 == 1)]


def _plant_truncated(album: _Album) -> str:
    """A file that ends too early, in the first split."""
    source = album.source(1, 0)
    data = album.image(source)
    return album.plant(source, data[: int(_KEPT_OF_TRUNCATED * len(data))], across=False)


def _plant_clutter(album: _Album) -> list[str]:
    """What a Mac leaves in folders and archives: .DS_Store, and a shadow tree of ._ files."""
    first = Path(album.shots[0].path)
    shadow = first.with_name(f"._{first.name}")
    clutter = {
        Path(".DS_Store"): _DS_STORE,
        first.with_name(".DS_Store"): _DS_STORE,
        shadow: _APPLE_DOUBLE,
        Path("__MACOSX", album.folder.name, shadow): _APPLE_DOUBLE,
    }
    for path, data in clutter.items():
        (album.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (album.folder / path).write_bytes(data)
    return [path.as_posix() for path in clutter]
