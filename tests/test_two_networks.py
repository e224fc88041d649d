"""A run in one network with a worker in another, over a link that is cut; by hand, as root of a Linux.

`pytest -m networks`; MEDDEF_NETWORKS_PROFILE names the profile (default: mini).
"""

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest

from meddef_lib.engine.processes import kill_family
from tests.test_workbook import left_behind, made_once, measured, results

pytestmark = pytest.mark.networks
PROFILE = os.environ.get("MEDDEF_NETWORKS_PROFILE", "mini")
SECONDS, SECONDS_TO_END = 3600, 120
HERE, THERE = "10.231.0.1", "10.231.0.2"


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The whole run on one machine, cell after cell."""
    return made_once(tmp_path_factory, PROFILE, "--profile", PROFILE, "--workers", "1")


@pytest.fixture
def two_networks():
    """Two network namespaces by name, joined by one link; nothing else is reached from either."""
    if shutil.which("ip") is None or os.geteuid():
        pytest.skip("needs root, and iproute2")
    names = [f"meddef-{side}-{os.getpid()}" for side in ("here", "there")]
    with ExitStack() as stack:
        for name in names:
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
        ends = ("veth-here", "veth-there")
        ip("-n", names[0], "link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", names[1])
        for name, end, address in zip(names, ends, (HERE, THERE), strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", end)
            for device in (end, "lo"):
                ip("-n", name, "link", "set", device, "up")
        yield names


@contextmanager
def started(network, home, name, *words):
    """`invoke ...` in a network, with the store and the reports of `home`; its output goes to a file."""
    environment = os.environ | {
        "MEDDEF_STORE": str(home / "store"),
        "MEDDEF_REPORTS": str(home / "reports"),
        "TMPDIR": str(home / "temporary"),
    }
    environment.pop("MEDDEF_DATA", None)
    with (home / f"{name}.out").open("w") as out:
        process = subprocess.Popen(
            ["ip", "netns", "exec", network, sys.executable, "-m", "invoke", *words],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(SECONDS_TO_END)
        finally:
            kill_family(process.pid)
            process.wait()


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
def test_two_networks_and_a_shared_folder_come_to_the_same(undisturbed, two_networks, tmp_path, cut):
    here, there = two_networks
    (tmp_path / "temporary").mkdir()
    file = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        begin = stack.enter_context
        of_file = ("--scheduler-file", str(file))
        begin(started(here, tmp_path, "scheduler", "scheduler", "--host", HERE, "--port", "0", *of_file))
        for name, network in (("near", here), ("far", there)):
            begin(started(network, tmp_path, name, "worker", *of_file, "--device", "cpu"))
        wait_for(lambda: all("a worker of" in said(tmp_path, name) for name in ("near", "far")), tmp_path)
        run = begin(started(here, tmp_path, "run", "reproduce", "--profile", PROFILE, *of_file))
        if cut:
            wait_for(lambda: said(tmp_path, "run").count("done in") > 5, tmp_path)
            before = {path: path.stat().st_mtime_ns for path in receipts(tmp_path)}
            ip("-n", there, "link", "set", "veth-there", "down")
        assert HERE in file.read_text()
        assert run.wait(SECONDS) == 0, said(tmp_path, "run")
    assert "0 failed" in said(tmp_path, "run")
    if cut:
        assert all(path.stat().st_mtime_ns == when for path, when in before.items()), "nothing was lost"
    assert measured(tmp_path, PROFILE) == measured(undisturbed, PROFILE)
    assert {part: results(tmp_path, PROFILE)[part] for part in ("values", "claims")} == {
        part: results(undisturbed, PROFILE)[part] for part in ("values", "claims")
    }
    assert cut or left_behind(tmp_path) == []


def receipts(home):
    return (home / "store/cells").rglob("receipt.json")


def said(home, name):
    file = home / f"{name}.out"
    return file.read_text() if file.is_file() else ""


def wait_for(happened, home):
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline, "".join(said(home, name) for name in ("scheduler", "near", "run"))
        time.sleep(0.5)
