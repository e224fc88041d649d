"""What kills, damage and hostile input come to: `python -m benchmarks.faults`, some ten minutes on two cores.

A run of `mini` is the reference. Each row of the table (`--json` prints them as a list) counts how often
something was tried, and of these:

- `lost`: what was finished before was gone, or made again;
- `wrong`: something else came out than of the undisturbed run;
- `silent`: it was shown or used without a word;
- `seconds`: the median of what it took until the next run was at work again, or the results were whole.

The rows:

- `kill`: SIGKILL for a run of `mini` and all that it started, at random moments;
- `flip`: one flipped bit in a random file of the store, a kind of file a row. `status` must name the file.
  The rows `... same time` leave the file's modification time as it was, which a failing disk does and a
  program cannot by chance: a look at the store does not see that, `invoke verify` must;
- `memory`: one flipped bit in what is remembered of hashes; wrong is a whole result that is called damaged;
- `repair`: several cells flipped at once, and made anew by one run;
- `image`: mutated JPEG and PNG files given to the decoder and to the look of the audit. `wrong` is an answer
  that breaks its promise, `silent` a picture that lost bytes and is taken for whole. JPEG has no checksum:
  `other pixels` counts flips that decode to another picture, which only the hash of the file tells;
- `cases`: the tests of hostile archives, servers, parameters and weights; one that fails counts as wrong.

Which moments, files, bits and bytes: drawn from `--seed`.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._rows import parser, say, shown
from meddef_lib import paths
from meddef_lib.data import decode
from meddef_lib.data.examine import look_at
from meddef_lib.engine.hashes import MEMORY
from meddef_lib.engine.processes import kill_family
from meddef_lib.engine.receipts import RECEIPT
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.errors import TERMINATED
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.notebooks import cells_and_pages

PROFILE = "mini"
CASES = {
    "archives": ["tests/data/test_unpack.py"],
    "servers": ["tests/data/test_fetch.py"],
    "parameters": ["tests/params/test_params.py"],
    "weights": ["tests/models/test_state.py", "tests/models/test_given.py"],
}
MAX_PIXELS = 1_000_000
SHARE_OF_MEMORY = 20  # one flip in the memory of hashes on so many in other files
PAUSE_SECONDS = 0.02  # between two looks at a run


@dataclass(frozen=True)
class Effort:
    """How often each thing is tried; the quick one shows that everything works."""

    kills: int = 30
    lacking: tuple[str, ...] = ("",)  # the cells that a run to be killed has to make; "" is all of them
    only: tuple[str, ...] = ()  # its notebooks, where not all
    flips: int = 1000
    repaired: int = 5
    images: int = 10_000
    cases: tuple[str, ...] = tuple(CASES)


QUICK = Effort(
    kills=2, lacking=("saliency", "notebook/07*"), only=("07",), flips=60, repaired=0, images=400, cases=()
)


@dataclass
class Row:
    """How often something was tried, and what came of it."""

    what: str
    tried: int = 0
    lost: int = 0
    wrong: int = 0
    silent: int = 0
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Folders:
    """The store and the reports of a run of a profile."""

    root: Path
    profile: str = PROFILE

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def _temporary(self) -> Path:  # SIGKILL leaves what is in there
        return self.root / "temporary"

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`invoke reproduce ...` of the profile on these folders, which leads a group of its own."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "invoke", "reproduce", "--profile", self.profile, *words],
            cwd=paths.ROOT,
            env={name: value for name, value in self._environment().items() if name != "MEDDEF_DATA"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str) -> str:
        """A whole run; returns what it printed. Raises RuntimeError where it fails."""
        with ended_with_us(self.start(*words)) as process:
            said, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"the run on {self.root} ended with {process.returncode}:\n{said[-4000:]}")
        return said

    def results(self) -> dict[str, Any]:
        """What the page says was measured, without what a clock says."""
        file = self.reports / self.profile / "results.json"
        return measured(json.loads(file.read_text(encoding="utf-8")))

    def finished(self) -> dict[str, str]:
        """When each finished cell was, by its folder."""
        receipts = Store(self.store).receipts()
        return {str(path.relative_to(self.store)): told["finished"] for path, told in receipts.items()}

    def _environment(self) -> dict[str, str]:
        own = {"MEDDEF_STORE": self.store, "MEDDEF_REPORTS": self.reports, "TMPDIR": self._temporary}
        return paths.environment() | {name: str(path) for name, path in own.items()} | {"MPLBACKEND": "Agg"}


def measured(document: dict[str, Any]) -> dict[str, Any]:
    """A document of results without what a clock says: what cells and the run took, and who was asked."""
    found = dict(document)
    kept = ("id", "key", "state", "settings")
    found["cells"] = [{name: cell[name] for name in kept} for cell in found["cells"]]
    for name in ("costs", "costs_together", "environment"):
        found.pop(name)
    found.pop("changes", None)  # since an earlier page of the same folder
    for part, names in {"run": ("estimate_seconds", "seconds", "made"), "more_seeds": ("seconds",)}.items():
        found[part] = {name: value for name, value in found[part].items() if name not in names}
    timed = ("seconds", "images_per_second", "history", "peak_memory_mib")
    found["trainings"] = [
        {name: value for name, value in training.items() if name not in timed}
        | {"history": {name: v for name, v in training["history"].items() if name not in timed}}
        for training in found["trainings"]
    ]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns 1 where anything was lost, wrong or silent."""
    said = parser(__doc__)
    said.add_argument("--seed", type=int, default=0, help="of every draw (default: 0)")
    said.add_argument("--reference", type=Path, help="a folder with the store and reports of a mini run")
    options = said.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="meddef-faults-") as folder:
        rows = measure(QUICK if options.quick else Effort(), options.seed, Path(folder), options.reference)
    print(shown(rows, as_json=options.json))
    return int(any(row.lost or row.wrong or row.silent for row in rows))


