"""Whether several machines share a store: a file in it says so, to every process that opens it.

They then agree by leases who writes, and remember hashes each in a file of its own: SQLite needs locks.
"""

import platform
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from meddef_lib.engine import sealed
from meddef_lib.engine.files import StoreError
from meddef_lib.engine.leases import Leases
from meddef_lib.engine.locks import Locks

MARK = "shared.json"


def told(root: Path) -> dict[str, Any]:
    """What the mark of a shared store says; nothing of a store of one machine."""
    return sealed.read(root / MARK) or {}


def share(root: Path, *, seconds: float = Leases.seconds) -> None:
    """Mark a store as shared; a lease in it ends after `seconds`. Raises StoreError while somebody writes."""
    if told(root):
        return
    if by := Locks(root / "locks").holder():
        raise StoreError(
            f"{by} is making a result in the store {root}, which no machine shared until now: wait for its "
            "end before a cluster uses it"
        )
    root.mkdir(parents=True, exist_ok=True)
    part = root / f"{MARK}.{uuid.uuid4().hex}"
    sealed.write(part, {"id": part.suffix, "seconds": seconds})
    with suppress(FileExistsError):  # another process was quicker: its mark is that of the store
        (root / MARK).hardlink_to(part)
    part.unlink()


def locks_of(root: Path) -> Locks:
    """How the processes that use a store agree who writes."""
    mark = told(root)
    return Leases(root / "locks", mark["seconds"]) if mark else Locks(root / "locks")


def memory_of(root: Path, name: str) -> Path:
    """The file of this name that remembers something for the store; a shared one has one a machine."""
    return root / (f"{name}-{platform.node()}" if (root / MARK).is_file() else name)
