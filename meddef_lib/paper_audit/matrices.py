"""Confusion matrices against per-class metrics, and both against the accuracies of the tables."""

from collections.abc import Iterator, Mapping
from itertools import product

from meddef_lib.paper_audit.finding import Finding, counted
from meddef_lib.published import ClassMetrics, Paper

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
                2 * p * r / (p + r)
                for p, r in product(
                    (row.precision - half, row.precision + half), (row.recall - half, row.recall + half)
                )
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


def metrics_of_any_matrix(paper: Paper) -> Iterator[Finding]:
    """Each data set: is there any matrix of whole images with the stated class sizes and these metrics?

    For two classes the search over both recalls is complete; for more, each class's own counts are.
    """
    for dataset, printed in paper.per_class.items():
        support = paper.support(dataset)
        if not support or set(support) != set(printed.classes):
            continue
        rights = {
            name: [
                k for k in range(n + 1) if _printed_so(k / n, printed.classes[name].recall, printed.decimals)
            ]
            for name, n in support.items()
        }
        if len(support) == 2:
            found = list(_two_class_matrices(support, printed.classes, rights, printed.decimals))
            number = len(found)
            example = f", such as {found[0]}" if found else ""
        else:
            number = int(all(rights.values()))
            example = ""
        accuracy = sum(100 * max(r) for r in rights.values() if r) / sum(support.values())
        yield Finding(
            id=f"metrics_of_any_matrix/{dataset}",
            section=printed.section,
            check="metrics_of_any_matrix",
            grade="consistent" if number else "impossible",
            printed=f"precision, recall and F1 of {counted(len(support), 'class').replace('classs', 'classes')}",
            implied=f"at most {accuracy:.2f} % accuracy" if number else "no matrix",
            text=f"{paper.datasets[dataset].title}: "
            + (
                f"matrices with the stated class sizes and these metrics exist{example}."
                if number
                else "no matrix of whole images with the stated class sizes has these metrics."
            ),
        )


def _two_class_matrices(
    support: Mapping[str, int],
    metrics: Mapping[str, ClassMetrics],
    rights: Mapping[str, list[int]],
    decimals: int,
) -> Iterator[str]:
    one, other = support
    for first, second in product(rights[one], rights[other]):
        matrix = {
            one: {one: first, other: support[one] - first},
            other: {one: support[other] - second, other: second},
        }
        if all(
            _printed_so(getattr(metrics_of(matrix, name), key), getattr(metrics[name], key), decimals)
            for name in support
            for key in ("precision", "f1")
        ):
            yield f"{first} of {support[one]} {one} and {second} of {support[other]} {other} right"


def _printed_so(value: float, printed: float, decimals: int) -> bool:
    return abs(value - printed) <= 0.5 * 10**-decimals + 1e-9


def accuracy_against_table(paper: Paper) -> Iterator[Finding]:
    """Each matrix, and each set of recalls: the accuracy that follows, against the table's clean accuracy."""
    for dataset, printed in paper.confusion.items():
        clean = paper.clean_accuracy(dataset, printed.variant)
        support = paper.support(dataset)
        if clean is None or not support:
            continue
        total = sum(support.values())
        sources: dict[str, float] = {}
        matrix = whole(paper, dataset)
        if matrix is not None:
            sources[f"the matrix of {printed.section}"] = 100 * sum(matrix[n][n] for n in matrix) / total
        if dataset in paper.per_class:
            recalls = paper.per_class[dataset].classes
            weighted = sum(support[name] * row.recall for name, row in recalls.items())
            sources[f"the recalls of {paper.per_class[dataset].section}"] = 100 * weighted / total
        for source, accuracy in sources.items():
            # a recall of three decimals leaves its accuracy open by half a tenth of a point
            good = abs(accuracy - clean[1]) <= (0.051 if "recalls" in source else 0.0051)
            yield Finding(
                id=f"accuracy_against_table/{dataset}/{'recalls' if 'recalls' in source else 'matrix'}",
                section=printed.section,
                check="accuracy_against_table",
                grade="consistent" if good else "contradiction",
                printed=f"{clean[1]:.2f} % ({clean[0]})",
                implied=f"{accuracy:.2f} %",
                text=f"{paper.datasets[dataset].title}: {source} give {accuracy:.2f} % on {total} images; the table "
                f"prints {clean[1]:.2f} % for the same model.",
            )


def class_sizes(paper: Paper) -> Iterator[Finding]:
    """Each row of a matrix: does it add up to the stated number of test images of its class?"""
    for dataset, printed in paper.confusion.items():
        support = paper.support(dataset)
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
