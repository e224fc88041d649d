"""What a notebook starts with: its parameters read, what it needs computed, sections ready to be shown."""

import re
import shutil
import sys
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib import params, paths
from meddef_lib.app import estimates, runner
from meddef_lib.app.pictures import Image
from meddef_lib.app.trials import Trials, right
from meddef_lib.durations import duration
from meddef_lib.engine import scheduler
from meddef_lib.engine.devices import resolve_device
from meddef_lib.engine.limits import within_limits
from meddef_lib.engine.recipe import Recipe
from meddef_lib.errors import UserError, known_are
from meddef_lib.paper.addresses import eps_text
from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import elements, inline, layout, scoped_style, section
from meddef_lib.report.elements import Block, Shown, Table, columns
from meddef_lib.report.view import View
from meddef_lib.results.model import Model
from meddef_lib.workbook import notebooks, photographs, results_file
from meddef_lib.workbook.book import Workbook, workbook
from meddef_lib.workbook.kinds import kind_of
from meddef_lib.workbook.notebooks import Notebook
from meddef_lib.workbook.stored import Stored


class NotComputed(UserError):
    """Something that a notebook needs could not be made; the message names it and its log."""


@dataclass(frozen=True)
class Session(Trials):
    """A notebook's own document, made part by part as it is asked for, and what may be tried beside it."""

    view: View
    notebook: Notebook

    # --- what the page has ---

    def show(self, what: str | Callable[[View, str], Block]) -> Shown:
        """A section of the report by its number ("4.3") or title, or what one of its functions draws.

        Raises ValueError for a section that the report has not.
        """
        if callable(what):
            return what(self.view, self.dataset)
        names = {
            name: one
            for one in section.every()
            for name in (re.split("[–, ]+", one.number) if one.number else [one.title])
        }
        if what not in names:
            raise ValueError(f"the report has no section {what!r}; it has {', '.join(names)}")
        return Several(list(names[what].draw(self.view)))

    def claims(self) -> Shown:
        """What the paper claims in the sections of this notebook, and what became of it, as on the page."""
        places = {section.place_of(number) for number in self.notebook.sections.split(", ")}
        return layout.claimed(self.view, [one for one in section.every() if places & {one.anchor, one.place}])

    def rows(self, part: str, **where: Any) -> pd.DataFrame:
        """A part of the document as a table: rows("curves", attack="pgd").

        Raises KeyError for no part, UserError for a column that it has not.
        """
        found = self.view.rows(part)
        if not where:
            return found
        known = [str(column) for column in found]
        for name in where:
            if name not in known:
                raise UserError(f"{part} has no column {name!r}; {known_are(name, known)}")
        return self.view.rows(part, **where)

    def notebooks(self) -> Table:
        """Every notebook in the order in which they are read, from what each says of itself."""
        heads = columns("Notebook", "Title", "What it shows", "Computed steps", wide=["What it shows"])
        frame = pd.DataFrame(
            [
                (each.name, each.title, each.shows, ", ".join(each.needs) or "none")
                for each in notebooks.every_notebook()
            ],
            columns=[head.title for head in heads],
        )
        rows = [
            [Markup('<a href="{0}.ipynb">{0}</a>').format(name), *said]
            for name, *said in frame.itertuples(index=False)
        ]
        caption = "The notebooks, in the order in which they are read"
        return Table("notebooks-in-order", caption, heads, rows, frame)

    # --- what is tried ---

    @property
    def networks(self) -> list[str]:
        """The networks of the tables by name, the full model last."""
        return list(dict.fromkeys(model.variant for model in self.stored.book.main_models(self.dataset)))

    @property
    def attacks(self) -> list[str]:
        """The attacks that this run has records of, by id."""
        return list(self.stored.profile.attacks.methods)

    def attack_once(
        self,
        network: str,
        images: int | Sequence[int] = 8,
        attack: str = "pgd",
        eps: float | None = 0.05,
        *,
        rate: float = 0.0,
    ) -> pd.DataFrame:
        """Attack a stored network here and now; prints how many images it gets right, returns their records.

        `images`: so many test images, or ids of images; `rate`: the share of weights that is pruned first. No
        table takes the result up. Raises UserError.
        """
        model, found = self.attacked(network, images, attack, eps, rate)
        called = self.view.attack(attack) + (f" at epsilon {eps_text(eps)}" if eps is not None else "")
        pruned = f", {100 * rate:g} % of its weights pruned" if rate else ""
        print(
            f"{self._title(model)}{pruned}, on {counted(len(found), 'test image')} of "
            f"{self.view.dataset(self.dataset)}:\n  clean: {right(found, 'clean_pred')}\n"
            f"  {called}: {right(found, 'adv_pred')}\n"
            "Tried here alone: no table or verdict takes it up."
            + (" Made-up images: it says nothing about the paper." if self.view.smoke else "")
        )
        return found

    def answer(self, network: str, image: Image, *, grad_cam: bool = False) -> Shown:
        """What a network says of an image, by its id or a JPEG or PNG file of one's own. Raises UserError."""
        found = self.answered(network, image, grad_cam=grad_cam)
        picture, title = found.picture, self._title(found.model)
        return inline.answer(
            self.view, picture.name, title, picture.seen, found.probabilities, found.grad_cam
        )

    def prepared(self, image: Image, **changed: Any) -> Shown:
        """An image before and after the steps of 3.1.2, with other settings of them, such as clahe=True.

        Raises UserError.
        """
        found = self.picture(image, **changed)
        return inline.prepared(self.view, found.name, found.before, found.seen)

    def _title(self, model: Model) -> str:
        return f"{self.view.title(model.variant)} ({self.view.training(model.mode)})"

    def _repr_html_(self) -> str:
        profile, run = self.view.document["profile"], self.view.document["run"]
        smoke = "<b>Made-up images: nothing here says anything about the paper.</b> "
        said = Markup("<p>{}Profile <code>{}</code>: {}. Data set: {}.</p>")
        kind = Markup(smoke) if self.view.smoke else ""
        return str(said.format(kind, profile, run["title"], self.view.dataset(self.dataset)))


