"""A cluster on this machine: what it takes, and what deaths come to. `python -m benchmarks.cluster`.

A run of `mini`, or of `--profile`, is the reference (`--reference` names the folder of one). What is computed
anew each time are its trainings and the records of its attacks. The table (`--json` prints a list) has two
kinds of rows:

- `run`: one engine with so many workers: `seconds` from the command to the report; wrong is another result
  than the reference's;
- `kill`, `stop`: a death at a random moment of a run with two workers. `lost` counts finished cells that were
  gone or made again, `redone` cells that were begun more than once, `wrong` other results than the
  reference's; `seconds` is the median from the death to the next finished cell.

`--minutes` adds a soak: such deaths, drawn by chance, until the time is up, then one undisturbed run.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from benchmarks._clusters import LocalCluster, local_cluster, send
from benchmarks._rows import parser, say, shown
from benchmarks.faults import PROFILE, Folders, ended_with_us
from meddef_lib.engine import leases
from meddef_lib.engine.processes import kill_family
from meddef_lib.errors import DONE, FAILED, REFUSED, TERMINATED

LACKING, LACKING_QUICKLY = ("train", "attack"), ("attack",)  # computed anew
WORKERS = 2
SECONDS_OF_A_LEASE = 10.0  # where a worker is stopped: a minute, as elsewhere, only makes this longer
PAUSE_SECONDS = 0.05
SECONDS_AT_WORK = 6.0  # at most, before a death


@dataclass
class Row:
    """How often something was tried, and what came of it."""

    what: str
    tried: int = 0
    lost: int = 0
    redone: int = 0
    wrong: int = 0
    seconds: float | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns 1 where anything was lost or wrong."""
    said = parser(__doc__)
    said.add_argument("--seed", type=int, default=0, help="of every draw (default: 0)")
    said.add_argument("--minutes", type=float, default=0, help="of a soak (default: none)")
    said.add_argument("--profile", default=PROFILE, help=f"what is run (default: {PROFILE})")
    said.add_argument("--deaths", type=int, default=3, help="of each kind (default: 3)")
    said.add_argument("--reference", type=Path, help="a folder with the store and reports of such a run")
    options = said.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="meddef-cluster-") as name:
        folder = Path(name)
        reference = Folders(options.reference or folder / "reference", options.profile)
        if options.reference is None:
            say(f"an undisturbed run of {options.profile}, as the reference")
            reference.run()
        draws, times = Random(options.seed), 1 if options.quick else options.deaths
        with local_cluster(folder / "cluster") as home:
            bench = Bench(
                reference, home, folder / "run", draws, LACKING_QUICKLY if options.quick else LACKING
            )
            rows = runs(bench, (2,) if options.quick else (1, 2, 4))
            rows += [deaths(what, times, bench) for what in DEATHS if times]
            if options.minutes:
                rows.append(soak(options.minutes * 60, bench))
    print(shown(rows, as_json=options.json))
    return int(any(row.lost or row.wrong for row in rows))


@dataclass(frozen=True)
class Bench:
    """What every row is made with."""

    reference: Folders
    home: LocalCluster
    folder: Path
    draws: Random
    lacking: Sequence[str] = LACKING

    def begin(self) -> Folders:
        """The reference's store without what is computed anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        folders = Folders(self.folder, self.reference.profile)
        shutil.copytree(self.reference.store, folders.store)
        for name in self.lacking:
            shutil.rmtree(folders.store / "cells" / name)
        shutil.rmtree(folders.store / "logs")
        (folders.store / leases.MARK).unlink(missing_ok=True)
        leases.share(folders.store, seconds=SECONDS_OF_A_LEASE)
        return folders

    def start(self, folders: Folders) -> subprocess.Popen[str]:
        """A run on the cluster, which has its workers."""
        self.home.ensure(WORKERS)
        return folders.start("--scheduler-file", str(self.home.file))

    def is_equal(self, folders: Folders) -> bool:
        """Whether a run came to the same as the reference."""
        found, expected = folders.results(), self.reference.results()
        return all(found[part] == expected[part] for part in ("values", "claims"))


def runs(bench: Bench, workers: Sequence[int]) -> list[Row]:
    """The same cells on this machine's engine and on the cluster."""
    rows = []
    for number in workers:
        for engine in ("local", "cluster"):
            words = ["--workers", str(number)]
            if engine == "cluster":
                bench.home.ensure(number)
                words = ["--scheduler-file", str(bench.home.file)]
            folders = bench.begin()
            started = time.monotonic()
            folders.run(*words)
            seconds = time.monotonic() - started
            wrong = int(not bench.is_equal(folders))
            rows.append(Row(f"run: {engine}, {number} workers", 1, 0, _redone(folders), wrong, seconds))
            say(rows[-1])
    return rows


