"""How a run would go on many workers, held against bounds that hold for every schedule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meddef_lib.app import estimates
from meddef_lib.engine import scheduler
from meddef_lib.engine.recipe import Recipe


def cell(name, *inputs, **settings):
    return Recipe(name, "toy.engine:write", settings, {recipe.id: recipe for recipe in inputs})


def graph(*recipes):
    return {recipe.id: recipe for recipe in recipes}


DATA = cell("data")
MODEL, OTHER = cell("model", DATA), cell("other", DATA)
SWEEP = cell("sweep", MODEL, runs=[1, 2, 3])
PAGE = cell("page", SWEEP, OTHER)
CELLS = graph(DATA, MODEL, OTHER, SWEEP, PAGE)
SECONDS = {"data": 1.0, "model": 4.0, "other": 2.0, "sweep": 6.0, "page": 1.0}


def test_one_worker_takes_the_sum_and_many_the_longest_chain():
    alone = estimates.schedule(CELLS, SECONDS, 1)
    assert (alone.seconds, alone.efficiency) == (14.0, 1.0)
    crowd = estimates.schedule(CELLS, SECONDS, 5)
    assert (crowd.seconds, crowd.chain) == (12.0, ("data", "model", "sweep", "page"))
    assert crowd.chain_seconds == 12.0
    assert crowd.efficiency == pytest.approx(14 / 60)


@given(st.data())
def test_no_schedule_is_faster_than_its_bounds_or_slower_than_grahams(data):
    cells, seconds = {}, {}
    for number in range(data.draw(st.integers(1, 12))):
        inputs = (
            data.draw(st.lists(st.sampled_from(list(cells.values())), unique_by=id, max_size=3))
            if cells
            else []
        )
        cells[str(number)] = cell(str(number), *inputs)
        seconds[str(number)] = data.draw(st.floats(0.1, 10))
    workers = data.draw(st.integers(1, 6))
    found = estimates.schedule(cells, seconds, workers)
    longest = max(scheduler.chains(cells, seconds).values())
    share = sum(seconds.values()) / workers
    assert max(longest, share) - 1e-9 <= found.seconds <= longest + share + 1e-9
    assert found.efficiency == pytest.approx(share / found.seconds)
    assert found.chain_seconds <= found.seconds + 1e-9


def test_nothing_to_do_takes_no_time():
    assert estimates.schedule({}, {}, 4).seconds == 0.0
