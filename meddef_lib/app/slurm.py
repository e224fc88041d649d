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
SECONDS_TO_SAVE = 120  # before the time is up: an epoch's checkpoint is there, a worker only has to end

SCRIPT = """\
#!/bin/bash
# Written by: {written_by}
# Submit it with `sbatch`. Its first task is scheduler, run and worker, each other one a worker; they begin as
# machines come free. A task that ends early costs what it did since its last checkpoint (an epoch); when the
# time is up, submit it again: it goes on from there.
#SBATCH --job-name=meddef-{profile}
#SBATCH --array=0-{last}
{gres}#SBATCH --cpus-per-task={cpus}
#SBATCH --mem={memory}M
#SBATCH --time={hours}:00:00
#SBATCH --signal=B:TERM@{seconds}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={logs}/slurm-%A_%a.log
set -u
cd {root}
{exports}
meet={store}/{meeting}/$SLURM_ARRAY_JOB_ID
file=$meet/scheduler.json

# whoever has the key may submit work, and nobody else; it lies where only you can read it
export DASK_DISTRIBUTED__COMM__DEFAULT_SCHEME=tls DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=True
export DASK_DISTRIBUTED__COMM__TLS__CA_FILE="$meet/cert.pem"
for role in SCHEDULER WORKER CLIENT; do
    export "DASK_DISTRIBUTED__COMM__TLS__${{role}}__CERT=$meet/cert.pem"
    export "DASK_DISTRIBUTED__COMM__TLS__${{role}}__KEY=$meet/key.pem"
done

invoke() {{ exec {python} -m invoke "$@"; }}
started=() asked_to_end=
end() {{
    asked_to_end=yes
    kill -TERM "${{started[@]}}" 2>/dev/null
}}
trap end TERM INT

await() {{  # the end of a process, also where a signal comes between
    local code
    while :; do
        wait "$1"
        code=$?
        [ $code -gt 128 ] && kill -0 "$1" 2>/dev/null && continue
        return $code
    done
}}

meet_scheduler() {{
    for _ in $(seq {tries}); do
        [ -e "$file" ] && return 0
        [ -e "$meet/ended" ] || [ -n "$asked_to_end" ] && return 1
        [ ${{#started[@]}} = 0 ] || kill -0 "${{started[0]}}" 2>/dev/null || return 1
        sleep 2
    done
    return 1
}}

if [ "$SLURM_ARRAY_TASK_ID" != 0 ]; then
    while meet_scheduler; do
        (invoke worker --scheduler-file "$file" --device {device} --memory {memory}) & started=($!)
        await $! ; code=$?
        started=()
        [ -n "$asked_to_end" ] && exit $code  # the time is up
        sleep 5  # where the first task was put back into the queue, it comes again
    done
    exit 0
fi

(umask 077 && mkdir -p "$meet")
rm -f "$file" "$meet/ended"
trap 'touch "$meet/ended"' EXIT
(umask 077 && openssl req -x509 -newkey rsa:3072 -nodes -days 60 -subj /CN=meddef \\
    -keyout "$meet/key.pem" -out "$meet/cert.pem" 2>/dev/null) || {{ echo "openssl made no key"; exit 1; }}
(invoke scheduler --host 0.0.0.0 --port 0 --scheduler-file "$file") & started=($!)
meet_scheduler || {{ echo "the scheduler did not start"; end; exit 1; }}
(invoke worker --scheduler-file "$file" --device {device} --memory {memory}) & started+=($!)
(invoke {run} --scheduler-file "$file") & started+=($!)
await $! ; code=$?
touch "$meet/ended"
end
wait
exit $code
"""


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
    words = shlex.split(book.command)[1:]
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
    places = paths.variables(store)
    return SCRIPT.format(
        written_by=typed(sys.argv[1:]),
        profile=profile,
        last=tasks - 1,
        gres="#SBATCH --gres=gpu:1\n" if gpu else "",
        cpus=cpus,
        memory=memory,
        hours=hours,
        seconds=SECONDS_TO_SAVE,
        logs=shlex.quote(str(store / "logs")),
        root=shlex.quote(str(paths.ROOT)),
        exports="\n".join(f"export {name}={shlex.quote(place)}" for name, place in places.items()),
        store=shlex.quote(str(store)),
        meeting=MEETING,
        python=shlex.quote(sys.executable),
        tries=SECONDS_TO_MEET // 2,
        device=device,
        run=shlex.join(run),
    )
