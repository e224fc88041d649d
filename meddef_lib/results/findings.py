"""The findings that matter most, for the page's first screen, chosen by one rule.

Candidates are the claims (as this run decides them; where it decides nothing, as the paper's own tables do),
the checks of the printed numbers against each other, and the printed numbers themselves, by what they are
of. Each counts its cells (comparisons, places or numbers) and how many of them say what its grade says. Its
weight is grade x share of such cells x root of the cells; at most `MOST_OF_A_KIND` are shown of one kind.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import sqrt
from typing import Any

SHOWN, MOST_OF_A_KIND = 5, 2
GRADES = {"does_not_hold": 3.0, "holds": 2.0, "mixed": 1.0}
RULE = (
    f"Chosen by weight: grade ({GRADES['does_not_hold']:g} for what does not hold or does not agree, "
    f"{GRADES['holds']:g} for what holds or agrees, {GRADES['mixed']:g} for what is mixed; half of that for "
    "a tendency) times the share of its comparisons (or places, or numbers) that say so, times the root of "
    "how many there are; at most two of a kind."
)
FAULTS = ("impossible", "contradiction")
CHECKED = {
    "quoted_figures": "Sentences quote figures or directions that the paper's own tables do not bear out",
    "one_size_for_a_model": "Models have percentages that no test set of the stated size can give",
    "common_denominator": "Models have success rates that cannot be shares of any possible number of images",
    "matrix_against_metrics": "Classes have precision, recall or F1 that their confusion matrix excludes",
}
NUMBERS = {
    "millions": "Printed parameter counts",
    "percent": "Printed rates",
    "share": "Printed class metrics",
}
Row = dict[str, Any]


def most_important(document: Mapping[str, Any]) -> list[Row]:
    """The findings by weight, heaviest first: `kind`, `text`, how `many` `of` how many cells, `grade`.

    `about` is the id of the claim or the audit's first such finding; "" for numbers.
    """
    found = [*_claims(document["claims"]), *_checks(document["paper_audit"]), *_numbers(document["values"])]
    chosen: list[Row] = []
    for one in sorted(found, key=lambda row: -row["weight"]):
        alike = sum(one["kind"] == other["kind"] for other in chosen)
        if alike < MOST_OF_A_KIND and len(chosen) < SHOWN:
            chosen.append(one)
    return chosen


def _finding(
    kind: str, text: str, about: str, grade: float, cells: Mapping[str, int], *, tendency: bool = False
) -> Row:
    """One candidate; of all its `cells` (`of`), those on the side of its grade say so (`many`)."""
    many = cells["against" if grade == GRADES["does_not_hold"] else "in_favour"]
    weight = grade * many / cells["of"] * sqrt(cells["of"]) / (2 if tendency else 1)
    said = {"kind": kind, "text": text, "about": about, "grade": grade, "tendency": tendency}
    return {**said, "many": many, **cells, "weight": weight}


def _claims(claims: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for claim in claims:
        in_run = claim["verdict"] in GRADES
        decided = claim if in_run else claim["in_paper"]
        if decided["verdict"] not in GRADES or not decided["tested"]:
            continue
        sides = {"in_favour": len(decided["for"]), "against": len(decided["against"])}
        cells = {**sides, "of": decided["tested"]}
        kind, grade = f"{decided['verdict']}_{'run' if in_run else 'paper'}", GRADES[decided["verdict"]]
        tendency = in_run and claim["indicative"]
        yield _finding(kind, claim["text"], claim["id"], grade, cells, tendency=tendency)


def _checks(audit: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    by_check: dict[str, list[Mapping[str, Any]]] = {}
    for finding in audit:
        by_check.setdefault(finding["check"], []).append(finding)
    for check, said in CHECKED.items():
        faults = [one for one in by_check.get(check, ()) if one["grade"] in FAULTS]
        if faults:
            fitting = sum(one["grade"] == "consistent" for one in by_check[check])
            cells = {"in_favour": fitting, "against": len(faults), "of": len(by_check[check])}
            yield _finding("contradiction", said, faults[0]["id"], GRADES["does_not_hold"], cells)


def _numbers(values: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    by_unit: dict[str, Counter[str]] = {}
    for value in values:
        by_unit.setdefault(value["unit"], Counter())[value["status"]] += 1
    for unit, said in NUMBERS.items():
        statuses = by_unit.get(unit, Counter())
        if statuses["pending"]:
            continue
        cells = {"in_favour": statuses["within_tolerance"], "against": statuses["differs"]}
        cells["of"] = sum(
            statuses[name] for name in ("within_tolerance", "better", "differs", "inconclusive")
        )
        if cells["in_favour"]:
            yield _finding("agrees", said, "", GRADES["holds"], cells)
        if cells["against"]:
            yield _finding("differs", said, "", GRADES["does_not_hold"], cells)
