"""Phantoms: the layout of the archives, what is planted in it, and classes that only shapes tell apart."""

import io
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from torch import nn

from meddef_lib.data import patients
from meddef_lib.data.sources.folders import list_folder
from meddef_lib.data.sources.phantoms import file_names, writing
from meddef_lib.data.steps import prepare
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.params import PhantomParams, PreprocessingParams, read_dataset
from tests.phantom_patients import READINGS, image_paths, mixed

DATASETS = {"oct": "roct", "chest": "chest_xray"}  # kinds of phantoms, and the data set of each
COUNTS = {"train": 48, "val": 12, "test": 16}
SCALE = 0.2


@pytest.fixture(scope="module", params=DATASETS)
def written(request, tmp_path_factory):
    """The id of a data set, its phantoms' folder, and what was planted."""
    root = tmp_path_factory.mktemp("phantoms")
    planted = writing.write(root, request.param, counts=COUNTS, seed=3, native_scale=SCALE)
    return request.param, root / planted.folder, planted


def readable_images(folder: Path, planted: writing.Planted) -> list[str]:
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted({*files} - {*planted.clutter} - {*planted.truncated})


def grey(folder: Path, path: str) -> np.ndarray:
    pixels = cv2.imread(str(folder / path), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    return pixels


def drawn(dataset: str, per_class: int, *, seed: int = 11) -> tuple[np.ndarray, np.ndarray]:
    """Prepared 64 px images, and their labels."""
    images, labels = [], []
    for label, class_name in enumerate(writing.modality(dataset).classes):
        for index in range(per_class):
            image = writing.jpeg(
                writing.modality(dataset),
                class_name,
                rng=np.random.default_rng((seed, label, index)),
                native_scale=0.3,
            )
            pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_GRAYSCALE)
            images.append(prepare(pixels, PreprocessingParams(), image_size=64))
            labels.append(label)
    return np.array(images), np.array(labels)


@pytest.mark.parametrize("dataset", DATASETS)
def test_classes_and_folder_are_those_of_the_data_set(dataset):
    registered = read_dataset(DATASETS[dataset])
    assert writing.modality(dataset).classes == registered.classes
    assert writing.modality(dataset).folder in registered.folders


def test_counts_are_kept_and_balanced_as_the_data_set_is(written):
    dataset, _, planted = written
    assert {split: sum(of.values()) for split, of in planted.counts.items()} == COUNTS
    if dataset == "oct":
        assert planted.counts["test"] == {"CNV": 4, "DME": 4, "DRUSEN": 4, "NORMAL": 4}
    else:
        assert planted.counts["train"] == {"NORMAL": 13, "PNEUMONIA": 35}  # 27 %


def test_counts_are_what_remains_without_copies_and_the_truncated_file(written):
    _, folder, planted = written
    copies = {path for group in planted.exact_duplicates + planted.near_duplicates for path in group[1:]}
    found = Counter(tuple(path.split("/")[:2]) for path in {*readable_images(folder, planted)} - copies)
    assert found == {(split, name): n for split, of in planted.counts.items() for name, n in of.items()}


def test_the_listing_of_the_folder_reads_every_image_and_no_clutter(written):
    dataset, folder, planted = written
    listing = list_folder(folder.parent, read_dataset(DATASETS[dataset]))
    assert sorted(listing.images["path"]) == sorted(readable_images(folder, planted) + planted.truncated)
    assert not listing.problems


def test_file_names_are_those_of_the_archives(written):
    _, folder, planted = written
    names = readable_images(folder, planted)
    patient = patients.naming("kermany").patient
    assert not [path for path in names if patient(path).startswith(patients.UNKNOWN)]


def test_images_are_whole_except_the_truncated_one(written):
    _, folder, planted = written
    for path in readable_images(folder, planted):
        with Image.open(folder / path) as image:
            image.load()
            assert image.format == "JPEG"
            assert image.mode in ("RGB", "L")
    (truncated,) = planted.truncated
    with Image.open(folder / truncated) as image, pytest.raises(OSError, match="truncated"):
        image.load()


def test_some_files_are_rgb_and_sizes_differ(written):
    _, folder, planted = written
    images = readable_images(folder, planted)
    channels = [cv2.imread(str(folder / path), cv2.IMREAD_UNCHANGED).ndim for path in images]
    assert 0 < channels.count(3) < len(images) / 2
    assert len({grey(folder, path).shape for path in images}) > 1


def test_exact_duplicates_are_all_that_share_their_bytes(written):
    _, folder, planted = written
    by_bytes = defaultdict(set)
    for path in readable_images(folder, planted):
        by_bytes[(folder / path).read_bytes()].add(path)
    assert sorted(sorted(found) for found in by_bytes.values() if len(found) > 1) == sorted(
        sorted(group) for group in planted.exact_duplicates
    )


