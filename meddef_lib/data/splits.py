"""Which images train, validate and test: the published folders, the paper's own draw, or apart by patient.

Every draw goes by a hash of the seed and the file's path (or the patient), never by a position in a list, so
that the order of a listing is no input, and a pooled draw moves hardly any other file when one is missing.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.data import patients
from meddef_lib.data.sources.folders import SPLITS
from meddef_lib.errors import DataError
from meddef_lib.params import Dataset, LimitParams, SplitRule

TENTH_SHARES = {"train": 0.9, "val": 0.1}  # where there is no val folder
PAPER_SHARES = {"train": 0.70, "val": 0.15, "test": 0.15}  # chest X-ray (MedDef, 3.1.1)


def apply(images: pd.DataFrame, dataset: Dataset, *, rule: SplitRule, seed: int) -> pd.DataFrame:
    """The same images with `split` set anew, sorted by path.

    - `published`: as the folders have it; without a val folder, a patient-disjoint tenth of train becomes it.
    - `pooled`: all images together, drawn 70/15/15 within each class (MedDef, 3.1.1). Patients mix.
    - `patient_disjoint`: near 70/15/15 of each class, and no patient (strictest reading) on two sides.
    - `all`: every image tests, for weights that were trained elsewhere.

    `images` needs the columns path, split, label and patient of a listing. Raises DataError where patients
    are to be kept apart and no file says who they are (MedMNIST).
    """
    images = images.sort_values("path", ignore_index=True)
    if rule == "all":
        return images.assign(split="test")
    if rule == "pooled":
        return images.assign(split=_pooled(images, PAPER_SHARES, seed))
    if rule == "patient_disjoint":
        if images["patient"].str.startswith(patients.UNKNOWN).all():
            raise DataError(
                f"no file of {dataset.title} says who the patient is, so split=patient_disjoint cannot keep "
                "patients apart; use published or pooled, or the archives with Kermany's file names"
            )
        return images.assign(split=_by_patient(images, PAPER_SHARES, seed))
    train = images["split"] == "train"
    if train.any() and not (images["split"] == "val").any():
        images.loc[train, "split"] = _by_patient(images[train], TENTH_SHARES, seed)
    return images


def limit(images: pd.DataFrame, limits: LimitParams, *, seed: int) -> pd.DataFrame:
    """At most so many images of each split, drawn by class, sorted by path; a limit of None takes all."""
    most = ((split, getattr(limits, split)) for split in SPLITS)
    parts = [stratified_draw(images[images["split"] == split], count, seed=seed) for split, count in most]
    return pd.concat(parts).sort_values("path", ignore_index=True)


def stratified_draw(images: pd.DataFrame, count: int | None, *, seed: int) -> pd.DataFrame:
    """At most `count` rows in the proportions of the classes (largest remainders), in the order they had.

    Where `count` allows, a class that is there keeps at least one image.
    """
    if count is None or count >= len(images):
        return images
    drawn = _drawn_by_class(images, seed, "limit")
    takes = _apportioned(np.array([len(rows) for rows in drawn]), count)
    chosen = [rows[:take] for rows, take in zip(drawn, takes, strict=True)]
    return images.iloc[np.sort(np.concatenate(chosen))]


def counts(images: pd.DataFrame, dataset: Dataset) -> dict[str, dict[str, int]]:
    """Images of each split and class, zeros included: `{"train": {"NORMAL": 1108, ...}, ...}`."""
    found = Counter(zip(images["split"], images["class_name"], strict=True))
    return {split: {name: found[split, name] for name in dataset.classes} for split in SPLITS}


def listed(images: pd.DataFrame) -> dict[str, int]:
    """Images of a listing in each split, before `apply`: what `data_version` is told."""
    return {split: int((images["split"] == split).sum()) for split in SPLITS}


def data_version(listed: Mapping[str, int], dataset: Dataset, *, source: str = "folders") -> str:
    """Which release has these counts, in words, with the counts (alone, of a data set without releases).

    `listed` is of the listing before `apply`: a new draw says nothing of where the files come from. `source`
    is that of the pictures.
    """
    if source == "phantoms":
        return "phantoms"
    known = {tuple(counts.settings().values()): name for name, counts in dataset.releases.items()}
    found = tuple(listed[split] for split in SPLITS)
    text = ", ".join(f"{split} {count:,}" for split, count in zip(SPLITS, found, strict=True))
    return f"{known.get(found, 'no known release')}: {text}" if known else text


def has_published_counts(
    counts: Mapping[str, Mapping[str, int]],
    printed: Mapping[str, Any] | None,
    *,
    source: str = "folders",
) -> bool:
    """Whether counts, after `apply`, meet every one that the paper prints of the data set (3.1.1, Figure 5).

    `printed` has total, split and, of some splits, per_class; None where the paper prints nothing of the data
    set. `source` is that of the pictures: phantoms are never as published.
    """
    if printed is None or source == "phantoms":
        return False
    found = {split: sum(of_class.values()) for split, of_class in counts.items()}
    classes = all(
        counts[split].get(name) == count
        for split, of_class in printed["per_class"].items()
        for name, count in of_class.items()
    )
    totals = all(found[split] == count for split, count in printed["split"].items())
    return classes and totals and sum(found.values()) == printed["total"]


def _pooled(images: pd.DataFrame, shares: Mapping[str, float], seed: int) -> NDArray[np.object_]:
    """Within each class the train and val shares are rounded and test takes the rest.

    That is the rounding by which 1,583 and 4,273 images give the paper's 4,099/878/879.
    """
    split = np.full(len(images), "test", dtype=object)
    for members in _drawn_by_class(images, seed, "pooled"):
        train, val = (round(shares[name] * len(members)) for name in ("train", "val"))
        split[members[:train]] = "train"
        split[members[train : train + val]] = "val"
    return split


def _by_patient(images: pd.DataFrame, shares: Mapping[str, float], seed: int) -> NDArray[np.object_]:
    """Patients in random order, the large ones first, each to the split whose class counts it fits best.

    Fit is the change of the sum over splits and classes of (count - wanted)^2 / wanted.
    """
    per_patient = pd.crosstab(images["patient"], images["label"])
    draws = _draws(per_patient.index, seed, "patient")
    # what is hard to place goes first, and single images even out at the end
    order = np.lexsort((draws, -per_patient.sum(axis=1).to_numpy()))
    table = per_patient.to_numpy()
    names = list(shares)
    wanted = np.outer(list(shares.values()), table.sum(axis=0))
    have = np.zeros_like(wanted)
    home = np.empty(len(table), dtype=object)
    for patient in order:
        images_of = table[patient]
        change = ((2 * (have - wanted) * images_of + images_of**2) / wanted).sum(axis=1)
        best = int(np.argmin(change))
        have[best] += images_of
        home[patient] = names[best]
    return images["patient"].map(dict(zip(per_patient.index, home, strict=True))).to_numpy()


def _drawn_by_class(images: pd.DataFrame, seed: int, purpose: str) -> list[NDArray[np.intp]]:
    """The positions of each class's images in a random order, the classes by their labels."""
    labels, draws = images["label"].to_numpy(), _draws(images["path"], seed, purpose)
    classes = (np.flatnonzero(labels == label) for label in np.unique(labels))
    return [members[np.argsort(draws[members], kind="stable")] for members in classes]


def _draws(texts: Iterable[str], seed: int, purpose: str) -> NDArray[np.uint64]:
    """A uniform 64-bit number for each text, the same wherever and beside whatever it stands."""
    key = f"{purpose}:{seed}".encode()
    hashes = (hashlib.blake2b(text.encode(), digest_size=8, key=key).digest() for text in texts)
    return np.frombuffer(b"".join(hashes), dtype=">u8").astype(np.uint64)


def _apportioned(sizes: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """`count` parted in the proportions of `sizes`, by largest remainders, at least one each if it can be."""
    exact = sizes * (count / sizes.sum())
    takes = np.floor(exact).astype(np.intp)
    remainders = np.argsort(-(exact - takes), kind="stable")
    takes[remainders[: count - takes.sum()]] += 1
    if count >= len(sizes):
        for short in np.flatnonzero(takes == 0):
            takes[short] += 1
            takes[np.argmax(takes)] -= 1
    return takes
