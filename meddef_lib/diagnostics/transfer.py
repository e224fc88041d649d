"""Images made on one network and shown to others: a "transfer/..." cell (Papernot et al. 2016)."""

import pandas as pd

from meddef_lib.attacks.gradient import pgd
from meddef_lib.diagnostics.subject import tested
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation.attacked import Attacked, Computing
from meddef_lib.evaluation.batch import Method
from meddef_lib.models import files


def make(space: Workspace) -> None:
    """Make `transfer.parquet`: a row an image and network that it was shown to.

    Columns: image_id, label, target (the id of the network), clean_pred, adv_pred; the images are PGD's last
    iterates on the source, which is among the targets, so that the white box is a row as well. Settings:
    split; images; eps, step_size (pixels in [0, 1]) and steps; source and targets, ids of networks;
    batch_size; seed. Inputs: data, and each network by its id.
    """
    settings = space.settings
    images, labels, ids = tested(space, settings["images"])
    computing = Computing(batch_size=settings["batch_size"], device=space.device)

    def network(id: str) -> Attacked:
        return Attacked(files.load(space.inputs[id], space.device), computing)

    source = network(settings["source"])
    how = {name: settings[name] for name in ("eps", "step_size", "steps")}
    method = Method("pgd", pgd, how, settings["seed"], seeded=True, worst_case=False, stops_at_success=False)
    made = method.perturb_in_parts(source.fast, images, labels, ids, computing.batch_size).adversarial
    frames = []
    for number, name in enumerate(settings["targets"]):
        target = source if name == settings["source"] else network(name)
        answers = {
            column: target.scores(shown).argmax(dim=1).cpu()
            for column, shown in (("clean_pred", images), ("adv_pred", made))
        }
        frames.append(pd.DataFrame({"image_id": ids, "label": labels.cpu(), "target": name} | answers))
        space.progress(number + 1, len(settings["targets"]), "networks")
    pd.concat(frames, ignore_index=True).to_parquet(space.folder / "transfer.parquet", index=False)