def test_near_duplicates_look_alike_and_differ_in_bytes(written):
    _, folder, planted = written
    for source, copy in planted.near_duplicates:
        assert (folder / source).read_bytes() != (folder / copy).read_bytes()
        small = [
            cv2.resize(grey(folder, path), (32, 32), interpolation=cv2.INTER_AREA).ravel()
            for path in (source, copy)
        ]
        assert np.corrcoef(small)[0, 1] > 0.97


@pytest.mark.parametrize("kind", ["exact_duplicates", "near_duplicates"])
def test_duplicates_lie_within_a_split_and_across(written, kind):
    _, _, planted = written
    splits = [{path.split("/")[0] for path in group} for group in getattr(planted, kind)]
    assert {"train"} in splits
    assert {"train", "test"} in splits


@pytest.mark.parametrize("reading", READINGS)
def test_some_patients_lie_in_two_splits_by_every_reading_of_their_names(written, reading):
    _, folder, planted = written
    splits = defaultdict(set)
    for path in readable_images(folder, planted):
        splits[patients.naming("kermany").readings[reading](path)].add(path.split("/")[0])
    expected = sorted(patient for patient, found in splits.items() if len(found) > 1)
    assert mixed(image_paths(folder), reading, 0) == expected
    assert expected


def test_only_scans_have_patients_with_two_classes(written):
    dataset, folder, planted = written
    by_number = patients.naming("kermany").readings["number"]
    classes = defaultdict(set)
    for path in readable_images(folder, planted):
        classes[by_number(path)].add(path.split("/")[1])
    two = mixed(image_paths(folder), "number", 1)
    assert two == sorted(p for p, found in classes.items() if len(found) > 1)
    assert bool(two) == (dataset == "oct")


def test_some_films_of_one_number_change_their_kind_between_the_splits(tmp_path):
    counts = {"train": 120, "val": 2, "test": 120}
    planted = writing.write(tmp_path, "chest", counts=counts, seed=0, native_scale=0.1)
    paths = image_paths(tmp_path / planted.folder)
    number, kind, strictest = (mixed(paths, reading, 0) for reading in READINGS)
    same_kind = {patient.split("_")[0] for patient in kind}
    assert {patient for patient in number if patient.startswith("person")} - same_kind
    assert {patient for patient in strictest if patient.startswith("IM")} - {*number}


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("split", file_names.SPLITS)
def test_names_are_unique_and_only_lent_numbers_are_shared(dataset, split):
    classes = writing.modality(dataset).classes
    own = [file_names.shot(classes, split, label, i) for label in range(len(classes)) for i in range(600)]
    assert len({taken.path for taken in own}) == len(own)
    train = {file_names.shot(classes, "train", label, i).subject.number for label in range(len(classes))
             for i in range(600)}  # fmt: skip
    lent = sum(taken.subject.number in train for taken in own) / len(own)
    assert lent == 1 if split == "train" else 0.1 < lent < 0.25


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(written, tmp_path):
    dataset, folder, planted = written
    again = writing.write(tmp_path / "again", dataset, counts=COUNTS, seed=3, native_scale=SCALE)
    other = writing.write(tmp_path / "other", dataset, counts=COUNTS, seed=4, native_scale=SCALE)
    assert again == planted
    assert other.exact_duplicates == planted.exact_duplicates  # names do not depend on the seed
    for path in [*readable_images(folder, planted), *planted.truncated]:
        data = (folder / path).read_bytes()
        assert (tmp_path / "again" / folder.name / path).read_bytes() == data
        assert (tmp_path / "other" / folder.name / path).read_bytes() != data


def test_an_image_does_not_depend_on_how_many_others_there_are(written, tmp_path):
    dataset, folder, _ = written
    few = writing.write(tmp_path, dataset, counts={"train": 16, "test": 8}, seed=3, native_scale=SCALE)
    small = tmp_path / few.folder
    copies = {path for group in few.exact_duplicates + few.near_duplicates for path in group[1:]}
    originals = {*readable_images(small, few)} - copies
    assert len(originals) == 24
    for path in originals:
        assert (small / path).read_bytes() == (folder / path).read_bytes()


@pytest.mark.parametrize("dataset", DATASETS)
def test_one_image_a_class_is_enough(dataset, tmp_path):
    least = len(writing.modality(dataset).classes)
    counts = {"train": least, "val": least, "test": least}
    planted = writing.write(tmp_path, dataset, counts=counts, seed=0, native_scale=0.1)
    assert all(n == 1 for of_class in planted.counts.values() for n in of_class.values())
    listing = list_folder(tmp_path, read_dataset(DATASETS[dataset]))
    assert len(listing.images.groupby(["split", "class_name"])) == 3 * least


