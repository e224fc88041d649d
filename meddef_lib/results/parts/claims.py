"""What becomes of what the paper says: its numbers and testable sentences, here and in its own tables."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from meddef_lib.paper import claims
from meddef_lib.paper.addresses import Address
from meddef_lib.paper.audit import GRADES, Finding, audit
from meddef_lib.paper.claims import Claim
from meddef_lib.paper.conclusions import ClaimVerdict, in_paper
from meddef_lib.paper.published import Paper
from meddef_lib.results import verdicts
from meddef_lib.results.collected import Collected
from meddef_lib.results.evidence import in_run
from meddef_lib.results.findings import FAULTS
from meddef_lib.results.outcomes import Outcome
from meddef_lib.results.part import TEXT, by_name, fields, listed, part
from meddef_lib.results.parts.diagnostics import unreliable


@part("values", listed("value"))
def numbers(found: Collected) -> list[dict[str, Any]]:
    """A row a printed number; `unreliable` are those of a network that failed a check of its robustness."""
    failed = unreliable(found)
    every = verdicts.rows(found.paper, found.outcomes)
    for row, value in zip(every, found.paper.values.values(), strict=True):
        at = value.address
        row["unreliable"] = (
            at is not None and at.attack != "" and (at.dataset, at.variant, None, at.rate_percent) in failed
        )
        row["faulted_by"] = faults(value.id, value.unit)
    return every


SECTIONS = {
    "confusion": "4.6",
    "error_rate": "4.6",
    "calibration_error": "4.6",
    "precision": "4.7",
    "recall": "4.7",
    "f1": "4.7",
}


@part("claims", listed("claim"))
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a claim, in the order of claims.yaml."""
    phantom = found.profile.data.source == "phantoms"
    trained = {name: found.book.modes(name)[0] for name in found.profile.variants}
    by_mode: dict[str, dict[Address, Outcome]] = {}
    if not phantom:
        for (_, _, mode), outcomes in found.by_mode.items():
            by_mode.setdefault(mode, {}).update(outcomes)
    return [
        row(claim, found.paper, found.outcomes, phantom=phantom)
        | {"trained_alike": trained_alike(claim, trained, by_mode, found.paper)}
        for claim in claims.read()
    ]


def trained_alike(
    claim: Claim,
    trained: Mapping[str, str],
    by_mode: Mapping[str, Mapping[Address, Outcome]],
    paper: Paper,
) -> list[dict[str, Any]]:
    """A claim by networks that were all trained in one way, a row a way in which some of it can be tested.

    Empty where it compares none that the tables have in different trainings: ResNet18 is in them as it was
    trained on clean images, which is what the paper's numbers suggest, and MedDef adversarially. `trained`
    is the training of each variant in the tables, `by_mode` what was measured of each training.
    """
    asked = claims.comparisons(claim.test) if claim.test else []
    trainings = ({trained.get(side.variant) for side in one.sides} - {None} for one in asked)
    if all(len(of_one) < 2 for of_one in trainings):
        return []
    made = ((mode, in_run(claim, outcomes, paper).verdict) for mode, outcomes in by_mode.items())
    return [
        {"mode": mode, "verdict": verdict.conclusion, "reason": verdict.reason}
        | {"tested": len(verdict.decided), "missing": verdict.missing}
        for mode, verdict in made
        if verdict.decided or verdict.not_counted
    ]


def row(claim: Claim, paper: Paper, outcomes: Mapping[Address, Outcome], *, phantom: bool) -> dict[str, Any]:
    """What the run says, what the paper's own tables say, and the numbers behind both.

    In a run on phantoms the verdict is `smoke`; outside the published setting, or with too few seeds to tell
    variants apart, it is `indicative` at most.
    """
    measured, own = in_run(claim, outcomes, paper), in_paper(claim, paper)
    verdict: str = measured.verdict.conclusion
    reason = measured.verdict.reason
    smoke = phantom or measured.phantom
    if smoke:
        verdict = "smoke"
        if claim.test is not None:
            reason = f"Measured on made-up images, which say nothing about the paper. {reason}"
    return {
        "id": claim.id,
        "section": claim.section,
        "text": claim.text,
        "kind": claim.kind,
        "quantifier": claim.quantifier,
        "verdict": verdict,
        "reason": reason,
        "indicative": bool(measured.deviations) and not smoke,
        "deviations": list(measured.deviations),
        "seeds": measured.seeds,
        **_comparisons(measured.verdict),
        "in_paper": {"verdict": own.conclusion, "reason": own.reason, **_comparisons(own)},
    }


def _comparisons(verdict: ClaimVerdict) -> dict[str, Any]:
    return {
        "for": verdict.texts("for"),
        "against": verdict.texts("against"),
        "undecided": verdict.texts("undecided"),
        "not_counted": list(verdict.not_counted),
        "tested": len(verdict.decided),
        "missing": verdict.missing,
    }


@part("tested_in", by_name(TEXT))
def sections(found: Collected) -> dict[str, str]:
    """By the id of the claim, the section of the paper with the tables that it is tested on; else its own."""
    return {claim.id: section(claim) for claim in claims.read()}


def section(claim: Claim) -> str:
    """Where the numbers of one claim stand: 4.4 where any is of pruned networks, else by the quantity."""
    if claim.test is None:
        return claim.section
    tested = [side for comparison in claims.comparisons(claim.test) for side in comparison.sides]
    pruned = any(side.rate_percent or side.quantity == "attack_success_rate" for side in tested)
    return "4.4" if pruned else SECTIONS.get(tested[0].quantity, "4.3")


# --- the printed numbers against each other, without a run ----------------------------------------


@cache
def findings() -> tuple[Finding, ...]:
    """The findings, the gravest grade first; checked once a process."""
    return tuple(audit())


FAULTED = {  # checks of a row or a class, and the unit of the numbers there that they are about
    "one_size_for_a_model": "percent",
    "common_denominator": "percent",
    "matrix_against_metrics": "share",
}


def faults(id: str, unit: str) -> list[str]:
    """The findings of the audit, by id, that fault the row or class that a printed number stands in.

    `model_size/table2/full` is about the rates in `table2/full/...`; a finding about a whole table is about
    no one number.
    """
    places = set(id.split("/"))
    return [
        finding.id
        for finding in findings()
        if finding.grade in FAULTS and FAULTED.get(finding.check) == unit
        if places.issuperset(finding.id.split("/")[1:])
    ]


@part("paper_audit", listed("finding"))
def checked(found: Collected) -> list[dict[str, Any]]:
    return [asdict(finding) for finding in findings()]


@part("grades", fields(count=" ".join(GRADES)))
def grades(found: Collected) -> dict[str, int]:
    """Findings by grade, every one named, the gravest first."""
    counted = Counter(finding.grade for finding in findings())
    return {grade: counted[grade] for grade in GRADES}
