"""Which cells an edit makes stale: a result goes stale when it could change, and only then.

Each edit is made in a copy of the project, and the keys of the smoke profile's cells are compared with those
of the project itself. Notebooks are left out: their pages run again after any change by design.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from meddef_lib import paths

KEYS = """
import json, sys
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.kinds import every_cell
book = workbook("smoke", overrides=sys.argv[1:])
print(json.dumps({name: recipe.key for name, recipe in every_cell(book).items()}))
"""
EVERYTHING = {"phantoms", "examined", "prepared", "audit", "train", "attack", "prune", "saliency", "anatomy"}
EVERYTHING |= {"diagnose", "transfer", "least_eps", "readings", "boosted", "gallery", "stepwise"}
FROM_PREPARED = EVERYTHING - {"phantoms", "examined", "audit"}
FROM_TRAINED = FROM_PREPARED - {"prepared", "stepwise"}
RECORDS = {"attack", "prune"}


@dataclass(frozen=True)
class Edit:
    """Texts to replace in files of the project (of a new file: "" by all of it), or parameters to set.

    `base` are parameters set before and after. `stale` are the kinds of cells that then go stale, all of
    whose ids hold `ids` and do not hold `without`, but for those `of_any_id`.
    """

    name: str
    stale: set[str]
    replace: dict[str, tuple[str, str]] = field(default_factory=dict)
    base: tuple[str, ...] = ()
    set_: tuple[str, ...] = ()
    ids: str = ""
    without: str = "nowhere"
    of_any_id: set[str] = field(default_factory=set)


APGD = "meddef_lib/attacks/apgd.py"
NEW_ATTACK = """
from meddef_lib.attacks.registry import Attack

ATTACK = Attack(id="mine", title="Mine")


def mine(model, images, labels, *, eps, trace=None):
    return images
