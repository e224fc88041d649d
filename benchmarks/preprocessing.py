"""How fast images are prepared, as a share of what the cores can do.

`python -m benchmarks.preprocessing [--json] [--quick]`. Three pipelines prepare the same files to 224 px with
the data set's own parameters, over as many processes:

- ours: what a run does, with header checks, records for the index, and the array on disk
- bare: OpenCV alone in a loop, decode, filter, resize and pad into an array in memory: the ceiling
- pillow: Pillow and torchvision for the same steps (CLAHE, which neither has, is OpenCV's)

They take turns; a rate is measured from the first finished chunk to the last, so that the start of the
processes does not count, and the ratio is the median over the rounds. The files are those under MEDDEF_DATA,
or phantoms of the published sizes.
"""

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks._rows import parser, shown
from meddef_lib import paths
from meddef_lib.data import steps
from meddef_lib.data.decode import Decoded, from_folder
from meddef_lib.data.fill import CHUNK, MakePicture, fill
from meddef_lib.data.reasons import UnreadableImage
from meddef_lib.data.sources.folders import list_folder
from meddef_lib.data.sources.phantoms.writing import write as write_phantoms
from meddef_lib.engine.devices import available_cores
from meddef_lib.errors import DataError
from meddef_lib.params import DataParams, Dataset, PreprocessingParams, dataset_ids, read_dataset

IMAGE_SIZE = 224
SECONDS = 1.0  # of work for every process in a turn, so that the rate is one of a run in its stride
LEAST_CHUNKS = 6  # for every process
ROUNDS = 7
QUICK_ROUNDS = 3
TOLERANCE = 3  # grey levels by which Pillow's decoder and filters may differ on average

Pixels = NDArray[np.uint8]
Pipeline = Callable[[str], Pixels]


@dataclass(frozen=True)
class Row:
    """A pipeline on a data set: median images a second, and median ratio to the bare loop with its range."""

    dataset: str
    images: str
    pipeline: str
    processes: int
    images_per_second: float
    ratio_to_bare: float
    lowest_ratio: float
    highest_ratio: float


@dataclass(frozen=True)
class Bare:
    """OpenCV and nothing else."""

    folder: Path
    params: PreprocessingParams

    def __call__(self, path: str) -> Pixels:
        grey = np.asarray(cv2.imread(f"{self.folder}/{path}", cv2.IMREAD_GRAYSCALE))
        if self.params.denoise == "median":
            grey = np.asarray(cv2.medianBlur(grey, self.params.median_size))
        if self.params.clahe:
            tiles = self.params.clahe_tiles
            grey = np.asarray(cv2.createCLAHE(self.params.clahe_clip, (tiles, tiles)).apply(grey))
        height, width = grey.shape
        scale = IMAGE_SIZE / max(height, width)
        height, width = round(height * scale), round(width * scale)
        grey = np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA))
        top, left = (IMAGE_SIZE - height) // 2, (IMAGE_SIZE - width) // 2
        bottom, right = IMAGE_SIZE - height - top, IMAGE_SIZE - width - left
        padded = cv2.copyMakeBorder(grey, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(0,))
        return np.asarray(padded, np.uint8)


