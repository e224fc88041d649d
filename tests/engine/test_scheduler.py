"""Which cell when, told by an engine that only writes down what it is asked."""

import pytest

from meddef_lib.engine import scheduler
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.engine.workers import Event


class Diary:
    """An engine of `slots` that ends its cells in the order in which they came, as `failing` says."""

    def __init__(self, slots=1, failing=()):
        self.slots = slots
        self.failing = failing
        self.started = []
        self.open = []
        self.most = 0
        self.ended = []

    def submit(self, recipe, rank=0.0):
        self.started.append(recipe.id)
        self.open.append(recipe.id)
        self.most = max(self.most, len(self.open))

    def as_completed(self):
        while self.open:
            name = self.open.pop(0)
            yield Event(name, "progress", done=1, total=2)
            yield Event(name, "failed" if name in self.failing else "done", text="why")

    def cancel(self):
        self.ended.append("cancelled")

    def close(self):
        self.ended.append("closed")


def cell(name, *inputs, **settings):
    return Recipe(name, "toy.engine:write", settings, {recipe.id: recipe for recipe in inputs})


@pytest.fixture
def store(toy, tmp_path):
    return Store(tmp_path / "store")


def compute(recipes, store, engine, **options):
    outcomes = scheduler.compute(recipes, store, lambda cells: engine, **options)
    return {name: outcome.state for name, outcome in outcomes.items()}


def test_inputs_come_first_and_the_longest_way_ahead_before_that(store):
    data = cell("data")
    short = cell("short", data)
    long = cell("end", cell("middle", cell("long", data)))
    engine = Diary()
    states = compute([short, long], store, engine, seconds={"short": 5.0, "middle": 3.0, "end": 3.0})
    assert engine.started == ["data", "long", "middle", "short", "end"]
    assert set(states.values()) == {"made"}
    assert engine.ended == ["closed"]


def test_an_estimate_moves_a_cell_to_the_front(store):
    engine = Diary()
    compute([cell("quick"), cell("slow")], store, engine, seconds={"quick": 1.0, "slow": 9.0})
    assert engine.started == ["slow", "quick"]


def test_no_more_cells_run_than_there_are_slots(store):
    engine = Diary(slots=3)
    compute([cell(f"cell/{n}") for n in range(8)], store, engine)
    assert engine.most == 3
    assert len(engine.started) == 8


def test_without_a_missing_cell_no_engine_is_started(store):
    recipe = cell("there", cell("input"))
    store.get(recipe)

    def start(cells):
        raise AssertionError("nothing is missing")

    outcomes = scheduler.compute([recipe], store, start)
    assert {name: outcome.state for name, outcome in outcomes.items()} == {"there": "there"}


def test_the_engine_is_told_how_many_cells_are_missing(store):
    there = cell("there")
    store.get(there)
    asked = []
    scheduler.compute(
        [cell("a", there), cell("b", there)], store, lambda cells: asked.append(cells) or Diary()
    )
    assert asked == [2]


def test_what_is_there_needs_no_inputs(store):
    data = cell("data")
    model = cell("model", data)
    store.get(model)
    store.folder(data).joinpath("receipt.json").unlink()
    engine = Diary()
    assert compute([cell("records", model)], store, engine) == {"model": "there", "records": "made"}
    assert list(scheduler.missing([cell("records", model), data], store)) == ["records", "data"]


def test_a_failure_blocks_what_needs_it_and_nothing_else(store):
    there = cell("there", cell("bad"))
    store.get(there)
    store.folder(cell("bad")).joinpath("receipt.json").unlink()
    last = cell("last", cell("middle", cell("bad")), cell("other"))
    engine = Diary(failing=["bad"])
    states = compute([last, cell("bad"), cell("reads", there)], store, engine)
    assert states == {
        "bad": "failed",
        "middle": "blocked",
        "last": "blocked",
        "other": "made",
        "there": "there",
        "reads": "made",
    }


def test_two_recipes_of_one_name_are_refused(store):
    with pytest.raises(ValueError, match="two different recipes are called data"):
        compute([cell("a", cell("data", size=1)), cell("b", cell("data", size=2))], store, Diary())


def test_whoever_watches_sees_every_event_and_an_interrupt_cancels(store):
    seen = []
    compute([cell("a"), cell("b")], store, Diary(), watch=lambda event: seen.append((event.id, event.kind)))
    assert seen == [("a", "progress"), ("a", "done"), ("b", "progress"), ("b", "done")]

    def interrupt(event):
        raise KeyboardInterrupt

    engine = Diary()
    with pytest.raises(KeyboardInterrupt):
        compute([cell("c")], store, engine, watch=interrupt)
    assert engine.ended == ["cancelled", "closed"]