def test_progress_is_told_image_by_image(tmp_path):
    told = []
    writing.write(
        tmp_path,
        "oct",
        counts={"test": 4},
        seed=0,
        native_scale=0.1,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "OCT2017").mkdir()
    with pytest.raises(FileExistsError, match="OCT2017"):
        writing.write(tmp_path, "oct", counts={"train": 4}, seed=0)
    assert not any((tmp_path / "OCT2017").iterdir())


def test_the_store_makes_a_data_root(tmp_path):
    params = PhantomParams(train=8, val=4, test=4, native_scale=SCALE, quality=80)
    settings = {"phantoms": "chest", "params": params.settings(), "seed": 5}
    recipe = Recipe("phantoms/chest_xray", "meddef_lib.data.sources.phantoms.writing:make", settings)
    folder = Store(tmp_path / "store").get(recipe)
    planted = writing.write(
        tmp_path,
        "chest",
        counts={"train": 8, "val": 4, "test": 4},
        seed=5,
        native_scale=SCALE,
        quality=80,
    )
    for path in readable_images(tmp_path / "chest_xray", planted):
        assert (folder / "chest_xray" / path).read_bytes() == (tmp_path / "chest_xray" / path).read_bytes()


@pytest.mark.parametrize("dataset", DATASETS)
def test_native_scale_one_has_the_sizes_of_the_archives(dataset):
    sizes = set()
    for index in range(6):
        image = writing.jpeg(writing.modality(dataset), "NORMAL", rng=np.random.default_rng(index))
        with Image.open(io.BytesIO(image)) as opened:
            sizes.add(opened.size)
    if dataset == "oct":
        assert sizes <= {(512, 496), (768, 496), (1024, 496), (1536, 496)}
    else:
        assert len(sizes) == 6
        assert all(384 <= width <= 2916 for width, _ in sizes)


@pytest.mark.parametrize(("dataset", "bound"), [("oct", 0.40), ("chest", 0.62)])
def test_brightness_and_contrast_do_not_tell_the_class(dataset, bound):
    """A logistic regression on mean and deviation (and their squares) stays near chance: 1/4 and 1/2."""
    images, labels = drawn(dataset, 80)
    pixels = images.reshape(len(images), -1) / 255
    features = np.column_stack((pixels.mean(axis=1), pixels.std(axis=1)))
    model = make_pipeline(PolynomialFeatures(2), StandardScaler(), LogisticRegression(max_iter=1000))
    assert cross_val_score(model, features, labels, cv=8).mean() < bound


@pytest.mark.parametrize("dataset", DATASETS)
def test_size_and_border_do_not_tell_the_class(dataset):
    rows, labels = [], []
    for label, class_name in enumerate(writing.modality(dataset).classes):
        for index in range(80):
            image = writing.jpeg(
                writing.modality(dataset),
                class_name,
                rng=np.random.default_rng((1, label, index)),
                native_scale=0.1,
            )
            colours = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED)
            pixels = colours if colours.ndim == 2 else colours[..., 0]
            height, width = pixels.shape
            edges = pixels[0].mean(), pixels[-1].mean(), pixels[:, 0].mean(), pixels[:, -1].mean()
            rows.append((height, width, width / height, colours.ndim, *edges))
            labels.append(label)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    chance = 1 / len(writing.modality(dataset).classes)
    assert cross_val_score(model, np.array(rows), np.array(labels), cv=8).mean() < chance + 0.15


@pytest.mark.parametrize(("dataset", "per_class"), [("oct", 100), ("chest", 150)])
def test_a_small_network_tells_the_classes_by_their_shapes(dataset, per_class):
    train, train_labels = drawn(dataset, per_class, seed=1)
    test, test_labels = drawn(dataset, 40, seed=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = trained(train, train_labels)
    with torch.no_grad():
        predicted = network(scaled(test)).argmax(dim=1).numpy()
    assert np.mean(predicted == test_labels) > 0.9


def scaled(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(images[:, None], dtype=torch.float32) / 64 - 1


def trained(images: np.ndarray, labels: np.ndarray, *, epochs: int = 6, batch: int = 16) -> nn.Module:
    """Four convolutions, six epochs, Adam with one cycle of the learning rate."""

    def block(channels_in: int, channels: int, size: int, stride: int = 1) -> list[nn.Module]:
        convolution = nn.Conv2d(channels_in, channels, size, stride, size // 2, bias=False)
        return [convolution, nn.BatchNorm2d(channels), nn.ReLU()]

    network = nn.Sequential(
        *block(1, 16, 5, stride=2),
        *block(16, 32, 3),
        nn.MaxPool2d(2),
        *block(32, 64, 3),
        nn.MaxPool2d(2),
        *block(64, 96, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(96, int(labels.max()) + 1),
    )
    inputs, targets = scaled(images), torch.tensor(labels)
    optimizer = torch.optim.Adam(network.parameters())
    steps = epochs * -(-len(inputs) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs[rows]), targets[rows]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()
