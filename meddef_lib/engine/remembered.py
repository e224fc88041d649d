"""What `fingerprint` found, kept beside the compiled modules: to find it anew takes every command a second.

As a compiled module is, it is kept where Python keeps those, belongs to the sources as they were (by a hash
of every byte of them), and is done without where that folder cannot be written.
"""

import importlib.util
import json
import sys
from hashlib import sha256
from pathlib import Path

from meddef_lib.engine.files import write_whole

ENDING = ".code"


def state_of(sources: Path) -> str:
    """A hash of every module below a folder, and of the Python that reads them. Raises OSError."""
    digest = sha256(sys.version.encode())
    for file in sorted(sources.rglob("*.py")):
        digest.update(f"\0{file.relative_to(sources)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def recall(sources: Path, state: str, roots: tuple[str, ...]) -> dict[str, str] | None:
    """What was found from these roots when the sources were so; None where nothing was kept."""
    try:
        kept = json.loads(_file(sources, state, roots).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or cut short by a machine that died: it is found anew
        return None
    found: dict[str, str] = kept
    return found


def keep(sources: Path, state: str, roots: tuple[str, ...], found: dict[str, str]) -> None:
    """Keep what was found, and of other sources nothing; also nothing where they changed in the meantime."""
    if sys.dont_write_bytecode or state_of(sources) != state:
        return
    file = _file(sources, state, roots)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(found))
        for other in file.parent.glob(f"*{ENDING}"):
            if not other.name.startswith(_beginning(state)):
                other.unlink(missing_ok=True)
    except OSError:  # as with compiled modules: the next process finds it anew
        return


def _file(sources: Path, state: str, roots: tuple[str, ...]) -> Path:
    of_roots = sha256("\0".join(roots).encode()).hexdigest()[:16]
    compiled = importlib.util.cache_from_source(str(sources / "__init__.py"))
    return Path(compiled).with_name(f"{_beginning(state)}{of_roots}{ENDING}")


def _beginning(state: str) -> str:
    return f"{state[:32]}-"
