"""What of a section is seen at once, what is folded, and which claims stand above it."""

import pandas as pd
import pytest
from markupsafe import Markup

from meddef_lib.report import layout, section
from meddef_lib.report.elements import Figure, Prose, frame_table

PICTURE = Markup('<svg role="img" aria-label="Two bars."></svg>')


def table(id, dataset=""):
    made = frame_table(pd.DataFrame({"a": [1]}), id=id, caption=id)
    return type(made)(**{**vars(made), "dataset": dataset})


def figure(id, dataset=""):
    return Figure(id, f"Figure {id}", "Two bars.", PICTURE, dataset=dataset)


def named(blocks):
    return [getattr(block, "id", None) or str(block.html) for block in blocks]


def test_the_first_figure_and_the_sentences_are_seen_and_the_rest_is_folded():
    said, titled, remark = (
        Prose(Markup("said")),
        Prose(Markup("long"), title="Long"),
        Prose(Markup("remark"), "note"),
    )
    (group,) = layout.grouped([table("t"), said, figure("f"), figure("g"), titled, remark, Prose(Markup())])
    assert named(group.seen) == ["f", "said", "remark"]
    assert named(group.folded) == ["t", "g", "long"]


def test_without_a_figure_the_first_table_is_seen():
    (group,) = layout.grouped([table("t"), table("u")])
    assert (named(group.seen), named(group.folded)) == (["t"], ["u"])


def test_a_table_of_no_data_set_is_folded_beside_those_that_have_one():
    common, of_one = layout.grouped([table("all"), figure("one", "roct"), table("two", "roct")])
    assert (common.dataset, named(common.seen), named(common.folded)) == ("", [], ["all"])
    assert (of_one.dataset, named(of_one.seen), named(of_one.folded)) == ("roct", ["one"], ["two"])


def test_what_is_missing_is_said_once_and_only_where_nothing_is_seen():
    gaps = [Prose(Markup(f"no {n}"), "missing") for n in range(3)]
    (group,) = layout.grouped(gaps)
    assert named(group.seen) == ["no 0"]
    (group,) = layout.grouped([*gaps, figure("f")])
    assert (named(group.seen), list(group.folded)) == (["f"], [])


@pytest.fixture
def placed(view_of):
    places = layout.places(view_of("smoke"))
    return {place.section.number or place.section.title: place for place in places}


def test_every_claim_stands_above_one_section_the_most_tested_first(view_of, placed):
    ids = [claim["id"] for place in placed.values() for claim in place.claims]
    assert sorted(ids) == sorted(claim["id"] for claim in view_of("smoke").document["claims"])
    assert {claim["section"] for claim in placed["4.2"].claims} == {"4.2"}
    tested = [layout.verdict_of(claim)["tested"] for claim in placed["4.3"].claims]
    assert tested == sorted(tested, reverse=True)
    assert sum(placed["4.3"].tally.values()) == len(placed["4.3"].claims)


def test_a_claim_that_phantoms_cannot_decide_has_the_verdict_of_the_papers_own_tables():
    own = {"verdict": "mixed"}
    assert layout.verdict_of({"verdict": "smoke", "in_paper": own}) == own
    assert layout.verdict_of({"verdict": "holds", "in_paper": own})["verdict"] == "holds"


def test_claims_of_no_section_of_the_page_stand_where_they_are_tested(placed):
    assert section.place_of("Abstract") == section.SUMMARY
    assert any(claim["section"] == "Abstract" for claim in placed["4.3"].claims)