"""
NOTHING: set[str] = set()
IN_TYPES = "meddef_lib/params/profile.py"
# the checks of a network use attacks that its tables need not
UNEXAMINED = ("diagnostics.variants=[]", "least_eps.variants=[]")
NO_TRANSFER = ("transfer.variants=[]",)  # which is about several networks, whatever its id holds
UNREAD = ("readings.variants=[]",)  # readings know a second network, and every attack of the tables
ONE_ATTACK = ("attacks.methods=[fgsm]", "pruning.methods=[fgsm]")
TWO_ATTACKS = ("attacks.methods=[fgsm, apgd_ce]", "pruning.methods=[fgsm, square]", *UNEXAMINED)

EDITS = [
    # --- what leaves every result as it is ---
    Edit(
        "a new training parameter",
        NOTHING,
        {
            IN_TYPES: (
                "    epochs: Count = 100\n",
                "    epochs: Count = 100\n    patience_epochs: Count = 3\n",
            )
        },
    ),
    Edit("pinned copies", NOTHING, set_=("training.pinned_copies=false",)),
    Edit("threads of a cell", NOTHING, set_=("threads=2",)),
    Edit("beta of TRADES without TRADES", NOTHING, set_=("training.trades_beta=5",)),
    Edit("a budget of a mode that nothing uses", NOTHING, set_=("training.reference_eps=0.1",)),
    Edit("a setting of an attack that nothing uses", NOTHING, set_=("attacks.square.queries=7",)),
    Edit("a clip limit where CLAHE is off", NOTHING, set_=("chest_xray.preprocessing.clahe_clip=9",)),
    Edit(
        "a number that the paper prints",
        NOTHING,
        {"params/published/datasets.yaml": ("identified: 24,", "identified: 25,")},
    ),
    Edit(
        "the words of an error in training",
        NOTHING,
        {
            "meddef_lib/training/loop.py": (
                "the device ran out of memory in",
                "the device has no memory left in",
            )
        },
    ),
    Edit(
        "the words of an error in the store",
        NOTHING,
        {"meddef_lib/engine/store.py": ("has not been made yet", "is not there yet")},
    ),
    Edit(
        "the words of an error in an attack",
        NOTHING,
        {"meddef_lib/attacks/calling.py": ("expected at least 1", "wanted is at least 1")},
    ),
    Edit(
        "the words of progress",
        NOTHING,
        {"meddef_lib/data/prepared.py": ('"preparing images"', '"images are prepared"')},
    ),
    Edit(
        "the words for an unreadable image",
        NOTHING,
        {"meddef_lib/data/reasons.py": ("is empty (0 bytes)", "has no bytes")},
    ),
    Edit(
        "a wording where folders are listed",
        NOTHING,
        {"meddef_lib/data/sources/folders.py": ("no data root is given;", "a data root is wanted;")},
    ),
    Edit(
        "a comment, a docstring and a type in a signature",
        NOTHING,
        {
            "meddef_lib/training/crafting.py": (
                '    steps: int,\n) -> Tensor:\n    """Projected',
                '    steps: float,  # how often\n) -> object:\n    """Climbs: projected',
            )
        },
    ),
    Edit(
        "the name of a release",
        NOTHING,
        {"params/datasets/roct.yaml": ('"Kaggle (kermany2018)"', '"Kaggle, 2018"')},
    ),
    Edit(
        "a DOI", NOTHING, {"params/datasets/chest_xray.yaml": ('doi: "10.17632/rscbjbr9sj"', 'doi: "10.1/2"')}
    ),
    Edit(
        "the name of a foreign layer",
        NOTHING,
        {"meddef_lib/models/given.py": ('"self_attention.wq."', '"self_attention.w_q."')},
    ),
    Edit("a new attack", NOTHING, {"meddef_lib/attacks/mine.py": ("", NEW_ATTACK)}),
    Edit(
        "a constant of an attack that nothing uses",
        NOTHING,
        {APGD: ("RHO = 0.75", "RHO = 0.7")},
        (*ONE_ATTACK, *UNEXAMINED),
    ),
    Edit(
        "a constant of an attack that only checks use",
        {"diagnose", "least_eps"},
        {APGD: ("RHO = 0.75", "RHO = 0.7")},
        ONE_ATTACK,
    ),
    Edit(
        "a constant of an attack that is part of the worst case",
        RECORDS,
        {APGD: ("RHO = 0.75", "RHO = 0.7")},
        (*UNEXAMINED, "attacks.worst_case.rates=[0, 0.3]"),
        ids="/worst_case",
    ),
    Edit(
        "how much is asked in a check",
        {"diagnose", "least_eps", "transfer"},
        set_=("diagnostics.queries=7", "least_eps.halvings=4", "transfer.images=9"),
    ),
    Edit("how deep boosted trees are", {"boosted"}, set_=("boosted.depth=2",)),
    Edit(
        "the words of a reading",
        NOTHING,
        {"params/readings.yaml": ("The same steps lower the loss", "The same steps reduce the loss")},
    ),
    Edit(
        "a step of a reading",
        {"readings"},
        {"params/readings.yaml": ("step_size: 1/25500", "step_size: 1/2550")},
    ),
    Edit("a setting of a defence that nothing asks for", NOTHING, set_=("defences.jpeg.quality=50",)),
    # --- what changes results, and which ---
    Edit(
        "the levels of a defence",
        {"defence", "diagnose"},
        {"meddef_lib/defences/bit_depth.py": ("most = 2**bits - 1", "most = 2**bits")},
        ("defences.methods=[bit_depth]",),
        ids="/bit_depth",
    ),
    Edit("a constant of APGD", {"attack"}, {APGD: ("RHO = 0.75", "RHO = 0.7")}, TWO_ATTACKS, (), "apgd_ce"),
    Edit("a setting of Square", {"prune"}, {}, TWO_ATTACKS, ("attacks.square.queries=7",), "/square"),
    Edit(
        "a step of BIM and PGD",
        RECORDS | {"saliency", "gallery", "diagnose", "transfer", "boosted"},
        {
            "meddef_lib/attacks/gradient.py": (
                "torch.sign(gradient, out=direction)",
                "torch.tanh(gradient, out=direction)",
            )
        },
    ),
    Edit(
        "the arithmetic of a branch of the DAAM",
        FROM_TRAINED - {"transfer", "readings", "boosted"} | {"sizes"},
        {"meddef_lib/models/blocks.py": ("torch.tanh(self.edges(x))", "torch.sigmoid(self.edges(x))")},
        (*NO_TRANSFER, *UNREAD),
        without="/resnet18/",
    ),
    Edit(
        "the arithmetic of the first layer",
        FROM_TRAINED | {"sizes"},
        {"meddef_lib/models/blocks.py": ("(x - self.mean) / self.std", "x / self.std - self.mean")},
    ),
    Edit(
        "the loss",
        FROM_TRAINED,
        {"meddef_lib/training/losses.py": ("+ weight * adversarial", "+ 2 * weight * adversarial")},
    ),
    Edit(
        "the optimizer's step",
        FROM_TRAINED,
        {"meddef_lib/training/learner.py": ("lr=params.learning_rate", "lr=params.learning_rate / 2")},
    ),
    Edit(
        "the schedule",
        FROM_TRAINED,
        {"meddef_lib/training/schedule.py": ("progress**2", "progress**3")},
    ),
    Edit(
        "augmentation",
        FROM_TRAINED,
        {"meddef_lib/training/batches.py": ("lift = _uniform(", "lift = 2 * _uniform(")},
    ),
    Edit(
        "the attack inside training",
        FROM_TRAINED,
        {"meddef_lib/training/crafting.py": ("gradient.sign()", "gradient.sgn()")},
    ),
    Edit(
        "decoding",
        EVERYTHING - {"phantoms"},
        {"meddef_lib/data/decode.py": ("cv2.IMREAD_GRAYSCALE | ", "")},
    ),
    Edit("CLAHE", FROM_PREPARED, {"meddef_lib/data/steps.py": ("(tiles, tiles)", "(tiles, 2 * tiles)")}),
    Edit(
        "resizing",
        FROM_PREPARED | {"audit"},
        {"meddef_lib/data/steps.py": ("interpolation = cv2.INTER_LINEAR", "interpolation = cv2.INTER_CUBIC")},
    ),
    Edit(
        "the split rule",
        FROM_PREPARED | {"audit"},
        {
            "meddef_lib/data/splits.py": (
                "round(shares[name] * len(members))",
                "int(shares[name] * len(members))",
            )
        },
    ),
    Edit(
        "the pruning threshold",
        {"prune", "anatomy", "diagnose", "least_eps", "readings"},
        {"meddef_lib/pruning.py": ("mask = magnitudes <= cut", "mask = magnitudes < cut")},
    ),
    Edit(
        "a metric inside a cell",
        {"saliency"},
        {"meddef_lib/evaluation/saliency.py": ("float(enlarged[mask].sum", "2 * float(enlarged[mask].sum")},
    ),
    Edit("memory format in training", FROM_TRAINED, set_=("training.channels_last=on",)),
    Edit("memory format under attack", RECORDS, set_=("evaluation.channels_last=on",)),
    Edit("precision under attack", RECORDS, set_=("evaluation.bfloat16=on",)),
    Edit("precision of training", FROM_TRAINED, set_=("training.autocast=bfloat16",)),
    Edit("a setting that is used", FROM_TRAINED, set_=("training.learning_rate=1e-3",)),
    Edit(
        "the order within the AFD",
        FROM_TRAINED - {"transfer", "boosted"},
        base=(*NO_TRANSFER, "readings.variants=[full]"),
        set_=("model.afd_order=relu_bn",),
        ids="/full/",
    ),
    Edit(
        "the dropout of MedDef's head",
        FROM_TRAINED - {"transfer", "readings", "boosted"},
        base=(*NO_TRANSFER, *UNREAD),
        set_=("model.dropout=0.2",),
        without="/resnet18/",
    ),
    Edit(
        "a setting of one mode",
        {"train", "attack", "diagnose"},
        set_=("training.pgd_steps=2",),
        ids="/full/paper/",
    ),
    Edit(
        "a setting of one attack",
        RECORDS | {"gallery"},
        {},
        UNREAD,
        ("attacks.jsma.theta=0.2",),
        "/jsma",
        of_any_id={"gallery"},  # every attack is in it
    ),
    Edit(
        "steps of the iterative attacks",
        RECORDS | {"saliency", "gallery", "transfer", "boosted"},
        set_=("attacks.steps=3",),
        without="/fgsm",
    ),
    Edit(
        "a clip limit where CLAHE is on",
        FROM_PREPARED,
        set_=("roct.preprocessing.clahe_clip=9",),
        ids="/roct",
    ),
    Edit(
        "a default that is changed",
        FROM_TRAINED,
        {IN_TYPES: ("weight_decay: NotNegative = 1e-4", "weight_decay: NotNegative = 1e-3")},
    ),
    Edit(
        "the content of a file of first weights",
        FROM_TRAINED,
        {"weights.pt": ("", "other bytes")},
        ("model.pretrained=weights.pt", "model.width=64", "comparison.networks={}"),
    ),
]


