"""From what was counted to a verdict: a difference inside noise is no failure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.diagnostics.catalogue import Check, Status
from meddef_lib.results import statistics
from meddef_lib.results.statistics import Interval

Bools = NDArray[np.bool_]

ALPHA = 1 - statistics.CONFIDENCE  # of the paired tests, two-sided
# a proven difference up to this is a warning: sound attacks differ by a few points on adversarially trained
# networks (margin losses against cross-entropy in Croce & Hein 2020); masked gradients hide tens of them
LEEWAY = 0.05


def not_weaker(
    name: str,
    pairs: Mapping[str, tuple[Bools, Bools]],
    said: str,
    *,
    curve: Sequence[Mapping[str, Any]] = (),
) -> Check:
    """A check that images fooled by what should be weaker are fooled by what should be stronger, too.

    pairs: by what is compared, (fooled by the weaker, by the stronger), each (n,); the check is of the pair
    that speaks most against the stronger, by McNemar's exact test, with Bonferroni's correction for the
    number of pairs. `said` has {pair}, {weaker} and {stronger} for its shares.
    """
    tests = {pair: statistics.mcnemar(*map(pd.Series, fooled)) for pair, fooled in pairs.items()}
    leads = {pair: test.only_first - test.only_second for pair, test in tests.items()}
    pair = max(pairs, key=lambda one: (np.sign(leads[one]) * (1 - tests[one].p_value), leads[one]))
    weaker, stronger = pairs[pair]
    n, test = len(weaker), tests[pair]
    # the difference is the weaker's share less the stronger's
    interval = statistics.paired_difference(test.only_second, test.only_first, n)
    proven = leads[pair] > 0 and min(1.0, len(pairs) * test.p_value) <= ALPHA
    status: Status = "pass"
    if proven:
        status = "fail" if interval.low > LEEWAY else "warn"
    text = said.format(pair=pair, weaker=percent(weaker.mean()), stronger=percent(stronger.mean()))
    if n < (least := least_to_fail(len(pairs))):
        text += f" {n} images are too few for this check to fail: it takes {least}."
    elif leads[pair] > 0 and not proven:
        text += f" The difference lies within noise on {n} images."
    return Check(name, status, leads[pair] / n, text, n, *interval, curve)


def least_to_fail(pairs: int) -> int:
    """On how many images two attacks must differ, all one way, for the test of `not_weaker` to prove it."""
    return math.ceil(math.log2(2 * pairs / ALPHA))


def gains(few: Bools, many: Bools) -> bool:
    """Whether more effort proves to fool more images, by more than the leeway."""
    test = statistics.mcnemar(pd.Series(few), pd.Series(many))
    return test.p_value <= ALPHA and test.interval.low > LEEWAY


def share(hits: Bools) -> tuple[float, Interval]:
    """The share of True in (n,), n >= 1, and Wilson's interval."""
    interval = statistics.wilson(int(hits.sum()), len(hits))
    assert interval is not None  # there are images
    return float(hits.mean()), interval


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
