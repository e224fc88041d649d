"""What the options of commands are called, what is said of them in `invoke --help`, and how they are read.

An option that means another thing to one command has an entry of its own there, `command.option`.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from invoke.parser import ParserContext

from meddef_lib import paths
from meddef_lib.errors import UserError
from meddef_lib.visible import one_line
from meddef_lib.workbook.book import Workbook, workbook

MOST = 10**9  # of whatever an option counts: in seconds thirty years, more than clocks can wait for
Texts = Sequence[str] | None  # of an option that may be given more than once
# by the option: its value ("" of one that has none, else true or false), and what it is for
OPTIONS: dict[str, tuple[str, str]] = {
    "profile": ("PROFILE", "smoke, sample, paper, paper_patients or mini (params/profiles); default: smoke"),
    "slurm.profile": ("PROFILE", "as of `invoke reproduce`; default: paper"),
    "evaluate.profile": ("PROFILE", "whose attacks and image size are taken; default: sample"),
    "dataset": ("DATASET", "of the profile, this data set alone, such as roct; may be given more than once"),
    "audit.dataset": ("DATASET", "which images: roct or chest_xray (params/datasets)"),
    "fetch.dataset": ("DATASET", "which images: roct or chest_xray (params/datasets)"),
    "evaluate.dataset": ("DATASET", "on whose images: roct or chest_xray (params/datasets)"),
    "data_root": ("FOLDER", "that holds the images; default: MEDDEF_DATA"),
    "fetch.data_root": ("FOLDER", "to put the images into; default: MEDDEF_DATA"),
    "set": ("KEY=VALUE", "change a parameter, such as training.epochs=3; may be given more than once"),
    "only": ("NOTEBOOK", "just this notebook and what it needs, such as 04; may be given more than once"),
    "force": (
        "STEP",
        "make this step anew, such as train/roct/full, and nothing that was computed from it; may be given "
        "more than once",
    ),
    "device": ("DEVICE", "auto, cpu, cuda or mps; default: auto, a GPU where there is one"),
    "slurm.device": ("DEVICE", "auto, cpu or cuda; default: auto, by --gpus"),
    "worker.device": ("DEVICE", "auto, cpu or cuda; default: auto, a GPU where there is one"),
    "on": ("DEVICE", "plan for a device that is not here: h100, a100, rtx4090, t4 or cpu"),
    "picture": ("FILE", "draw time and use by workers into it, such as plan.svg"),
    "workers": ("NUMBER", "of steps that are computed side by side; default: one a GPU, or one a core"),
    "plan.workers": ("NUMBERS", "of workers to plan for, such as 1,8,64; default: those of this machine"),
    "slurm.workers": ("NUMBER", "of workers on CPUs, with --gpus 0; with GPUs there is one for each"),
    "scheduler": ("ADDRESS", "of a cluster that computes the steps, such as tcp://host:8786"),
    "worker.scheduler": ("ADDRESS", "of the cluster to work for, such as tcp://host:8786"),
    "scheduler_file": ("FILE", "in which the scheduler tells where it is, instead of --scheduler"),
    "scheduler.scheduler_file": ("FILE", "to tell in where this scheduler is; removed when it ends"),
    "memory": ("MIB", "of main memory that this worker offers to steps; default: all it may use"),
    "slurm.memory": ("MIB", "of main memory to ask for, for each worker; default: 16000"),
    "gpus": ("NUMBER", "of GPUs, one for each worker; 0 with --workers for workers on CPUs; default: 1"),
    "hours": ("NUMBER", "after which SLURM ends the job (submitted again, it goes on); default: 24"),
    "cpus": ("NUMBER", "of cores to ask for, for each worker; default: 4"),
    "host": ("ADDRESS", "of this machine to listen at; default: 127.0.0.1, itself alone (SECURITY.md)"),
    "port": ("NUMBER", "where to listen, 0 for any that is free; default: 8786"),
    "dashboard": ("ADDRESS", "also show in a browser what is done, such as 127.0.0.1:8787 (needs bokeh)"),
    "report.port": ("NUMBER", "where to serve the page, 0 for any that is free; default: 8910"),
    "page_every": ("SECONDS", "between renderings of the page while a run goes on, 0: none; default: 300"),
    "against": ("FILE", "the results.json of an earlier run, or its folder, to say what changed since"),
    "serve": ("", "show the page to browsers of this machine; it reloads itself when it is rendered anew"),
    "watch": ("", "say the summary every ten seconds, with who makes what and the time left"),
    "yes": ("", "do not ask, and start even where the estimate is long"),
    "why": ("", "also say what changed since a stale step was made"),
    "step": ("STEP", "its id, or what ids begin with, such as train/roct"),
    "reason": ("TEXT", "why the results may stand; kept in their receipts"),
    "from_": ("FOLDER", "draw the page from the results.json of this folder, without the store"),
    "weights": ("FILE", "of weights: .safetensors, or a state dict saved by torch"),
    "variant": ("VARIANT", "which network they are of, such as full (meddef_lib/models/variants.py)"),
    "file": ("FILE", "the archive"),
    "models": ("", "pack the networks, too"),
    "images": (
        "WHICH",
        "test (what the folder calls test), all, or paper (the share that the paper's own draw gives); "
        "default: test where there is one, else all",
    ),
    "stale": ("", "only what no profile asks for: also results and half-done work of runs with --set"),
    "repair": ("", "make what is damaged anew"),
    "json": ("", "print JSON instead of a table"),
    "paper": ("FOLDER", "with another paper's tables; default: those of this paper"),
    "size": ("PIXELS", "28, 64, 128 or 224, the side of MedMNIST's images; default: 64"),
    "archive": ("FILE", "unpack this published archive, instead of a download"),
    "what": ("BENCHMARK", "preprocessing, training, attacks, autoattack, batches, faults or cluster"),
    "quick": ("", "measure less"),
}  # fmt: skip


def said_of(command: str, option: str) -> tuple[str, str]:
    """The value of an option of a command, and what it is for. Raises KeyError where nothing is said."""
    own = f"{command}.{option}"
    return OPTIONS[own if own in OPTIONS else option]


def show_values() -> None:
    """Let `invoke --help COMMAND` show --dataset=DATASET, where it has no setting but --dataset=STRING."""
    ParserContext.help_for = _help_for  # type: ignore[assignment, method-assign]


def _help_for(context: ParserContext, flag: str) -> tuple[str, str]:
    argument = context.flags[flag]
    option = argument.attr_name or argument.name
    command = str(context.name).replace("-", "_")
    value = said_of(command, option)[0] if option in OPTIONS else ""
    names = sorted(context.names_for(flag), key=len)
    shown = [f"{name}{'=' if name.startswith('--') else ' '}{value}" if value else name for name in names]
    return ", ".join(shown), argument.help or ""


def workbook_of(profile: str, datasets: Texts, data_root: str | None, set: Texts) -> Workbook:
    use_data_root(data_root)
    return workbook(profile, datasets=datasets or (), overrides=set or ())


def whole_number(option: str, text: str, expected: str, *, least: int = 1, most: int = MOST) -> int:
    """The number that an option says. Raises UserError, saying what was `expected`."""
    # isdigit is true of ², which is no number; a number of thousands of digits Python does not read
    if not text.isdecimal() or len(text) > len(str(MOST)) or not least <= int(text) <= most:
        above = f", at most {MOST:,}" if text.isdecimal() and most == MOST else ""
        raise UserError(f"{option} is {one_line(text, 40)!r}; expected {expected}{above}")
    return int(text)


def port_number(option: str, text: str) -> int:
    """The port that an option says, 0 for any that is free. Raises UserError."""
    return whole_number(option, text, "a number up to 65535 (0: any that is free)", least=0, most=65535)


def use_data_root(data_root: str | None) -> None:
    """The data root travels in the environment: kernels and workers inherit it."""
    if data_root:
        os.environ["MEDDEF_DATA"] = str(paths.given(data_root, "--data-root", Path.cwd()))
