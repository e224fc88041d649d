"""A whole small workbook on a cluster whose parts die by chance, for as long as MEDDEF_SOAK_MINUTES says."""

import os
from random import Random

import pytest

from benchmarks import cluster
from benchmarks._clusters import local_cluster
from benchmarks.faults import Folders
from tests.test_workbook import made_once


@pytest.mark.soak
def test_deaths_at_random_moments_lose_nothing(tmp_path_factory, tmp_path):
    minutes = float(os.environ.get("MEDDEF_SOAK_MINUTES", "60"))
    reference = Folders(made_once(tmp_path_factory, "mini", "--profile", "mini"))
    with local_cluster(tmp_path / "cluster") as home:
        bench = cluster.Bench(reference, home, tmp_path / "run", Random(0))
        row = cluster.soak(minutes * 60, bench)
    assert row.tried >= minutes / 2, "thirty in an hour"
    assert (row.lost, row.wrong) == (0, 0)
