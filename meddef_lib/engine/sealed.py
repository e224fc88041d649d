"""JSON files that carry the hash of what they say: one that was damaged is told from one that was written."""

import json
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


def read(file: Path) -> dict[str, Any] | None:
    """The JSON object that a file holds, without its seal; None where it is absent or damaged.

    Raises OSError.
    """
    try:
        value = json.loads(file.read_bytes())
        return value if value.pop(SEAL) == _seal(value) else None
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # no object with a seal
        return None


def _seal(value: Mapping[str, Any]) -> str:
    return sha256(canonical_json(value).encode(errors="surrogatepass")).hexdigest()
