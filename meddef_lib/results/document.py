"""`results.json`: everything a run measured beside what the paper prints, as one JSON document.

Its schema is `results.schema.json` beside this module.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meddef_lib.paper import published
from meddef_lib.paper.addresses import Address
from meddef_lib.paper.published import Paper
from meddef_lib.results import verdicts
from meddef_lib.results.claims import CONCLUSIONS, Claim, Verdict, in_paper
from meddef_lib.results.evidence import in_run
from meddef_lib.results.outcomes import Outcome

SCHEMA_FILE = Path(__file__).with_name("results.schema.json")
CLAIM_VERDICTS = (*CONCLUSIONS, "smoke")


def document(
    *,
    profile: str,
    paper: Paper,
    outcomes: Mapping[Address, Outcome],
    claims: Sequence[Claim],
    ledger: Sequence[Mapping[str, Any]],
    paper_audit: Sequence[Mapping[str, Any]],
    phantom: bool,
    published_at_run: Mapping[str, str],
    published_now: Mapping[str, str],
    run: Mapping[str, Any],
) -> dict[str, Any]:
    """The document of one run.

    `ledger` are `ledger.rows`, `paper_audit` findings as mappings, `published_at_run` and `published_now`
    the hashes of the transcription when the results were made and now, `run` anything JSON has room for
    (versions, hardware, seconds). Raises ValueError if the document does not fit its schema.
    """
    values = verdicts.rows(paper, outcomes)
    claim_rows = [claim_row(claim, paper, outcomes, phantom=phantom) for claim in claims]
    found = {
        "profile": profile,
        "paper": paper.title,
        "phantom": phantom,
        "run": dict(run),
        "published_files": {
            "at_run": dict(published_at_run),
            "now": dict(published_now),
            "changed": published.changed(published_at_run, published_now),
        },
        "tolerance_rule": paper.tolerances.rule,
        "tolerance_exceptions": dict(paper.tolerances.exceptions),
        "counts": {
            "values": verdicts.counts(values),
            "claims": _count(claim_rows, "verdict"),
            "claims_in_paper": _count([row["in_paper"] for row in claim_rows], "verdict"),
        },
        "values": values,
        "claims": claim_rows,
        "ledger": [dict(row) for row in ledger],
        "paper_audit": [dict(finding) for finding in paper_audit],
    }
    clean = _json(found)
    check(clean)
    return clean


def claim_row(
    claim: Claim, paper: Paper, outcomes: Mapping[Address, Outcome], *, phantom: bool
) -> dict[str, Any]:
    """One entry of `claims`: what the run says, what the paper's own tables say, and the numbers behind both.

    In a run on phantoms the verdict is `smoke`; outside the published setting it is `indicative` at most.
    """
    measured, own = in_run(claim, outcomes, paper), in_paper(claim, paper)
    verdict: str = measured.verdict.conclusion
    reason = measured.verdict.reason
    smoke = phantom or measured.phantom
    if smoke:
        verdict, reason = "smoke", f"Measured on phantoms, which say nothing about the paper. {reason}"
    return {
        "id": claim.id,
        "section": claim.section,
        "text": claim.text,
        "kind": claim.kind,
        "verdict": verdict,
        "reason": reason,
        "indicative": bool(measured.deviations) and not smoke,
        "deviations": list(measured.deviations),
        **_comparisons(measured.verdict),
        "in_paper": {"verdict": own.conclusion, "reason": own.reason, **_comparisons(own)},
    }


def _comparisons(verdict: Verdict) -> dict[str, Any]:
    return {
        "for": verdict.texts("for"),
        "against": verdict.texts("against"),
        "undecided": verdict.texts("undecided"),
        "missing": verdict.missing,
    }


def _count(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, int]:
    found = [row[key] for row in rows]
    return {verdict: found.count(verdict) for verdict in CLAIM_VERDICTS}


# --- the file -------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """The JSON Schema of results.json."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def check(found: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the place, if a document does not fit the schema."""
    # not at the top: it takes a second to build its grammars of addresses, and notebooks check nothing
    from jsonschema import Draft202012Validator

    problems = sorted(
        Draft202012Validator(schema()).iter_errors(found), key=lambda problem: problem.json_path
    )
    if problems:
        raise ValueError(
            f"results.json does not fit its schema at {problems[0].json_path}: {problems[0].message}"
        )


def _json(value: Any) -> Any:
    """Plain JSON values: tuples become lists, and a number that is not one becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
