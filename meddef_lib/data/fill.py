"""Fill an array on disk with pictures: over processes, in chunks that outlive a kill.

The array is an ordinary `.npy` file. A worker computes a chunk, writes its pixels into their place there and
then, in a file of its own that appears whole or not at all, the chunk's records and its pixels' checksum.
Whoever calls again takes over the chunks whose checksums agree, so that an interrupted call and its
successors end with the same bytes as a single one. Memory holds one chunk a process, and the records.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from meddef_lib.engine import sealed
from meddef_lib.engine.recipe import Progress, silent

Pixels = NDArray[np.uint8]
Record = dict[str, Any]
MakePicture = Callable[[str], tuple[Pixels | None, Record]]

CHUNK = 64  # pictures: some tenths of a second of work, which is what a kill can cost a process


class WorkerDied(RuntimeError):
    """A worker process ended without a word, most often because the system ran out of memory."""


def fill(
    file: Path,
    items: Sequence[str],
    make: MakePicture,
    *,
    shape: tuple[int, int],
    processes: int = 1,
    progress: Progress = silent,
) -> list[Record]:
    """Fill `file` with the pictures that `make` returns for `items`; return its records, in order.

    The array is uint8 (len(items), *shape). `make` returns the picture and a record of JSON values; None for
    the picture leaves zeros. It must always give the same answer, and be picklable for several processes.
    Finished chunks lie in `<file>.chunks/` and stay there. Raises what `make` raises, WorkerDied, OSError.
    """
    chunks = file.with_name(f"{file.name}.chunks")
    chunks.mkdir(parents=True, exist_ok=True)
    job = _Job(file, _prepare_array(file, (len(items), *shape)), shape, chunks, make)
    records: dict[int, list[Record]] = {}
    missing: dict[int, Sequence[str]] = {}
    for number, first in enumerate(range(0, len(items), CHUNK)):
        finished = job.finished(number, min(CHUNK, len(items) - first))
        if finished is None:
            missing[number] = items[first : first + CHUNK]
        else:
            records[number] = finished
    done = sum(len(chunk) for chunk in records.values())
    for number, chunk in _run(job, missing, processes, progress, done, len(items)):
        records[number] = chunk
    return [record for number in sorted(records) for record in records[number]]


@dataclass(frozen=True)
class _Job:
    """What a worker needs to know of the array; `offset` is where the pixels begin in the file, in bytes."""

    file: Path
    offset: int
    shape: tuple[int, int]
    chunks: Path
    make: MakePicture

    def run(self, number: int, items: Sequence[str]) -> list[Record]:
        block = np.empty((len(items), *self.shape), np.uint8)
        records = []
        for place, item in zip(block, items, strict=True):
            picture, record = self.make(item)
            place[...] = 0 if picture is None else picture
            records.append(record)
        # not through a memory map: a full disk is then an error with a name, not a signal that kills
        with self.file.open("r+b") as stream:
            stream.seek(self._begin(number))
            stream.write(block.data)
        chunk = {"checksum": _checksum(block), "records": records}
        sealed.write(self._record_file(number), chunk)
        return records

    def finished(self, number: int, count: int) -> list[Record] | None:
        """The records of a chunk of `count` pictures that is in the file, or None."""
        chunk = sealed.read(self._record_file(number))
        if chunk is None:
            return None
        with self.file.open("rb") as stream:
            stream.seek(self._begin(number))
            pixels = np.frombuffer(stream.read(count * self.shape[0] * self.shape[1]), np.uint8)
        return chunk["records"] if _checksum(pixels) == chunk["checksum"] else None

    def _begin(self, number: int) -> int:
        return self.offset + number * CHUNK * self.shape[0] * self.shape[1]

    def _record_file(self, number: int) -> Path:
        return self.chunks / f"{number:06d}.json"


def _checksum(pixels: Pixels) -> int:
    """The sum of the pixels as 64-bit numbers: tells what was written from what a power cut lost."""
    flat = pixels.reshape(-1)
    whole = flat.size // 8 * 8
    return int(flat[:whole].view(np.uint64).sum()) + int(flat[whole:].sum())


def _prepare_array(file: Path, shape: tuple[int, ...]) -> int:
    """Make the file with room for all pixels, if there is no whole one; return where they begin.

    Raises OSError.
    """
    with suppress(ValueError, EOFError, OSError):
        array = np.load(file, mmap_mode="r")
        if array.shape == shape and array.dtype == np.uint8:
            return array.offset
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    array = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
    size, offset = array.nbytes, array.offset
    del array
    if hasattr(os, "posix_fallocate") and size:
        with part.open("r+b") as stream:
            # a disk without room says so now, not in the middle
            os.posix_fallocate(stream.fileno(), offset, size)
    part.replace(file)
    return offset


def _run(
    job: _Job,
    missing: dict[int, Sequence[str]],
    processes: int,
    progress: Progress,
    done: int,
    total: int,
) -> Iterator[tuple[int, list[Record]]]:
    progress(done, total)
    processes = min(processes, len(missing))
    if processes <= 1:
        before = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            for number, items in missing.items():
                yield number, job.run(number, items)
                done += len(items)
                progress(done, total)
        finally:
            cv2.setNumThreads(before)
        return
    # spawned, not forked: a fork of a process with threads (torch's, a notebook's) may hang
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(job,)
    )
    try:
        waiting = {pool.submit(_run_chunk, number, items): number for number, items in missing.items()}
        for future in as_completed(waiting):
            number = waiting[future]
            yield number, future.result()
            done += len(missing[number])
            progress(done, total)
    except BrokenProcessPool as error:
        raise WorkerDied(
            f"a worker process died at about picture {done:,} of {total:,} of {job.file.name}, perhaps for "
            "want of memory; what is finished is kept: start again, with fewer processes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_job: _Job  # of this worker process


def _start_worker(job: _Job) -> None:
    global _job
    _job = job
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which stops us
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End when the parent does; a worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _run_chunk(number: int, items: Sequence[str]) -> list[Record]:
    return _job.run(number, items)
