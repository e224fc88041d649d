"""What a section of the page is written from: the document of a run, and the pictures beside it."""

import re
from base64 import b64encode
from collections.abc import Container, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL
from meddef_lib.report.elements import Made, Prose
from meddef_lib.results import results_json
from meddef_lib.workbook.kinds import name_of

S = TypeVar("S", bound=Sized)


OF_IDS = {
    r"\btable(?=\d)": "Table ",
    r"\beps=": "epsilon ",
    r"\beps\b": "epsilon",
    r"\brate=(\d+)": r"\1 % pruned",
}  # what stands in ids, and its words
UNRELIABLE = " †"  # beside the name of a network whose robust numbers mean little


class Missing(Exception):
    """What is to be drawn has not been made; the message names it."""


def need(found: S | None, what: str) -> S:
    """What was found. Raises Missing, naming it, where that is nothing."""
    if found is None or not len(found):
        raise Missing(what)
    return found


@dataclass(frozen=True)
class View:
    """A document with the pictures beside it."""

    document: Mapping[str, Any]
    folder: Path | None = None  # of the document: its pictures are in `pictures` below it

    @property
    def smoke(self) -> bool:
        """Whether the images are phantoms, so that nothing here may be taken for a result."""
        return bool(self.document["phantom"])

    @property
    def given(self) -> Mapping[str, str] | None:
        """File and sha256 of weights that stand in for what would be trained; None where there are none."""
        return self.document["run"].get("weights")

    @property
    def underway(self) -> Mapping[str, Any] | None:
        """How far the run is, on a page that was rendered while it goes on; None on a finished one."""
        return self.document["run"].get("underway")

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The profile as it was run: `parameters["attacks"]["methods"]`."""
        return self.document["run"]["parameters"]

    @property
    def datasets(self) -> Mapping[str, Mapping[str, Any]]:
        """Title and classes of each data set of the run, by id."""
        return self.document["names"]["datasets"]

    @cached_property
    def values(self) -> dict[str, Mapping[str, Any]]:
        """The entries of `values` by id."""
        return {row["id"]: row for row in self.document["values"]}

    def value(self, cell: str | Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The entry of `values` with an id; an entry is its own; None where there is none."""
        return self.values.get(cell) if isinstance(cell, str) else cell

    def entries(self, part: str, **where: Any) -> list[dict[str, Any]]:
        """The rows of a part that have these values."""
        return [
            row for row in self.document[part] if all(row[name] == value for name, value in where.items())
        ]

    def needed(self, part: str, dataset: str, what: str, **where: Any) -> list[dict[str, Any]]:
        """The rows of a part about a data set. Raises Missing where there is none, saying `what` of it."""
        return need(self.entries(part, dataset=dataset, **where), f"{what} {self.dataset(dataset)}")

    def ids(self, beginning: str) -> list[str]:
        """The ids of `values` that begin so."""
        return [id for id in self.values if id.startswith(beginning)]

    def rows(self, part: str, **where: Any) -> pd.DataFrame:
        """The same as a frame, which has its columns also where there is no row."""
        found = self.entries(part, **where)
        return pd.DataFrame(found, columns=None if found else results_json.columns(part))

    # --- names ---

    @property
    def first_seed(self) -> str:
        """For the caption of what shows the models of the first seed alone: "" where there is one seed."""
        seeds = self.parameters["seeds"]
        return f", seed {seeds[0]}" if len(seeds) > 1 else ""

    def title(self, variant: str, dataset: str = "") -> str:
        """The name of a variant, the paper's where it has one; of its network in the tables of a data set.

        That is marked where the network failed a check of its robustness.
        """
        networks = self.models(dataset, variant=variant, main=True) if dataset else []
        failed = self._unreliable & {network["id"] for network in networks}
        return self.document["names"]["variants"][variant] + (UNRELIABLE if failed else "")

    @cached_property
    def _unreliable(self) -> set[str]:
        """The networks, by id, that failed a check of their robustness as they were trained."""
        return {row["id"] for row in self.entries("diagnostics", rate_percent=0, unreliable=True)}

    def attack(self, attack: str) -> str:
        """The name of an attack; of "" that of clean images."""
        return self.document["names"]["attacks"][attack]["title"] if attack not in ("", "clean") else "Clean"

    def without_eps(self, attacks: Iterable[str]) -> list[str]:
        """Those of the attacks that have no epsilon, such as JSMA."""
        known = self.document["names"]["attacks"]
        return [name for name in attacks if name in known and not known[name]["has_eps"]]

    def training(self, mode: str) -> str:
        return self.document["names"]["trainings"][mode]

    def defence(self, defence: str) -> str:
        return self.document["names"]["defences"][defence]["title"]

    def dataset(self, dataset: str) -> str:
        return self.datasets[dataset]["title"]

    def models(self, dataset: str, **where: Any) -> list[dict[str, Any]]:
        """The networks of a data set that have these values (`main=True`: those that fill the tables)."""
        return self.entries("models", dataset=dataset, **where)

    def model_title(self, id: str) -> str:
        """The name of a network, by its id. Raises KeyError, naming it, where there is none."""
        titles = {model["id"]: model["title"] for model in self.document["models"]}
        return str(titles[id]) + (UNRELIABLE if id in self._unreliable else "")

    @cached_property
    def _called(self) -> dict[str, str]:
        """Networks, attacks and data sets in short, by their ids."""
        names = self.document["names"]
        titles = names["variants"] | {
            id: one["title"] for part in ("attacks", "datasets") for id, one in names[part].items()
        }
        return {id: id.upper() if id.upper() in said else said.split(" (")[0] for id, said in titles.items()}

    @cached_property
    def _ids(self) -> re.Pattern[str]:
        """Any of these ids but what may be a word of a sentence, such as `full`."""
        known = self._called.items()
        ids = [id for id, name in known if not id.isalpha() or id.upper() in name or id in self.datasets]
        return re.compile(rf"\b({'|'.join(ids)})\b")

    def titled(self, said: str) -> str:
        """A text with names for ids, "FGSM, full" for "fgsm, full": a network's that is a word stays."""
        return self._ids.sub(lambda found: self._called[found[0]], said)

    def words(self, id: str) -> str:
        """What an id of a number or finding says, "Table 1, ResNet18, epsilon 0.05, FGSM"."""
        said = [self.title(part) if part == FULL.id else self.titled(part) for part in id.split("/")]
        text = ", ".join(said).replace("_", " ")
        for part, words in OF_IDS.items():
            text = re.sub(part, words, text)
        return text[:1].upper() + text[1:]

    # --- what is there ---

    def missing(self, what: str) -> Prose:
        """Said in the place of what has not been made."""
        states = {cell["state"] for cell in self.document["cells"]}
        if "pending" in states and states <= {"there", "pending"}:
            said = "Pending, the run goes on: {}."
        elif self.given:
            said = "Not part of an evaluation of given weights: {}."
        elif states <= {"there"}:
            said = "This run has all that its parameters ask for, but not this: {}."
        else:
            said = "Not there yet: {}. <code>{}</code> makes it."
        return Prose(Markup(said).format(what, self.document["run"]["command"]), "missing")

    def source(self, name: str) -> str | None:
        """A picture beside the document, by its name without ending, embedded; None where its file is not."""
        file = self.folder / "pictures" / f"{Path(name).name}.webp" if self.folder else None
        if file is None or not file.is_file():
            return None
        return f"data:image/webp;base64,{b64encode(file.read_bytes()).decode()}"

    def made(self, notebook: str, cells: Iterable[str]) -> Made:
        """How something was made: the page of its notebook and those of the cells, by id, that are there.

        Notebooks show what was trained here: with given weights there is none.
        """
        there = {cell["id"]: cell for cell in self.entries("cells", state="there")}
        found = [there[id] for id in cells if id in there]
        return Made("" if self.given else f"notebooks/{notebook}.html", found)

    def cells(
        self, dataset: str, *kinds: str, attacks: Container[str] | None = None, **where: Any
    ) -> list[str]:
        """The ids of the cells of these kinds, kind by kind, that are about a data set.

        That is the data set itself, or one of its networks that have these values (`main=True`); of attacks,
        those named.
        """
        about = {model["id"] for model in self.models(dataset, **where)}
        return [
            cell["id"]
            for kind in kinds
            for cell in self.document["cells"]
            if cell["kind"] == kind and (cell["model"] in about or name_of(cell["id"]) == dataset)
            if attacks is None or cell["attack"] in attacks
        ]


def text(html: str, *, kind: Literal["text", "note"] = "text", **values: Any) -> Prose:
    """A paragraph or a remark; `values` are escaped and filled in."""
    return Prose(Markup(html).format(**values), kind)


def list_items(sentences: Iterable[str]) -> Markup:
    """Sentences, each escaped as the item of a list."""
    return Markup().join(Markup("<li>{}</li>").format(said) for said in sentences)


def folded_list(title: str, sentences: Sequence[str]) -> Markup:
    """Sentences as a list under a title that unfolds it; nothing of none."""
    found = Markup("<details><summary>{}</summary><ul>{}</ul></details>")
    return found.format(title, list_items(sentences)) if sentences else Markup()
