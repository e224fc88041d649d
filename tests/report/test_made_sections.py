"""Sections on what was made: the images, the network, its training and weights, its maps."""

import html

import pytest

from meddef_lib.report.elements import Prose
from meddef_lib.report.sections import anatomy, attacks, data, data_audit, saliency, training
from meddef_lib.results.parts.anatomy import of_map

DATASET = "chest_xray"  # the data set of the profile `mini`
MODEL = f"{DATASET}/full/clean/seed=0"


# --- images ---------------------------------------------------------------------------------------


def audit(**changed):
    copies = dict.fromkeys(
        ("groups", "files", "superfluous", "across_splits", "across_classes", "across_patients"), 1
    )
    found = {
        "version": "phantoms",
        "files": {
            "images": 1019,
            "modes": {"L": 1018, "RGB": 1},
            "width": [10.0, 20.5, 30.0],
            "height": [5.0, 6.0, 7.0],
            "different_sizes": 4,
            "with_exif": 1,
            "names_without_patient": 0,
            "clutter": 1,
        },
        "sizes": [{"size": "20x6", "images": {"PNEUMONIA": 0, "NORMAL": 7}}],
        "problems": [],
        "statistics": [{"quantity": "mean of all pixels", "original_files": 0.4, "paper": 0.48}],
        "near_duplicate_rule": {"hash_bits": 10, "correlation": 0.99},
        "copies": [{"kind": kind, **copies} for kind in ("bytes", "pixels", "near")],
        "shortcuts": [
            {"shortcut": "aspect_ratio", "balanced_accuracy": 0.7, "low": 0.6, "high": 0.8, "chance": 0.5},
            {"shortcut": "size", "balanced_accuracy": None, "low": None, "high": None, "chance": 0.5},
        ],
    }
    return {"data": {DATASET: {"prepared": None, "audit": found | changed}}}


def test_the_files_are_told_in_words(view_of):
    table = data_audit.files(view_of(**audit()), DATASET)
    said = dict(table.rows)
    assert said["data version"] == "phantoms"
    assert said["readable images"] == "1,019"
    assert said["images of colour mode RGB"] == "1"
    assert said["width"] == "10 to 30, median 20.5 pixels"
    assert said["files with EXIF"] == "1"


def test_classes_stand_in_their_order_and_copies_in_words(view_of):
    view = view_of(**audit())
    assert data_audit.sizes(view, DATASET).rows == [["20x6", "7", "0"]]
    copies = data_audit.copies(view, DATASET)
    assert [row[0] for row in copies.rows] == ["same bytes", "same pixels", "nearly the same picture"]
    assert "within 10 of 64 bits and a correlation of at least 0.99" in copies.note


@pytest.mark.parametrize(
    ("used", "said"),
    [(None, " files. "), (1019, " files. "), (520, " files, of which this run uses 520. ")],
)
def test_patients_are_said_to_be_of_all_files_or_of_those_in_use(used, said, view_of):
    patients = [{"reading": "number", "one_patient_is": "one number", "patients": 300}]
    parts = audit(patients=patients)
    parts["data"][DATASET]["prepared"] = {"splits": {"train": used - 20, "test": 20}} if used else None
    note = data_audit.patients(view_of(**parts), DATASET).note
    assert f"Counted over all 1,019 readable{said}The files say" in note


def test_files_that_are_all_as_they_should_be_are_a_sentence(view_of):
    assert "could be read as it is" in data_audit.problems(view_of(**audit()), DATASET).html
    one = {"path": "a.jpeg", "what": "left out", "reason": "is empty (0 bytes)"}
    assert data_audit.problems(view_of(**audit(problems=[one])), DATASET).rows == [list(one.values())]


def test_statistics_without_a_printed_number_have_no_column_for_it(view_of):
    assert data_audit.statistics(view_of(**audit()), DATASET).columns[-1].title == "Paper"
    found = {"quantity": "mean of all pixels", "original_files": 0.4, "paper": None}
    table = data_audit.statistics(view_of(**audit(statistics=[found])), DATASET)
    assert [column.title for column in table.columns] == ["Quantity", "Original files"]


def test_shortcuts_that_cannot_be_scored_are_a_dash_and_are_not_drawn(view_of):
    view = view_of(**audit())
    assert [row[1] for row in data_audit.shortcuts(view, DATASET).rows] == ["0.70", "–"]
    assert data_audit.shortcut_scores(view, DATASET).alt == (
        "Points with intervals against chance at 0.50: aspect ratio 0.70 (0.60 to 0.80)."
    )


