"""Sections 3.3 and 3.4: the network as built, the equations beside it, and what the paper calls new."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.audit.finding import counted
from meddef_lib.report.comparing import CLAIM_WORDS, claim_chip
from meddef_lib.report.elements import Block, Figure, Table, breakable, columns
from meddef_lib.report.html_charts import stacked
from meddef_lib.report.layout import verdict_of
from meddef_lib.report.notebook_page import formula
from meddef_lib.report.section import Section, of_first
from meddef_lib.report.sections.anatomy import diagram, map_size
from meddef_lib.report.view import View, text

BLOCKS = "meddef_lib.models.blocks"
AFD = r"x + C(x \cdot \sigma(\mathrm{Conv}_2(%s(\mathrm{Conv}_1(x))))))"
TESTS = "tests/models/test_blocks.py"


@dataclass(frozen=True)
class Equation:
    """An equation as printed, beside what is built.

    `built` is its formula by the value of the parameter `model.<switch>`, or under "" where no parameter
    switches it; `by` the class that computes it, `open_places` ids of the ledger, `test` what holds the class
    to the formula.
    """

    number: int
    what: str
    printed: str
    built: Mapping[str, str]
    by: str
    test: str
    switch: str = ""
    open_places: tuple[str, ...] = ()


EQUATIONS = (
    Equation(
        1,
        "queries, keys, values",
        r"Q = X W_q, \; K = X W_k, \; V = X W_v",
        {
            "positions": r"Q = X W_q + b_q, \ldots; \; X \in \mathbb{R}^{h w \times d}",
            "channels": r"Q = (X W_q + b_q)^T, \ldots; \; X \in \mathbb{R}^{h w \times d}",
        },
        f"{BLOCKS}.SelfAttention",
        f"{TESTS}::test_self_attention_over_positions_is_equation_2",
        "attention_over",
        ("attention_over",),
    ),
    Equation(
        2,
        "self-attention",
        r"A = \mathrm{softmax}(Q K^T / \sqrt{d_k}) \, V",
        {"": r"A = \mathrm{softmax}(Q K^T / \sqrt{d_k}) \, V \, W_o + b_o"},
        f"{BLOCKS}.SelfAttention",
        f"{TESTS}::test_self_attention_over_positions_is_equation_2",
        open_places=("attention_over", "block_layers"),
    ),
    Equation(
        3,
        "adversarial feature detection",
        AFD % r"\mathrm{BN}(\mathrm{ReLU}",
        {"bn_relu": AFD % r"\mathrm{ReLU}(\mathrm{BN}", "relu_bn": AFD % r"\mathrm{BN}(\mathrm{ReLU}"},
        f"{BLOCKS}.AFD",
        f"{TESTS}::test_afd_is_equation_3",
        "afd_order",
        ("afd_order", "block_layers"),
    ),
    Equation(
        4,
        "medical feature extraction",
        r"\mathcal{G}([x, \mathcal{E}(x), \mathcal{T}(x)])",
        {"": r"\mathrm{ReLU}(\mathrm{BN}(\mathrm{Conv}_{1 \times 1}[x, \mathcal{E}(x), \mathcal{T}(x)]))"},
        f"{BLOCKS}.MFE",
        f"{TESTS}::test_mfe_is_equation_4",
        open_places=("block_layers",),
    ),
    Equation(
        5,
        "multi-scale features",
        r"\mathcal{F}([x, S_2(x), S_4(x), S_8(x)])",
        {"": r"\mathcal{F}([x, S_2(x), S_4(x), S_8(x)]), \; S_k \; \mathrm{pools \; to} \; k \times k"},
        f"{BLOCKS}.MSF",
        f"{TESTS}::test_msf_is_equation_5_with_torchs_pooling_and_upsampling",
        open_places=("msf_scales", "block_layers"),
    ),
    Equation(
        6,
        "defense module",
        r"x + \Phi([AFD(x), MFE(x), MSF(x)]) \cdot \Omega(x)",
        {
            "x": r"x + \Phi([AFD(x), MFE(x), MSF(x)]) \cdot \Omega(x)",
            "fused": r"x + F \cdot \Omega(F), \; F = \Phi([AFD(x), MFE(x), MSF(x)])",
        },
        f"{BLOCKS}.DefenseModule",
        f"{TESTS}::test_defense_module_is_equation_6",
        "attention_on",
        ("attention_on", "ablated_blocks", "block_layers"),
    ),
    Equation(
        7,
        "whole network",
        r"C(A(D(B(x))))",
        {"": r"C([\mathrm{mean} \, D, \; \mathrm{mean} \, A(D)]), \; D = D(B(x))"},
        f"{BLOCKS}.Head",
        f"{TESTS}::test_head_joins_both_averages",
        open_places=("head_inputs", "dropout"),
    ),
)
# what section 3.4 calls new: paraphrased, where it is built, and the claims that test it
NOVELTIES = {
    "Robustness is built into the features, not added before or after the network": (
        "equation 7",
        ("robustness_and_accuracy_at_once", "defence_enhances_diagnosis"),
    ),
    "Knowledge of the medical images enters through MFE": (
        "equation 4",
        ("mfe_is_a_defence", "mfe_against_jsma", "domain_features_do_not_degrade"),
    ),
    "MSF defends several scales together": ("equation 5", ("msf_against_all", "msf_adds_clean_accuracy")),
    "Attention is computed on features that the defense module has worked on": ("equations 2 and 7", ()),
}


def equations(view: View, dataset: str = "") -> Table:
    topics = {entry["id"]: entry["topic"] for entry in view.document["ledger"]}
    link, code = Markup('<a href="#open-{}">{}</a>'), Markup("<code>{}</code>")
    rows: list[list[str | Markup]] = []
    copied = []
    for one in EQUATIONS:
        built = one.built[view.parameters["model"][one.switch] if one.switch else ""]
        rows.append(
            [
                f"{one.number}: {one.what}",
                Markup(formula(one.printed)),
                ("as printed" if built == one.printed else Markup(formula(built)))
                + Markup("<br>")
                + code.format(one.by.rpartition(".")[2]),
                Markup("<br>").join(link.format(id, topics[id]) for id in one.open_places),
                code.format(breakable(one.test.rpartition("::")[2])),
            ]
        )
        copied.append(
            {"equation": one.number, "what": one.what, "printed": one.printed, "built": built}
            | {"by": one.by, "open": " ".join(one.open_places), "test": one.test}
        )
    titles = ("Equation", "The paper", "As built, and the class", "Where the paper is open", "Checked by")
    return Table(
        "equations",
        f"The paper's {len(rows)} equations beside what is built",
        columns(*titles, wide=titles[-2:]),
        rows,
        pd.DataFrame(copied),
        Markup(
            "x: the map of the backbone, d: its channels, h w: its positions, C: a 3 × 3 convolution in "
            "equation 3 and the classifier in 7. Classes of <code>{}</code>; each test of <code>{}</code> "
            "computes the formula anew and compares it with the class. The widths of all layers together are "
            "checked by the printed parameter counts."
        ).format(BLOCKS, TESTS),
    )


def novelty(view: View) -> list[Block]:
    claims = {claim["id"]: claim for claim in view.document["claims"]}
    found = {said: [claims[id] for id in ids if id in claims] for said, (_, ids) in NOVELTIES.items()}
    frame = pd.DataFrame(
        [
            {"statement": said, "claim": claim["id"], "verdict": verdict_of(claim)["verdict"]}
            for said, tested in found.items()
            for claim in tested
        ],
        columns=["statement", "claim", "verdict"],
    )
    counts = {str(said): Counter(of["verdict"]) for said, of in frame.groupby("statement", sort=False)}
    where = "in the paper's own tables" if view.smoke else "in this run"
    alt = (
        f"A bar for each of {len(counts)} statements of section 3.4 with the claims that test it, by verdict."
    )
    rows = [
        [
            said,
            NOVELTIES[said][0],
            Markup("<br>").join(
                Markup('{} <a href="#claim-{}">{}</a>').format(
                    claim_chip(verdict_of(claim)), claim["id"], claim["text"]
                )
                for claim in tested
            )
            or "no variant of the paper leaves it out",
        ]
        for said, tested in found.items()
    ]
    titles = ("What section 3.4 calls new, paraphrased", "Built as", "Claims that test it")
    return [
        Figure(
            "novelty-claims",
            f"Section 3.4 by the claims elsewhere that test it, {where}",
            alt,
            stacked(counts, CLAIM_WORDS, alt),
            frame,
        ),
        text(
            "<p>Section 3.4 prints no numbers. Its statements rest on {all} of other sections, of "
            "which {holding} hold {where}; statements that no claim tests: {untested} of {statements}.</p>",
            all=counted(len(frame), "claim"),
            holding=(frame["verdict"] == "holds").sum(),
            where=where,
            untested=len(found) - len(counts),
            statements=len(found),
        ),
        Table(
            "novelty", "The statements of section 3.4, one by one", columns(*titles, wide=titles), rows, frame
        ),
    ]


MECHANISM = Section(
    number="3.3",
    title="Defense-aware attention mechanism",
    order=33,
    draw=of_first(diagram, map_size, equations),
    answers=("3",),
)
NOVELTY = Section(number="3.4", title="Methodological novelty", order=34, draw=novelty)
