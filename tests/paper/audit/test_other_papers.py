"""Other papers' tables: in YAML, with holes and without an axis, and RobustBench's JSON."""

import json
from pathlib import Path

import pytest

from meddef_lib import paths
from meddef_lib.app.commands import audit_paper
from meddef_lib.paper import published, robustbench
from meddef_lib.paper.audit import audit
from meddef_lib.params import ParamsError

EXAMPLES = paths.PARAMS / "papers"
ONLY_MEDDEF = ("quoted_figures", "superlatives", "cited_works", "never_stated", "announced_results")
TABLE = """
title: "A table"
tables:
  table1:
    section: "5"
    dataset: shapes
    quantity: accuracy
    axis: eps
    decimals: 1
    n: 400
    columns: [eps, variant, clean, fgsm, pgd]
    repeated: [clean]
    rows:
      - [2/255, plain, 90.0, 60.0, 55.0]
      - [3/255, plain, 90.0, 50.0, "-"]
      - [2/255, other, "-", 61.0, 62.0]
attacks:
  fgsm: {section: "5", iterative: false, budget: eps}
  pgd: {section: "5", iterative: true, budget: eps, steps: 7}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "paper.yaml").write_text(TABLE)
    return tmp_path


def changed(folder: Path, old: str, new: str) -> Path:
    assert old in TABLE
    (folder / "paper.yaml").write_text(TABLE.replace(old, new))
    return folder


def test_epsilons_are_kept_as_printed(folder):
    paper = published.read(folder)
    assert list(paper.values) == [
        "table1/plain/clean",
        "table1/plain/eps=2/255/fgsm",
        "table1/plain/eps=2/255/pgd",
        "table1/plain/eps=3/255/fgsm",
        "table1/other/eps=2/255/fgsm",
        "table1/other/eps=2/255/pgd",
    ]
    assert paper.values["table1/plain/eps=3/255/fgsm"].address.eps == 3 / 255


def test_cells_that_are_not_printed_are_left_out_of_every_check(folder):
    found = {finding.id: finding for finding in audit(published.read(folder))}
    assert "in 1 of 2 cells (other at epsilon 2/255)" in found["iterative_against_one_step/table1/pgd"].text
    assert "0 of 3 cells (fgsm 0 of 2, pgd 0 of 1)" in found["above_clean/table1"].text
    assert "0 of 1 step (fgsm 0 of 1, pgd 0 of 0)" in found["rising_with_eps/table1"].text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('50.0, "-"]', "50.0]", r"tables.table1: row .* has not 5 entries; a cell that is not printed is -"),
        ('50.0, "-"]', '150.0, "-"]', "is 150; expected a percentage"),
        ('50.0, "-"]', '-50.0, "-"]', "is -50; expected a percentage"),
        ('50.0, "-"]', "50.0, 5o]", "pgd is '5o'; expected a number, or - where none is printed"),
        ("[3/255, plain", "[2/255, plain", "the row of plain eps=2/255 comes twice"),
        ("[3/255, plain", '["-", plain', "eps is '-'; expected a number"),
        ("columns: [eps, variant", "columns: [variant, eps", "columns must begin with eps, variant"),
        ("clean, fgsm, pgd]", "clean, fgsm, fgsm]", "the column fgsm comes twice"),
        ("decimals: 1", "decimals: 9", "table1.decimals is 9; expected less than or equal to 4"),
        (TABLE[TABLE.index("    rows:") : TABLE.index("attacks:")], "    rows: []\n", "table1.rows"),
        (
            "  pgd: {section",
            "  pdg: {section",
            "attacks names pdg, which nothing has; expected such as one of 'pgd'",
        ),
        ("budget: eps, steps", "budget: eps, stronger_than: [fgms], steps", "names fgms, which nothing has"),
        (
            "attacks:\n",
            "quotes: [{id: a, section: '1', text: '6.10', figures: [{printed: 6.1, is: table1/othr}]}]\n"
            "attacks:\n",
            "quotes: a names table1/othr, which nothing has; expected such as one of 'table1/other/eps=2/",
        ),
        (
            "attacks:\n",
            "quotes: [{id: a, section: '1', text: '61.00', figures: [{printed: 62.0}]}]\nattacks:\n",
            "62.00 does not stand in its text",
        ),
        (
            "attacks:\n",
            "quotes: [{id: a, section: '1', text: best, tests: [{over: {dataset: shapes, quantity: accuracy},"
            " left: {variant: plane}, relation: '>', right: 1}]}]\nattacks:\n",
            "quotes: a is tested on shapes, plane: accuracy, which is not printed",
        ),
        (
            "attacks:\n",
            "datasets: {shapes: {title: S, section: '1', classes: [a], total: 9, split: {test: 9}}}\n"
            "confusion: {shapes: {section: '1', variant: plain, rows: {a: {a: 9}}}}\nattacks:\n",
            "confusion.shapes needs datasets.shapes.per_class.test, the test images of each class",
        ),
        (
            "attacks:\n",
            "promises: [{id: a, section: '1', text: t, what: w, positions: {table7: [1]}}]\nattacks:\n",
            "promises: positions names table7, which nothing has",
        ),
    ],
)
def test_a_mistake_in_a_table_is_refused_with_a_sentence(folder, old, new, message):
    with pytest.raises(ParamsError, match=message):
        published.read(changed(folder, old, new))


def test_a_table_of_success_rates_without_an_axis(folder):
    without = folder / "paper.yaml"
    without.write_text(
        "title: T\ntables:\n  table1: {section: '1', dataset: d, quantity: attack_success_rate, decimals: 1,"
        " n: 400, columns: [variant, fgsm], rows: [[plain, 60.5]]}\n"
    )
    (found,) = (one for one in audit(published.read(folder)) if one.check == "common_denominator")
    assert ": :" not in found.text + found.printed
    assert "does not say: shares of" in found.text


def test_nothing_is_called_consistent_where_no_attack_is_printed(folder):
    text = TABLE.split("    rows:")[0] + '    rows:\n      - [2/255, plain, 90.0, "-", "-"]\n'
    (folder / "paper.yaml").write_text(text)
    assert not [one for one in audit(published.read(folder)) if one.check == "above_clean"]


def test_the_example_of_the_documentation(capsys):
    assert audit_paper(json=True, paper=str(EXAMPLES / "madry2018")) == 0
    found = {finding["id"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert {finding["grade"] for finding in found.values()} == {"consistent"}
    assert "stronger_attacks/table2/pgd_20/pgd_7" in found
    assert not [finding for finding in found.values() if finding["check"] in ONLY_MEDDEF]


def test_robustbench_as_it_is(capsys):
    assert audit_paper(json=True, paper=str(EXAMPLES / "robustbench")) == 0
    found = {finding["id"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert "in 0 of 1 cell" in found["stronger_attacks/cifar10 Linf/autoattack/reported"]["text"]
    paper = robustbench.read(EXAMPLES / "robustbench")
    assert paper.values["cifar10 Linf/Madry2018Towards/eps=8/255/autoattack"].value == 44.04


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"clean_acc": "high"}, "clean_acc is 'high'; expected a percentage such as 87.14"),
        ({"clean_acc": "nan"}, "clean_acc is 'nan'; expected a percentage such as 87.14"),
        ({"clean_acc": "87.1400000001"}, "expected a percentage such as 87.14, of 4 decimals at most"),
        ({"eps": None}, "expected an epsilon such as 8/255"),
        ({"eps": "all"}, "eps is 'all'; expected an epsilon such as 8/255"),
    ],
)
def test_a_robustbench_file_that_is_none_is_refused(tmp_path, capsys, wrong, message):
    model = {"name": "A", "dataset": "cifar10", "eps": "8/255", "clean_acc": "87.14"}
    (tmp_path / "a.json").write_text(json.dumps(model | wrong))
    assert audit_paper(paper=str(tmp_path)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "a.json: " in said


def test_more_accuracy_than_reported_is_not_said_to_be_of_the_same_attack(tmp_path, capsys):
    """AutoAttack contains no attack of the authors' own, which may leave less than it does."""
    model = {"name": "A", "dataset": "cifar10", "eps": "8/255", "clean_acc": "95.19"}
    (tmp_path / "a.json").write_text(json.dumps(model | {"reported": "69.71", "autoattack_acc": "70.08"}))
    assert audit_paper(json=True, paper=str(tmp_path)) == 0
    found = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert found["stronger_attacks"]["grade"] == "unusual"
    assert (
        "autoattack is weaker than reported, which it is expected to match"
        in found["stronger_attacks"]["text"]
    )


def test_a_folder_that_is_none_is_refused(tmp_path, capsys):
    assert audit_paper(paper=str(tmp_path / "nothing")) == 2
    assert "nothing is no folder" in capsys.readouterr().err
    assert audit_paper(paper=str(tmp_path)) == 2
    assert "holds no *.yaml" in capsys.readouterr().err


def test_a_transcription_is_read_once(folder):
    first = published.read(folder)
    assert published.read(folder) is first
    assert published.read(changed(folder, "60.0", "60.5")) is not first