def measure(effort: Effort, seed: int, folder: Path, reference: Path | None = None) -> list[Row]:
    """All rows at this effort, with a `folder` to work in; without a `reference` that is made first."""
    undisturbed = Folders(reference or folder / "reference")
    if reference is None:
        say("an undisturbed run of mini, as the reference")
        undisturbed.run()
    rows = kills(undisturbed, effort, Random(f"kills {seed}"), Folders(folder / "killed"))
    flipped = Folders(folder / "flipped")
    shutil.copytree(undisturbed.store, flipped.store)
    rows += flips(flipped, effort.flips, Random(f"flips {seed}"))
    if effort.repaired:
        rows.append(repair(undisturbed, flipped, effort.repaired, Random(f"repair {seed}")))
    rows += images(effort.images, Random(f"images {seed}"))
    return rows + [cases(name) for name in effort.cases]


# --- kills ---------------------------------------------------------------------------------------------


def kills(reference: Folders, effort: Effort, draws: Random, folders: Folders) -> list[Row]:
    """Kill runs at random moments, and hold what they come to at last against the reference."""
    row, recovered = Row("kill: SIGKILL at a random moment of a run"), []
    expected = reference.results()
    _begin(reference, folders, effort.lacking)
    before: dict[str, str] = {}
    only = [word for name in effort.only for word in ("--only", name)]
    while True:
        say(f"kill {row.tried + 1} of {effort.kills}")
        # one in five anywhere from the start on, the others when the run is at work
        at_work, seconds = draws.random() > 0.2, draws.uniform(0, 4)
        with ended_with_us(folders.start(*only)) as process:
            logs, started = _logs(folders), time.monotonic()
            while at_work and process.poll() is None and _logs(folders) == logs:
                time.sleep(PAUSE_SECONDS)
            recovered.append(time.monotonic() - started)
            killed = row.tried < effort.kills and _still_runs_after(process, seconds)
            if killed:
                kill_family(process.pid)
            said, _ = process.communicate()
        finished = folders.finished()
        row.lost += sum(finished.get(name) != when for name, when in before.items())
        before = finished
        if killed:
            row.tried += 1
            row.silent += _shown(folders) not in (None, expected)
            continue
        if process.returncode:
            raise RuntimeError(f"a run after a kill ended with {process.returncode}:\n{said[-4000:]}")
        row.wrong += _shown(folders) != expected
        if row.tried >= effort.kills:
            break
        shutil.rmtree(folders.root)
        _begin(reference, folders, effort.lacking)
        before = {}
    row.seconds = median(recovered)
    return [row]


def _begin(reference: Folders, folders: Folders, lacking: Sequence[str]) -> None:
    """A store that has what the reference's has, without some cells."""
    shutil.copytree(reference.store, folders.store)
    for pattern in lacking:
        for cells in list((folders.store / "cells").glob(pattern or "*")):
            shutil.rmtree(cells)
    shutil.rmtree(folders.store / "logs")


def _logs(folders: Folders) -> dict[str, int]:
    return {str(log): log.stat().st_size for log in (folders.store / "logs").rglob("*.log")}


