"""The section on defences: dots, and a table with what each looks good under and what it does not."""

from meddef_lib.report.elements import block_html
from meddef_lib.report.sections import defences
from meddef_lib.results.parts.defences import ADAPTIVE, CLEAN, EVERY, PAIRED, WEAK

DATASET = "chest_xray"


def row(defence, role, accuracy, eps=0.05, attack="", made_on="", zero=0, **compared):
    interval = {"ci_low": accuracy - 5, "ci_high": accuracy + 5}
    names = {"dataset": DATASET, "defence": defence, "role": role, "attack": attack, "made_on": made_on}
    measured = {"accuracy": float(accuracy), **interval, "n": 40, "zero_gradients": zero}
    return names | {"eps": eps} | measured | dict.fromkeys(PAIRED.split()) | compared


PAIRED_WITH_NONE = {"difference": 2.5, "difference_low": -4.0, "difference_high": 9.0, "p": 0.5}
ROWS = [
    row("none", CLEAN, 90, None),
    row("none", ADAPTIVE, 10, attack="PGD", made_on="the network itself"),
    row("none", EVERY, 10),
    row("distillation", CLEAN, 88, None),
    row("distillation", WEAK, 80, attack="PGD", made_on="the network itself", zero=33),
    row("distillation", ADAPTIVE, 12.5, attack="PGD", made_on="logits / T"),
    row("distillation", EVERY, 12.5, **PAIRED_WITH_NONE, p_holm=0.75),
]


def checks(made_on, *statuses):
    named = {"dataset": DATASET, "defence": "distillation", "made_on": made_on}
    return named | {"checks": [{"status": status} for status in statuses]}


EXAMINED = [checks("", "fail", "warn", "fail"), checks("logits / T", "pass", "warn", "pass")]


def test_the_table_has_the_attack_it_looks_good_under_beside_those_it_does_not(view_of):
    view = view_of(defences=ROWS, diagnostics=EXAMINED)
    table = defences.overview(view, DATASET)
    none, distilled = table.rows
    assert none[0] == "None (plain ResNet18)"
    assert distilled[0] == "Defensive distillation (Papernot et al. 2016)"
    assert none[3] == "–"
    assert distilled[3] == "PGD on the network itself: <b>80.0 [75, 85]</b>, gradient 0 on 33"
    assert distilled[4] == "PGD on logits / T: <b>12.5 [8, 18]</b>"
    assert distilled[5:7] == ["12.5 [8, 18]", "+2.5 [−4, +9], p 0.75"]
    assert distilled[7] == "as it is: 2 of 3 fail †<br>logits / T: all 3 stand"
    assert none[7] == "–"
    assert table.caption.endswith("accuracy in % of 40 images")
    assert "no robustness" in table.note
    assert "Holm's correction over 1 such test of this data set" in table.note
    assert len(table.frame) == len(ROWS)


def test_one_image_is_one(view_of):
    alone = [one | {"n": 1} for one in ROWS]
    table = defences.overview(view_of(defences=alone, diagnostics=[]), DATASET)
    assert table.caption.endswith("accuracy in % of 1 image")


def test_the_chart_has_a_mark_for_clean_weak_and_every_adaptive_attack(view_of):
    figure = defences.chart(view_of(defences=ROWS, diagnostics=[]), DATASET)
    assert len(figure.data) == 5
    assert list(figure.data["mark"].unique()) == list(defences.MARKS.values())
    assert "Defensive distillation at 0.05: 12.5 [8, 18]" in figure.alt


def test_the_sentence_of_phantoms_says_what_they_are(view_of):
    view = view_of(defence_sentences=[{"dataset": DATASET, "eps": 0.05, "text": "1 < 2."}])
    said = block_html(defences.said(view, DATASET))
    assert "made-up images" in said
    assert "1 &lt; 2." in said


def test_what_was_asked_for_and_is_missing_is_said_and_what_was_not_is_left_out(view_of):
    view = view_of(defences=[], defence_sentences=[])
    assert all("Not there yet" in block_html(block) for block in defences.draw(view))
    smoke = view_of("smoke")
    assert list(defences.draw(smoke)) == []
    drawn = [block_html(draw(smoke, DATASET)) for draw in (defences.said, defences.chart, defences.overview)]
    assert "defences.methods" in drawn[0], "a notebook says why"
    assert not any("Not there yet" in html for html in drawn), "no run of this profile makes them"
