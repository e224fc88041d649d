"""Pictures that are there more than once: same bytes, same pixels, or nearly the same picture.

For near duplicates a perceptual hash (pHash: signs of the low frequencies of a cosine transform) proposes
pairs, and the correlation of the pictures decides.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.data.examine import Examined

# Chosen on the published images and altered copies of them. Copies at JPEG quality 30, of half the size or
# after a 3x3 median are all found, and 95 % of those with gamma 0.7; with 1 % cropped off two sides all chest
# films and 83 % of OCT scans. Of 16 million pairs of different chest films the greatest has 0.983.
NEAR_BITS = 10  # of 64: most that the hashes of near duplicates may differ in
NEAR_CORRELATION = 0.99  # least correlation of their thumbnails, aligned where that is worth a try
WORTH_ALIGNING = 0.9  # below it not even a crop of 1 % would reach what is wanted

# of copies in several folders the one in `test` stays: its counts are the paper's
KEEP_FIRST = ("test", "val", "train")

AT_ONCE = 4096  # pairs of thumbnails in memory
AT_ONCE_ALIGNED = 128

Pairs = NDArray[np.int64]  # (pairs, 2): rows, the smaller first
Floats = NDArray[np.float64]


def exact_groups(files: pd.DataFrame, column: str) -> list[list[int]]:
    """Files with equal `column` (sha256: bytes; pixels_sha256: grey pixels), as their index values."""
    groups = files.groupby(column, sort=False).groups.values()
    return sorted(sorted(int(row) for row in rows) for rows in groups if len(rows) > 1)


def near_pairs(examined: Examined) -> Pairs:
    """Pairs of readable files with nearly the same picture, exact copies included."""
    files = examined.readable
    rows = files.index.to_numpy(np.int64)
    hashes = np.array([int(text, 16) for text in files["phash"]], dtype=np.uint64)
    pairs = rows[close_hashes(hashes, bits=NEAR_BITS)]
    found = correlations(examined.thumbnails, pairs)
    likely = (found >= WORTH_ALIGNING) & (found < NEAR_CORRELATION)
    found[likely] = aligned_correlations(examined.thumbnails, pairs[likely])
    return pairs[found >= NEAR_CORRELATION]


def near_groups(examined: Examined) -> list[list[int]]:
    """Groups of nearly the same picture that are more than exact copies of one."""
    pixels = examined.files["pixels_sha256"]
    return [group for group in groups_of(near_pairs(examined)) if pixels.loc[group].nunique() > 1]


def close_hashes(hashes: NDArray[np.uint64], *, bits: int) -> Pairs:
    """All pairs of positions whose 64-bit hashes differ in at most `bits` bits.

    Every pair is compared, a block of rows at a time: 84,484 hashes take some seconds and less than 100 MiB.
    """
    found = []
    at_once = max(1, 2**22 // max(len(hashes), 1))
    for first in range(0, len(hashes), at_once):
        block = hashes[first : first + at_once]
        close = np.bitwise_count(block[:, None] ^ hashes[None, first:]) <= bits
        row, column = np.nonzero(close)
        later = column > row
        found.append(np.stack([row[later], column[later]], axis=1) + first)
    return np.concatenate(found).astype(np.int64) if found else np.empty((0, 2), np.int64)


def correlations(thumbnails: NDArray[np.uint8], pairs: Pairs) -> Floats:
    """Pearson correlation of the thumbnails of each pair, (pairs,).

    Equal ones have 1, also without contrast; otherwise without contrast it is 0.
    """
    found = np.zeros(len(pairs))
    for first in range(0, len(pairs), AT_ONCE):
        left, right = _both(thumbnails, pairs[first : first + AT_ONCE])
        same = (left == right).all(axis=1)
        product = np.einsum("np,np->n", _standardized(left), _standardized(right))
        found[first : first + AT_ONCE] = np.where(same, 1.0, product)
    return found


def aligned_correlations(thumbnails: NDArray[np.uint8], pairs: Pairs) -> Floats:
    """The same after the best small affine displacement, (pairs,): what a crop of a few pixels would hide.

    One step of image registration (Lucas & Kanade, 1981): the right picture is regressed on the left one, its
    gradient, and the gradient times position; the answer is the multiple correlation coefficient.
    """
    found = np.zeros(len(pairs))
    side = thumbnails.shape[1]
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    for first in range(0, len(pairs), AT_ONCE_ALIGNED):
        left, right = (
            _standardized(pictures).reshape(-1, side, side)
            for pictures in _both(thumbnails, pairs[first : first + AT_ONCE_ALIGNED])
        )
        dy, dx = np.gradient(left, axis=1), np.gradient(left, axis=2)
        regressors = np.stack([np.ones_like(left), left, dx, dy, x * dx, y * dx, x * dy, y * dy], axis=1)
        inner = regressors[..., 1:-1, 1:-1].reshape(len(left), 8, -1)  # at the edge a gradient is one-sided
        wanted = right[:, 1:-1, 1:-1].reshape(len(left), -1, 1)
        wanted = wanted - wanted.mean(axis=1, keepdims=True)
        normal = inner @ inner.transpose(0, 2, 1)
        ridge = 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(8)
        fit = inner.transpose(0, 2, 1) @ np.linalg.solve(normal + ridge, inner @ wanted)
        unexplained = ((wanted - fit) ** 2).sum(axis=(1, 2)) / (wanted**2).sum(axis=(1, 2))
        found[first : first + AT_ONCE_ALIGNED] = np.sqrt(np.clip(1 - unexplained, 0, 1))
    return found


def _both(thumbnails: NDArray[np.uint8], pairs: Pairs) -> tuple[Floats, Floats]:
    left, right = (thumbnails[pairs[:, side]].reshape(len(pairs), -1).astype(np.float64) for side in (0, 1))
    return left, right


def _standardized(pictures: Floats) -> Floats:
    """Each picture with mean 0 and norm 1; one without contrast becomes zeros."""
    centred = pictures - pictures.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)


def groups_of(pairs: Pairs) -> list[list[int]]:
    """Rows linked by pairs, directly or through others, as groups."""
    from scipy.cluster.hierarchy import DisjointSet  # slow to import, for the start of every notebook

    linked = DisjointSet(np.unique(pairs).tolist())
    for left, right in pairs.tolist():
        linked.merge(left, right)
    return sorted(sorted(group) for group in linked.subsets())


def describe(files: pd.DataFrame, groups: Sequence[Sequence[int]]) -> dict[str, Any]:
    """How many groups and files, and how many groups have two splits, two classes or two patients in them."""
    members = [files.loc[list(group)] for group in groups]

    def mixed(column: str) -> int:
        return sum(rows[column].nunique() > 1 for rows in members)

    return {
        "groups": len(groups),
        "files": sum(len(group) for group in groups),
        "superfluous": sum(len(group) - 1 for group in groups),
        "across_splits": mixed("split"),
        "across_classes": mixed("class_name"),
        "across_patients": mixed("patient"),
    }


def to_remove(examined: Examined, *, near: bool) -> dict[str, str]:
    """Files to drop so that one of each group of copies stays: path to the path of the one that stays.

    Copies have the same pixels or, with `near`, nearly so. Of a group the file in the test folder stays, then
    val, then train, then the first path.
    """
    files = examined.readable
    groups = groups_of(near_pairs(examined)) if near else exact_groups(files, "pixels_sha256")
    dropped: dict[str, str] = {}
    for group in groups:
        rows = files.loc[group]
        order = rows["split"].map(KEEP_FIRST.index)
        first, *rest = rows.assign(order=order).sort_values(["order", "path"])["path"]
        dropped |= dict.fromkeys(rest, first)
    return dropped
