"""The transcription of the paper: complete, addressed, with tolerances that follow their rule."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from meddef_lib import params
from meddef_lib.models.variants import VARIANTS
from meddef_lib.paper import published
from meddef_lib.params import ParamsError
from meddef_lib.results import tolerances

PAPER = published.read()
VALUES = PAPER.values


def test_ids_of_tables_1_to_4_are_complete() -> None:
    variants = ("resnet18", "no_afd_mfe_msf", "no_afd_mfe", "no_afd", "full")
    attacks = ("fgsm", "pgd", "bim", "jsma")
    expected = {
        f"{table}/{variant}/{column}"
        for table in ("table1", "table2")
        for variant in variants
        for column in (
            "clean",
            "parameters",
            *(f"eps={eps}/{attack}" for eps in ("0.01", "0.05", "0.10") for attack in attacks),
        )
    } | {
        f"{table}/{variant}/rate={rate}/{attack}"
        for table in ("table3", "table4")
        for variant in variants
        for rate in (30, 70, 80)
        for attack in attacks
    }
    assert {id for id in VALUES if id.startswith(("table1/", "table2/", "table3/", "table4/"))} == expected
    assert len(expected) == 2 * 70 + 2 * 60


def test_every_cell_of_both_matrices_and_every_class_metric() -> None:
    of = Counter(id.split("/")[0] for id in VALUES)
    assert of["confusion"] == 16 + 4
    assert of["per_class"] == 3 * (4 + 2)


@pytest.mark.parametrize(
    ("id", "value", "unit", "n"),
    [
        ("table1/full/eps=0.05/fgsm", 88.45, "percent", 968),
        ("table1/full/eps=0.10/jsma", 55.02, "percent", 968),
        ("table2/no_afd_mfe/parameters", 16.56, "millions", None),
        ("table2/resnet18/clean", 72.92, "percent", 879),
        ("table3/no_afd/rate=70/jsma", 78.95, "percent", 968),
        ("table4/full/rate=70/bim", 0.49, "percent", 879),
        ("per_class/roct/CNV/recall", 1.0, "share", 242),
        ("confusion/roct/DRUSEN/CNV", 7 / 242, "share", 242),
        ("confusion/roct/CNV/DRUSEN", 0.0, "share", 242),  # implied by 242 of 242 in the row
        ("confusion/roct/NORMAL/NORMAL", 1.0, "share", 242),  # implied by the recall of 4.7
        ("confusion/chest_xray/PNEUMONIA/NORMAL", 12 / 641, "share", 641),
        ("data/chest_xray/train/NORMAL", 1108, "count", None),
        ("data/roct/pixel_mean", 0.19338988, "share", None),
        ("text/adversarial_accuracy", 97.52, "percent", None),
        ("table5/chen/pgd_high", 47.58, "percent", None),
    ],
)
def test_values(id: str, value: float, unit: str, n: int | None) -> None:
    found = VALUES[id]
    assert (found.value, found.unit, found.n) == (value, unit, n)


def test_addresses() -> None:
    address = VALUES["table3/no_afd/rate=70/jsma"].address
    assert address.text == "roct, no_afd, jsma, epsilon 0.05, 70 % pruned: attack success rate"
    assert VALUES["table1/full/eps=0.10/bim"].address.eps == 0.1
    clean = VALUES["table1/no_afd/clean"].address
    assert VALUES["text/roct/no_afd/clean"].address == clean
    assert PAPER.by_address[clean].id == "table1/no_afd/clean"  # the table before the text


def test_what_is_better() -> None:
    directions = {
        "table1/full/eps=0.05/pgd": "higher",
        "table3/full/rate=30/pgd": "lower",
        "confusion/roct/CNV/CNV": "higher",
        "confusion/roct/DRUSEN/CNV": "lower",
        "text/chest_xray/full/error_rate": "lower",
        "table1/full/parameters": None,
        "data/roct/test": None,
    }
    assert {id: VALUES[id].better for id in directions} == directions


def test_repeated_columns_agree_in_every_row() -> None:
    for table in PAPER.tables.values():
        for variant in table.variants:
            for column in table.repeated:
                assert len(set(table.column(variant, column).values())) == 1


def test_tolerances_follow_the_rule_or_say_why_not() -> None:
    exceptions = PAPER.tolerances.exceptions
    for id, value in VALUES.items():
        if id not in exceptions:
            assert value.tolerance == tolerances.by_rule(value), id
        else:
            assert value.tolerance is not None
            assert exceptions[id]
    assert set(PAPER.tolerances.values) <= set(VALUES)
    assert set(exceptions) <= set(PAPER.tolerances.values)


def test_the_rule_by_hand() -> None:
    # 99.28 % of 968: Wilson's lower end is 98.53, so 0.75, and half of 0.01
    assert VALUES["table1/full/eps=0.10/pgd"].tolerance == pytest.approx(0.77, abs=0.02)
    assert VALUES["table1/full/parameters"].tolerance == 0.005
    assert VALUES["data/roct/test"].tolerance == 0
    assert VALUES["text/adversarial_accuracy"].tolerance is None


def test_numbers_without_a_counterpart_say_why() -> None:
    for value in VALUES.values():
        assert bool(value.cannot) == (value.address is None)


def test_figures_and_changes_in_prose_point_at_printed_values() -> None:
    for quote in PAPER.quotes:
        ends = [end for change in quote.changes for end in (change.from_, change.to) if isinstance(end, str)]
        named = [figure.is_ for figure in quote.figures if figure.is_]
        for id in [*ends, *(id for ids in named for id in ([ids] if isinstance(ids, str) else ids))]:
            assert id in VALUES, f"{quote.id} names {id}"


@pytest.mark.parametrize("name", ["roct", "chest_xray"])
def test_data_sets_are_those_of_the_parameters(name: str) -> None:
    facts, dataset = PAPER.datasets[name], params.read_dataset(name)
    assert facts.classes == dataset.classes
    assert sum(facts.split.values()) == facts.total
    for split, counts in facts.per_class.items():
        assert list(counts) == list(dataset.classes)
        assert sum(counts.values()) == facts.split[split]
    assert facts.pixels is not None
    assert (facts.pixels.mean, facts.pixels.std) == (dataset.mean, dataset.std)


def test_the_table_of_a_quantity_and_a_data_set() -> None:
    found = {
        (quantity, dataset): table.id if (table := PAPER.table_of(quantity, dataset)) else None
        for quantity in ("accuracy", "attack_success_rate")
        for dataset in ("roct", "chest_xray", "cats")
    }
    assert found == {
        ("accuracy", "roct"): "table1",
        ("accuracy", "chest_xray"): "table2",
        ("accuracy", "cats"): None,
        ("attack_success_rate", "roct"): "table3",
        ("attack_success_rate", "chest_xray"): "table4",
        ("attack_success_rate", "cats"): None,
    }
    assert PAPER.tables["table3"].name == "Table 3"


def test_the_setting_of_a_data_set_has_its_own_values() -> None:
    def of(dataset: str) -> dict:
        return {fact.key: fact.value for fact in PAPER.setting(dataset)}

    assert (of("roct")["data.split"], of("chest_xray")["data.split"]) == ("published", "pooled")
    assert (of("roct")["training.batch_size"], of("chest_xray")["training.batch_size"]) == (64, 32)
    assert of("chest_xray")["normalisation.mean"] == 0.48230693
    assert "preprocessing.clahe" in of("roct")
    assert "preprocessing.clahe" not in of("chest_xray")
    assert of("cats") == {}, "of a data set that is not printed nothing can deviate"
    bare = PAPER.datasets["roct"].model_copy(update={"pixels": None, "batch_size": None})
    other = PAPER.model_copy(update={"datasets": {"roct": bare}})
    keys = {fact.key for fact in other.setting("roct")}
    assert not keys & {"normalisation.mean", "normalisation.std", "training.batch_size"}


def test_variants_are_called_here_as_the_paper_prints_them() -> None:
    assert {name: VARIANTS[name].title for name in PAPER.variants} == PAPER.variants
    assert list(VARIANTS)[: len(PAPER.variants)] == list(PAPER.variants)


# --- reading --------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(published.FOLDER, tmp_path / "published"))


def test_a_changed_tolerance_changes_the_hash_of_its_file(copy: Path) -> None:
    before = published.hashes(copy)
    assert published.changed(before, published.hashes(copy)) == []
    file = copy / "tolerances.yaml"
    text = file.read_text()
    file.write_text(text.replace("table1/full/eps=0.05/fgsm: 2.17", "table1/full/eps=0.05/fgsm: 9.99"))
    assert published.read(copy).values["table1/full/eps=0.05/fgsm"].tolerance == 9.99
    (copy / "more.yaml").write_text("{}")
    assert published.changed(before, published.hashes(copy)) == ["more.yaml", "tolerances.yaml"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "paper.yaml",
            "title: x\nspelt: 1\n",
            "published/paper.yaml: spelt is not a known key; known are title, ",
        ),
        ("extra.yaml", "title: x\n", "title stands in .*/extra.yaml and in .*/paper.yaml"),
        ("paper.yaml", "title: [", "paper.yaml is not YAML"),
        ("paper.yaml", "- 1\n", "paper.yaml holds list; expected keys and values"),
        ("paper.yaml", "title: x\ntitle: y\n", "paper.yaml is not YAML: .*duplicate key"),
        (
            "datasets.yaml",
            "datasets: {roct: {tittle: x}}\n",
            r"datasets.yaml: datasets.roct.tittle is not a known key; known are id, title, .*mean title",
        ),
        (
            "comparison.yaml",
            "comparison: [{method: a, year: 2.5, strategy: b, data: c, printed: d}]\n",
            "comparison.yaml: comparison.0.year is 2.5; expected a whole number",
        ),
        (
            "statements.yaml",
            "attacks: {pgd: {section: '3', iterative: 1, budget: eps}}\n",
            "statements.yaml: attacks.pgd.iterative is 1; expected true or false",
        ),
        (
            "tolerances.yaml",
            "tolerances: {rule: r, values: {table1/full/clean: -1}}\n",
            "tolerances.values.table1/full/clean is -1; expected greater than or equal to 0",
        ),
        (
            "prose.yaml",
            "extras: {a: {section: '1', printed: 1, unit: count, decimals: 0, address: {epsilon: 2}}}\n",
            "prose.yaml: extras.a.address.epsilon",
        ),
        (
            "prose.yaml",
            "quotes: [{id: a, section: '1', text: t}, {id: a, section: '1', text: t}]\n",
            "prose.yaml: quotes: the id a comes twice",
        ),
    ],
)
def test_mistakes_are_named(copy: Path, file: str, text: str, message: str) -> None:
    (copy / file).write_text(text)
    with pytest.raises(ParamsError, match=message):
        published.read(copy)


def test_a_matrix_of_an_unknown_data_set_is_refused(tmp_path: Path) -> None:
    (tmp_path / "paper.yaml").write_text(
        "title: x\nconfusion: {cats: {section: '1', variant: v, rows: {a: {a: 1}}}}\n"
    )
    with pytest.raises(ParamsError, match="class metrics of cats, which is not among datasets"):
        published.read(tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "datasets.yaml",
            "test: {CNV: 242",
            "test: {CVN: 242",
            r"datasets.roct: per_class.test names CVN, which",
        ),
        (
            "datasets.yaml",
            "test: {CNV: 242",
            "test: {CNV: -2",
            r"roct.per_class.test.CNV is -2; expected greater",
        ),
        (
            "classes.yaml",
            "DRUSEN: {CNV: 7",
            "DRUSEN: {CVN: 7",
            "confusion names CVN, which is none of the classes",
        ),
        (
            "classes.yaml",
            "NORMAL: {precision: 0.942",
            "NORMA: {precision: 0.942",
            "per_class names NORMA, which",
        ),
    ],
)
def test_classes_and_counts_that_cannot_be_are_refused(
    copy: Path, file: str, old: str, new: str, message: str
) -> None:
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new))
    with pytest.raises(ParamsError, match=message):
        published.read(copy)


def test_a_row_with_a_missing_number_is_refused(copy: Path) -> None:
    file = copy / "tables.yaml"
    file.write_text(file.read_text().replace(",  99.59,  12.71", ",  12.71", 1))
    with pytest.raises(ParamsError, match=r"tables.yaml: tables.table1: row .* has not 8 entries"):
        published.read(copy)


def test_positions_and_rows_of_a_table() -> None:
    table = PAPER.tables["table3"]
    assert table.positions == (30, 70, 80)
    assert table.attacks == ("fgsm", "pgd", "bim", "jsma")
    assert table.column("full", "pgd") == {30: 1.25, 70: 33.95, 80: 5.69}
    assert table.row("full", 70) == {"fgsm": 63.27, "pgd": 33.95, "bim": 95.36, "jsma": 62.15}
    assert table.clean("full") is None
    clean = PAPER.clean_accuracy("chest_xray", "full")
    assert clean is not None
    assert (clean.id, clean.value) == ("table2/full/clean", 97.67)
    assert PAPER.clean_accuracy("chest_xray", "another") is None
