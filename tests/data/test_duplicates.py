"""Copies are found, and what is no copy is not."""

import cv2
import numpy as np
import pandas as pd
import pytest

from meddef_lib.data import duplicates
from meddef_lib.data.decode import Decoded
from meddef_lib.data.examine import Examined, look_at


def scene(seed: int, size: int = 160) -> np.ndarray:
    """A picture of soft blobs, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    picture = np.zeros((size, size))
    for cy, cx, radius, height in rng.uniform((0, 0, 0.05, -1), (1, 1, 0.3, 1), (12, 4)):
        picture += height * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / radius**2)
    return cv2.normalize(picture, None, 10, 245, cv2.NORM_MINMAX).astype(np.uint8)


def saved_again(picture: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(
        cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE
    )


def examined(pictures: list[np.ndarray], **columns) -> Examined:
    """An examination of these pictures, as if each were a file."""
    looks = [look_at(lambda path, grey=grey: Decoded(grey, "L", None, None), "") for grey in pictures]
    files = pd.DataFrame([record for _, record in looks])
    defaults = {
        "reason": None,
        "path": [f"train/NORMAL/{row}.jpeg" for row in range(len(files))],
        "split": "train",
        "class_name": "NORMAL",
        "patient": [str(row) for row in range(len(files))],
    }
    return Examined(files.assign(**(defaults | columns)), np.stack([thumbnail for thumbnail, _ in looks]), {})


def test_close_hashes_are_all_pairs_within_the_distance():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 60, dtype=np.uint64)
    for row in range(0, 40, 2):  # near one another, at 0 to 19 bits
        flipped = rng.choice(64, row // 2, replace=False)
        hashes[row + 1] = hashes[row] ^ np.bitwise_or.reduce(
            np.uint64(1) << flipped.astype(np.uint64), initial=np.uint64(0)
        )
    expected = {
        (i, j)
        for i in range(60)
        for j in range(i + 1, 60)
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 10
    }
    found = duplicates.close_hashes(hashes, bits=10)
    assert {(int(i), int(j)) for i, j in found} == expected
    assert len(found) == len(expected) >= 11


def test_close_hashes_of_nothing():
    assert duplicates.close_hashes(np.array([], np.uint64), bits=10).shape == (0, 2)


def test_correlation_by_hand():
    left = np.array([[0, 10], [20, 30]], np.uint8)
    pictures = np.stack(
        [left, 255 - left, 2 * left, np.full((2, 2), 9, np.uint8), np.full((2, 2), 9, np.uint8)]
    )
    pairs = np.array([[0, 1], [0, 2], [0, 3], [3, 4], [0, 0]])
    assert duplicates.correlations(pictures, pairs) == pytest.approx([-1, 1, 0, 1, 1])


def test_alignment_undoes_a_small_shift_and_stretch():
    picture = scene(0).astype(np.float32)
    warp = np.array([[1.01, 0.0, 2.0], [0.0, 0.99, -2.0]])
    moved = cv2.warpAffine(picture, warp, picture.shape, borderMode=cv2.BORDER_REFLECT)
    small = np.stack(
        [cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA) for image in (picture, moved)]
    )
    pairs = np.array([[0, 1]])
    plain = duplicates.correlations(small.astype(np.uint8), pairs)[0]
    aligned = duplicates.aligned_correlations(small.astype(np.uint8), pairs)[0]
    assert plain < 0.99 < aligned


def test_alignment_does_not_make_strangers_alike():
    pictures = np.stack(
        [cv2.resize(scene(seed), (32, 32), interpolation=cv2.INTER_AREA) for seed in range(12)]
    )
    pairs = np.array([(i, j) for i in range(12) for j in range(i + 1, 12)])
    assert duplicates.aligned_correlations(pictures, pairs).max() < 0.9


@pytest.mark.parametrize(
    "alter",
    [
        lambda picture: saved_again(picture, 40),
        lambda picture: cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
        lambda picture: np.ascontiguousarray(picture[2:, :-2]),
        lambda picture: np.clip(1.1 * picture.astype(float) + 8, 0, 255).astype(np.uint8),
        lambda picture: cv2.medianBlur(picture, 3),
    ],
    ids=["saved again", "smaller", "cropped", "brighter", "filtered"],
)
def test_an_altered_copy_is_found_among_strangers(alter):
    pictures = [scene(seed) for seed in range(20)]
    pairs = duplicates.near_pairs(examined([*pictures, alter(pictures[7])]))
    assert pairs.tolist() == [[7, 20]]


def test_exact_groups_by_bytes_and_by_pixels():
    files = pd.DataFrame(
        {"sha256": list("abcabd"), "pixels_sha256": list("xyzxyz")}, index=[10, 11, 12, 13, 14, 15]
    )
    assert duplicates.exact_groups(files, "sha256") == [[10, 13], [11, 14]]
    assert duplicates.exact_groups(files, "pixels_sha256") == [[10, 13], [11, 14], [12, 15]]


def test_links_make_groups():
    pairs = np.array([[5, 9], [2, 3], [3, 4], [9, 11]])
    assert duplicates.groups_of(pairs) == [[2, 3, 4], [5, 9, 11]]
    assert duplicates.groups_of(np.empty((0, 2), np.int64)) == []


def test_groups_that_are_exact_copies_alone_are_not_near():
    picture = scene(1)
    found = examined([picture, picture, scene(2), saved_again(scene(2), 60), scene(2)])
    assert duplicates.near_groups(found) == [[2, 3, 4]]


def test_what_groups_mix_is_counted():
    files = pd.DataFrame(
        {
            "split": ["train", "test", "train", "train", "val"],
            "class_name": ["NORMAL", "NORMAL", "NORMAL", "PNEUMONIA", "NORMAL"],
            "patient": ["1", "1", "2", "3", "4"],
        }
    )
    assert duplicates.describe(files, [[0, 1], [2, 3, 4]]) == {
        "groups": 2,
        "files": 5,
        "superfluous": 3,
        "across_splits": 2,
        "across_classes": 1,
        "across_patients": 1,
    }


@pytest.mark.parametrize("near", [False, True])
def test_one_of_each_group_stays_and_rather_in_test(near):
    one, two = scene(3), scene(4)
    found = examined(
        [one, two, one, saved_again(two, 80), one],
        split=["train", "train", "val", "test", "test"],
        path=["train/a.jpeg", "train/b.jpeg", "val/c.jpeg", "test/d.jpeg", "test/e.jpeg"],
    )
    removed = {"train/a.jpeg": "test/e.jpeg", "val/c.jpeg": "test/e.jpeg"}
    assert duplicates.to_remove(found, near=near) == (
        removed | {"train/b.jpeg": "test/d.jpeg"} if near else removed
    )


def test_unreadable_files_take_no_part():
    found = examined([scene(5), scene(5), scene(6)], reason=[None, "is empty", None])
    assert len(duplicates.near_pairs(found)) == 0
    assert duplicates.to_remove(found, near=False) == {}
