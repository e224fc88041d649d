import json

import pytest
import torch

from benchmarks import training as benchmark

SMALL = ["--variant", "resnet18", "--sizes", "32", "--quick"]


@pytest.fixture(autouse=True)
def small_products_and_own_threads(monkeypatch):
    monkeypatch.setattr(benchmark, "PRODUCT", 128)
    monkeypatch.setattr(benchmark, "BATCH", 8)
    monkeypatch.setattr(benchmark, "pays", lambda device: False)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_both_loops_do_the_same_and_the_numbers_make_sense(capsys):
    assert benchmark.main([*SMALL, "--json"]) == 0

    (row,) = json.loads(capsys.readouterr().out)
    assert row["loss_difference_float64"] <= benchmark.TOLERANCE
    assert row["images_per_second"] > 0
    assert row["ratio_to_plain"] > 0
    assert 0 < row["outside_share"] < 1
    assert row["share_of_peak"] > 0


def test_where_the_device_computes_in_bfloat16_that_is_measured_too(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "pays", lambda device: True)

    assert benchmark.main([*SMALL, "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert [row["precision"] for row in rows] == ["float32", "bfloat16"]
    assert rows[0]["loss_difference"] < rows[1]["loss_difference"]


def test_loops_that_differ_fail_the_benchmark(capsys, monkeypatch):
    plain = benchmark.plain_step

    def weaker(*arguments, step_size, **settings):
        return plain(*arguments, step_size=step_size / 2, **settings)

    monkeypatch.setattr(benchmark, "plain_step", weaker)

    assert benchmark.main(SMALL) == 1
    assert "at [32] px the losses differ in float64" in capsys.readouterr().err
