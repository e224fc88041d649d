"""Readings of who is one patient: what each merges and what it keeps apart."""

import pytest

from meddef_lib.data.patients import UNKNOWN, descriptions, naming

KERMANY = naming("kermany")
READINGS = KERMANY.readings

OCT = "train/CNV/CNV-1016042-12.jpeg"
VIRUS = "test/PNEUMONIA/person7_virus_12.jpeg"
BACTERIA = "train/PNEUMONIA/person7_bacteria_25.jpeg"
FILM = "train/NORMAL/IM-0115-0001.jpeg"
SECOND_FILM = "test/NORMAL/NORMAL2-IM-0115-0001-0002.jpeg"


@pytest.mark.parametrize(
    ("path", "number", "kind", "merged"),
    [
        (OCT, "1016042", "CNV-1016042", "1016042"),
        (VIRUS, "person7", "person7_virus", "person7"),
        (BACTERIA, "person7", "person7_bacteria", "person7"),
        ("person447_virus_921_1.jpeg", "person447", "person447_virus", "person447"),
        (FILM, "IM-0115", "IM-0115", "IM-0115"),
        ("IM-0011-0001-0002.jpeg", "IM-0011", "IM-0011", "IM-0011"),
        (SECOND_FILM, "NORMAL2-IM-0115", "NORMAL2-IM-0115", "IM-0115"),
        # as Mendeley Data names chest films
        ("train/PNEUMONIA/BACTERIA-7422-0002.jpeg", "7422", "BACTERIA-7422", "7422"),
        ("train/PNEUMONIA/VIRUS-7422-0001.jpeg", "7422", "VIRUS-7422", "7422"),
        ("test/NORMAL/NORMAL-28501-0001.jpeg", "28501", "NORMAL-28501", "28501"),
    ],
)
def test_the_patterns_of_the_archives(path, number, kind, merged):
    assert not KERMANY.patient(path).startswith(UNKNOWN)
    assert READINGS["number"](path) == number
    assert READINGS["kind"](path) == kind
    assert READINGS["strictest"](path) == naming("kermany").patient(path) == merged


def test_two_classes_of_one_oct_number_are_one_patient_unless_told_apart():
    other = "train/DRUSEN/DRUSEN-1016042-1.jpeg"
    assert naming("kermany").patient(OCT) == naming("kermany").patient(other)
    assert READINGS["kind"](OCT) != READINGS["kind"](other)


@pytest.mark.parametrize(
    "name", ["scan.jpeg", "person_virus_1.jpeg", "CNV-12.jpeg", "IM-0115.jpeg", "XCNV-1-1.jpeg"]
)
def test_another_name_is_a_patient_of_its_own(name):
    found = {reading(f"train/NORMAL/{name}") for reading in READINGS.values()}
    assert len(found) == 1
    assert found.pop().startswith(UNKNOWN)


def test_the_same_unknown_name_in_two_folders_is_two_patients():
    for reading in READINGS.values():
        assert reading("train/NORMAL/scan.jpeg") != reading("test/NORMAL/scan.jpeg")


def test_names_of_a_data_set_of_ones_own():
    own = naming(r"(?P<patient>p\d+)_.*")
    assert own.patient("train/sick/p12_left.png") == own.patient("test/well/p12_right.png") == "p12"
    assert own.patient("train/sick/other.png") == UNKNOWN + "train/sick/other.png"
    assert naming("none").patient("train/sick/p12_left.png") == UNKNOWN + "train/sick/p12_left.png"


@pytest.mark.parametrize("rule", ["none", "kermany", "(?P<patient>.*)"])
def test_every_reading_has_its_words(rule):
    assert list(descriptions(rule)) == list(naming(rule).readings)
    assert {naming(rule).finest, naming(rule).strictest} <= naming(rule).readings.keys()


@pytest.mark.real
def test_the_real_sample_under_each_reading(real_data):
    files = {
        path: path.relative_to(real_data).parts
        for name in ("OCT2017", "chest_xray")
        for path in (real_data / name).rglob("*.jpeg")
    }
    assert not any(naming("kermany").patient(path.name).startswith(UNKNOWN) for path in files)

    def patients_with_two(reading, dataset, part):
        seen: dict[str, set[str]] = {}
        for path, parts in files.items():
            if parts[0] == dataset:
                seen.setdefault(READINGS[reading](path.name), set()).add(parts[part])
        return sum(len(values) > 1 for values in seen.values())

    across_splits = {reading: patients_with_two(reading, "chest_xray", 1) for reading in READINGS}
    assert across_splits == {"number": 161, "kind": 0, "strictest": 252}
    assert patients_with_two("number", "OCT2017", 2) == 24
    assert patients_with_two("strictest", "OCT2017", 1) == 0
