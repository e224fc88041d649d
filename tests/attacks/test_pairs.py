import tracemalloc
from math import inf, nan

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meddef_lib.attacks import pairs
from meddef_lib.attacks.jsma import best_pair


def every_pair(x, y):
    """The rule of `best_pair` on x = a, y = -b, by looking at all n^2 pairs."""
    with np.errstate(over="ignore", under="ignore"):
        x_sum, y_sum = x[:, None] + x, y[:, None] + y
        ordered = np.triu(np.ones((len(x), len(x)), dtype=bool), k=1)
        values = np.where((x_sum > 0) & (y_sum > 0) & ordered, x_sum * y_sum, -inf)
    p, q = np.unravel_index(values.argmax(), values.shape)
    return None if values[p, q] == -inf else (int(p), int(q))


def found(x, y, dtype=torch.float64):
    return best_pair(torch.tensor(x, dtype=dtype), -torch.tensor(y, dtype=dtype))


def family(kind, n, rng):
    """Points of one shape; most shapes are there for their ties."""
    normal, other, place = rng.normal(size=n), rng.normal(size=n), np.sort(rng.uniform(size=n))
    match kind:
        case "normal":
            return normal, other
        case "whole numbers":
            return rng.integers(-3, 4, n), rng.integers(-3, 4, n)
        case "softmax":  # b = -a
            return normal, normal
        case "opposed":  # b = a: no pair
            return normal, -normal
        case "all equal":
            return np.full(n, normal[0]), np.full(n, other[0])
        case "one coordinate equal":
            return np.ones(n), other
        case "line":  # nobody dominates anybody, and every pair with the same sum ties
            return place, 1 - place
        case "circle":
            return np.cos(place * np.pi / 2), np.sin(place * np.pi / 2)
        case "staircase":
            steps = rng.integers(0, 8, n)
            return steps, 8 - steps + rng.integers(-1, 2, n)
        case "magnitudes":
            size = np.exp(np.clip(rng.normal(size=(2, n)) * 25, -100, 88))
            return size * rng.choice([-1, 1], size=(2, n))
        case "correlated":
            return np.round(normal, 1), np.round(0.4 * other - normal, 1)
    raise AssertionError(kind)


FAMILIES = (
    "normal",
    "whole numbers",
    "softmax",
    "opposed",
    "all equal",
    "one coordinate equal",
    "line",
    "circle",
    "staircase",
    "magnitudes",
    "correlated",
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", FAMILIES)
def test_best_pair_is_that_of_the_full_search(kind, dtype):
    rng = np.random.default_rng(3)
    for _ in range(100):
        n = int(rng.integers(2, rng.choice([6, 60])))
        x, y = (np.asarray(v, dtype=dtype) for v in family(kind, n, rng))
        expected = every_pair(x.astype(np.float64), y.astype(np.float64))
        assert best_pair(torch.from_numpy(x), torch.from_numpy(-y)) == expected, (x, y)


@pytest.mark.parametrize("kind", FAMILIES)
def test_search_by_blocks_finds_what_the_full_search_finds(kind):
    rng = np.random.default_rng(4)
    for _ in range(30):
        x, y = (v.astype(np.float64) for v in family(kind, int(rng.integers(2, 90)), rng))
        assert pairs._best_of(x, y, block=4) == every_pair(x, y), (x, y)


@pytest.mark.parametrize("kind", ["normal", "circle", "line", "correlated"])
def test_best_pair_of_some_thousand_features(kind):
    x, y = (v.astype(np.float32).astype(np.float64) for v in family(kind, 3000, np.random.default_rng(5)))
    assert found(x, y, torch.float32) == every_pair(x, y)


POINT = st.tuples(*[st.one_of(st.integers(-4, 4).map(float), st.floats(-1e100, 1e100))] * 2)


@given(st.lists(POINT, min_size=2, max_size=30))
@settings(max_examples=200, deadline=None)
def test_best_pair_of_any_points(points):
    x, y = np.array(points).T
    assert found(x, y) == every_pair(x, y)


@given(
    st.lists(st.tuples(POINT, st.booleans()), min_size=2, max_size=14),
    st.integers(1, 8),
)
@settings(max_examples=150, deadline=None)
def test_further_pairs_are_the_best_of_what_is_left(points, count):
    x, y = np.array([point for point, _ in points]).T
    excluded = np.array([out for _, out in points])
    left, expected = np.flatnonzero(~excluded), []
    while len(expected) < count and len(left) > 1 and (pair := every_pair(x[left], y[left])):
        expected.append((int(left[pair[0]]), int(left[pair[1]])))
        left = np.delete(left, pair)
    two_rows = (torch.tensor(np.stack([v, v])) for v in (x, -y, excluded))
    assert list(pairs.best_pairs(*two_rows, count)) == [expected, expected]


def test_softmax_outputs_make_it_the_two_largest():
    a = torch.tensor([0.1, 0.5, -0.9, 0.3, 0.4])
    assert best_pair(a, -a) == (1, 4)
    # on logits that is another pair: feature 1 raises the other classes as much as the target
    assert best_pair(a, torch.tensor([-0.1, 0.5, 0.9, -0.3, -0.4])) == (3, 4)


def test_vectors_that_require_gradients_will_do():
    a = torch.tensor([0.1, 0.5, -0.9, 0.3, 0.4], requires_grad=True)
    assert best_pair(a, -a) == (1, 4)


def test_the_smallest_pair_wins_a_tie():
    assert found([1.0] * 5, [2.0] * 5) == (0, 1)
    assert found([0.0, 3.0, 1.0, 3.0, 3.0], [0.0, 3.0, 9.0, 3.0, 3.0]) == (1, 2)


def test_a_value_that_underflows_or_overflows_is_still_a_pair():
    assert found([1e-200, -1.0, 1e-200], [1e-200, 5.0, 1e-200]) == (0, 2)
    assert found([1e300, 1.0, 1e300, 1.0], [1e300, 1.0, 1e300, 1.0]) == (0, 2)


def test_without_a_pair_there_is_none():
    assert best_pair(torch.ones(4), torch.ones(4)) is None
    assert best_pair(-torch.ones(4), -torch.ones(4)) is None
    assert best_pair(torch.zeros(4), torch.zeros(4)) is None
    assert best_pair(torch.tensor([5.0, -9.0]), torch.tensor([-9.0, 5.0])) is None
    assert best_pair(torch.ones(1), -torch.ones(1)) is None
    assert best_pair(torch.empty(0), torch.empty(0)) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_searched_in_full(dtype):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 500, generator=generator).to(dtype)
    assert best_pair(a, b) == every_pair(a.double().numpy(), -b.double().numpy())


@pytest.mark.parametrize("bad", [nan, inf, -inf])
@pytest.mark.parametrize("which", ["a", "b"])
def test_numbers_that_are_not_finite_are_refused(bad, which):
    gradients = {"a": torch.ones(3), "b": -torch.ones(3)}
    gradients[which][1] = bad
    with pytest.raises(ValueError, match=rf"gradient {which} holds"):
        best_pair(**gradients)


def test_vectors_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="two vectors of one length"):
        best_pair(torch.ones(3), torch.ones(4))
    with pytest.raises(ValueError, match="two vectors of one length"):
        best_pair(torch.ones(2, 3), torch.ones(2, 3))


def test_memory_grows_with_the_features_not_with_their_pairs():
    n = 20_000
    place = np.linspace(0, np.pi / 2, n)
    a, b = torch.tensor(np.cos(place)), -torch.tensor(np.sin(place))  # every point may be in the best pair
    tracemalloc.start()
    try:
        assert best_pair(a, b) is not None
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 500 * n
