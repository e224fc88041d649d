"""The best pair of features for a saliency map, exactly, without the n x n matrix.

Papernot et al. (2016, eq. 10 and algorithm 3) raise two features p and q at a time, those that maximise

    -(a_p + a_q) (b_p + b_q)   under   a_p + a_q > 0   and   b_p + b_q < 0.

At 224 x 224 x 3 that matrix has 2.3e10 entries. Written with x = a and y = -b, the value of a pair is the
product of its two sums, which grows with every coordinate. Three steps follow, each of which keeps all
that a best pair needs:

1. No pair that holds p is worth more than (x_p + max x)(y_p + max y). Points for which that is less than
   the value of a pair at hand are left out. On gradients of trained networks 2 to some dozen of 150,528
   points remain.
2. A point that two others dominate (both of their coordinates at least as large) is not needed: in its
   pair, one of the two can stand in for it at no loss. What remains is the 2-skyband.
3. The skyband is searched in blocks of neighbours. The largest coordinates of two blocks bound their
   pairs; a pair of blocks is searched only while its bound reaches the best value so far.

Nothing is capped: if every point remains, every point is searched, still in O(n) memory.
"""

from collections.abc import Iterator
from math import inf, isqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Pair = tuple[int, int]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_BLOCK = 128  # points; the values of a block against a block take 128 KiB


def best_pair(a: Tensor, b: Tensor) -> Pair | None:
    """The pair p < q with a_p + a_q > 0, b_p + b_q < 0 that maximises -(a_p + a_q)(b_p + b_q), or None.

    Shapes: a, b (n,), floating point, on one device; a is the gradient of the target's logit, b the summed
    gradient of all other logits (Papernot et al. 2016, eq. 8). None if no pair satisfies both conditions.

    Sums and products are taken in float64; of pairs of equal value it is the lexicographically smallest.

    On softmax outputs instead of logits b = -a, since probabilities sum to one: all points then lie on a
    line through the origin, and the pair is the two largest entries of a. To take these two on logits, as
    some libraries do, is another attack.

    Raises ValueError if a and b are not two vectors of one length, or hold NaN or infinity.
    """
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(
            f"best_pair needs two vectors of one length; a has shape {tuple(a.shape)}, b {tuple(b.shape)}."
        )
    if len(a) < 2:
        return None
    require_finite(a, b)
    nothing = torch.zeros_like(a, dtype=torch.bool)
    pairs = next(best_pairs(a.detach()[None], b.detach()[None], nothing[None]))
    return pairs[0] if pairs else None


def best_pairs(a: Tensor, b: Tensor, excluded: Tensor, count: int = 1) -> Iterator[list[Pair]]:
    """For each image the best pair, then the best one of the remaining features, and so on, `count` times.

    Shapes: a, b (n, f), finite, f >= 2; excluded (n, f) bool, the features that are not to be chosen.
    Yields one list an image, shorter than `count` where no other pair satisfies `best_pair`'s conditions.
    """
    for index, x, y in _candidates(a, b, excluded, count):
        pairs: list[Pair] = []
        left = np.arange(len(index))
        while len(pairs) < count and (found := _best_of(x[left], y[left])):
            p, q = left[list(found)]
            pairs.append((int(index[p]), int(index[q])))
            left = np.delete(left, found)
        yield pairs


def require_finite(a: Tensor, b: Tensor) -> None:
    """Raise ValueError, naming what was found, unless every entry of both is a finite number."""
    for name, gradient in (("a", a), ("b", b)):
        for extreme in gradient.aminmax():
            if not extreme.isfinite():
                raise ValueError(
                    f"The gradient {name} holds {extreme.item()}: pairs of features cannot be ranked by it. "
                    "Check the model's logits for overflow."
                )


