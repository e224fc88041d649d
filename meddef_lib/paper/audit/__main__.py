"""`python -m meddef_lib.paper.audit [--json] [--paper FOLDER]`: the findings on the terminal."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import fill

from meddef_lib import paths
from meddef_lib.paper import published, robustbench
from meddef_lib.paper.audit.checks import audit
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings; returns the exit code, 2 where the transcription cannot be read."""
    parser = argparse.ArgumentParser(prog="audit-paper", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--paper", metavar="FOLDER", help="another paper's tables, or RobustBench's model_info"
    )
    options = parser.parse_args(arguments)
    try:
        findings = audit(_paper(options.paper))
    except ParamsError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False))
        return 0
    for grade, meaning in GRADES.items():
        of_grade = [finding for finding in findings if finding.grade == grade]
        print(f"\n{grade} ({len(of_grade)}): {meaning}")
        for finding in of_grade:
            print(
                fill(
                    f"{finding.section} · {finding.text}",
                    110,
                    initial_indent="  - ",
                    subsequent_indent="    ",
                )
            )
    of = Counter(finding.grade for finding in findings)
    print(
        f"\n{of['impossible'] + of['contradiction']} contradictions or impossible values; "
        f"{of['unusual'] + of['ambiguous'] + of['unsupported']} unusual, ambiguous or unsupported places; "
        f"{of['consistent']} places that fit."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
