"""JSON files that carry the hash of what they say: one that was damaged is told from one that was written."""

import json
import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from meddef_lib.engine.files import write_whole
from meddef_lib.engine.recipe import canonical_json

SEAL = "seal"  # the name of the hash, beside what it is of


def write(file: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with its seal, whole and on the disk. Raises OSError, ValueError for NaN."""
    plain = json.loads(json.dumps({name: said for name, said in value.items() if name != SEAL}))
    text = json.dumps(plain | {SEAL: _seal(plain)}, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(file, text + "\n", on_disk=True)


def read(file: Path, *, without: bool = False) -> dict[str, Any] | None:
    """The JSON object that a file holds, without its seal; None where it is absent, no object, or damaged.

    What is no ordinary file counts as absent, one that has no seal as damaged, unless it may be `without`.
    Raises OSError.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # a named pipe would never end
            return None
        value = json.loads(file.read_bytes())
        if not isinstance(value, dict):
            return None
        seal = value.pop(SEAL, None)
        return value if seal == _seal(value) or (without and seal is None) else None
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None


def _seal(value: Mapping[str, Any]) -> str:
    return sha256(canonical_json(value).encode(errors="surrogatepass")).hexdigest()
