"""The defences that the introduction names, on the plain ResNet-18: what each looks like, and what it is."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.defences.registry import DEFENCES, UNDEFENDED, Defence, chosen
from meddef_lib.paper.addresses import BASELINE, eps_text
from meddef_lib.paper.audit.finding import counted
from meddef_lib.params import Profile
from meddef_lib.results import metrics, statistics
from meddef_lib.results.collected import Collected
from meddef_lib.results.model import Model
from meddef_lib.results.part import PAIRED, paired, part, share_of, with_holm

CLEAN, WEAK, ADAPTIVE, EVERY = "clean", "weak", "adaptive", "every_adaptive"
Hits = dict[tuple[float | None, str, str, str], tuple[pd.Series, int]]  # by eps, role, attack and view


def plain(profile: Profile, dataset: str) -> Model:
    return Model(dataset, BASELINE, "clean", profile.seeds[0])


@part(
    "defences",
    text="dataset defence attack made_on",
    role={"enum": [CLEAN, WEAK, ADAPTIVE, EVERY]},
    number=f"eps accuracy ci_low ci_high {PAIRED}",
    count="n zero_gradients",
)
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a data set, defence, budget and attack; accuracies in percent, differences in points.

    `role`: clean images; a weak attack, which does not take the defence into account; an adaptive one, which
    does; and every_adaptive, where an image counts that is right as it is and under each of those. What an
    attack looks at is `made_on`. The difference is to the undefended network on the same images: of adaptive
    attacks to the same attack in white box, of the weak one to that, too. `p` is McNemar's exact one,
    `p_holm` with Holm's correction over the rows of the data set.
    """
    every = []
    for dataset in found.datasets:
        folders = {
            name: found.folder(f"defence/{plain(found.profile, dataset).id}/{name}")
            for name in chosen(found.profile.defences)
        }
        hits = {name: _hits(pd.read_parquet(of / "answers.parquet")) for name, of in folders.items() if of}
        every += with_holm(
            {"dataset": dataset, **row}
            for name, of_defence in hits.items()
            for row in _of_defence(DEFENCES[name], of_defence, hits.get(UNDEFENDED, {}))
        )
    return every


def _hits(answers: pd.DataFrame) -> Hits:
    """Which images are right, by image id, and on how many an attack's gradient was 0."""
    first = answers.drop_duplicates("image_id")
    clean = metrics.correct(first, "clean_pred")
    found: Hits = {(None, CLEAN, "", ""): (clean, 0)}
    for eps in answers["eps"].unique().tolist():
        of_eps = answers[answers["eps"] == eps]
        standing = clean
        for (role, attack, made_on), shown in of_eps.groupby(["role", "attack", "made_on"], sort=False):
            right = metrics.correct(shown, "adv_pred")
            found[eps, str(role), str(attack), str(made_on)] = right, int(shown["zero_gradient"].sum())
            if role == ADAPTIVE:
                standing = standing & right
        found[eps, EVERY, "", ""] = standing, 0
    return found


def _of_defence(defence: Defence, hits: Hits, undefended: Hits) -> Iterator[dict[str, Any]]:
    for (eps, role, attack, made_on), (right, zero) in hits.items():
        row = {
            "defence": defence.id,
            "eps": eps,
            "role": role,
            "attack": ATTACKS[attack].title if attack else "",
            "made_on": made_on,
            **share_of(right, "accuracy"),
            "zero_gradients": zero,
            **dict.fromkeys(PAIRED.split()),
        }
        role_there = ADAPTIVE if role == WEAK else role
        other = [of for place, (of, _) in undefended.items() if place[:3] == (eps, role_there, attack)]
        if other and defence.id != UNDEFENDED:
            row |= paired(right, other[0])
        yield row


@part("defence_sentences", text="dataset text", number="eps")
def sentences(found: Collected) -> list[dict[str, Any]]:
    """A sentence a data set and budget: how many defences look better, and how many are."""
    every = pd.DataFrame(rows(found))
    if every.empty:
        return []
    attacked = every[every["role"].isin([WEAK, EVERY]) & (every["defence"] != UNDEFENDED)]
    places = attacked[["dataset", "eps"]].drop_duplicates().itertuples(index=False, name=None)
    return [
        {
            "dataset": dataset,
            "eps": eps,
            "text": _sentence(eps, attacked[(attacked["dataset"] == dataset) & (attacked["eps"] == eps)]),
        }
        for dataset, eps in places
    ]


def _sentence(eps: float, attacked: pd.DataFrame) -> str:
    weak, adaptive = (attacked[attacked["role"] == role] for role in (WEAK, EVERY))
    said = []
    for of_role in (weak, adaptive):
        better = of_role[(of_role["difference"] > 0) & (of_role["p_holm"] <= statistics.ALPHA)]
        names = [
            f"{DEFENCES[row['defence']].title}, {row['difference']:+.0f} points"
            for row in better.to_dict("records")
        ]
        listed = f" ({'; '.join(names)})" if names else ""
        said.append(f"{len(names) or 'none'} of {len(of_role)}{listed}")
    return (
        f"At epsilon {eps_text(eps)}, on {counted(adaptive['n'].max(), 'image')}, more accurate than the "
        f"undefended one: under an attack that does not take the defence into account {said[0]}; under all "
        f"that do {said[1]}."
    )