def test_what_is_not_there_is_said(view_of):
    view = view_of(data={DATASET: {"prepared": None, "audit": None}})
    pictures = {"samples": [], "copies": [], "stepwise": [], "gallery": []}
    for build in (data_audit.files, data_audit.shortcut_distributions, data.distribution, data.counts):
        assert build(view, DATASET).kind == "missing"
    view = view_of(data={DATASET: {"prepared": None, "audit": None}}, pictures=pictures)
    assert data.samples(view, DATASET).kind == "missing"
    assert "No copies to show" in data_audit.copies_shown(view, DATASET).html


# --- the network and its weights ------------------------------------------------------------------


def laid_open(scope="global", side=2):
    names = ("normalise", "backbone", "head")
    layers = tuple(f"backbone.layer{stage}" for stage in (1, 2, 3, 4))
    block = {"group": "backbone", "paper": "3.7", "output": "1 × 2 × 2", "share": 0.5}
    return {
        "id": MODEL,
        "dataset": DATASET,
        "variant": "resnet18",
        "image_size": 32 * side,
        **of_map(32 * side),
        "attention_on": "x",
        "blocks": [
            *(
                block | {"module": name, "block": name.title(), "parameters": number}
                for number, name in enumerate(names)
            ),
            block | {"module": "", "group": "", "block": "total", "parameters": 3},
        ],
        "largest_block": "Head",
        "modules": {name: {"output": "1 × 2 × 2", "parameters": 7} for name in (*names, "stem", *layers)},
        "rate": 0.3,
        "scope": scope,
        "cut": 0.01,
        "cut_share": 0.5,
        "magnitudes": {"share": [0.0, 0.5], "magnitude": [0.001, 0.01], "removed": [True, False]},
        "sparsity": [{"layer": "overall", "weights": 10, "zeros": 3, "sparsity": 0.3}],
    }


def test_figure_2_says_what_it_shows(view_of):
    figure = anatomy.diagram(view_of(anatomy=[laid_open()]), DATASET)
    assert figure.alt == (
        "Block diagram of ResNet18 for images of 64 pixels, drawn from the stored model: "
        "Normalise, Backbone, Head. The largest block is Head."
    )
    assert list(figure.data["block"]) == ["Normalise", "Backbone", "Head", "total"]


@pytest.mark.parametrize(
    ("side", "said"),
    [
        (1, "1 × 1 positions: the pools of MSF to 2 and 4 and 8 only enlarge it, and self-attention sees 1 "),
        (7, "7 × 7 positions: the pools of MSF to 8 only enlarge it, and self-attention sees 49 positions"),
        (8, "8 × 8 positions; self-attention sees 64 positions."),
    ],
)
def test_what_small_images_leave_of_the_module_is_said(side, said, view_of):
    assert said in anatomy.map_size(view_of(anatomy=[laid_open(side=side)]), DATASET).html


@pytest.mark.parametrize(
    ("scope", "words"),
    [("global", "are set to zero."), ("layer", "would be set to zero, but each layer is cut by itself.")],
)
def test_the_words_of_figure_4_fit_the_scope(scope, words, view_of):
    figure = anatomy.magnitude_figure(view_of(anatomy=[laid_open(scope)]), DATASET)
    assert figure.alt.endswith(f"the 30 % to the left of the cut at 0.01 {words}")
    assert ("not applied" in figure.picture) == (scope == "layer")


# --- trainings and maps ---------------------------------------------------------------------------


def trained(**history):
    return {
        "id": MODEL,
        "dataset": DATASET,
        "images": 404,
        "epochs": 2,
        "kept_epoch": 1,
        "kept_phase": "clean",
        "kept_eps": 0.0,
        "kept_balanced_accuracy": 0.625,
        "kept_attacked_accuracy": None,
        "images_per_second": 20.0,
        "seconds": 90.0,
        "history": {"epoch": [1, 2], "train_loss": [1.5, 0.5], "val_clean_accuracy": [0.6, 0.925]} | history,
    }


def test_a_training_is_told_in_percent_and_minutes(view_of):
    (row,) = training.training_table(view_of(trainings=[trained()]), DATASET).rows
    assert row == [
        *("MedDef (Full DAAM, clean training)", "404", "2"),
        *("1", "clean", "0.0000", "62.50", "–", "20.00", "1.50"),
    ]
    attacked = {"kept_phase": "stabilization", "kept_eps": 0.03, "kept_attacked_accuracy": 0.24}
    (row,) = training.training_table(view_of(trainings=[trained() | attacked]), DATASET).rows
    assert row[4:8] == ["stabilization", "0.0300", "62.50", "24.00"]


