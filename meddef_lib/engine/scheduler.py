"""Which cell when: inputs first, the longest way ahead first, failures kept to what depends on them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.engine.workers import Engine, Event


@dataclass(frozen=True)
class CellStatus:
    """How a cell ended: "there" before the run, "made", "failed", or "blocked" by a failed input.

    Where nothing was computed one may be "damaged".
    """

    id: str
    state: Literal["there", "made", "failed", "blocked", "damaged"]
    text: str = ""
    seconds: float = 0.0
    log: str = ""
    traceback: str = ""


def compute(
    recipes: Iterable[Recipe],
    store: Store,
    start_engine: Callable[[int], Engine],
    *,
    lacking: Mapping[str, Recipe] | None = None,
    watch: Callable[[Event], None] = lambda event: None,
    seconds: Mapping[str, float] | None = None,
) -> dict[str, CellStatus]:
    """Make what is missing of `recipes`, inputs first; returns how each cell ended, by id.

    `start_engine(n)` is called only when there are n > 0 cells to make. `lacking` is what `missing` says of
    the recipes, where the caller has asked already. `seconds` are estimates by id: the cell with the longest
    chain behind it starts first. After KeyboardInterrupt the engine is cancelled and the interrupt travels
    on; what is whole stays. Raises ValueError as `missing` does.
    """
    recipes = list(recipes)
    lacking = missing(recipes, store) if lacking is None else lacking
    reached = [*recipes, *(inner for recipe in lacking.values() for inner in recipe.inputs.values())]
    outcomes = {recipe.id: CellStatus(recipe.id, "there") for recipe in reached if recipe.id not in lacking}
    if not lacking:
        return outcomes
    rank = chains(lacking, seconds or {})
    engine = start_engine(len(lacking))
    submitted: set[str] = set()
    try:
        running = 0
        while True:
            ready = [
                recipe
                for recipe in lacking.values()
                if recipe.id not in submitted
                and recipe.id not in outcomes
                and all(_is_there(outcomes.get(inner.id)) for inner in recipe.inputs.values())
            ]
            ready.sort(key=lambda recipe: -rank[recipe.id])
            for recipe in ready[: engine.slots - running]:
                engine.submit(recipe, rank[recipe.id])
                submitted.add(recipe.id)
                running += 1
            if not running:
                break
            for event in engine.as_completed():
                watch(event)
                if event.kind in ("done", "failed"):
                    outcomes[event.id] = status_of(event)
                    running -= 1
                    if event.kind == "failed":
                        _block(lacking, outcomes)
                    break
    except BaseException:
        engine.cancel()
        raise
    finally:
        engine.close()
    return outcomes


def missing(recipes: Iterable[Recipe], store: Store) -> dict[str, Recipe]:
    """What has to be made for `recipes`, by id, inputs first. What is there needs no inputs any more.

    Raises ValueError where two different recipes go by one id.
    """
    found: dict[str, Recipe] = {}
    keys: dict[str, str] = {}

    def walk(recipe: Recipe) -> None:
        if recipe.id in keys:
            if keys[recipe.id] != recipe.key:
                raise ValueError(f"two different recipes are called {recipe.id}")
            return
        keys[recipe.id] = recipe.key
        if not store.has(recipe):
            for inner in recipe.inputs.values():
                walk(inner)
            found[recipe.id] = recipe

    for recipe in recipes:
        walk(recipe)
    return found


def chains(lacking: Mapping[str, Recipe], seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds from the start of each cell to the end of the longest chain that waits for it.

    `lacking` has inputs first, as `missing` gives them.
    """
    chain = dict.fromkeys(lacking, 0.0)
    for name, recipe in reversed(list(lacking.items())):  # so that what waits for a cell comes before it
        chain[name] += seconds.get(name, 1.0)
        for inner in recipe.inputs.values():
            if inner.id in chain:
                chain[inner.id] = max(chain[inner.id], chain[name])
    return chain


def status_of(event: Event) -> CellStatus:
    known = ("seconds", "log", "traceback")
    details = {name: event.details[name] for name in known if name in event.details}
    return CellStatus(event.id, "made" if event.kind == "done" else "failed", event.text, **details)


def _is_there(outcome: CellStatus | None) -> bool:
    return outcome is not None and outcome.state in ("there", "made")


def _block(lacking: Mapping[str, Recipe], outcomes: dict[str, CellStatus]) -> None:
    """Note what cannot start any more; `lacking` has inputs first, so that one pass is enough."""
    for recipe in lacking.values():
        for inner in recipe.inputs.values():
            ended = outcomes.get(inner.id)
            if recipe.id not in outcomes and ended is not None and ended.state in ("failed", "blocked"):
                why = ended.text if ended.state == "blocked" else f"needs {inner.id}, which failed"
                outcomes[recipe.id] = CellStatus(recipe.id, "blocked", why)
