"""A network behind a defence, attacked by who knows of it and by who does not; and the checks of it.

"defence/..." and "diagnose/.../<defence>" cells (Carlini et al. 2019, section 3; Tramer et al. 2020).
"""

import pandas as pd

from meddef_lib.declared import load
from meddef_lib.defences.views import Defended
from meddef_lib.diagnostics.checks import examine as examine_networks
from meddef_lib.diagnostics.subject import tested
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import finished
from meddef_lib.evaluation.attacked import Attacked, Computing, require_logits
from meddef_lib.evaluation.batch import Method
from meddef_lib.models import files


def make(space: Workspace) -> None:
    """Make `answers.parquet`: a row an image, attack and budget.

    Columns: image_id, label, clean_pred and adv_pred of the defended network, eps, role (weak or adaptive),
    made_on (what the attack looked at), attack (its id), zero_gradient (it could not take a step). Settings:
    split; images; eps, budgets in pixels in [0, 1]; attacks, as a recipe has them (`Attack.recipe`): the
    first meets every view, the others the first adaptive one; defence: id, root and settings; networks, names
    of inputs; batch_size; seed. Inputs: data, and the networks.
    """
    settings = space.settings
    images, labels, ids = tested(space, settings["images"])
    defended = built(space)
    computing = Computing(batch_size=settings["batch_size"], device=space.device)
    network = Attacked(defended.network, computing)
    require_logits(defended.network, images)
    clean = network.scores(images).argmax(dim=1)
    formatted = images.contiguous(memory_format=computing.memory_format(images))
    finished.claim(space.work, settings)
    first, *further = settings["attacks"]
    strongest = next(iter(defended.adaptive.items()))
    views = [
        *(("weak", *view, first) for view in defended.weak.items()),
        *(("adaptive", *view, first) for view in defended.adaptive.items()),
        *(("adaptive", *strongest, attack) for attack in further),
    ]
    runs = [(eps, *view) for eps in settings["eps"] for view in views]
    frames = []
    for number, (eps, role, made_on, view, attack) in enumerate(runs):
        found = finished.read(space.work, number, ids.numpy())
        if found is None:
            method = Method.of_recipe(attack, eps, seed=settings["seed"])
            looked_at = Attacked(view, computing).fast
            made = method.perturb_in_parts(looked_at, formatted, labels, ids, computing.batch_size)
            columns = {
                "label": labels,
                "clean_pred": clean,
                "adv_pred": network.scores(made.adversarial).argmax(dim=1),
                "zero_gradient": made.zero_gradient,
            }
            found = pd.DataFrame({"image_id": ids} | {name: of.cpu().numpy() for name, of in columns.items()})
            found = found.assign(eps=eps, role=role, made_on=made_on, attack=attack["id"])
            finished.write(found, space.work, number)
        frames.append(found)
        space.progress(number + 1, len(runs), "attacks")
    pd.concat(frames, ignore_index=True).to_parquet(space.folder / "answers.parquet", index=False)


def built(space: Workspace) -> Defended:
    """The defence of a cell, on its networks."""
    defence = space.settings["defence"]
    networks = [files.load(space.inputs[name], space.device) for name in space.settings["networks"]]
    defended: Defended = load(defence["root"])(networks, **defence["settings"])
    return defended


def examine(space: Workspace) -> None:
    """Make `checks.json`: {images, eps, networks: [{made_on, checks}]}, as `checks.make` does.

    The defended network is examined as it is (made_on ""), and, where that is another one, as the strongest
    adaptive attack looks at it. Settings: split; images; eps; effort (DiagnosticsParams); defence; networks;
    batch_size; seed. Inputs: data, and the networks; the first is what images are made on that may transfer.
    """
    defended = built(space)
    name, adaptive = next(iter(defended.adaptive.items()))
    views = {"": defended.network} if adaptive is defended.network else {"": defended.network, name: adaptive}
    plain = files.load(space.inputs[space.settings["networks"][0]], space.device)
    named = (({"made_on": made_on}, view) for made_on, view in views.items())
    examine_networks(space, named, len(views), surrogate=plain)