def copied(folder):
    """A copy of what keys are made of."""
    for part in ("meddef_lib", "params", "notebooks"):
        shutil.copytree(paths.ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "weights.pt").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def before(tmp_path_factory):
    """The keys of the project as it is, by the parameters that are set."""
    root = copied(tmp_path_factory.mktemp("before"))
    known = {}

    def keys_of(base):
        if base not in known:
            known[base] = keys(root, root / "store", base)
        return known[base]

    return keys_of


def keys(root, store, overrides=()):
    """The key of every cell of smoke, by id, as the project in `root` computes it."""
    done = subprocess.run(
        [sys.executable, "-c", KEYS, *overrides],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "MEDDEF_STORE": str(store)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_makes_stale_what_it_changes_and_nothing_else(edit, before, tmp_path):
    root = copied(tmp_path)
    for file, (old, new) in edit.replace.items():
        text = (root / file).read_text(encoding="utf-8") if old else ""
        assert text.count(old) == 1 or not old, f"{file} has {text.count(old)} times: {old}"
        (root / file).write_text(text.replace(old, new) if old else new, encoding="utf-8")
    first, after = before(edit.base), keys(root, tmp_path / "store", (*edit.base, *edit.set_))
    assert after.keys() == first.keys()
    stale = [name for name in after if after[name] != first[name]]
    assert {name.partition("/")[0] for name in stale} == edit.stale
    named = [name for name in stale if name.partition("/")[0] not in edit.of_any_id]
    assert [name for name in named if edit.ids not in name or edit.without in name] == []
