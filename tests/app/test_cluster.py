"""What the options about a cluster may say."""

import pytest

from meddef_lib.app import cluster, commands
from meddef_lib.errors import REFUSED


def test_a_folder_in_the_place_of_a_scheduler_file_is_refused(tmp_path, capsys):
    for command in (cluster.worker, cluster.scheduler, commands.reproduce):
        assert command(scheduler_file=str(tmp_path)) == REFUSED
        said = capsys.readouterr().err
        assert f"--scheduler-file is '{tmp_path}', a folder" in said


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", ":8787", "127.0.0.1:http", "127.0.0.1:99999"])
def test_a_dashboard_at_no_address_is_refused_by_its_own_name(address, capsys):
    assert cluster.scheduler(dashboard=address) == REFUSED
    assert f"--dashboard is {address!r}; expected a host and a port" in capsys.readouterr().err