def test_the_curves_are_of_what_was_measured_and_say_how_they_end(view_of):
    figure = training.training_figure(view_of(trainings=[trained()]), DATASET)
    assert figure.alt.endswith("Last validation accuracy: MedDef (Full DAAM, clean training) 92 %.")
    assert "training loss" in figure.picture
    assert "attacked validation images" not in figure.picture
    assert list(figure.data["model"]) == ["MedDef (Full DAAM, clean training)"] * 2


def test_the_schedule_says_how_long_its_phases_are(view_of):
    phases = ("warmup", "aggressive", "stabilization", "stabilization")
    rows = [
        {"epoch": number + 1, "phase": phase, "phase_epochs": phases.count(phase)}
        | {"eps": 0.01, "adversarial_weight": 0.2, "step_size": 0.003}
        for number, phase in enumerate(phases)
    ]
    figure = training.schedule_figure(view_of(schedule=rows), DATASET)
    assert figure.alt.endswith("Epochs by phase: warmup 1, aggressive 1, stabilization 2.")
    assert training.schedule_figure(view_of(schedule=[]), DATASET).kind == "missing"


def test_a_mean_of_maps_has_its_interval_and_what_is_too_coarse_a_dash(view_of):
    mean = {"mean": 0.5, "ci_low": 0.25, "ci_high": 0.75, "n": 4}
    nothing = {"mean": None, "ci_low": None, "ci_high": None, "n": 0}
    row = {"id": MODEL, "dataset": DATASET, "images": 4, "map_size": 7}
    row |= dict.fromkeys(saliency.QUANTITIES, nothing)
    table = saliency.numbers(view_of(saliency=[row | {"rank_correlation": mean}]), DATASET)
    assert table.rows[0][1:5] == ["4", "7\u00a0×\u00a07", "0.50 [0.25, 0.75]", "–"]
    assert table.frame.loc[0, ["mean", "ci_low", "ci_high", "n"]].tolist() == [0.5, 0.25, 0.75, 4]
    area = row | {"foreground_share": mean}  # of the image, which says nothing of a map
    assert "is not measured" in saliency.numbers(view_of(saliency=[area]), DATASET).html


def under_attack(answer="NORMAL", **changed):
    shown = {"class": "NORMAL", "answer": answer, "confidence": 0.75, "map": [[0.0, 0.5], [1.0, 0.25]]}
    return shown | changed


def gallery(view_of, *answers, saliency=()):
    """A view of a network under FGSM and JSMA, which answer so."""
    states = [
        {"attack": attack, "eps": eps, "factor": 10}
        | {"images": [under_attack(answer, linf=0.05, changed=0.5)]}
        for (attack, eps), answer in zip((("fgsm", 0.05), ("jsma", None)), answers, strict=True)
    ]
    entry = {"name": "gallery-full", "dataset": DATASET, "model": MODEL, "images": [under_attack()]}
    pictures = {"samples": [], "copies": [], "stepwise": [], "gallery": [entry | {"states": states}]}
    return view_of(pictures=pictures, saliency=list(saliency))


def test_the_viewer_tells_every_map_and_answer(view_of):
    view = gallery(view_of, "PNEUMONIA", "NORMAL")
    figure = saliency.panels(view, DATASET)
    assert len(figure.data) == 3 * 4, "clean and two attacks, four values each"
    assert figure.data["map"].tolist()[:4] == [0.0, 0.5, 1.0, 0.25]
    picture = html.unescape(figure.picture)
    assert "MedDef (Full DAAM, clean training), FGSM, epsilon 0.05; what it adds is shown × 10" in picture
    assert '"images":[["NORMAL, 75\u00a0%","0492"]]' in picture
    assert 'y="-2"' in picture, "the attacked image of the first state is the third row of its sheet"
    assert "change 1 of the 2 answers" in saliency.changed_read(view, DATASET).html


