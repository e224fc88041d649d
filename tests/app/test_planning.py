"""What `invoke plan` says before there are images or a GPU."""

import re

import pytest

from meddef_lib.app import planning
from meddef_lib.errors import DONE, REFUSED
from meddef_lib.params import ParamsError


@pytest.fixture
def bare(monkeypatch):
    """A machine without images."""
    monkeypatch.delenv("MEDDEF_DATA", raising=False)


def test_a_plan_of_the_paper_needs_neither_images_nor_a_gpu(bare, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = {"profile": "paper", "dataset": ["chest_xray"], "on": "h100", "workers": "1,8,64"}
    assert planning.plan(**options, picture="plan.svg") == DONE
    said = capsys.readouterr().out
    assert "chest_xray: no images here, so this goes by the published counts (no data root is given" in said
    assert "NVIDIA H100 SXM: estimated, " in said
    assert "chest_xray: 4099 train, 878 val, 879 test images" in said
    hours = [
        float(number.replace(",", "")) for number in re.findall(r"^GPU-hours(.*)", said, re.M)[0].split()
    ]
    assert hours == sorted(hours)
    assert hours[1] > 2.5 * hours[0], "nearly all of it is done anew for another seed"
    rows = re.findall(r"^ +(1|8|64) .* (\d+)%   \d+%; \w+/chest_xray", said, re.M)
    assert [row[0] for row in rows] == ["1", "8", "64"]
    used = [int(row[1]) for row in rows]
    assert used == sorted(used, reverse=True)
    assert (tmp_path / "plan.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_hours_with_seeds_are_of_a_core_on_a_cpu(bare, capsys):
    assert planning.plan(profile="mini", on="cpu") == DONE
    said = capsys.readouterr().out
    assert re.search(r"^core-hours", said, re.M)
    assert "measured, this project's calibration" in said
    assert "goes by the published counts" not in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on": "h10"}, "did you mean h100?"),
        ({"workers": "1,none"}, "--workers is '1,none'; expected whole numbers"),
        ({"picture": "a.svg"}, "--picture draws how a run goes on several numbers of workers"),
        ({"on": "cpu", "workers": "1,2", "picture": "a.exe"}, "expected a name that ends in .svg"),
    ],
)
def test_what_a_plan_cannot_mean_is_refused(bare, tmp_path, monkeypatch, options, words, capsys):
    monkeypatch.chdir(tmp_path)
    assert planning.plan(profile="mini", **options) == REFUSED
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_workers_are_sorted_and_each_once():
    assert planning.numbers_of("8, 1,8,64") == [1, 8, 64]
    for text in ("", "0", "1,-2", "1.5", "99999999", "²"):
        with pytest.raises(ParamsError):
            planning.numbers_of(text)
