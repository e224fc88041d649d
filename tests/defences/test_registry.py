"""Which defences there are, what a profile asks for, and what it may say of each."""

import subprocess
import sys

import pytest

from meddef_lib.defences.registry import DEFENCES, UNDEFENDED, chosen
from meddef_lib.params import ParamsError
from meddef_lib.params.studies import DefencesParams
from meddef_lib.workbook.book import workbook


def test_the_undefended_network_comes_with_every_defence_and_alone_with_none():
    assert chosen(DefencesParams(methods=[])) == ()
    assert chosen(DefencesParams(methods=("jpeg",))) == (UNDEFENDED, "jpeg")
    assert set(chosen(DefencesParams())) == set(DEFENCES)


def test_a_defence_is_called_with_its_own_settings():
    book = workbook("mini", overrides=["defences.jpeg.quality=40"])
    assert DEFENCES["jpeg"].settings(book.profile.defences) == {"quality": 40}
    assert DEFENCES["median_filter"].settings(book.profile.defences) == {"size": 3}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("defences.jpeg.quality=101", "less than or equal to 100"),
        ("defences.jpeg.qality=90", "did you mean quality"),
        ("defences.methods=[jpg]", "did you mean 'jpeg'"),
    ],
)
def test_what_no_defence_knows_is_refused(override, said):
    with pytest.raises(ParamsError, match=said):
        workbook("mini", overrides=[override])


def test_names_of_defences_are_known_without_torch():
    code = "import sys; from meddef_lib.defences import DEFENCES; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
