"""Readings of who is one patient: what each merges and what it keeps apart."""

import pytest

from meddef_lib.data.patients import READINGS, UNKNOWN, recognised, strictest

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
    assert recognised(path)
    assert READINGS["number"].patient(path) == number
    assert READINGS["kind"].patient(path) == kind
    assert READINGS["strictest"].patient(path) == strictest(path) == merged


def test_two_classes_of_one_oct_number_are_one_patient_unless_told_apart():
    other = "train/DRUSEN/DRUSEN-1016042-1.jpeg"
    assert strictest(OCT) == strictest(other)
    assert READINGS["kind"].patient(OCT) != READINGS["kind"].patient(other)


@pytest.mark.parametrize(
    "name", ["scan.jpeg", "person_virus_1.jpeg", "CNV-12.jpeg", "IM-0115.jpeg", "XCNV-1-1.jpeg"]
)
def test_another_name_is_a_patient_of_its_own(name):
    assert not recognised(name)
    found = {reading.patient(f"train/NORMAL/{name}") for reading in READINGS.values()}
    assert len(found) == 1
    assert found.pop().startswith(UNKNOWN)


def test_the_same_unknown_name_in_two_folders_is_two_patients():
    for reading in READINGS.values():
        assert reading.patient("train/NORMAL/scan.jpeg") != reading.patient("test/NORMAL/scan.jpeg")


@pytest.mark.real
def test_the_real_sample_under_each_reading(real_data):
    files = {
        path: path.relative_to(real_data).parts
        for name in ("OCT2017", "chest_xray")
        for path in (real_data / name).rglob("*.jpeg")
    }
    assert all(recognised(path.name) for path in files)

    def patients_with_two(reading, dataset, part):
        seen: dict[str, set[str]] = {}
        for path, parts in files.items():
            if parts[0] == dataset:
                seen.setdefault(READINGS[reading].patient(path.name), set()).add(parts[part])
        return sum(len(values) > 1 for values in seen.values())

    across_splits = {reading: patients_with_two(reading, "chest_xray", 1) for reading in READINGS}
    assert across_splits == {"number": 161, "kind": 0, "strictest": 252}
    assert patients_with_two("number", "OCT2017", 2) == 24
    assert patients_with_two("strictest", "OCT2017", 1) == 0
