"""`invoke audit-paper`: as text, as JSON, and without torch."""

import json
import subprocess
import sys
from collections import Counter

from meddef_lib import paths
from meddef_lib.app.commands import audit_paper
from meddef_lib.paper.audit import audit


def test_json_is_a_list_of_whole_findings(capsys):
    assert audit_paper(json=True) == 0
    found = json.loads(capsys.readouterr().out)
    keys = {"id", "section", "check", "grade", "printed", "implied", "text"}
    assert all(set(finding) == keys for finding in found)


def test_text_counts_the_findings(capsys):
    assert audit_paper() == 0
    out = capsys.readouterr().out
    grades = Counter(finding.grade for finding in audit())
    assert f"{grades['impossible'] + grades['contradiction']} contradictions or impossible values; " in out
    assert out.endswith(f"{grades['consistent']} places that fit.\n")


def test_it_needs_no_torch():
    hidden = "import sys; sys.modules['torch'] = None"
    code = f"{hidden}; from meddef_lib.paper import audit; print(len(audit.audit()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 50
