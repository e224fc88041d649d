"""The section on what changed: nothing of a first run, and tables of what an earlier one said otherwise."""

from meddef_lib.report import layout
from meddef_lib.report.elements import block_html
from meddef_lib.report.sections import runs

VALUE = {
    "id": "table1/full/clean",
    "unit": "percent",
    "decimals": 2,
    "before": 90.0,
    "now": 80.0,
    "difference": -10.0,
    "inside": False,
    "status_before": "within_tolerance",
    "status_now": "differs",
    "why": ["parameters", "code"],
    "told": ["training.epochs: 3 -> '<b>'", "code of train"],
}
SAID = {"verdict": "holds", "indicative": False, "for": 3, "tested": 4, "in_paper": "mixed"}
CLAIM = {"id": "a", "text": "A is more than B.", "before": SAID, "now": SAID | {"verdict": "mixed", "for": 2}}
FOUND = {"since": "0f" * 20, "new": 2, "gone": 1, "why": ["code"], "told": ["code of train"]}


def html_of(view):
    return " ".join(" ".join(block_html(block) for block in runs.changes(view)).split())


def test_of_a_first_run_nothing_is_said(view_of):
    assert runs.changes(view_of()) == []


def test_every_number_and_claim_is_told_with_before_now_and_why(view_of):
    view = view_of(changes=FOUND | {"values": [VALUE], "claims": [CLAIM]})
    said = html_of(view)
    assert "commit 0f0f0f0f0f0f" in said
    assert "2 numbers are new, 1 are gone" in said
    for words in (
        "90.00",
        "80.00",
        "−10.00",
        "outside",
        "agrees",
        "differs",
        "other parameters",
        "other code",
    ):
        assert words in said, words
    assert "training.epochs: 3 -&gt; &#39;&lt;b&gt;&#39;" in said
    assert "A is more than B." in said
    assert "3 of 4" in said
    assert "2 of 4" in said
    (group,) = layout.grouped(runs.changes(view))
    assert [block.id for block in group.folded] == ["changed-values", "changed-claims"]


def test_only_claims_may_have_changed(view_of):
    blocks = runs.changes(view_of(changes=FOUND | {"values": [], "claims": [CLAIM]}))
    assert [getattr(block, "id", "") for block in blocks] == ["", "changed-claims"]
