"""Confusion matrices against per-class metrics, and both against the accuracies of the tables."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meddef_lib.paper.audit.finding import Finding, listed
from meddef_lib.paper.audit.shares import bounds, counts_fitting
from meddef_lib.paper.datasets import ClassMetrics, Confusion, DatasetFacts, PerClass
from meddef_lib.paper.published import Paper

MOST_TRIED = 1_000_000  # combinations of counts


class PrintedRow(NamedTuple):
    """What is printed of the images of one class: predicted class -> images; the rest of the class is open."""

    cells: Mapping[str, int]
    size: int

    @property
    def open(self) -> int:
        """Images of the class that no printed cell of its row holds."""
        return max(self.size - sum(self.cells.values()), 0)


def printed_rows(paper: Paper, dataset: str) -> dict[str, PrintedRow]:
    """The rows of a printed matrix, with the stated sizes of their classes."""
    printed, facts = paper.confusion[dataset], paper.datasets[dataset]
    return {name: PrintedRow(printed.rows.get(name, {}), facts.support[name]) for name in facts.classes}


class Fit(NamedTuple):
    """Whether a class's metrics can come from the printed rows, and with how many images of the open ones."""

    wrong: list[str]  # metrics that no choice of the open images gives
    said: str  # the metrics that follow, with the open images that give those printed where some do
    strays: int  # open images of other classes predicted to be of this one, at least


def fit(rows: Mapping[str, PrintedRow], name: str, metrics: ClassMetrics, decimals: int) -> Fit:
    """Precision, recall and F1 of one class against the printed rows.

    Images that no printed cell holds may be predicted as anything: of this class they may be right, of the others
    they may be predicted to be of it. Every such choice is tried that gives the recall, or comes nearest to it.
    """
    row, half = rows[name], 0.5 * 10**-decimals + 1e-9
    printed = row.cells.get(name, 0)
    known = sum(other.cells.get(name, 0) for other in rows.values())
    strays = sum(other.open for key, other in rows.items() if key != name)
    hits = printed + np.arange(row.open, -1, -1)
    size = max(row.size, 1)
    away = abs(hits / size - metrics.recall)
    right = hits[away <= max(half, away.min())][:, None]
    said = known - printed + right + np.arange(strays + 1)
    every = {
        "precision": right / np.maximum(said, 1),
        "recall": np.broadcast_to(right / size, said.shape),
        "f1": 2 * right / (size + said),
    }
    wrong = {key: abs(shares - getattr(metrics, key)) > half for key, shares in every.items()}
    best = np.unravel_index(np.sum(list(wrong.values()), axis=0).argmin(), said.shape)
    shown = ", ".join(f"{key} {shares[best]:.{decimals}f}" for key, shares in every.items())
    stray, failed = int(best[1]), [key for key, bad in wrong.items() if bad[best]]
    opened = []
    if row.open:
        opened.append(f"{right[best[0], 0] - printed} of its {row.open} images in no printed cell are right")
    if strays:
        opened.append(f"{stray} of the {strays} images in no printed cell of other classes are taken for it")
    return Fit(failed, shown + (f" (if {' and '.join(opened)})" if opened else ""), 0 if failed else stray)


def matrix_against_metrics(paper: Paper) -> Iterator[Finding]:
    """Each class: can the printed precision, recall and F1 follow from the printed cells of the matrix?

    Where one row alone is open, the images that the other classes need from it cannot be right in it.
    """
    for dataset, printed in paper.per_class.items():
        if dataset not in paper.confusion:
            continue
        rows = printed_rows(paper, dataset)
        fits = {name: fit(rows, name, row, printed.decimals) for name, row in printed.classes.items()}
        opened = [name for name, row in rows.items() if row.open]
        for name, row in printed.classes.items():
            found, matrix, size = fits[name], paper.confusion[dataset].section, rows[name].size
            shown = ", ".join(
                f"{key} {getattr(row, key):.{printed.decimals}f}" for key in ("precision", "recall", "f1")
            )
            needed = (
                sum(other.strays for key, other in fits.items() if key != name) if opened == [name] else 0
            )
            implied, ends = found.said, "."
            taken = size and (size - needed) / size + 0.5 * 10**-printed.decimals < row.recall
            if taken:
                most = f"at most {(size - needed) / size:.{printed.decimals}f}"
                implied = f"recall {most}"
                ends = (
                    f"; but the metrics of the other classes need {needed} images of {name} among their predictions, "
                    f"which leaves a recall of {most}."
                )
            if found.wrong:
                ends = f"; {', '.join(found.wrong)} cannot come from those cells."
            yield Finding(
                id=f"matrix_against_metrics/{dataset}/{name}",
                section=printed.section,
                grade="contradiction" if found.wrong or taken else "consistent",
                printed=shown,
                implied=implied,
                text=f"{paper.datasets[dataset].title}, {name}: the printed cells of {matrix} allow {found.said}; "
                f"{printed.section} prints {shown}{ends}",
            )


