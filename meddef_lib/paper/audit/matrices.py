"""Confusion matrices against per-class metrics, and both against the accuracies of the tables."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

from meddef_lib.paper.audit.finding import Finding, listed
from meddef_lib.paper.audit.granularity import counts_fitting
from meddef_lib.paper.datasets import ClassMetrics
from meddef_lib.paper.published import Paper

Matrix = Mapping[str, Mapping[str, int]]


def whole(paper: Paper, dataset: str) -> Matrix | None:
    """The printed matrix with what its rows imply; None where cells remain open."""
    full = paper.completed(dataset)
    classes = paper.datasets[dataset].classes
    return full if all(set(full.get(name, {})) == set(classes) for name in classes) else None


def metrics_of(matrix: Matrix, name: str) -> ClassMetrics:
    """Precision, recall and F1 of one class of a matrix (rows true)."""
    right = matrix[name][name]
    said, true = sum(row[name] for row in matrix.values()), sum(matrix[name].values())
    precision, recall = right / said if said else 0.0, right / true if true else 0.0
    both = precision + recall
    return ClassMetrics(precision=precision, recall=recall, f1=2 * precision * recall / both if both else 0.0)


def matrix_against_metrics(paper: Paper) -> Iterator[Finding]:
    """Each class: do the printed precision, recall and F1 follow from the printed matrix?"""
    for dataset, printed in paper.per_class.items():
        matrix = whole(paper, dataset) if dataset in paper.confusion else None
        if matrix is None:
            continue
        for name, row in printed.classes.items():
            own = metrics_of(matrix, name)
            pairs = [(key, getattr(row, key), getattr(own, key)) for key in ("precision", "recall", "f1")]
            half = 0.5 * 10**-printed.decimals
            wrong = [key for key, said, found in pairs if abs(said - found) > half + 1e-9]
            shown = ", ".join(f"{key} {said:.{printed.decimals}f}" for key, said, _ in pairs)
            implied = ", ".join(f"{key} {found:.{printed.decimals}f}" for key, _, found in pairs)
            yield Finding(
                id=f"matrix_against_metrics/{dataset}/{name}",
                section=printed.section,
                check="matrix_against_metrics",
                grade="contradiction" if wrong else "consistent",
                printed=shown,
                implied=implied,
                text=f"{paper.datasets[dataset].title}, {name}: the matrix of {paper.confusion[dataset].section} "
                f"gives {implied}; {printed.section} prints {shown}"
                + (f"; {', '.join(wrong)} cannot come from that matrix." if wrong else "."),
            )


def f1_of_its_parts(paper: Paper) -> Iterator[Finding]:
    """Each class: is F1 the harmonic mean of some precision and recall that are printed so?"""
    for dataset, printed in paper.per_class.items():
        half = 0.5 * 10**-printed.decimals
        for name, row in printed.classes.items():
            ends = [
                2 * p * r / (p + r) if p + r else 0.0
                for p, r in product(*(_rounded_from(share, half) for share in (row.precision, row.recall)))
            ]
            good = min(ends) - half <= row.f1 <= max(ends) + half
            yield Finding(
                id=f"f1_of_its_parts/{dataset}/{name}",
                section=printed.section,
                check="f1_of_its_parts",
                grade="consistent" if good else "contradiction",
                printed=f"F1 {row.f1:.{printed.decimals}f}",
                implied=f"{min(ends):.{printed.decimals}f} to {max(ends):.{printed.decimals}f}",
                text=f"{paper.datasets[dataset].title}, {name}: precision {row.precision:.3f} and recall "
                f"{row.recall:.3f} give an F1 of {min(ends):.4f} to {max(ends):.4f}; {row.f1:.3f} is printed.",
            )


def _rounded_from(share: float, half: float) -> tuple[float, float]:
    """The smallest and the largest share that is printed so."""
    return max(share - half, 0.0), min(share + half, 1.0)


class Counts(NamedTuple):
    """Images of one class: right, and predicted to be of it."""

    right: int
    predicted: int


def class_counts(metrics: ClassMetrics, size: int, images: int, decimals: int) -> list[Counts]:
    """Every pair of counts of one class, of `size` of all images, that rounds to its printed metrics."""

    def printed(share: float, hits: int, n: int) -> bool:
        return hits in counts_fitting(100 * share, decimals - 2, n)

    return [
        Counts(right, predicted)
        for right in counts_fitting(100 * metrics.recall, decimals - 2, size)
        for predicted in range(max(right, 1), right + images - size + 1)
        if printed(metrics.precision, right, predicted)
        and printed(metrics.f1, 2 * right, size + predicted)  # F1 is 2 right / (size + predicted)
    ]


def matrices_fitting(
    metrics: Mapping[str, ClassMetrics], support: Mapping[str, int], decimals: int
) -> list[dict[str, Counts]]:
    """The counts of all classes for which a matrix of whole images with these metrics exists.

    Given its row sums, column sums and diagonal, a matrix exists exactly if the predictions add up to the
    images and no class's misses and false alarms together are more than all mistakes, since no mistake
    stays in its own class (Hall's condition).
    """
    images = sum(support.values())
    choices = [class_counts(metrics[name], size, images, decimals) for name, size in support.items()]
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
        right = sorted({sum(count.right for count in counts.values()) for counts in found})
        images = sum(support.values())
        said = "no matrix of whole images with the stated class sizes has these metrics."
        if found:
            example = listed([f"{count.right} of {support[name]} {name}" for name, count in found[0].items()])
            said = f"matrices with the stated class sizes and these metrics exist ({example} right)."
        yield Finding(
            id=f"metrics_of_any_matrix/{dataset}",
            section=printed.section,
            check="metrics_of_any_matrix",
            grade="consistent" if found else "impossible",
            printed=f"precision, recall and F1 of {len(support)} classes",
            implied=listed([f"{k} of {images} right" for k in right]) if found else "no matrix",
            text=f"{paper.datasets[dataset].title}: {said}",
        )


def accuracy_against_table(paper: Paper) -> Iterator[Finding]:
    """Each matrix, and each set of class metrics: the accuracy that follows, against the table's clean one."""
    for dataset in paper.datasets:
        support = paper.datasets[dataset].support
        if dataset in paper.confusion and (matrix := whole(paper, dataset)) is not None:
            printed = paper.confusion[dataset]
            right = [sum(matrix[name][name] for name in matrix)]
            yield from _accuracy(paper, dataset, "matrix", printed.section, printed.variant, right)
        if dataset in paper.per_class and set(support) == set(paper.per_class[dataset].classes):
            metrics = paper.per_class[dataset]
            fitting = matrices_fitting(metrics.classes, support, metrics.decimals)
            right = sorted({sum(count.right for count in counts.values()) for counts in fitting})
            yield from _accuracy(paper, dataset, "metrics", metrics.section, metrics.variant, right)


def _accuracy(
    paper: Paper, dataset: str, source: str, section: str, variant: str, right: list[int]
) -> Iterator[Finding]:
    """`right` are the numbers of right images that the source allows."""
    clean = paper.clean_accuracy(dataset, variant)
    if clean is None or not right:
        return
    images = sum(paper.datasets[dataset].support.values())
    shown = listed([f"{number} of {images} images, {100 * number / images:.2f} %" for number in right], 3)
    name = {"matrix": "the confusion matrix", "metrics": "the class metrics"}[source]
    good = any(abs(100 * number / images - clean.value) <= 0.005 + 1e-9 for number in right)
    yield Finding(
        id=f"accuracy_against_table/{dataset}/{source}",
        section=section,
        check="accuracy_against_table",
        grade="consistent" if good else "contradiction",
        printed=f"{clean.value:.2f} % ({clean.id})",
        implied=shown,
        text=f"{paper.datasets[dataset].title}: by {name} of {section} the model is right on {shown}; the table "
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
                check="class_sizes",
                grade="contradiction" if total > support[name] else "consistent",
                printed=f"{total} images in the row",
                implied=f"{support[name]} test images of the class",
                text=f"{paper.datasets[dataset].title}, {name}: the printed cells of the row add up to {total} of "
                f"{support[name]} images.",
            )
