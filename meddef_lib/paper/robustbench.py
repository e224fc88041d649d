"""RobustBench's `model_info` (Croce et al. 2021) as tables: one JSON file a model, a folder a threat model.

https://github.com/RobustBench/robustbench keeps them as `model_info/<data set>/<threat model>/<model>.json`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from meddef_lib.paper.printed_tables import MOST_DECIMALS, number_of_cell
from meddef_lib.paper.published import Paper
from meddef_lib.params.reading import ParamsError, read_yaml
from meddef_lib.params.types import Params

# test images of a leaderboard; those of others are not stated in the files, and nothing is computed of them
IMAGES = {"cifar10": 10_000, "cifar100": 10_000}
COLUMNS = {"clean": "clean_acc", "reported": "reported", "autoattack": "autoattack_acc"}


def _printed(value: Any) -> str:
    """A percentage as it is printed: its decimals are those of the text."""
    if number_of_cell(str(value)) is None or len(str(value).partition(".")[2]) > MOST_DECIMALS:
        raise ValueError(f"expected a percentage such as 87.14, of {MOST_DECIMALS} decimals at most")
    return str(value)


def _eps(value: Any) -> str:
    """An epsilon as it is printed; the leaderboard of corruptions has none and is not read."""
    if number_of_cell(str(value)) is None:
        raise ValueError("expected an epsilon such as 8/255")
    return str(value)


Percentage = Annotated[str, BeforeValidator(_printed)]


class ModelInfo(Params):
    """One model of a leaderboard: accuracies in percent, as text; other keys of the file are left alone."""

    model_config = ConfigDict(extra="ignore")

    name: str
    dataset: str
    eps: Annotated[str, BeforeValidator(_eps)]
    clean_acc: Percentage
    reported: Percentage | None = None  # by the authors, under the strongest attack of their paper
    autoattack_acc: Percentage | None = None


def read(folder: Path) -> Paper:
    """The models of a folder and those below it, a table a data set and threat model.

    Raises ParamsError, with file and key, for a file that is not such a model's.
    """
    files = sorted(folder.rglob("*.json"))
    if not files:
        raise ParamsError(f"{folder} holds no *.json; expected the model_info of RobustBench")
    groups: dict[str, dict[str, ModelInfo]] = {}
    for file in files:
        found = read_yaml(ModelInfo, file)  # JSON is YAML
        groups.setdefault(f"{found.dataset} {file.parent.name}", {})[file.stem] = found
    tables = {name: _table(name, models) for name, models in groups.items()}
    models = {stem: model.name for group in groups.values() for stem, model in group.items()}
    attacks = {
        name: {"section": "model_info", "iterative": True, "budget": "eps", "stronger_than": than}
        for name, than in (("reported", ()), ("autoattack", ("reported",)))
        if any(name in table["columns"] for table in tables.values())
    }
    return Paper.model_validate(
        {"title": "RobustBench", "variants": models, "tables": tables, "attacks": attacks}
    )


def _table(name: str, models: Mapping[str, ModelInfo]) -> dict[str, Any]:
    rows = {stem: [getattr(model, key) for key in COLUMNS.values()] for stem, model in models.items()}
    kept = [place for place in range(len(COLUMNS)) if any(row[place] is not None for row in rows.values())]
    printed = [text for row in rows.values() for text in row if text is not None]
    dataset = next(iter(models.values())).dataset
    return {
        "section": "model_info",
        "title": name,
        "dataset": dataset,
        "quantity": "accuracy",
        "axis": "eps",
        "decimals": max(len(text.partition(".")[2]) for text in printed),
        "n": IMAGES.get(dataset),
        "n_source": "the data set" if dataset in IMAGES else "",
        "columns": ["eps", "variant", *(list(COLUMNS)[place] for place in kept)],
        "rows": [[models[stem].eps, stem, *(row[place] for place in kept)] for stem, row in rows.items()],
    }