@pytest.mark.parametrize(
    ("means", "said"),
    [
        ([0.72], "MedDef (Full DAAM, clean training) keep a rank correlation of 0.72 over"),
        ([0.72, 0.7201], "2 networks keep a rank correlation of 0.72 over"),
        ([0.5, 0.72], "2 networks keep a rank correlation of 0.50 to 0.72 over"),
    ],
)
def test_a_rank_correlation_is_said_once(view_of, means, said):
    ids = [f"{DATASET}/{variant}/clean/seed=0" for variant in ("full", "resnet18")[: len(means)]]
    rows = [
        {"dataset": DATASET, "id": id, "variant": "full", "mode": "clean", "rank_correlation": {"mean": mean}}
        | {name: {"ci_low": None} for name in ("deletion", "deletion_random")}
        | {name: {"ci_low": None} for name in ("insertion", "insertion_random")}
        for id, mean in zip(ids, means, strict=True)
    ]
    view = gallery(view_of, "PNEUMONIA", "NORMAL", saliency=rows)
    assert said in saliency.changed_read(view, DATASET).html


def test_maps_that_are_no_better_than_random_and_of_what_was_not_learned_are_named(view_of):
    def maps(variant, deletion, insertion):
        means = {"deletion": deletion, "insertion": insertion}
        means |= dict.fromkeys(("deletion_random", "insertion_random"), 0.4)
        row = {"dataset": DATASET, "id": f"{DATASET}/{variant}/clean/seed=0", "image_size": None}
        row |= {"variant": variant, "mode": "clean", "rank_correlation": {"mean": None}}
        return row | {
            name: {"mean": at, "ci_low": at - 0.05, "ci_high": at + 0.05} for name, at in means.items()
        }

    def said(rows, unlearned=""):
        view = gallery(view_of, "PNEUMONIA", "NORMAL", saliency=rows)
        network = {"dataset": DATASET, "variant": "full", "mode": "clean", "unlearned": unlearned}
        view.document.maps[0]["forgetting"] = [network]
        return saliency.changed_read(view, DATASET).html

    full = "MedDef (Full DAAM, clean training)"
    random = "By deletion and insertion no better than random maps (intervals overlap): "
    better = [maps("full", 0.4, 0.41), maps("resnet18", 0.2, 0.6)]
    assert f"{random}{full}." in said(better)
    assert random not in said(better[1:])
    assert "Not learned" not in said(better)
    assert f"Not learned the task, so that a map explains nothing: {full}." in said(better, "Not learned.")


def test_the_strip_of_attacks_says_how_far_they_go(view_of):
    view = gallery(view_of, "PNEUMONIA", "NORMAL")
    figure = attacks.strip(view, DATASET)
    assert figure.data["attack"].tolist() == ["fgsm", "jsma"]
    assert "FGSM changed the answer" in figure.alt
    said = attacks.strip_read(view, DATASET).html
    assert "FGSM changes 50 % of the values by up to 0.05" in said
    assert "On the 1 image of 4.8, under attack on 1 network, " in said


def test_the_settings_of_attacks_stand_beside_the_papers(view_of):
    rows = attacks.settings(view_of()).rows
    assert ["PGD", "attack steps", "3.8", "40", "2"] in rows
    assert ["JSMA", "JSMA theta", "3.8", "0.1", "0.1"] in rows
    assert not [row for row in rows if row[0] == "FGSM"], "a single step has none"


def test_steps_of_preprocessing_are_told(view_of):
    steps = [
        {"class": "NORMAL", "path": "a", "row": row, "width": 9, "height": 9, "step": step}
        | {"mean": mean, "std": 0.1}
        for row, (step, mean) in enumerate((("the file", 0.2), ("CLAHE", 0.3), ("what networks see", 0.4)))
    ]
    shown = {"name": "stepwise", "dataset": DATASET, "steps": steps}
    view = view_of(pictures={"stepwise": [shown]})
    assert "the file → CLAHE → what networks see" in data.steps(view, DATASET).alt
    assert "a mean of 0.20" in data.steps_read(view, DATASET).html
    assert "after it 0.40" in data.steps_read(view, DATASET).html


def test_without_maps_and_trainings_it_is_said(view_of):
    nothing = {"samples": [], "copies": [], "stepwise": [], "gallery": []}
    view = view_of(pictures=nothing, saliency=[], trainings=[], anatomy=[])
    blocks = [
        saliency.panels(view, DATASET),
        attacks.strip(view, DATASET),
        data.steps(view, DATASET),
        saliency.numbers(view, DATASET),
        training.training_table(view, DATASET),
        training.training_figure(view, DATASET),
        anatomy.diagram(view, DATASET),
        anatomy.block_table(view, DATASET),
        anatomy.sparsity_table(view, DATASET),
    ]
    assert all(isinstance(block, Prose) and block.kind == "missing" for block in blocks)