def _candidates(
    a: Tensor, b: Tensor, excluded: Tensor, count: int
) -> Iterator[tuple[Indices, Floats, Floats]]:
    """Step 1: of each image the features that its first `count` pairs can hold: index, x = a, y = -b.

    Indices ascend. The bound is computed on the device of a and b and in their precision, with coordinates
    scaled to at most 1.
    """
    features = a.shape[1]
    # a CPU's cache holds some hundred thousand values and their products; a GPU wants one launch for all
    rows = max(1, 2**18 // features) if a.device.type == "cpu" else len(a)
    precision = torch.promote_types(a.dtype, torch.float32)
    slack = 16 * torch.finfo(precision).eps  # more than the rounding of a bound, a product of at most 4
    for a_rows, b_rows, out in zip(a.split(rows), b.split(rows), excluded.split(rows), strict=True):
        x = a_rows.to(precision, copy=True).masked_fill_(out, -inf)
        y = b_rows.to(precision, copy=True).masked_fill_(
            out, inf
        )  # b still: its minimum turns the sign below
        x_top, y_top = x.amax(1, keepdim=True), y.amin(1, keepdim=True)
        x.div_(x_top)
        y.div_(y_top)
        bound = (x + 1).relu_().mul_((y + 1).relu_())

        # Of 2 count - 1 disjoint pairs the least is in reach: earlier pairs cannot have broken all of them.
        seeds = bound.topk(min(4 * count - 2, features // 2 * 2), dim=1).indices
        x_seeds, y_seeds = x.gather(1, seeds), y.gather(1, seeds)
        x_pairs, y_pairs = (v.unflatten(1, (-1, 2)).sum(2).relu_() for v in (x_seeds, y_seeds))
        floor = (x_pairs * y_pairs).amin(1, keepdim=True) - slack
        if features < 4 * count - 2:
            floor.fill_(-slack)
        floor.masked_fill_((x_top <= 0) | (y_top >= 0), inf)  # no pair at all
        row, column = (bound >= floor).nonzero(as_tuple=True)

        # Nor can they have used up all seeds but one: what every seed dominates is in no best pair.
        x_floor, y_floor = x_seeds.amin(1) - slack, y_seeds.amin(1) - slack
        kept = (x[row, column] >= x_floor[row]) | (y[row, column] >= y_floor[row])
        kept &= ~out[row, column]
        row, column = row[kept], column[kept]
        index, x_kept, y_kept = column, a_rows[row, column], -b_rows[row, column]
        ends = np.searchsorted(row.cpu().numpy(), np.arange(1, len(a_rows)))
        yield from zip(
            np.split(index.cpu().numpy(), ends),
            np.split(x_kept.cpu().double().numpy(), ends),
            np.split(y_kept.cpu().double().numpy(), ends),
            strict=True,
        )


def _best_of(x: Floats, y: Floats, block: int = _BLOCK) -> Pair | None:
    """Steps 2 and 3: of the best pairs of the points (x, y) the lexicographically smallest, or None."""
    if len(x) < 2:
        return None
    band = _two_skyband(x, y)
    best, members = _search(x[band], y[band], block)
    if best == -inf:
        return None
    # Any feature of a best pair forms one with a member too: put the points that dominate its partner in the
    # partner's place, one by one. So the smallest p, and then its smallest q, need no other search for pairs.
    members = band[members]
    p = int(members.min())
    for z in members:
        tied = _values(x[:p], y[:p], x[z], y[z]) == best
        if tied.any():
            p = int(tied.argmax())
    tied = _values(x[p + 1 :], y[p + 1 :], x[p], y[p]) == best
    return p, p + 1 + int(tied.argmax())


def _two_skyband(x: Floats, y: Floats) -> Indices:
    """Points without two others at least as large in both coordinates, ordered by y, largest first.

    Where coordinates are equal a few more points may remain, which costs time only.
    """
    order = np.argsort(-x)
    order = order[_above_second_largest(y[order])]
    order = order[np.argsort(-y[order])]
    return order[_above_second_largest(x[order])]


def _above_second_largest(v: Floats) -> NDArray[np.bool_]:
    """Which entries exceed the second largest of the entries before them (the first two always do)."""
    largest = np.maximum.accumulate(v)
    second = np.maximum.accumulate(np.minimum(v[1:], largest[:-1]))
    above = np.ones(len(v), dtype=bool)
    above[2:] = v[2:] > second[:-1]
    return above


def _search(x: Floats, y: Floats, block: int) -> tuple[float, Indices]:
    """Step 3: the largest value of a pair (-inf: there is no pair), and the points in pairs of that value."""
    block = max(block, isqrt(len(x) // 8))  # so that the table of bounds, too, stays within O(n) memory
    starts = np.arange(0, len(x), block)
    x_corner, y_corner = np.maximum.reduceat(x, starts), np.maximum.reduceat(y, starts)
    first, second = np.triu_indices(len(starts))
    bounds = _values(x_corner[first], y_corner[first], x_corner[second], y_corner[second])
    best, is_member = -inf, np.zeros(len(x), dtype=bool)
    for k in np.argsort(-bounds):
        if bounds[k] < best or bounds[k] == -inf:
            break
        i, j = starts[first[k]], starts[second[k]]
        rows, columns = slice(i, i + block), slice(j, j + block)
        values = _values(x[rows, None], y[rows, None], x[columns], y[columns])
        if i == j:
            np.fill_diagonal(values, -inf)  # p and q are two features
        top = float(values.max())
        if top > best:
            best, is_member[:] = top, False
        if top == best > -inf:
            tied = values == best
            is_member[rows] |= tied.any(axis=1)
            is_member[columns] |= tied.any(axis=0)
    return best, np.flatnonzero(is_member)


def _values(x: Floats, y: Floats, x_other: Floats | np.float64, y_other: Floats | np.float64) -> Floats:
    """(x + x_other)(y + y_other), broadcast; -inf where one of the sums is not positive.

    Rounding keeps order, in sums and in products of positive numbers: if u <= v, the rounded u is at most the
    rounded v. So what dominates a point, or bounds a block, does so for computed values too, to the last bit.
    """
    with np.errstate(over="ignore", under="ignore"):  # infinity and zero are values in order as well
        x_sum, y_sum = x + x_other, y + y_other
        return np.where((x_sum > 0) & (y_sum > 0), x_sum * y_sum, -inf)
