"""Sections 3.2 to 3.8: the network (Figure 2), its training (Figure 3) and its weights (Figure 4)."""

import json

import pandas as pd
from markupsafe import Markup

from meddef_lib.params import GIVEN
from meddef_lib.report import charts, mathematics
from meddef_lib.report.blocks import Figure, Made, Prose, Table, frame_table
from meddef_lib.report.comparing import comparing_table
from meddef_lib.report.inline import svg
from meddef_lib.report.view import View, counted, text
from meddef_lib.workbook.cells import Trained

MSF_SCALES = (2, 4, 8)  # pooled to k x k (equation 5)
CURVES = {
    "train_loss": "training loss",
    "train_clean_accuracy": "accuracy on training images",
    "val_clean_accuracy": "accuracy on validation images",
    "val_adversarial_accuracy": "accuracy on attacked validation images",
}


def diagram(view: View, dataset: str) -> Figure | Prose:
    """Figure 2: the full network, drawn from the stored model itself."""
    model = _full(view, dataset)
    folder = view.found.folder(view.book.anatomy(model)) if model else None
    if model is None or folder is None:
        return view.missing("the full model")
    facts = json.loads((folder / "anatomy.json").read_text(encoding="utf-8"))
    blocks = pd.read_parquet(folder / "blocks.parquet")
    return Figure(
        f"figure2-{dataset}",
        "Figure 2: the network as built, from the input to the logits, with the size of each map and the "
        "parameters of each block.",
        facts["diagram_alt"],
        Markup((folder / "diagram.svg").read_text(encoding="utf-8")),
        blocks,
        made=view.made(f"02_training.{dataset}", [view.book.anatomy(model)]),
        smoke=view.smoke,
    )


def equations() -> Prose:
    """What the blocks compute, as they are built (equations 3 and 6, and the head of section 3.7)."""
    formulas = {
        "The defense module (eq. 6)": r"D(x) = x + \Phi([AFD(x), MFE(x), MSF(x)]) \odot \Omega(x)",
        "Adversarial feature detection (eq. 3)": r"AFD(x) = x + W_{3 \times 3}(x \odot m(x))",
        "The head (3.7), over the positions p of D and of its self-attention A": (
            r"\mathrm{logits} = W_2 \, \mathrm{ReLU}(W_1 [\mathrm{mean}_p D, \mathrm{mean}_p A(D)])"
        ),
    }
    lines = Markup().join(
        Markup("<dt>{}</dt><dd>{}</dd>").format(name, Markup(mathematics.formula(latex, block=True)))
        for name, latex in formulas.items()
    )
    said = "<p>As built, with x the map of the backbone and m the mask; where the paper can be read in more "
    said += 'than one way, <a href="#ledger">the list of open places</a> says which reading this is.</p>'
    return Prose(Markup("<dl>{}</dl>").format(lines) + Markup(said))


