"""One of several processes that train a network together; started by `distributed.launch` with a job as JSON.

It tells of its progress and of its failure as lines of JSON on its standard output.
"""

import json
import sys
import traceback
from pathlib import Path
from typing import Any

import torch

from meddef_lib.engine.recipe import Workspace
from meddef_lib.training import cell, distributed


def main(job: dict[str, Any]) -> int:
    """Train; the exit code is 0, or 1 after a failure, which is told before."""
    distributed.end_with_parent()
    torch.set_num_threads(job["threads"])
    torch.use_deterministic_algorithms(job["deterministic"])
    device = torch.device(job["device"])
    if device.type == "cuda":
        device = torch.device("cuda", job["rank"])
        torch.cuda.set_device(device)
    space = Workspace(
        settings=job["settings"],
        speed=job["speed"],
        inputs={name: Path(path) for name, path in job["inputs"].items()},
        folder=Path(job["folder"]),
        work=Path(job["work"]),
        device=str(device),
        progress=lambda done, total, text="": _tell(done=done, total=total, text=text),
    )
    try:
        with distributed.joined(job["rank"], job["size"], Path(job["meeting"]), device) as group:
            cell.train_cell(space, group)
    except Exception as error:  # the parent turns it into its own failure and ends the others
        traceback.print_exc()
        _tell(failed=f"{type(error).__name__}: {error}")
        return 1
    return 0


def _tell(**event: Any) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