def deaths(what: str, times: int, bench: Bench) -> Row:
    """Let one kind of death happen at random moments of as many runs."""
    row, recovered = Row(what), list[float]()
    for _ in range(times):
        folders = bench.begin()
        _disturbed(what, row, recovered, folders, bench, to_the_end=True)
        _settled(row, folders, bench)
        row.seconds = median(recovered) if recovered else None
        say(row)
    return row


def soak(seconds: float, bench: Bench) -> Row:
    """Deaths by chance, one after the other in the same run, begun anew when it is done, for so long."""
    row, recovered, until = Row("soak: any of these"), list[float](), time.monotonic() + seconds
    while time.monotonic() < until:
        folders = bench.begin()
        for _ in range(bench.draws.randint(2, 5)):
            if not _disturbed(bench.draws.choice(list(DEATHS)), row, recovered, folders, bench):
                break
        _settled(row, folders, bench)
        row.seconds = median(recovered) if recovered else None
        say(row)
    return row


def _disturbed(
    what: str, row: Row, recovered: list[float], folders: Folders, bench: Bench, *, to_the_end: bool = False
) -> bool:
    """Start a run, let a death happen, wait for the next finished cell; False where the run was quicker."""
    before, began = folders.finished(), len(_begun(folders))
    with ended_with_us(bench.start(folders)) as process:
        while process.poll() is None and len(_begun(folders)) == began:
            time.sleep(PAUSE_SECONDS)
        try:
            process.wait(bench.draws.uniform(0, SECONDS_AT_WORK))
            _require(process.returncode == 0, process)
            return False
        except subprocess.TimeoutExpired:
            pass
        there, died = set(folders.finished()), time.monotonic()
        again = DEATHS[what](process, bench.home, bench.draws)
        if process.poll() == DONE:  # every cell was there before: nothing has to recover
            return False
        row.tried += 1
        if again:
            process.communicate()
            process = bench.start(folders)
        with ended_with_us(process):
            while process.poll() is None and not set(folders.finished()) - there:
                time.sleep(PAUSE_SECONDS)
            recovered.append(time.monotonic() - died)
            if not to_the_end:  # what is left is for the next run
                kill_family(process.pid)
            process.communicate()
            after = folders.finished()
            row.lost += sum(after.get(name) != when for name, when in before.items())
            row.lost += len(there - after.keys())
    return True


def _settled(row: Row, folders: Folders, bench: Bench) -> None:
    """Let a run come to its end, and hold what it comes to against the reference."""
    bench.home.ensure(WORKERS)
    folders.run("--scheduler-file", str(bench.home.file))
    row.redone += _redone(folders)
    row.wrong += not bench.is_equal(folders)


def _kill_worker(process: subprocess.Popen[str], home: LocalCluster, draws: Random) -> bool:
    draws.choice(home.workers).kill()
    return False


def _kill_scheduler(process: subprocess.Popen[str], home: LocalCluster, draws: Random) -> bool:
    assert home.scheduler is not None
    home.scheduler.kill()
    _require(process.wait() in (FAILED, REFUSED, DONE), process)  # refused: before it was connected
    return True


def _kill_run(process: subprocess.Popen[str], home: LocalCluster, draws: Random) -> bool:
    kill_family(process.pid)
    return True


def _stop_worker(process: subprocess.Popen[str], home: LocalCluster, draws: Random) -> bool:
    send(draws.choice(home.workers).pid, signal.SIGSTOP)
    return False


# each says whether the run has to be started again
DEATHS: dict[str, Callable[[subprocess.Popen[str], LocalCluster, Random], bool]] = {
    "kill: a worker": _kill_worker,
    "kill: the scheduler": _kill_scheduler,
    "kill: the run": _kill_run,
    "stop: a worker, as if the network were gone": _stop_worker,
}


def _begun(folders: Folders) -> list[str]:
    """A line for every time that a cell was begun."""
    logs = (folders.store / "logs").rglob("*.log")
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
    return [line for line in lines if line.startswith("--- ")]


def _redone(folders: Folders) -> int:
    cells = [line.split(" ")[-1] for line in _begun(folders)]
    return len(cells) - len(set(cells))


def _require(holds: bool, process: subprocess.Popen[str]) -> None:
    if not holds:
        raise RuntimeError(f"the run ended with {process.returncode}:\n{process.communicate()[0][-4000:]}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # and what was started ends, too
    sys.exit(main())
