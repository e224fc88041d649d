"""What a notebook starts with: its parameters read, what it needs computed, its section ready to be shown."""

import sys
from dataclasses import dataclass

from meddef_lib import params
from meddef_lib.app import runner
from meddef_lib.engine import schedule
from meddef_lib.engine.devices import resolve_device
from meddef_lib.report.view import View
from meddef_lib.workbook import notebooks
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.collected import Collected


class NotComputed(Exception):
    """Something that a notebook needs could not be made; the message names it and its log."""


@dataclass(frozen=True)
class Session:
    """A notebook's own view: `view` holds the numbers, `dataset` is the one that it is about."""

    view: View
    dataset: str

    def _repr_html_(self) -> str:
        profile = self.view.book.profile
        smoke = "<b>Smoke: phantom images. Nothing here says anything about the paper.</b> "
        kind = smoke if self.view.smoke else ""
        title = self.view.book.datasets[self.dataset].title
        return f"<p>{kind}Profile <code>{profile.name}</code>: {profile.title}. Data set: {title}.</p>"


def start(notebook: str, profile: str, dataset: str, overrides: str = "") -> Session:
    """Read the parameters of a notebook and compute what it needs and the store lacks, with progress.

    `notebook` is the stem of its file, such as `04_epsilon_sweep`. Raises ParamsError,
    DataError, NotComputed.
    """
    book = workbook(profile, datasets=[dataset], overrides=params.overrides_from_text(overrides))
    (chosen,) = notebooks.chosen([notebook])
    needs = list(chosen.needs(book, dataset))
    device = resolve_device("auto")
    missing = schedule.missing(needs, book.store)
    if missing and runner.needs_yes(book, device):
        agreed = params.overrides_text(dict(book.overrides) | {"needs_yes_on_cpu": False})
        raise NotComputed(
            f"{len(missing)} cells that {notebook} needs are missing, and the profile {profile} is meant for "
            f"a GPU; `invoke plan --profile {profile}` says how long this CPU would take. Make them with "
            f"`invoke reproduce --profile {profile} --yes`, or here with overrides = {agreed!r}"
        )
    outcomes = runner.compute(book, needs, device=device)
    failed = [outcome for outcome in outcomes.values() if outcome.state == "failed"]
    if failed:
        told = "\n".join(f"{outcome.id}: {outcome.text} (log: {outcome.log})" for outcome in failed)
        raise NotComputed(f"{len(failed)} cells that {notebook} needs failed:\n{told}")
    sys.stdout.flush()
    return Session(View(Collected(book)), dataset)