def f1_of_its_parts(paper: Paper) -> Iterator[Finding]:
    """Each class: is F1 the harmonic mean of some precision and recall that are printed so?"""
    for dataset, printed in paper.per_class.items():
        half = 0.5 * 10**-printed.decimals
        for name, row in printed.classes.items():
            # the smallest and the largest share that is printed so
            spans = [
                (max(share - half, 0.0), min(share + half, 1.0)) for share in (row.precision, row.recall)
            ]
            ends = [2 * p * r / (p + r) if p + r else 0.0 for p, r in product(*spans)]
            good = min(ends) - half <= row.f1 <= max(ends) + half
            yield Finding(
                id=f"f1_of_its_parts/{dataset}/{name}",
                section=printed.section,
                grade="consistent" if good else "contradiction",
                printed=f"F1 {row.f1:.{printed.decimals}f}",
                implied=f"{min(ends):.{printed.decimals}f} to {max(ends):.{printed.decimals}f}",
                text=f"{paper.datasets[dataset].title}, {name}: precision {row.precision:.3f} and recall "
                f"{row.recall:.3f} give an F1 of {min(ends):.4f} to {max(ends):.4f}; {row.f1:.3f} is printed.",
            )


class Counts(NamedTuple):
    """Images of one class: right, and predicted to be of it."""

    right: int
    predicted: int


def class_counts(metrics: ClassMetrics, size: int, images: int, decimals: int) -> list[Counts]:
    """Every pair of counts of one class, of `size` of all images, that rounds to its printed metrics."""

    def printed(share: float, hits: int, n: NDArray[np.int64]) -> NDArray[np.bool_]:
        low, high = bounds(100 * share, decimals - 2, n)
        return np.asarray((low <= hits) & (hits <= high))

    found = []
    for right in counts_fitting(100 * metrics.recall, decimals - 2, size):
        predicted = np.arange(max(right, 1), right + images - size + 1)
        # F1 is 2 right / (size + predicted)
        good = printed(metrics.precision, right, predicted) & printed(metrics.f1, 2 * right, size + predicted)
        found += [Counts(right, int(said)) for said in predicted[good]]
    return found


def matrices_fitting(
    metrics: Mapping[str, ClassMetrics], support: Mapping[str, int], decimals: int
) -> list[dict[str, Counts]] | None:
    """The counts of all classes for which a matrix of whole images with these metrics exists.

    None where so many counts round to the printed metrics that not all can be tried.

    Given its row sums, column sums and diagonal, a matrix exists exactly if the predictions add up to the
    images and no class's misses and false alarms together are more than all mistakes, since no mistake
    stays in its own class (Hall's condition).
    """
    images = sum(support.values())
    choices = [class_counts(metrics[name], size, images, decimals) for name, size in support.items()]
    if prod(map(len, choices)) > MOST_TRIED:
        return None
    found = []
    for counts in product(*choices):
        mistakes = images - sum(count.right for count in counts)
        own = [size + c.predicted - 2 * c.right for size, c in zip(support.values(), counts, strict=True)]
        if sum(count.predicted for count in counts) == images and max(own) <= mistakes:
            found.append(dict(zip(support, counts, strict=True)))
    return found