def _still_runs_after(process: subprocess.Popen[str], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _shown(folders: Folders) -> dict[str, Any] | None:
    """What a report shows; None where there is no page."""
    return folders.results() if (folders.reports / PROFILE / "index.html").is_file() else None


# --- flipped bits --------------------------------------------------------------------------------------


def flips(folders: Folders, times: int, draws: Random) -> list[Row]:
    """Flip one bit at a time in files of the store, and ask the store what it says of that; flip it back."""
    store, recipes = Store(folders.store), _recipes(folders)
    files: dict[str, list[tuple[Path, Recipe]]] = defaultdict(list)
    for recipe in recipes:
        for file in sorted(path for path in store.folder(recipe).rglob("*") if path.is_file()):
            kind = "receipt" if file.name == RECEIPT else file.suffix.lstrip(".") or "nameless"
            files[kind].append((file, recipe))
    rows = {kind: Row(f"flip: one bit of a {kind} file") for kind in sorted(files)}
    kept = Row("flip: one bit of any file, same time, found by verify")
    say(f"{times} flipped bits in {sum(map(len, files.values()))} files of {len(rows)} kinds")
    for number in range(times):
        kind = sorted(files)[number % len(files)]
        file, recipe = draws.choice(files[kind])
        same_time = draws.random() < 0.2
        with _flipped(file, draws, same_time=same_time):
            row = kept if same_time else rows[kind]
            row.tried += 1
            fresh = Store(folders.store)
            told = fresh.damage(store.folder(recipe), in_full=same_time)
            row.silent += not any(file.name in words for words in told)
            other = draws.choice([each for each in recipes if each.id != recipe.id])
            row.lost += not fresh.has(other)
        row.wrong += bool(Store(folders.store).damage(store.folder(recipe)))  # it is as it was
    memory = Row("memory: one bit of the remembered hashes")
    for _ in range(times // SHARE_OF_MEMORY):
        with _flipped(folders.store / MEMORY, draws, same_time=False):
            memory.tried += 1
            memory.wrong += not Store(folders.store).has(draws.choice(recipes))
    return [*rows.values(), kept, memory]


def repair(reference: Folders, folders: Folders, times: int, draws: Random) -> Row:
    """Flip a bit in each of several cells, run once, and hold the results against the reference."""
    say(f"{times} damaged cells, made anew")
    row = Row("repair: damaged cells, made anew by one run", tried=times)
    store = Store(folders.store)
    chosen = draws.sample([each for each in _recipes(folders) if not each.id.startswith("phantoms")], times)
    for recipe in chosen:
        files = [path for path in store.folder(recipe).rglob("*") if path.is_file()]
        file = draws.choice(sorted(files))
        file.write_bytes(_one_bit_flipped(file.read_bytes(), draws))
    started = time.monotonic()
    said = folders.run()
    row.seconds = (time.monotonic() - started) / times
    row.wrong = int(folders.results() != reference.results())
    row.silent = sum(recipe.id not in said for recipe in chosen)
    row.lost = sum(not Store(folders.store).has(recipe) for recipe in _recipes(folders))
    return row


def _recipes(folders: Folders) -> list[Recipe]:
    os.environ["MEDDEF_STORE"] = str(folders.store)
    return list(cells_and_pages(workbook(PROFILE)).values())


@contextmanager
def _flipped(file: Path, draws: Random, *, same_time: bool) -> Iterator[None]:
    """A file with one bit flipped, until the block ends."""
    before, status = file.read_bytes(), file.stat()
    times = (status.st_atime_ns, status.st_mtime_ns)
    try:
        file.write_bytes(_one_bit_flipped(before, draws))
        if same_time:
            os.utime(file, ns=times)
        yield
    finally:
        file.write_bytes(before)
        os.utime(file, ns=times)


def _one_bit_flipped(data: bytes, draws: Random) -> bytes:
    changed = bytearray(data)
    changed[draws.randrange(len(changed))] ^= 1 << draws.randrange(8)
    return bytes(changed)


# --- images --------------------------------------------------------------------------------------------


def images(times: int, draws: Random) -> list[Row]:
    """Mutate small JPEG and PNG files, and give them to the decoder and to the look of the audit."""
    say(f"{times} mutated images")
    originals = _originals(np.random.default_rng(draws.randrange(2**32)))
    rows = {name: Row(f"image: {name}") for name in MUTATIONS}
    other_pixels: Counter[str] = Counter()
    for number in range(times):
        name = list(MUTATIONS)[number % len(MUTATIONS)]
        data, picture = draws.choice(originals)
        row, found = rows[name], list[decode.Decoded]()
        row.tried += 1
        try:
            _, told = look_at(partial(_decode, MUTATIONS[name](data, draws), found), "image")
        except Exception as error:  # a run would end here, and lose all images behind this one
            row.lost += 1
            row.note = f"{type(error).__name__}: {error}"
            continue
        for grey in (each.grey for each in found):
            row.wrong += grey.dtype != np.uint8 or grey.ndim != 2 or not 0 < grey.size <= MAX_PIXELS
            if told["doubtful"] is None and not np.array_equal(grey, picture):
                row.silent += name == "cut off"
                other_pixels[name] += 1
    for name, number in other_pixels.items():
        rows[name].note = rows[name].note or f"other pixels: {number}"
    return list(rows.values())


def _decode(data: bytes, found: list[decode.Decoded], path: str) -> decode.Decoded:
    """Decode a file's bytes, as a source does, and keep the picture in `found`."""
    found.append(decode.decode(data, max_pixels=MAX_PIXELS))
    return found[-1]


def _originals(draws: np.random.Generator) -> list[tuple[bytes, decode.Pixels]]:
    """A smooth noisy picture as JPEG and PNG files of several kinds, each with its pixels."""
    rows, columns = np.mgrid[0:48, 0:64]
    grey = np.clip(rows * 2 + columns + draws.normal(0, 8, rows.shape), 0, 255).astype(np.uint8)
    picture = Image.fromarray(grey)
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (picture, "JPEG", {"quality": 90}),
        (picture.convert("RGB"), "JPEG", {"quality": 85, "progressive": True}),
        (picture, "JPEG", {"restart_marker_blocks": 2}),
        (picture, "PNG", {}),
        (picture.convert("RGBA"), "PNG", {}),
        (Image.fromarray(grey.astype(np.uint16) * 256), "PNG", {}),
    ]
    files = []
    for image, kind, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        data = buffer.getvalue()
        files.append((data, decode.decode(data, max_pixels=MAX_PIXELS).grey))
    return files


def _bits(data: bytes, draws: Random) -> bytes:
    for _ in range(draws.choice((1, 1, 4, 32))):
        data = _one_bit_flipped(data, draws)
    return data


def _header(data: bytes, draws: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draws.choice((1, 2, 8))):
        changed[draws.randrange(2, min(200, len(changed)))] = draws.randrange(256)
    return bytes(changed)


def _spliced(data: bytes, draws: Random) -> bytes:
    begin, length = draws.randrange(len(data)), draws.randrange(1, 64)
    return data[:begin] + draws.choice((b"", draws.randbytes(length))) + data[begin + length :]


MUTATIONS: dict[str, Callable[[bytes, Random], bytes]] = {
    "flipped bits": _bits,
    "other bytes in the header": _header,
    "a piece lost or replaced": _spliced,
    "cut off": lambda data, draws: data[: draws.randrange(len(data) - 4)],  # a PNG's last 4 are a checksum
    "only noise": lambda data, draws: data[: draws.randrange(12)] + draws.randbytes(draws.randrange(1, 400)),
}


# --- cases of the tests ----------------------------------------------------------------------------------


def cases(name: str) -> Row:
    """The tests that hold what one kind of hostile input must come to."""
    say(f"cases of {name}")
    started = time.monotonic()
    plain = ["-o", "addopts=--import-mode=importlib", "-q", "--tb=no", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plain, *CASES[name]]
    with ended_with_us(
        subprocess.Popen(
            command,
            cwd=paths.ROOT,
            env=paths.environment(),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    ) as process:
        said, _ = process.communicate()
    counts = {word.rstrip("s"): int(n) for n, word in _counted(said)}
    failed = counts.get("failed", 0) + counts.get("error", 0)
    tried = failed + counts.get("passed", 0)
    if not tried:
        raise RuntimeError(f"no case of {name} could be tried:\n{said[-2000:]}")
    seconds = round((time.monotonic() - started) / tried, 2)
    return Row(f"cases: {name}", tried=tried, wrong=failed, seconds=seconds)


def _counted(said: str) -> Iterator[tuple[str, str]]:
    """The pairs of the line that pytest ends with: ("12", "passed"), ("1", "failed"), ..."""
    last = said.strip().splitlines()[-1].partition(" in ")[0]
    yield from (tuple(part.split()[:2]) for part in last.split(", "))  # type: ignore[misc]


# --- around it -------------------------------------------------------------------------------------------


@contextmanager
def ended_with_us(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that ends, with all it started, when the block does."""
    try:
        yield process
    finally:
        if process.poll() is None:
            kill_family(process.pid)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # and what was started ends, too
    sys.exit(main())
