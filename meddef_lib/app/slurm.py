"""`invoke slurm`: a batch script that runs a profile on a cluster of machines under SLURM."""

import shlex
import sys
from pathlib import Path

from meddef_lib import paths
from meddef_lib.app.exits import command, typed
from meddef_lib.app.options import Texts, whole_number, workbook_of
from meddef_lib.errors import DONE, UserError

MEETING = "cluster"  # the folder of the store where the tasks of a job find each other
SECONDS_TO_MEET = 1800  # that a worker waits for the first task, which may be put back into the queue
SCRIPT = Path(__file__).with_name("slurm.sh.j2")
SECONDS_TO_SAVE = 120  # before the time is up: an epoch's checkpoint is there, a worker only has to end


@command
def slurm(
    profile: str = "paper",
    dataset: Texts = None,
    data_root: str | None = None,
    set: Texts = None,
    gpus: str = "1",
    workers: str | None = None,
    hours: str = "24",
    cpus: str = "4",
    memory: str = "16000",
    device: str = "auto",
) -> int:
    """Print a batch script for SLURM that runs a profile with as many workers as GPUs."""
    from_1 = "a whole number from 1"
    of_gpus = whole_number("--gpus", gpus, "a whole number from 0 (0: workers on CPUs)", least=0)
    of_workers = whole_number("--workers", workers, from_1) if workers is not None else None
    asked = {"hours": hours, "cpus": cpus, "memory": memory}
    each = {name: whole_number(f"--{name}", text, from_1) for name, text in asked.items()}
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"--device is {device!r}; a cluster computes on auto, cpu or cuda")
    tasks = of_gpus if of_workers is None else of_workers
    if not tasks:
        raise UserError("without --gpus, say with --workers how many workers compute on CPUs")
    gpu = of_gpus > 0
    if gpu and tasks != of_gpus:
        raise UserError("a worker has one GPU: leave --workers out, or say --gpus 0")
    if not gpu and device == "cuda":
        raise UserError(
            "--device cuda needs GPUs, and --gpus is 0; leave --device out, or say --gpus 1 or more"
        )
    chosen = ("cuda" if gpu else "cpu") if device == "auto" else device
    book = workbook_of(profile, dataset, data_root, set)
    words = ["reproduce", *book.options]
    if book.profile.needs_yes_on_cpu and chosen == "cpu":
        words.append("--yes")
    (book.store.root / "logs").mkdir(parents=True, exist_ok=True)  # SLURM writes into what is there
    words += ["--device", chosen]
    print(script(profile, words, book.store.root, tasks=tasks, gpu=gpu, device=chosen, **each), end="")
    return DONE


def script(
    profile: str,
    run: list[str],
    store: Path,
    *,
    tasks: int,
    gpu: bool,
    device: str,
    hours: int,
    cpus: int,
    memory: int,
) -> str:
    """The batch script; `run` are the words behind `invoke` of the run itself, `memory` is in MiB."""
    from jinja2 import Environment, StrictUndefined  # the start of other commands need not wait for it

    # in bash "{#" is a length, and no comment
    made = Environment(undefined=StrictUndefined, keep_trailing_newline=True, comment_start_string="{##")
    return made.from_string(SCRIPT.read_text(encoding="utf-8")).render(
        written_by=typed(sys.argv[1:]),
        profile=profile,
        last=tasks - 1,
        gpu=gpu,
        cpus=cpus,
        memory=memory,
        hours=hours,
        seconds=SECONDS_TO_SAVE,
        logs=shlex.quote(str(store / "logs")),
        root=shlex.quote(str(paths.ROOT)),
        exports="\n".join(
            f"export {name}={shlex.quote(place)}" for name, place in paths.variables(store).items()
        ),
        store=shlex.quote(str(store)),
        meeting=MEETING,
        python=shlex.quote(sys.executable),
        tries=SECONDS_TO_MEET // 2,
        device=device,
        run=shlex.join(run),
    )
