"""How well the class can be told from what says nothing of the disease: size, borders, brightness.

A network may learn such a shortcut instead of the disease; a score well above chance says that it could.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# what a reader is told: the columns of an examination that each shortcut may use
FEATURES: Mapping[str, tuple[str, ...]] = {
    "size": ("width", "height"),
    "aspect_ratio": ("aspect_ratio",),
    "border": ("border_top", "border_bottom", "border_left", "border_right", "white"),
    "brightness": ("mean",),
    "all": (
        "width", "height", "aspect_ratio", "mean", "white",
        "border_top", "border_bottom", "border_left", "border_right",
    ),
}  # fmt: skip

FOLDS = 5
DEPTH = 4  # a small tree: a shortcut that takes more than a few thresholds is hardly one
LEAST_LEAF = 0.01  # share of the training images
RESAMPLES = 1000
SEED = 0
MOST_PER_CLASS = 5000  # images: enough for an interval of a percent, and quick with 84,484 files


def predictability(files: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """For each shortcut: cross-validated balanced accuracy (a share) with its 95 % interval, chance, n.

    A decision tree of depth 4 is fitted in 5 folds that keep the images of a patient together; the interval
    is a bootstrap over patients. `files` are the readable ones of an examination. A score is None where a
    class has fewer patients than folds.
    """
    files = _at_most(files).assign(aspect_ratio=lambda rows: rows["width"] / rows["height"])
    labels = files["label"].to_numpy()
    patients = files["patient"].to_numpy()
    classes = np.unique(labels)
    enough = files.groupby("label")["patient"].nunique().min() >= FOLDS and len(classes) > 1
    scores: dict[str, dict[str, Any]] = {}
    for name, columns in FEATURES.items():
        score: dict[str, Any] = dict.fromkeys(("balanced_accuracy", "low", "high"))
        if enough:
            features = files[list(columns)].to_numpy(np.float64)
            predictions = _out_of_fold(features, labels, patients)
            score = _balanced_accuracy(labels, predictions, patients)
        scores[name] = score | {
            "chance": 1 / len(classes),
            "n": len(files),
            "features": list(columns),
        }
    return scores


def _at_most(files: pd.DataFrame) -> pd.DataFrame:
    if files["label"].value_counts().max() <= MOST_PER_CLASS:
        return files
    order = np.random.default_rng(SEED).permutation(len(files))
    return files.iloc[order].groupby("label", sort=False).head(MOST_PER_CLASS).sort_values("path")


def _out_of_fold(features: NDArray[np.float64], labels: NDArray[Any], patients: NDArray[Any]) -> NDArray[Any]:
    # slow to import, and reading an audit needs it not
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(
        max_depth=DEPTH, min_samples_leaf=LEAST_LEAF, class_weight="balanced", random_state=SEED
    )
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    return cross_val_predict(tree, features, labels, groups=patients, cv=folds)


def _balanced_accuracy(
    labels: NDArray[Any], predictions: NDArray[Any], patients: NDArray[Any]
) -> dict[str, float]:
    """Mean recall over the classes, with the percentile interval of a bootstrap that draws whole patients."""
    classes, label = np.unique(labels, return_inverse=True)
    people, person = np.unique(patients, return_inverse=True)
    totals = np.zeros((len(people), len(classes)))
    hits = np.zeros_like(totals)
    np.add.at(totals, (person, label), 1)
    np.add.at(hits, (person, label), labels == predictions)
    rng = np.random.default_rng(SEED)
    draws = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), size=RESAMPLES).astype(float)
    drawn_totals, drawn_hits = draws @ totals, draws @ hits
    whole = (drawn_totals > 0).all(axis=1)  # a draw without one of the classes has no balanced accuracy
    recalls = drawn_hits[whole] / drawn_totals[whole]
    low, high = np.quantile(recalls.mean(axis=1), [0.025, 0.975])
    value = (hits.sum(axis=0) / totals.sum(axis=0)).mean()
    return {"balanced_accuracy": float(value), "low": float(low), "high": float(high)}