def map_size(view: View) -> Prose:
    """What of the defense module the size of the images leaves to do."""
    size = view.book.profile.image_size
    side = -(-size // 32)  # the backbone halves five times
    enlarged = [str(scale) for scale in MSF_SCALES if scale > side]
    said = "<p>At {size} px the map that the defense module works on has {side} × {side} positions"
    said += (
        ": the pools of MSF to {enlarged} only enlarge it, and self-attention"
        if enlarged
        else "; self-attention"
    )
    said += " sees {positions}.</p>"
    return text(
        said,
        size=size,
        side=side,
        enlarged=" and ".join(enlarged),
        positions=counted(side**2, "position"),
    )


def block_table(view: View, dataset: str) -> Table | Prose:
    """Parameters by block of the full network."""
    model = _full(view, dataset)
    folder = view.found.folder(view.book.anatomy(model)) if model else None
    if folder is None:
        return view.missing("the full model")
    return frame_table(
        pd.read_parquet(folder / "blocks.parquet"),
        id=f"blocks-{dataset}",
        caption="Parameters by block of the full network (3.3, 3.7)",
        decimals=3,
        made=_anatomy(view, dataset, "02_training"),
        smoke=view.smoke,
    )


def parameter_table(view: View) -> Table:
    """Parameters in millions of every variant, for both data sets (Tables 1 and 2 print them)."""
    columns_of = _tables(view)
    columns = {table: view.book.datasets[name].title for name, table in columns_of.items()}
    rows = [
        ((view.title(variant),), {table: f"{table}/{variant}/parameters" for table in columns})
        for variant in view.paper.variants
    ]
    return comparing_table(
        view,
        id="parameters",
        caption=f"Parameters of every variant, in millions: {', '.join(columns.values())}",
        heads=("Model",),
        columns=columns,
        rows=rows,
        note=Markup(
            "Counted in the stored weights; running statistics of batch normalisation are not parameters."
        ),
        made=view.made(
            f"02_training.{next(iter(columns_of))}",
            (view.book.trained(model) for name in columns_of for model in view.book.main_models(name)),
        ),
    )


def _tables(view: View) -> dict[str, str]:
    every = {"roct": "table1", "chest_xray": "table2"}
    return {name: table for name, table in every.items() if name in view.book.datasets}


def _anatomy(view: View, dataset: str, notebook: str) -> Made:
    return view.made(f"{notebook}.{dataset}", view.book.anatomies(dataset))


def _full(view: View, dataset: str) -> Trained | None:
    found = [model for model in view.book.main_models(dataset) if model.variant == "full"]
    return found[0] if found else None


# --- training -------------------------------------------------------------------------------------


def schedule_figure(view: View) -> Figure | Prose:
    """The three phases of section 3.8, for this profile's number of epochs."""
    if view.book.given:
        return view.missing("the schedule of the training")
    from meddef_lib.training import schedule

    params = view.book.profile.training
    phases = [schedule.at(epoch, params) for epoch in range(params.epochs)]
    frame = pd.DataFrame(
        [
            {
                "epoch": epoch + 1,
                "phase": phase.name,
                "eps": phase.eps,
                "adversarial_weight": phase.adversarial_weight,
                "step_size": phase.step_size,
            }
            for epoch, phase in enumerate(phases)
        ]
    )
    lengths = frame["phase"].value_counts(sort=False).to_dict()
    said = ", ".join(f"{name} {count}" for name, count in lengths.items())
    alt = f"Line plots of epsilon and adversarial weight by epoch. Epochs by phase: {said}."
    return Figure(
        "schedule",
        f"The adversarial schedule of section 3.8 over {counted(params.epochs, 'epoch')}.",
        alt,
        svg(charts.schedule(frame), alt, smoke=view.smoke),
        frame,
        made=view.made(f"02_training.{next(iter(view.book.datasets))}", ()),
        smoke=view.smoke,
    )


def training_figure(view: View, dataset: str) -> Figure | Prose:
    """Figure 3's process as it went: losses and accuracies by epoch, a line a model."""
    history = _history(view, dataset)
    if history.empty:
        return view.missing(f"the trained models of {view.book.datasets[dataset].title}")
    columns = {
        name: title for name, title in CURVES.items() if name in history and history[name].notna().any()
    }
    titles = dict(zip(history["model"], history["model"], strict=True))
    drawing = charts.training_curves(history, columns, titles)
    last = history.groupby("model", sort=False).tail(1)
    ends = "; ".join(f"{row['model']} {100 * row['val_clean_accuracy']:.0f} %" for _, row in last.iterrows())
    name = view.book.datasets[dataset].title
    alt = f"Line plots by epoch of losses and accuracies on {name}. Last validation accuracy: {ends}."
    return Figure(
        f"training-{dataset}",
        f"Figure 3 as it went on {name}: losses and accuracies by epoch (3.2.2).",
        alt,
        svg(drawing, alt, smoke=view.smoke),
        history.drop(columns=["dataset"]),
        made=view.made(
            f"02_training.{dataset}", (view.book.trained(model) for model in _every_model(view, dataset))
        ),
        smoke=view.smoke,
    )


def _history(view: View, dataset: str) -> pd.DataFrame:
    history = view.found.history
    if history.empty:
        return history
    titles_of = {model.id: view.model_title(model) for model in _every_model(view, dataset)}
    mine = history[history["dataset"] == dataset]
    return mine.assign(model=[titles_of[id] for id in mine["id"]]).drop(columns="id")


def _every_model(view: View, dataset: str) -> list[Trained]:
    return [*view.book.models(dataset), *view.book.larger_models(dataset)]


def training_table(view: View, dataset: str) -> Table | Prose:
    """What each training took and which epoch was kept."""
    rows = []
    history = view.found.history
    for model in (*view.found.models, *view.found.larger_models):
        if model.dataset != dataset or model.mode == GIVEN:
            continue
        told = view.found.training(model)
        mine = history[history["id"] == model.id]
        kept = mine[mine["epoch"] == told["best_epoch"]].iloc[0]
        rows.append(
            {
                "model": view.model_title(model),
                "images": told["train_images"],
                "epochs": len(mine),
                "kept epoch": told["best_epoch"],
                "its validation balanced accuracy, %": 100 * kept["val_clean_balanced_accuracy"],
                "images/s": mine["images_per_second"].median(),
                "minutes": told["seconds"] / 60,
            }
        )
    if not rows:
        return view.missing(f"the trained models of {view.book.datasets[dataset].title}")
    return frame_table(
        pd.DataFrame(rows),
        id=f"trainings-{dataset}",
        caption=f"Trainings on {view.book.datasets[dataset].title}; the epoch is chosen on validation images",
        made=view.made(
            f"02_training.{dataset}", (view.book.trained(model) for model in _every_model(view, dataset))
        ),
        smoke=view.smoke,
    )


# --- pruning --------------------------------------------------------------------------------------


def magnitude_figure(view: View, dataset: str) -> Figure | Prose:
    """Figure 4: the full model's weights sorted by magnitude, and the cut."""
    model = _full(view, dataset)
    folder = view.found.folder(view.book.anatomy(model)) if model else None
    if model is None or folder is None:
        return view.missing("the full model")
    facts = json.loads((folder / "anatomy.json").read_text(encoding="utf-8"))
    return Figure(
        f"figure4-{dataset}",
        f"Figure 4: magnitudes of the full model's weights in order, {view.book.datasets[dataset].title}"
        f"{view.first_seed}, and the cut at {facts['rate_percent']} %.",
        facts["magnitudes_alt"],
        Markup((folder / "magnitudes.svg").read_text(encoding="utf-8")),
        pd.read_parquet(folder / "magnitudes.parquet"),
        made=view.made(f"05_pruning_sweep.{dataset}", [view.book.anatomy(model)]),
        smoke=view.smoke,
    )


def sparsity_table(view: View, dataset: str) -> Table | Prose:
    """Zeros by layer after pruning the full model at the rate of Figure 4."""
    model = _full(view, dataset)
    folder = view.found.folder(view.book.anatomy(model)) if model else None
    if folder is None:
        return view.missing("the full model")
    facts = json.loads((folder / "anatomy.json").read_text(encoding="utf-8"))
    return frame_table(
        pd.read_parquet(folder / "sparsity.parquet"),
        id=f"sparsity-{dataset}",
        caption=f"Zeros by layer of the full model{view.first_seed} after pruning {facts['rate_percent']} % "
        "of its weights",
        decimals=3,
        made=_anatomy(view, dataset, "05_pruning_sweep"),
        smoke=view.smoke,
    )
