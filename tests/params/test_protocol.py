"""The readings as they are declared: what a file may say, and what a procedure comes to."""

import pytest

from meddef_lib.params import ParamsError, protocol
from meddef_lib.params.protocol import DESCRIBED, Procedure
from meddef_lib.params.reading import read_yaml

DECLARED = protocol.FILE.read_text(encoding="utf-8")
STEPS = {"steps": 40, "step_size": 0.01}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("procedure: descend}", "procedure: descent}", "the reading descend needs a procedure"),
        ("attacks: [jsma], made_as: fgsm", "attacks: [jsma], made_as: square", "'square'"),
        ("readings: [descend, one_answer]", "readings: [descend, two_answers]", "no reading two_answers"),
        ("    distance: 1.0\n", "    distance: 1.0\n    steps: 3\n", "steps or distance"),
        ("start: random", "beginning: random", "beginning"),
        ("resamples: 1000", "resamples: 100001", "resamples is 100001.*less than or equal to 100000"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, old, new, said):
    assert old in DECLARED
    file = tmp_path / "readings.yaml"
    file.write_text(DECLARED.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ParamsError, match=said):
        read_yaml(protocol.Protocol, file)


def test_every_reading_says_what_it_is_and_where_it_comes_from():
    declared = protocol.read()
    assert DESCRIBED in declared.readings
    for reading in declared.readings.values():
        procedure = declared.procedures[reading.procedure]
        assert reading.title
        assert reading.text or procedure.text
        assert reading.source or procedure.source


@pytest.mark.parametrize(
    ("name", "attack", "steps", "size", "random"),
    [
        ("described", "fgsm", 1, 0.05, False),
        ("described", "pgd", 40, 0.01, True),
        ("described", "bim", 40, 0.01, False),
        ("described", "jsma", None, 0.01, False),
        ("descend", "pgd", 40, -0.01, True),
        ("descend", "fgsm", 1, -0.05, False),
        ("noise", "pgd", 0, 0.01, True),
        ("public", "pgd", 20, 0.005, False),
        ("public", "bim", 10, 0.005, False),
        ("public", "fgsm", 1, 0.05, False),
        ("sign_ascent", "jsma", 200, 0.005, False),
    ],
)
def test_a_procedure_comes_to_steps(name, attack, steps, size, random):
    run = protocol.read().procedures[name].run(attack, 0.05, **STEPS)
    assert (run["steps"], run["random_start"]) == (steps, random)
    assert run["step_size"] == pytest.approx(size)


def test_a_tie_holds_both_ways_and_in_its_columns_alone():
    declared = protocol.read()
    assert declared.tied("noise", "accuracy", "pgd") == {"noise", "start_alone", "small_steps"}
    assert declared.tied("small_steps", "accuracy", "pgd") == {"noise", "start_alone", "small_steps"}
    assert declared.tied("noise", "accuracy", "bim") == {"noise"}
    assert declared.tied("transfer", "accuracy", "pgd") == {"transfer"}


def test_a_step_is_said_in_one_way():
    with pytest.raises(ValueError, match="not both"):
        Procedure(text="", source="", attacks=("pgd",), step_size=0.1, step_share=0.1)