@dataclass(frozen=True)
class Several(Shown):
    blocks: Sequence[Block]

    def _repr_html_(self) -> str:
        return str(scoped_style.wrapped(Markup().join(map(elements.block_html, self.blocks))))


@dataclass(frozen=True)
class _Live(View):
    """The document of a workbook whose pictures are drawn when they are first shown."""

    found: Stored | None = None

    def source(self, name: str) -> str | None:
        if self.found and self.folder and not (self.folder / "pictures" / f"{name}.webp").is_file():
            photographs.write_one(self.found, self.document, name, self.folder / "pictures")
        return super().source(name)


@within_limits("for what this notebook shows")
def start(notebook: str, profile: str, dataset: str, overrides: str = "") -> Session:
    """Read the parameters of a notebook and compute what it needs and the store lacks, with progress.

    What is to be computed, and how long that may take, is said first. `notebook` is the stem of its file,
    such as `04_epsilon_sweep`. Raises ParamsError, DataError, NotComputed, UserError.
    """
    require_own_library(Path.cwd())
    given = params.overrides_from_text(overrides)
    book = workbook(profile, datasets=[dataset], overrides=given, called="overrides ")
    (chosen,) = notebooks.chosen([notebook])
    _compute(book, chosen, dataset)
    sys.stdout.flush()
    folder = Path(tempfile.mkdtemp(prefix="meddef-"))
    stored = Stored(book)
    view = _Live(results_file.parts(book), folder, stored)
    weakref.finalize(view, shutil.rmtree, folder, ignore_errors=True)  # at the latest when this process ends
    return Session(stored, dataset, view, chosen)


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


def _compute(book: Workbook, notebook: Notebook, dataset: str) -> None:
    """Make the cells that a notebook shows. Raises NotComputed."""
    needs = list(notebook.cells(book, dataset))
    profile, device = book.profile.name, resolve_device("auto")
    missing = scheduler.missing(needs, book.store)
    if missing and runner.needs_yes(book, device):
        agreed = params.overrides_text(dict(book.overrides) | {"needs_yes_on_cpu": False})
        raise NotComputed(
            f"{notebook.name} lacks {counted(len(missing), 'step')}, and the profile {profile} is "
            f"meant for a GPU; `invoke plan --profile {profile}` says how long this CPU would take. Make "
            f"them with `invoke reproduce --profile {profile} --yes`, or here with overrides = {agreed!r}"
        )
    runner.require_images(book, needs)
    outcomes = runner.compute(book, needs, device=device, seconds=_foretold(book, needs, missing, device))
    failed = [outcome for outcome in outcomes.values() if outcome.state == "failed"]
    if failed:
        told = "\n".join(f"{outcome.id}: {outcome.text} (log: {outcome.log})" for outcome in failed)
        raise NotComputed(f"of what {notebook.name} needs {counted(len(failed), 'step')} failed:\n{told}")


def _foretold(
    book: Workbook, needs: Sequence[Recipe], missing: Mapping[str, Recipe], device: str
) -> dict[str, float]:
    """Say what will be computed and how long it may take; the seconds of each missing cell, by id."""
    if not missing:
        return {}
    kinds = Counter(kind_of(name) for name in missing)
    listed = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    print(f"To be computed: {counted(len(missing), 'step')} ({listed}).", flush=True)
    found = estimates.estimate(book, needs, device)
    print(
        f"That takes about {duration(found.total_seconds)} with {counted(found.workers, 'worker')}, and "
        f"{found.disk_mib:,.0f} MiB of {book.store.root}. Interrupted, it goes on from there the next time.",
        flush=True,
    )
    return found.seconds
