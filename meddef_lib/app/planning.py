"""`invoke plan`: what a run will cost here or on another device, with more seeds, and on many workers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from meddef_lib import paths
from meddef_lib.app import estimates, rates
from meddef_lib.app.estimates import Estimate, Schedule
from meddef_lib.app.exits import command
from meddef_lib.app.options import Texts, workbook_of
from meddef_lib.durations import duration
from meddef_lib.engine import scheduler
from meddef_lib.engine.devices import resolve_device
from meddef_lib.errors import DONE, UserError
from meddef_lib.params import ParamsError, devices
from meddef_lib.params.devices import Device
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import kind_of
from meddef_lib.workbook.notebooks import cells_and_pages

SEEDS = (1, 3, 5)
MOST_WORKERS = 10_000
PICTURES = (".svg", ".png", ".pdf")


def numbers_of(text: str) -> list[int]:
    """The numbers of workers that `--workers` names. Raises ParamsError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and 1 <= int(word) <= MOST_WORKERS for word in words):
        raise ParamsError(
            f"--workers is {text!r}; expected whole numbers from 1 to {MOST_WORKERS:,}, such as 1,2,8"
        )
    return sorted({int(word) for word in words})


@command
def plan(
    profile: str = "smoke",
    dataset: Texts = None,
    data_root: str | None = None,
    set: Texts = None,
    device: str = "auto",
    on: str | None = None,
    workers: str | None = None,
    picture: str | None = None,
) -> int:
    """Estimate hours and disk of what is missing: by a short calibration of this machine, or on another."""
    numbers = numbers_of(workers) if workers is not None else []
    if picture is not None and len(numbers) < 2:
        raise UserError("--picture draws how a run goes on several numbers of workers: --workers 1,8,64")
    if on is not None and device != "auto":
        raise UserError(
            "--on names a device that is not here, and --device one that is; leave one of them out"
        )
    drawn = paths.given(picture, "--picture", Path.cwd()) if picture is not None else None
    if drawn is not None:
        require_drawable(drawn)
    elsewhere = None if on is None else devices.named(on)
    device = resolve_device(device if on is None else "cpu")
    book, unseen = estimates.in_sight(workbook_of(profile, dataset, data_root, set))
    for why in dict.fromkeys(unseen.values()):
        of = ", ".join(name for name in unseen if unseen[name] == why)
        print(f"{of}: no images here, so this goes by the published counts ({why})")
    recipes = list(cells_and_pages(book).values())
    found = estimates.estimate(book, recipes, device, numbers[0] if len(numbers) == 1 else None, elsewhere)
    for line in rates.sources(elsewhere) if elsewhere else ():
        print(line)
    print(estimates.text(found))
    if not found.seconds:
        return DONE
    columns = {number: _with_seeds(book, number, found, device, elsewhere) for number in SEEDS}
    print(_of_seeds(columns, elsewhere.unit if elsewhere else "core" if device == "cpu" else "GPU"))
    if len(numbers) > 1:
        lacking = scheduler.missing(recipes, book.store)
        schedules_found = [estimates.schedule(lacking, found.seconds, number) for number in numbers]
        print(_of_workers(schedules_found, found.seconds))
        if drawn is not None:
            _draw(schedules_found, drawn)
            print(f"The picture: {drawn}")
    return DONE


def _with_seeds(book: Workbook, number: int, found: Estimate, device: str, on: Device | None) -> Estimate:
    """The estimate of the workbook with so many seeds; `found` where it has these."""
    seeds = tuple(range(number))
    if book.profile.seeds == seeds:
        return found
    other = replace(book, profile=book.profile.model_copy(update={"seeds": seeds}))
    return estimates.estimate(other, list(cells_and_pages(other).values()), device, None, on)


def _of_seeds(columns: Mapping[int, Estimate], unit: str) -> str:
    """A column a number of seeds: time by kind, hours of a GPU (or a core) for networks, disk."""
    kinds = dict.fromkeys(kind_of(name) for found in columns.values() for name in found.seconds)
    rows = [("with seeds", *(f"{number}" for number in columns))]
    for kind in kinds:
        of_kind = [
            sum(each for name, each in found.seconds.items() if kind_of(name) == kind)
            for found in columns.values()
        ]
        rows.append((kind, *(duration(seconds) for seconds in of_kind)))
    rows.append((f"{unit}-hours", *(f"{found.network_seconds / 3600:,.1f}" for found in columns.values())))
    rows.append(("GiB in the store", *(f"{found.disk_mib / 1024:,.1f}" for found in columns.values())))
    return "\n".join(f"{row[0]:18}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in rows)


def _of_workers(found: Sequence[Schedule], seconds: dict[str, float]) -> str:
    """A row a number of workers; after the last the cells that waited for one another."""
    lines = [
        f"{'workers':>8}{'time':>10}{'in use':>8}   of the time, the chain that ended last; its longest step"
    ]
    for each in found:
        longest = max(each.chain, key=lambda name: seconds[name])
        lines.append(
            f"{each.workers:>8}{duration(each.seconds):>10}{each.efficiency:>8.0%}   "
            f"{each.chain_seconds / each.seconds:.0%}; {longest}"
        )
    lines.append(f"What {found[-1].workers} workers wait for:")
    lines += [f"  {duration(seconds[name]):>8}  {name}" for name in found[-1].chain]
    return "\n".join(lines)


def require_drawable(file: Path) -> None:
    """Raise ParamsError for a picture that could not be written, before there is anything to draw."""
    if file.suffix not in PICTURES:
        raise ParamsError(f"--picture is {str(file)!r}; expected a name that ends in .svg, .png or .pdf")
    if not file.parent.is_dir():
        raise ParamsError(f"--picture is {str(file)!r}, but there is no folder {file.parent}")


def _draw(found: Sequence[Schedule], file: Path) -> None:
    """Time and use by workers, in the format that the file's name says."""
    from matplotlib.figure import Figure  # a terminal's plan needs none of it

    figure = Figure(figsize=(7, 3), layout="constrained")
    workers = [each.workers for each in found]
    time, used = figure.subplots(1, 2)
    time.loglog(workers, [each.seconds / 3600 for each in found], "o-", label="the schedule")
    time.loglog(workers, [found[0].seconds * workers[0] / n / 3600 for n in workers], ":", label="all in use")
    time.legend()
    time.set_ylabel("hours by the clock")
    used.semilogx(workers, [100 * each.efficiency for each in found], "o-")
    used.set_ylabel("% of the workers' time in use")
    used.set_ylim(0, 105)
    for axes in (time, used):
        axes.set_xlabel("workers")
        axes.set_xticks(workers, [str(number) for number in workers])
        axes.minorticks_off()
    figure.savefig(file)
