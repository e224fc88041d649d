"""How far a measured number may be from a printed one: the rule behind `params/published/tolerances.yaml`.

`python -m meddef_lib.results.tolerances` prints the values that the rule gives, for that file. The file
holds them, and not only the rule, so that they are fixed, and seen to be, before a run.
"""

from meddef_lib.paper import published
from meddef_lib.paper.addresses import DIGITS, SCALE, PrintedValue
from meddef_lib.results import statistics


def by_rule(value: PrintedValue) -> float | None:
    """The tolerance of one printed number, in its unit; None where nothing can be compared.

    Half a unit of the last printed digit; for a share of n images also the larger distance from the printed
    share to the ends of its 95 % Wilson interval over n. Counts are exact.
    """
    if value.cannot:
        return None
    if value.unit == "count":
        return 0.0
    tolerance = 0.5 * 10.0**-value.decimals
    if value.n is not None:
        scale = SCALE[value.unit]
        share = value.value / scale
        interval = statistics.wilson(share * value.n, value.n)
        assert interval is not None  # n is at least 1
        tolerance += scale * max(share - interval.low, interval.high - share)
    return round(tolerance, DIGITS[value.unit])


def main() -> None:
    paper = published.read()
    for id, value in paper.values.items():
        tolerance = by_rule(value)
        if tolerance is not None and id not in paper.tolerances.exceptions:
            print(f"    {id}: {tolerance:.{DIGITS[value.unit]}f}")


if __name__ == "__main__":
    main()
