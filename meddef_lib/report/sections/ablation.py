"""Section 4.2: each variant against the full model on the same images."""

from markupsafe import Markup

from meddef_lib.report.elements import Table, frame_table, p_text
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need

COLUMNS = {
    "attack": "attack",
    "eps": "epsilon",
    "variant": "variant",
    "full": "full, %",
    "accuracy": "variant, %",
    "full_balanced": "full, balanced, %",
    "balanced": "variant, balanced, %",
    "difference": "difference",
    "ci_low": "low",
    "ci_high": "high",
    "published_difference": "paper's difference",
    "only_full": "only full right",
    "only_variant": "only variant right",
    "p_holm": "p (Holm)",
}


@from_cells("03_ablation", "attack", main=True)
def ablation_table(view: View, dataset: str) -> Table:
    """Differences with their intervals and McNemar's exact test."""
    name = view.dataset(dataset)
    frame = need(view.rows("comparisons", dataset=dataset), f"the records of {name}")
    frame["attack"] = frame["attack"].map(view.attack)
    frame["variant"] = [view.title(variant, dataset) for variant in frame["variant"]]
    note = Markup(
        "Difference: accuracy of the variant minus that of the full model, on the same images, in points, "
        "with its 95 % interval (Bonett and Price, 2012). The paper's difference is that of the same two "
        "numbers of its table; it prints JSMA once an epsilon, which makes no one difference. "
        "p: McNemar's exact test on the images that only one of the two gets right, with Holm's correction "
        "over the rows of this table. It tells two trainings apart, of one seed each: another training of "
        "the same network differs as well. Balanced: the mean of the classes' recalls."
    )
    return frame_table(
        frame[list(COLUMNS)].rename(columns=COLUMNS),
        id=f"ablation-{dataset}",
        caption=f"Ablation, {name}{view.first_seed}: what removing parts of the DAAM changes (4.2)",
        texts={"p (Holm)": p_text},
        note=note,
    )


SECTION = Section(
    number="4.2", title="Comprehensive ablation study", order=42, draw=of_each_dataset(ablation_table)
)