@dataclass(frozen=True)
class Pillow:
    """Pillow's decoder and filter, torchvision's resize and padding."""

    folder: Path
    params: PreprocessingParams

    def __call__(self, path: str) -> Pixels:
        from PIL import Image, ImageFilter
        from torchvision.transforms.v2 import functional

        image = Image.open(self.folder / path).convert("L")
        if self.params.denoise == "median":
            image = image.filter(ImageFilter.MedianFilter(self.params.median_size))
        if self.params.clahe:
            tiles = self.params.clahe_tiles
            clahe = cv2.createCLAHE(self.params.clahe_clip, (tiles, tiles))
            image = Image.fromarray(np.asarray(clahe.apply(np.asarray(image)), np.uint8))
        scale = IMAGE_SIZE / max(image.size)
        width, height = round(image.width * scale), round(image.height * scale)
        image = functional.resize(image, [height, width], antialias=True)
        top, left = (IMAGE_SIZE - height) // 2, (IMAGE_SIZE - width) // 2
        return np.asarray(
            functional.pad(image, [left, top, IMAGE_SIZE - width - left, IMAGE_SIZE - height - top])
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every data set that is there and print the rows."""
    said = parser(__doc__, quick=f"{QUICK_ROUNDS} rounds instead of {ROUNDS}")
    chosen = said.parse_args(arguments)
    rows: list[Row] = []
    for name in [name for name in dataset_ids() if read_dataset(name).phantoms]:
        with _images(read_dataset(name)) as (dataset, folder, files, what):
            rows += measure(dataset, folder, files, what, rounds=QUICK_ROUNDS if chosen.quick else ROUNDS)
    print(shown(rows, as_json=chosen.json))
    return 0


def measure(dataset: Dataset, folder: Path, files: Sequence[str], what: str, *, rounds: int) -> list[Row]:
    """The rates of the three pipelines on these files, taking turns."""
    params = dataset.preprocessing
    ours = partial(steps.prepare_file, _reader(folder), params, IMAGE_SIZE)
    others: dict[str, Pipeline] = {"bare": Bare(folder, params), "pillow": Pillow(folder, params)}
    _check_alike(ours, others, files[:: max(1, len(files) // 8)])
    processes = available_cores()
    rates: dict[str, list[float]] = {"ours": [], **{name: [] for name in others}}
    for turn in range(rounds):
        names = list(rates)
        for name in names[turn % 3 :] + names[: turn % 3]:
            if name == "ours":
                rate = _rate_of_ours(files, ours, processes)
            else:
                # Pillow is slow enough to be judged by a third of the files
                rate = _rate(files[:: 3 if name == "pillow" else 1], others[name], processes)
            rates[name].append(rate)
    rows = []
    for name, found in rates.items():
        ratios = [rate / bare for rate, bare in zip(found, rates["bare"], strict=True)]
        rows.append(
            Row(dataset.id, what, name, processes, median(found), median(ratios), min(ratios), max(ratios))
        )
    return rows


def _rate_of_ours(files: Sequence[str], ours: MakePicture, processes: int) -> float:
    clock = _Clock()
    with tempfile.TemporaryDirectory(dir=_scratch()) as scratch:
        fill(
            Path(scratch) / "images.npy",
            files,
            ours,
            shape=(IMAGE_SIZE, IMAGE_SIZE),
            processes=processes,
            progress=lambda done, total, text="": clock.tick(done),
        )
    return clock.rate()


def _rate(files: Sequence[str], pipeline: Pipeline, processes: int) -> float:
    clock = _Clock()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        chunks = [files[first : first + CHUNK] for first in range(0, len(files), CHUNK)]
        done = 0
        for future in as_completed([pool.submit(_run, pipeline, chunk) for chunk in chunks]):
            done += future.result()
            clock.tick(done)
    return clock.rate()


class _Clock:
    """Images a second from the first finished chunk to the last."""

    def __init__(self) -> None:
        self.ticks: list[tuple[float, int]] = []

    def tick(self, done: int) -> None:
        if done:
            self.ticks.append((time.perf_counter(), done))

    def rate(self) -> float:
        (begin, first), (end, last) = self.ticks[0], self.ticks[-1]
        return (last - first) / (end - begin)


def _run(pipeline: Pipeline, files: Sequence[str]) -> int:
    pictures = np.empty((len(files), IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for place, path in zip(pictures, files, strict=True):
        place[...] = pipeline(path)
    return len(files)


def _check_alike(ours: MakePicture, others: dict[str, Pipeline], files: Sequence[str]) -> None:
    """Raise ValueError if the pipelines do not make the same pictures: then their rates say nothing."""
    for path in files:
        picture, record = ours(path)
        if picture is None:
            raise ValueError(f"{path} {record['reason']}")
        for name, pipeline in others.items():
            difference = np.abs(np.asarray(pipeline(path), np.int16) - picture).mean()
            if difference > (0 if name == "bare" else TOLERANCE):
                raise ValueError(
                    f"{name} prepares {path} differently: {difference:.1f} grey levels on average"
                )


@contextmanager
def _images(dataset: Dataset) -> Iterator[tuple[Dataset, Path, list[str], str]]:
    """The data set, the folder of its images, their paths, and whether they are real ones or phantoms."""
    try:
        listing = list_folder(paths.data_root(), dataset)
    except DataError:
        with tempfile.TemporaryDirectory(dir=_scratch()) as scratch:
            write_phantoms(Path(scratch), str(dataset.phantoms), counts={"train": 300}, seed=0)
            listing = list_folder(Path(scratch), dataset)
            yield dataset, listing.folder, _enough(listing.folder, list(listing.images["path"])), "phantoms"
    else:
        yield dataset, listing.folder, _enough(listing.folder, list(listing.images["path"])), "real"


def _enough(folder: Path, files: list[str]) -> list[str]:
    """As many readable files as it takes, spread over the data set; a small one is gone through again."""
    load = _reader(folder)
    started = time.perf_counter()
    some = [path for path in files[:: max(1, len(files) // CHUNK)] if _can_read(load, path)]
    a_second = len(some) / (time.perf_counter() - started)
    wanted = available_cores() * max(LEAST_CHUNKS * CHUNK, round(SECONDS * a_second))
    readable = [path for path in files[:: max(1, len(files) // wanted)] if _can_read(load, path)]
    return (readable * -(-wanted // len(readable)))[:wanted]


def _reader(folder: Path) -> Callable[[str], Decoded]:
    return partial(from_folder, folder, DataParams().max_pixels)


def _can_read(load: Callable[[str], Decoded], path: str) -> bool:
    try:
        load(path)
    except UnreadableImage:
        return False
    return True


def _scratch() -> Path | None:
    """Where a run would write; the system's place for temporary files may be memory."""
    root = paths.store_root()
    return root if root.is_dir() else None


if __name__ == "__main__":
    sys.exit(main())
