"""What a reader tries in a notebook: one more epsilon or rate, other images, the answer to a picture of one's
own.

Networks are those of the store, pictures take the data set's own steps, and attacks run through the maker of
the records, so that what is tried can be held against what is shown. Nothing of it is stored: no table takes
it up.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.app.pictures import Image, Picture, Pictures, rows_of_test_images
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.data.prepared import IMAGES, INDEX, SUMMARY
from meddef_lib.engine.devices import resolve_device
from meddef_lib.engine.recipe import Workspace
from meddef_lib.errors import UserError, known_are
from meddef_lib.results.collected import of_model
from meddef_lib.results.model import Model
from meddef_lib.results.statistics import wilson
from meddef_lib.workbook.cells import attack as attack_cells
from meddef_lib.workbook.cells import train

if TYPE_CHECKING:
    from meddef_lib.models.network import Network

READ = (
    *("image_id", "label", "clean_pred", "adv_pred", "worst_pred", "clean_confidence", "adv_confidence"),
    *("eps", "linf", "l2", "l0", "steps_used", "zero_gradient"),
)
CLASSES = ("label", "clean_pred", "adv_pred", "worst_pred")  # columns of records


@dataclass(frozen=True)
class Answer:
    """What a network says of a picture.

    probabilities: softmax, by class. grad_cam: float32 (s, s) in [0, 1], the evidence for the answer; None
    where it was not asked for.
    """

    model: Model
    picture: Picture
    probabilities: dict[str, float]
    grad_cam: NDArray[np.float32] | None


@dataclass(frozen=True)
class Trials(Pictures):
    """What may be tried with the results of a workbook on one data set.

    Networks are named by their variant ("full"), or with their training and seed ("full/paper/seed=0").
    """

    def model_of(self, name: str) -> Model:
        """The first network that fits the name, as the tables have it. Raises UserError where none does."""
        book, dataset = self.stored.book, self.dataset
        known = [*book.models(dataset), *book.compared_models(dataset)]
        for model in known:
            if f"{model.id}/".startswith(f"{dataset}/{name}/"):
                return model
        variants = list(dict.fromkeys(model.variant for model in known))
        trained = ", ".join(model.id.removeprefix(f"{dataset}/") for model in known)
        raise UserError(f"{dataset} has no network {name!r}; {known_are(name, variants)}; in full {trained}")

    def network(self, name: str) -> "Network":
        """A trained network of this run as a torch module, in eval mode on this machine's device.

        Raises UserError where it is missing.
        """
        from meddef_lib.models import files

        return files.load(self._folder(train.recipe(self.stored.book, self.model_of(name))), self._device())

    def records(
        self, network: str, attack: str, *, eps: float | None = None, rate: float = 0.0
    ) -> pd.DataFrame:
        """What an attack of this run did to each test image of a network: a row an image, classes by name.

        Without `eps` at every epsilon that was run; `rate` is the share of weights that was pruned before.
        Raises UserError where there are no such records.
        """
        _require_numbers(eps, rate)
        model, book = self.model_of(network), self.stored.book
        every = self.stored.pruned if rate else self.stored.attacked
        if model in book.compared_models(self.dataset):
            every = self.stored.compared
        found = of_model(every, model)
        if not found.empty:
            shares = found["rate"].fillna(0.0) if "rate" in found else pd.Series(0.0, found.index)
            fits = (found["attack"] == str(attack)) & np.isclose(shares, rate)
            found = found[fits & (np.isclose(found["eps"], eps) if eps is not None else True)]
        if found.empty:
            said = (
                f"{attack!r}"
                + (f" at eps={eps:g}" if eps is not None else "")
                + (f", rate={rate:g}" if rate else "")
            )
            known = every[["attack", "eps"]].drop_duplicates().itertuples(index=False) if len(every) else ()
            there = ", ".join(f"{each.attack} {each.eps:g}".removesuffix(" nan") for each in known)
            raise UserError(f"{model.id} has no records of {said}; this run has {there or 'none yet'}")
        return _named(found, book.datasets[self.dataset].classes).reset_index(drop=True)

    def attacked(
        self,
        network: str,
        images: int | Sequence[int],
        attack: str,
        eps: float | None,
        rate: float = 0.0,
    ) -> tuple[Model, pd.DataFrame]:
        """A network, and the records of one attack on test images, as those of the tables are made.

        images: so many, drawn by class, or ids of images. eps: of pixels as the profile counts them; None
        for an attack without one. rate: share of the weights that is pruned first, 0 <= rate < 1. Raises
        UserError.
        """
        from meddef_lib.evaluation.records import of_runs
        from meddef_lib.pruning import prune

        if not (isinstance(attack, str) and attack in ATTACKS):
            raise UserError(f"there is no attack {attack!r}; {known_are(attack, ATTACKS)}")
        if ATTACKS[attack].has_eps != (eps is not None):
            expected = "needs an eps" if eps is None else "has no eps: say eps=None"
            raise UserError(f"{ATTACKS[attack].title} {expected}")
        _require_numbers(eps, rate)
        book, model, data = self.stored.book, self.model_of(network), self._prepared()
        rows = rows_of_test_images(data, images, model.seed)
        recipe = attack_cells.records(book, "", model, attack, [{"eps": eps, "rate": rate}])
        settings = {**recipe.settings, "seed": model.seed}
        settings.pop("limit", None)
        trained = self._folder(recipe.inputs["model"])
        with tempfile.TemporaryDirectory(prefix="meddef-") as temporary:
            folder, part, work = (Path(temporary) / each for each in ("records", "images", "work"))
            for each in (folder, part, work):
                each.mkdir()
            np.save(part / IMAGES, data.images[rows])
            data.index.iloc[rows].reset_index(drop=True).to_parquet(part / INDEX, index=False)
            shutil.copy(data.folder / SUMMARY, part)
            inputs = {"model": trained, "data": part}
            space = Workspace(settings, inputs, folder, work, device=self._device())
            scope = book.profile.pruning.scope
            of_runs(space, lambda found, share: prune(found, share, scope) if share else found)
            found = pd.read_parquet(folder / "records.parquet")
        return model, _named(found, data.classes)

    def answered(self, network: str, image: Image, *, grad_cam: bool = False) -> Answer:
        """What a network says of an image of the data set, or of a file of one's own. Raises UserError."""
        import torch

        from meddef_lib.models.blocks import pixels

        model = self.model_of(network)
        picture, trained = self.picture(image), self.network(network)
        batch = pixels(torch.from_numpy(picture.seen[None])).to(next(trained.parameters()).device)
        with torch.no_grad():
            scores = trained(batch).float().softmax(dim=1)[0].tolist()
        heat = None
        if grad_cam:
            from meddef_lib.evaluation import saliency  # takes a second, with all that draws

            heat = saliency.grad_cam(trained, batch, torch.tensor([int(np.argmax(scores))])).drawn[0]
        shares = dict(zip(self.stored.datasets[self.dataset].classes, scores, strict=True))
        return Answer(model, picture, shares, heat)

    def _device(self) -> str:
        """Where this machine computes networks, set up as a worker is, so that the same numbers come out."""
        from meddef_lib import precision

        device, of = resolve_device("auto"), self.stored.profile
        precision.prepare({"device": device, "threads": of.threads, "deterministic": of.deterministic})
        return device


def right(records: pd.DataFrame, prediction: str) -> str:
    """How many images of records are answered rightly, in words, with the 95 % interval of the share."""
    hits, n = int((records[prediction] == records["label"]).sum()), len(records)
    found = wilson(hits, n)
    assert found is not None  # nobody attacks no image
    low, high = found.scaled(100)
    return f"{hits} of n = {n} right, {100 * hits / n:.1f} % [{low:.1f}, {high:.1f}] (Wilson's 95 % interval)"


def _require_numbers(eps: float | None, rate: float) -> None:
    """Raise UserError for a budget or a share of pruned weights that is none: text from a table, say."""
    if eps is not None and not (_is_number(eps) and 0 <= eps <= 1):
        raise UserError(f"eps is {eps!r}; expected a budget for pixels, 0 <= eps <= 1")
    if not (_is_number(rate) and 0 <= rate < 1):
        raise UserError(f"the pruning rate is {rate!r}; expected a share, 0 <= rate < 1")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)  # True is 1 to Python, and a slip here


def _named(records: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The columns of records that are read, with the names of classes in the place of their numbers."""
    names = dict(enumerate(classes))
    return records[list(READ)].assign(**{column: records[column].map(names) for column in CLASSES})