def metrics_of_any_matrix(paper: Paper) -> Iterator[Finding]:
    """Each data set: is there any matrix of whole images with the stated class sizes and these metrics?"""
    for dataset, printed in paper.per_class.items():
        support = paper.datasets[dataset].support
        if not support or set(support) != set(printed.classes):
            continue
        found = matrices_fitting(printed.classes, support, printed.decimals)
        right = sorted({sum(count.right for count in counts.values()) for counts in found or ()})
        images = sum(support.values())
        said, implied = (
            "no matrix of whole images with the stated class sizes has these metrics.",
            "no matrix",
        )
        if found is None:
            said = f"more than {MOST_TRIED:,} choices of counts are printed so: the metrics say little of a matrix."
            implied = "any matrix"
        elif found:
            example = listed([f"{count.right} of {support[name]} {name}" for name, count in found[0].items()])
            said = f"matrices with the stated class sizes and these metrics exist ({example} right)."
            implied = listed([f"{k} of {images} right" for k in right])
        yield Finding(
            id=f"metrics_of_any_matrix/{dataset}",
            section=printed.section,
            grade="consistent" if found or found is None else "impossible",
            printed=f"precision, recall and F1 of {len(support)} classes",
            implied=implied,
            text=f"{paper.datasets[dataset].title}: {said}",
        )


def accuracy_against_table(paper: Paper) -> Iterator[Finding]:
    """Each matrix, and each set of class metrics: the accuracy that follows, against the table's clean one."""
    for dataset, facts in paper.datasets.items():
        if dataset in paper.confusion:
            printed, rows = paper.confusion[dataset], printed_rows(paper, dataset)
            right = sum(row.cells.get(name, 0) for name, row in rows.items())
            unsure = sum(row.open for row in rows.values())
            yield from _accuracy(paper, facts, "matrix", printed, range(right, right + unsure + 1))
        if dataset in paper.per_class and set(facts.support) == set(paper.per_class[dataset].classes):
            metrics = paper.per_class[dataset]
            fitting = matrices_fitting(metrics.classes, facts.support, metrics.decimals)
            right_of = sorted({sum(count.right for count in counts.values()) for counts in fitting or ()})
            yield from _accuracy(paper, facts, "metrics", metrics, right_of)


def _accuracy(
    paper: Paper, facts: DatasetFacts, source: str, printed: Confusion | PerClass, right: Sequence[int]
) -> Iterator[Finding]:
    """`right` are the numbers of right images that the source allows."""
    clean = paper.clean_accuracy(facts.id, printed.variant)
    if clean is None or not right:
        return
    images = sum(facts.support.values())
    half = 0.5 * 10**-clean.decimals + 1e-9
    good = [number for number in right if abs(100 * number / images - clean.value) <= half]
    ends = right if len(right) < 4 else [right[0], right[-1]]
    shares = [f"{number} of {images} images, {100 * number / images:.2f} %" for number in good or ends]
    shown = listed(shares, 3) if good or len(right) < 4 else " to ".join(shares)
    name = {"matrix": "the printed cells of the confusion matrix", "metrics": "the class metrics"}[source]
    opened = (
        f" among {right[0]} to {right[-1]}, as {right[-1] - right[0]} images are in no printed cell"
        if good and len(right) > 3
        else ""
    )
    yield Finding(
        id=f"accuracy_against_table/{facts.id}/{source}",
        section=printed.section,
        grade="consistent" if good else "contradiction",
        printed=f"{clean.value:.2f} % ({clean.id})",
        implied=shown,
        text=f"{facts.title}: by {name} of {printed.section} the model can be right on {shown}{opened}; the table "
        f"prints {clean.value:.2f} % for it.",
    )


def class_sizes(paper: Paper) -> Iterator[Finding]:
    """Each row of a matrix: does it add up to the stated number of test images of its class?"""
    for dataset, printed in paper.confusion.items():
        support = paper.datasets[dataset].support
        for name, row in printed.rows.items():
            if not row or name not in support:
                continue
            total = sum(row.values())
            yield Finding(
                id=f"class_sizes/{dataset}/{name}",
                section=printed.section,
                grade="contradiction" if total > support[name] else "consistent",
                printed=f"{total} images in the row",
                implied=f"{support[name]} test images of the class",
                text=f"{paper.datasets[dataset].title}, {name}: the printed cells of the row add up to {total} of "
                f"{support[name]} images.",
            )
