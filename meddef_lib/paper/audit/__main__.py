"""`python -m meddef_lib.paper.audit [--json]`: the findings on the terminal."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import fill

from meddef_lib.paper.audit.checks import audit
from meddef_lib.paper.audit.finding import GRADES
from meddef_lib.params import ParamsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings; returns the exit code, 2 where the transcription cannot be read."""
    parser = argparse.ArgumentParser(prog="audit-paper", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    options = parser.parse_args(arguments)
    try:
        findings = audit()
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
    inconsistent = sum(finding.grade != "consistent" for finding in findings)
    print(f"\n{len(findings)} checks at one place each; {inconsistent} findings that are not consistent.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
