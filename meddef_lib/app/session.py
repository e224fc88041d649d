"""What a notebook starts with: its parameters read, what it needs computed, sections ready to be shown."""

import re
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib import params, paths
from meddef_lib.app import runner
from meddef_lib.engine import scheduler
from meddef_lib.engine.devices import resolve_device
from meddef_lib.engine.limits import within_limits
from meddef_lib.errors import UserError
from meddef_lib.report import elements, section
from meddef_lib.report.elements import Block, Shown
from meddef_lib.report.view import View
from meddef_lib.workbook import notebooks, photographs, results_file
from meddef_lib.workbook.book import Workbook, workbook
from meddef_lib.workbook.stored import Stored


class NotComputed(UserError):
    """Something that a notebook needs could not be made; the message names it and its log."""


@dataclass(frozen=True)
class Session:
    """A notebook's own document, made part by part as it is asked for, and the data set it is about."""

    view: View
    dataset: str

    def show(self, what: str | Callable[[View, str], Block]) -> Shown:
        """A section of the report by its number ("4.3") or title, or what one of its functions draws.

        Raises ValueError for a section that the report has not.
        """
        if not isinstance(what, str):
            return what(self.view, self.dataset)
        names = {
            name: one
            for one in section.every()
            for name in (re.split("[–, ]+", one.number) if one.number else [one.title])
        }
        if what not in names:
            raise ValueError(f"the report has no section {what!r}; it has {', '.join(names)}")
        return Several(list(names[what].draw(self.view)))

    def rows(self, part: str, **where: Any) -> pd.DataFrame:
        """A part of the document as a table: rows("curves", attack="pgd"). Raises KeyError for no part."""
        return self.view.rows(part, **where)

    def _repr_html_(self) -> str:
        profile, run = self.view.document["profile"], self.view.document["run"]
        smoke = "<b>Smoke: phantom images. Nothing here says anything about the paper.</b> "
        said = Markup("<p>{}Profile <code>{}</code>: {}. Data set: {}.</p>")
        kind = Markup(smoke) if self.view.smoke else ""
        return str(said.format(kind, profile, run["title"], self.view.dataset(self.dataset)))


@dataclass(frozen=True)
class Several(Shown):
    """Blocks that are shown one below the other."""

    blocks: Sequence[Block]

    def _repr_html_(self) -> str:
        return "".join(elements.block_html(block) for block in self.blocks)


@dataclass(frozen=True)
class _Live(View):
    """The document of a workbook whose pictures are drawn when they are first shown."""

    found: Stored | None = None

    def picture(self, name: str, alt: str) -> Markup | None:
        if self.found and self.folder and not (self.folder / "pictures" / f"{name}.webp").is_file():
            photographs.write_one(self.found, self.document, name, self.folder / "pictures")
        return super().picture(name, alt)


@within_limits("for what this notebook shows")
def start(notebook: str, profile: str, dataset: str, overrides: str = "") -> Session:
    """Read the parameters of a notebook and compute what it needs and the store lacks, with progress.

    `notebook` is the stem of its file, such as `04_epsilon_sweep`. Raises ParamsError,
    DataError, NotComputed, UserError.
    """
    require_own_library(Path.cwd())
    book = workbook(profile, datasets=[dataset], overrides=params.overrides_from_text(overrides))
    _compute(book, notebook, dataset)
    sys.stdout.flush()
    folder = Path(tempfile.mkdtemp(prefix="meddef-"))
    view = _Live(results_file.parts(book), folder, Stored(book))
    weakref.finalize(view, shutil.rmtree, folder, ignore_errors=True)  # at the latest when this process ends
    return Session(view, dataset)


def require_own_library(folder: Path) -> None:
    """Raise UserError in the notebooks of another checkout than the one whose library this process runs.

    Its cells would be made by this library's code into this checkout's store, and shown as that one's.
    """
    own = (where for where in (folder, *folder.parents) if (where / "meddef_lib/app/session.py").is_file())
    checkout = next(own, paths.ROOT).resolve()
    if checkout != paths.ROOT:
        raise UserError(
            f"this notebook lies in {checkout}, and the library that was imported in {paths.ROOT}; start "
            f"`invoke lab` in {checkout}, or install that checkout (pip install -e {checkout})"
        )


def _compute(book: Workbook, notebook: str, dataset: str) -> None:
    """Make the cells that a notebook shows. Raises NotComputed."""
    (chosen,) = notebooks.chosen([notebook])
    needs = list(chosen.cells(book, dataset))
    profile, device = book.profile.name, resolve_device("auto")
    missing = scheduler.missing(needs, book.store)
    if missing and runner.needs_yes(book, device):
        agreed = params.overrides_text(dict(book.overrides) | {"needs_yes_on_cpu": False})
        raise NotComputed(
            f"{len(missing)} cells that {notebook} needs are missing, and the profile {profile} is meant for "
            f"a GPU; `invoke plan --profile {profile}` says how long this CPU would take. Make them with "
            f"`invoke reproduce --profile {profile} --yes`, or here with overrides = {agreed!r}"
        )
    runner.require_images(book, needs)
    outcomes = runner.compute(book, needs, device=device)
    failed = [outcome for outcome in outcomes.values() if outcome.state == "failed"]
    if failed:
        told = "\n".join(f"{outcome.id}: {outcome.text} (log: {outcome.log})" for outcome in failed)
        raise NotComputed(f"{len(failed)} cells that {notebook} needs failed:\n{told}")
