"""The findings on the terminal: `invoke audit-paper`."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from textwrap import fill

from meddef_lib import paths
from meddef_lib.paper import published, robustbench
from meddef_lib.paper.audit import audit
from meddef_lib.paper.audit.finding import GRADES
from meddef_lib.paper.published import Paper
from meddef_lib.params import ParamsError


def _paper(folder: str | None) -> Paper:
    """The workbook's own paper, or that of a folder: RobustBench's where it holds JSON and no YAML."""
    if folder is None:
        return published.read()
    found = paths.given(folder, "--paper", Path.cwd())
    if not found.is_dir():
        raise ParamsError(
            f"--paper {found} is no folder; expected one with a paper's tables as *.yaml or *.json"
        )
    if any(found.rglob("*.json")) and not any(found.glob("*.yaml")):
        return robustbench.read(found)
    return published.read(found)


def show(folder: str | None, *, as_json: bool) -> None:
    """Print the findings. Raises ParamsError where the transcription cannot be read."""
    findings = audit(_paper(folder))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False))
        return
    for grade, meaning in GRADES.items():
        of_grade = [finding for finding in findings if finding.grade == grade]
        print(f"\n{grade} ({len(of_grade)}): {meaning}")
        for finding in of_grade:
            said = f"{finding.section} · {finding.text}"
            print(fill(said, 110, initial_indent="  - ", subsequent_indent="    "))
    of = Counter(finding.grade for finding in findings)
    print(
        f"\n{of['impossible'] + of['contradiction']} contradictions or impossible values; "
        f"{of['unusual'] + of['ambiguous'] + of['unsupported']} unusual, ambiguous or unsupported places; "
        f"{of['consistent']} places that fit."
    )
