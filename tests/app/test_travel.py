"""Results that travel: exported, imported to the same page, refused whole where anything is forged."""

import io
import json
import re
import shutil
import stat
import zipfile
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meddef_lib.app import archive, commands, importing
from meddef_lib.data.unpack import Limits
from meddef_lib.engine import sealed
from meddef_lib.engine.receipts import environment
from meddef_lib.engine.recipe import canonical_json
from meddef_lib.engine.store import Store
from meddef_lib.errors import DONE, REFUSED, UserError
from meddef_lib.paper import published
from meddef_lib.params import ParamsError
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.cells import attack, audit, phantoms, prepared, train
from meddef_lib.workbook.notebooks import cells_and_pages
from tests.finished import finish

pytestmark = pytest.mark.xdist_group("travel")  # one process makes what all of these pack
MODEL = Model("chest_xray", "resnet18", "clean", 0)


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A machine on which some cells of `mini` were made, and its report written."""
    folder = tmp_path_factory.mktemp("travel")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("store", "reports"):
            patch.setenv(f"MEDDEF_{name.upper()}", str(folder / name))
        patch.delenv("MEDDEF_DATA", raising=False)
        context = {"profile": "mini", "published": published.hashes()}
        book = workbook("mini", store=Store(context=context))
        for recipe in (audit.recipe(book, "chest_xray"), attack.recipe(book, MODEL, "fgsm")):
            book.store.get(recipe)
        (name,) = (name for name in cells_and_pages(book) if "/00_paper_audit" in name)
        page = cells_and_pages(book)[name]
        notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
            {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": 1, "source": "1",
             "outputs": [{"output_type": "stream", "name": "stdout", "text": "said"}]}]}  # fmt: skip
        place = finish(book.store, page)
        receipt = sealed.read(place / "receipt.json") | {"environment": environment()}
        sealed.write(place / "receipt.json", receipt)
        make_page(place, page.settings, notebook)
        assert commands.export(str(folder / "mini.zip"), profile="mini") == DONE
    return folder


def make_page(folder, settings, notebook):
    """What `app.execution` leaves of a notebook, without executing one."""
    from meddef_lib.report import notebook_page
    from meddef_lib.report.section import place_of

    title = f"{settings['notebook']} ({settings['parameters']['dataset']})"
    drawn = notebook_page.render(notebook, title=title, section=place_of(settings["sections"]))
    write(folder, {"executed.ipynb": json.dumps(notebook).encode(), "page.html": drawn.encode()})


def write(folder, files):
    """Files of a result, with their hashes in its receipt."""
    receipt = sealed.read(folder / "receipt.json")
    for name, content in files.items():
        (folder / name).write_bytes(content)
        receipt["files"][name] = sha256(content).hexdigest()
    sealed.write(folder / "receipt.json", receipt)


@pytest.fixture
def away(tmp_path, monkeypatch):
    """Another machine, with nothing on it."""
    folder = tmp_path / "away"
    for name in ("store", "reports"):
        monkeypatch.setenv(f"MEDDEF_{name.upper()}", str(folder / name))
    monkeypatch.delenv("MEDDEF_DATA", raising=False)
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed(packed: Path, target: Path, changes) -> Path:
    """The archive with other contents of some names (None: without it)."""
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        contents = {name: old.read(name) for name in old.namelist()} | changes
        for name, content in contents.items():
            if content is not None:
                new.writestr(name, content)
    return target


def forged(packed: Path, target: Path, forge) -> Path:
    """The archive as `forge` leaves its unpacked folder."""
    folder = target.with_suffix(".unpacked")
    with zipfile.ZipFile(packed) as opened:
        opened.extractall(folder)
    forge(folder)
    with zipfile.ZipFile(target, "w") as new:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            new.write(path, path.relative_to(folder))
    return target


def refused(packed, away) -> str:
    """Why an archive is refused; nothing of it is kept."""
    with pytest.raises(UserError) as error:
        importing.take_over(packed, lambda *told: None)
    assert [name for name in everything(away) if not name.startswith("store/hashes")] == []
    return str(error.value)


def cell(folder: Path, name: str) -> Path:
    (found,) = (folder / "cells" / name).glob("@*")
    return found


# --- there and back -------------------------------------------------------------------------------


def test_an_archive_gives_the_same_page_and_records_on_another_machine(home, away, capsys):
    assert commands.import_(str(home / "mini.zip")) == DONE
    assert "results verified, " in capsys.readouterr().out
    here, there = (everything(folder / "reports/mini") for folder in (home, away))
    kept = {name: content for name, content in here.items() if not name.startswith(".")}
    assert set(kept) == set(there)
    assert "notebooks/00_paper_audit.html" in there
    assert any(name.startswith("pictures/") for name in there)
    for name in kept.keys() - {"index.html"}:
        assert kept[name] == there[name], name
    assert without_minute(kept["index.html"]) == without_minute(there["index.html"])
    book = workbook("mini")
    records = attack.recipe(book, MODEL, "fgsm")
    assert book.store.has(records)
    assert book.store.receipt(records) == Store(home / "store").receipt(records)
    assert not book.store.has(train.recipe(book, MODEL)), "networks stayed behind"
    with zipfile.ZipFile(home / "mini.zip") as packed:
        sizes = {Path(entry.filename).name: entry.file_size for entry in packed.infolist()}
    assert sizes["images.npy"] == 128, "no pixel of an image travels"
    assert "model.safetensors" not in sizes
    assert not any(name.endswith(".jpeg") for name in sizes)
    assert list((away / "store/parts").iterdir()) == []
    assert commands.import_(str(home / "mini.zip")) == DONE
    assert ", 0 of them whole and new" in capsys.readouterr().out


def without_minute(page: bytes) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "", page.decode())


def test_with_models_networks_travel_whole(home, away, tmp_path, monkeypatch, capsys):
    for name in ("STORE", "REPORTS"):
        monkeypatch.setenv(f"MEDDEF_{name}", str(home / name.lower()))
    assert commands.export(str(tmp_path / "all.zip"), profile="mini", models=True) == DONE
    assert commands.export(str(tmp_path / "all.zip"), profile="mini", models=True) == REFUSED
    assert "is there already" in capsys.readouterr().err
    for name in ("STORE", "REPORTS"):
        monkeypatch.setenv(f"MEDDEF_{name}", str(away / name.lower()))
    assert commands.import_(str(tmp_path / "all.zip")) == DONE
    book = workbook("mini")
    assert book.store.has(train.recipe(book, MODEL))
    assert not book.store.has(prepared.recipe(book, "chest_xray")), "images never travel"


def test_the_same_results_are_the_same_archive(home, tmp_path, monkeypatch):
    for name in ("STORE", "REPORTS"):
        monkeypatch.setenv(f"MEDDEF_{name}", str(home / name.lower()))
    archive.export(workbook("mini"), tmp_path / "again.zip", models=False)
    assert (tmp_path / "again.zip").read_bytes() == (home / "mini.zip").read_bytes()


def test_results_of_images_are_verified_where_the_images_are_not(home, away, tmp_path, monkeypatch):
    with monkeypatch.context() as there:
        for name in ("store", "reports"):
            there.setenv(f"MEDDEF_{name.upper()}", str(tmp_path / "there" / name))
        made_up = workbook("mini", store=Store(home / "store"))
        there.setenv("MEDDEF_DATA", str(made_up.store.folder(phantoms.recipe(made_up, "chest_xray"))))
        book = workbook("mini", overrides=["data.source=folders"])
        book.store.get(audit.recipe(book, "chest_xray"))
        book.store.get(prepared.recipe(book, "chest_xray"))
        archive.export(book, tmp_path / "real.zip", models=False)
    index, said = importing.take_over(tmp_path / "real.zip", lambda *told: None)
    assert said.startswith("3 results verified, 1 of them whole")
    assert index.is_file()
    shutil.rmtree(away)

    def another_manifest(folder):
        said = json.loads((folder / "archive.json").read_bytes())
        said["manifests"] = dict.fromkeys(said["manifests"], 64 * "0")
        (folder / "archive.json").write_text(json.dumps(said))

    why = refused(forged(tmp_path / "real.zip", tmp_path / "forged.zip", another_manifest), away)
    assert "was made by other code or parameters than these" in why
    assert "settings.manifest: " in why


def test_what_changed_travels_and_is_held_against_the_numbers(home, away, tmp_path):
    place = "report/results.json"
    with zipfile.ZipFile(home / "mini.zip") as packed:
        document = json.loads(packed.read(place))
    measured = next(row for row in document["values"] if row["reproduced"] is not None)
    row = {name: measured[name] for name in ("id", "unit", "decimals")} | {
        "before": 1.0,
        "now": measured["reproduced"],
        "difference": measured["reproduced"] - 1.0,
        "inside": None,
        "status_before": "differs",
        "status_now": measured["status"],
        "why": ["code"],
        "told": ["code of train"],
    }
    said = {"since": "", "new": 0, "gone": 0, "why": ["code"], "told": [], "claims": []}

    def packed_with(name, **forged):
        text = json.dumps(document | {"changes": said | {"values": [row | forged]}}).encode()
        return changed(home / "mini.zip", tmp_path / name, {place: text})

    why = refused(packed_with("forged.zip", now=99.0), away)
    assert "says of its changes otherwise than of its numbers; refused" in why
    index, _ = importing.take_over(packed_with("honest.zip"), lambda *told: None)
    assert 'id="changed-values"' in index.read_text(encoding="utf-8")


def test_nothing_is_exported_where_nothing_is_finished(away, tmp_path, capsys):
    assert commands.export(str(tmp_path / "a.zip"), profile="mini") == REFUSED
    assert (
        "nothing of mini is finished; make it with: invoke reproduce --profile mini"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "a.zip").exists()


def test_a_report_that_is_there_is_not_written_over(home, away):
    mine = away / "reports/mini/results.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("{}")
    with pytest.raises(importing.Refused, match=r"holds a report of results that .* lacks; move it away"):
        importing.take_over(home / "mini.zip", lambda *told: None)
    assert everything(away / "reports/mini") == {"results.json": b"{}"}
    assert list((away / "store").rglob("receipt.json")) == []


def test_an_archive_takes_the_place_of_a_report_whose_results_it_has(home, away):
    importing.take_over(home / "mini.zip", lambda *told: None)
    file = away / "reports/mini/results.json"
    whole = file.read_bytes()
    document = json.loads(whole)
    *others, last = document["cells"]
    file.write_text(json.dumps({**document, "cells": others}), encoding="utf-8")
    importing.take_over(home / "mini.zip", lambda *told: None)
    assert file.read_bytes() == whole
    further = {**last, "key": "f" * 64, "state": "there"}
    file.write_text(json.dumps({**document, "cells": [*others, further]}), encoding="utf-8")
    with pytest.raises(importing.Refused, match=r"holds a report of results that .* lacks"):
        importing.take_over(home / "mini.zip", lambda *told: None)


# --- archives that were made to harm ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil", "no part of one"),
        ("cells/../../evil", "leads outside the folder"),
        ("/tmp/evil", "no part of one"),
        ("C:\\evil", "no part of one"),
        ("evil.sh", "no part of one that `invoke export` wrote"),
        ("report/index.html", "no part of one"),
        ("cells/strange/@0123456789abcdef/receipt.json", "no result that these parameters ask for"),
        ("report/pictures/evil.webp", "is no picture of this report"),
        ("report/pictures/evil\u202e.webp", "characters that cannot be seen"),
        ("ARCHIVE.json", "no part of one"),
        ("report/Results.json", "no part of one"),
        ("report/pictures/A.webp", "is no picture of this report"),
    ],
)
def test_an_entry_that_no_archive_has_is_refused(home, away, tmp_path, name, words):
    assert words in refused(changed(home / "mini.zip", tmp_path / "a.zip", {name: b"evil"}), away)
    assert not (tmp_path / "evil").exists()


def test_names_that_clash_are_refused(home, away, tmp_path):
    picture = next((home / "reports/mini/pictures").iterdir()).name
    other = f"report/pictures/{picture.upper()}"
    # where both cases are one name, unpacking ends at it
    assert "is no picture of this report" in refused(
        changed(home / "mini.zip", tmp_path / "a.zip", {other: b""}), away
    )


def test_links_and_devices_are_refused(home, away, tmp_path):
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR):
        shutil.copy(home / "mini.zip", tmp_path / "a.zip")
        with zipfile.ZipFile(tmp_path / "a.zip", "a") as opened:
            entry = zipfile.ZipInfo("report/pictures/link.webp")
            entry.external_attr = (kind | 0o777) << 16
            opened.writestr(entry, "/etc/passwd")
        assert "is a link or a device" in refused(tmp_path / "a.zip", away)


def test_bombs_and_too_many_entries_are_refused(home, away, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "LIMITS", Limits(total_bytes=5_000_000, entries=2000))
    zeros = changed(home / "mini.zip", tmp_path / "a.zip", {"report/pictures/a.webp": bytes(6_000_000)})
    assert "refused as a bomb" in refused(zeros, away)
    many = {f"report/pictures/{number}.webp": b"" for number in range(2000)}
    assert "more than 2,000 entries" in refused(changed(home / "mini.zip", tmp_path / "b.zip", many), away)


def test_a_file_that_stands_for_more_than_there_is_room_for_is_refused(home, away, tmp_path):
    def forge(folder):
        said = json.loads((folder / "archive.json").read_bytes())
        said["in_part"] = dict.fromkeys(said["in_part"], 2**60)
        (folder / "archive.json").write_text(json.dumps(said))

    assert "is no archive of results of this version: ValidationError: " in refused(
        forged(home / "mini.zip", tmp_path / "a.zip", forge), away
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_an_archive_that_is_cut_off_is_refused(home, away, tmp_path, share):
    whole = (home / "mini.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[: int(share * len(whole))])
    said = refused(tmp_path / "a.zip", away)
    assert "export it anew where it was made" in said
    assert "download" not in said
    assert list(away.rglob("receipt.json")) == []


def test_an_archive_of_something_else_is_refused(away, tmp_path):
    for number, content in enumerate((b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"format": 1}')):
        file = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(file, "w") as opened:
            opened.writestr("archive.json", content)
        assert "is no archive of results" in refused(file, away)
    assert "not a file" in refused(tmp_path / "none.zip", away)


def test_an_archive_of_a_newer_version_is_refused(home, away, tmp_path):
    newer = json.dumps({"format": archive.FORMAT + 1, "other": "fields"})
    file = changed(home / "mini.zip", tmp_path / "a.zip", {"archive.json": newer})
    assert "was written by a newer version (format 2); update this one" in refused(file, away)


# --- archives that say what was not measured --------------------------------------------------------


def lie_in_the_records(folder):
    file = cell(folder, "attack/chest_xray/resnet18/clean/seed=0/fgsm") / "records.parquet"
    records = pd.read_parquet(file)
    buffer = io.BytesIO()
    records.assign(adv_pred=records["label"]).to_parquet(buffer)
    return file, buffer.getvalue()


def records_alone(folder):
    file, lie = lie_in_the_records(folder)
    file.write_bytes(lie)


def records_and_receipt(folder):
    file, lie = lie_in_the_records(folder)
    write(file.parent, {file.name: lie})


def numbers_alone(folder):
    file = folder / "report/results.json"
    found = json.loads(file.read_bytes())
    value = next(value for value in found["values"] if value["reproduced"] is not None)
    value["reproduced"] = value["reproduced"] + 1
    file.write_text(json.dumps(found))


def numbers_that_fit_no_schema(folder):
    file = folder / "report/results.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"values": "none"}))


def key_alone(folder):
    """The receipt of other settings under the key that is asked for: its hashes and its seal are right."""
    place = cell(folder, "attack/chest_xray/resnet18/clean/seed=0/fgsm")
    receipt = sealed.read(place / "receipt.json")
    receipt["recipe"]["settings"]["runs"] = []
    sealed.write(place / "receipt.json", receipt)


def other_settings_with_their_key(folder):
    place = cell(folder, "attack/chest_xray/resnet18/clean/seed=0/fgsm")
    receipt = sealed.read(place / "receipt.json")
    receipt["recipe"]["settings"]["split"] = "train"
    receipt["key"] = sha256(canonical_json(receipt["recipe"]).encode()).hexdigest()
    sealed.write(place / "receipt.json", receipt)
    place.rename(place.with_name(f"@{receipt['key'][:16]}"))


def of_another_cell(folder):
    place = cell(folder, "attack/chest_xray/resnet18/clean/seed=0/fgsm")
    shutil.copytree(place, folder / "cells/attack/chest_xray/resnet18/clean/seed=0/pgd" / place.name)


def records_left_out(folder):
    place = cell(folder, "attack/chest_xray/resnet18/clean/seed=0/fgsm") / "records.parquet"
    said = json.loads((folder / "archive.json").read_bytes())
    said["in_part"][str(place.relative_to(folder))] = place.stat().st_size
    (folder / "archive.json").write_text(json.dumps(said))
    records_alone(folder)


def receipt_without_a_machine(folder):
    place = cell(folder, "attack/chest_xray/resnet18/clean/seed=0/fgsm") / "receipt.json"
    sealed.write(place, sealed.read(place) | {"environment": {}})


def records_that_fill_the_memory(folder):
    place = cell(folder, "attack/chest_xray/resnet18/clean/seed=0/fgsm")
    many = pa.table({f"c{n}": pa.nulls(10_000_000) for n in range(21)})
    buffer = io.BytesIO()
    pq.write_table(many, buffer)
    assert len(buffer.getvalue()) < 1_000_000
    write(place, {"records.parquet": buffer.getvalue()})


def records_that_are_no_table(folder):
    write(cell(folder, "attack/chest_xray/resnet18/clean/seed=0/fgsm"), {"records.parquet": b"PAR1"})


def a_cell_that_is_not_there(folder):
    shutil.rmtree(cell(folder, "attack/chest_xray/resnet18/clean/seed=0/fgsm").parent)


def a_cell_that_nobody_asked_for(folder):
    said = json.loads((folder / "archive.json").read_bytes())
    said["cells"].append("attack/chest_xray/strange")
    (folder / "archive.json").write_text(json.dumps(said))


def a_picture_that_is_none(folder):
    next((folder / "report/pictures").iterdir()).write_bytes(b"<svg onload='alert(1)'/>")


def a_page_that_is_not_its_notebooks(folder):
    place = cell(folder, "notebook/00_paper_audit")
    write(place, {"page.html": b"<p>another"})


def notebook_that_says(output):
    def forge(folder):
        place = cell(folder, "notebook/00_paper_audit")
        settings = sealed.read(place / "receipt.json")["recipe"]["settings"]
        notebook = json.loads((place / "executed.ipynb").read_bytes())
        shown = {"output_type": "display_data", "metadata": {}, "data": {"text/html": output}}
        notebook["cells"][0]["outputs"] = [shown]
        make_page(place, settings, notebook)

    return forge


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (records_alone, "fgsm is damaged: records.parquet is not what was written"),
        (records_and_receipt, "says otherwise than its records do, at "),
        (numbers_alone, "says otherwise than its records do, at "),
        (
            numbers_that_fit_no_schema,
            "is no archive of results of this version: ValueError: results.json does",
        ),
        (
            key_alone,
            "the receipt of attack/chest_xray/resnet18/clean/seed=0/fgsm was not written with its result",
        ),
        (other_settings_with_their_key, "was made by other code or parameters than these (settings.split: "),
        (of_another_cell, "was made by other code or parameters than these"),
        (receipt_without_a_machine, "results.json does not fit its schema at $.cells"),
        (records_that_fill_the_memory, "refused as a bomb"),
        (records_that_are_no_table, "is no archive of results of this version: ArrowInvalid"),
        (records_left_out, "records.parquet, which every archive holds whole"),
        (a_cell_that_is_not_there, "lacks attack/chest_xray/resnet18/clean/seed=0/fgsm"),
        (a_cell_that_nobody_asked_for, "which these parameters do not ask for"),
        (a_picture_that_is_none, "is no picture of this report"),
        (a_page_that_is_not_its_notebooks, "is not that of its notebook"),
        (notebook_that_says("<script>alert(1)</script>"), "would run something (<script>)"),
        (
            notebook_that_says("<img src='data:,' onerror='alert(1)'>"),
            "would run something (onerror of <img>)",
        ),
        (notebook_that_says("<a href='java\nscript:alert(1)'>here</a>"), "would run something (href of <a>)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_was_forged_is_refused(home, away, tmp_path, forge, words):
    assert words in refused(forged(home / "mini.zip", tmp_path / "a.zip", forge), away)


def test_parameters_of_an_archive_are_read_as_strictly_as_any(home, away, tmp_path):
    for field, value in (
        ("profile", "../smoke"),
        ("overrides", {"training.epochs": -1}),
        ("datasets", ["none"]),
    ):

        def forge(folder, field=field, value=value):
            said = json.loads((folder / "archive.json").read_bytes())
            (folder / "archive.json").write_text(json.dumps(said | {field: value}))

        with pytest.raises(ParamsError):
            importing.take_over(
                forged(home / "mini.zip", tmp_path / f"{field}.zip", forge), lambda *told: None
            )
        assert list(away.rglob("receipt.json")) == []
