"""What a run has collected, as tests give it: a smoke workbook without cells, and records in their place."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from meddef_lib.engine.store import Store
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.stored import Stored


@pytest.fixture
def collected(tmp_path) -> Callable[..., Stored]:
    """`collected(attacked=...)`: the tables given in the place of what the store would give."""

    def made(*overrides: str, **tables: Any) -> Stored:
        found = Stored(workbook("smoke", overrides=overrides, store=Store(tmp_path)))
        nothing = dict.fromkeys(("attacked", "pruned", "compared"), pd.DataFrame()) | {"outcomes": {}}
        vars(found).update(nothing | tables)
        return found

    return made


@pytest.fixture
def records() -> Callable[..., pd.DataFrame]:
    """`records("full", [0, 1], [0, 0])`: clean and attacked answers to images of classes 0, 1, 0, 1, ..."""

    def made(variant: str, clean: list[int], attacked: list[int], **names: Any) -> pd.DataFrame:
        images = range(len(clean))
        model = {"dataset": "chest_xray", "variant": variant, "mode": "clean", "seed": 0}
        run = {"attack": "pgd", "eps": 0.05, "key": "k"}
        return pd.DataFrame(
            {"image_id": images, "label": [i % 2 for i in images], "clean_pred": clean, "adv_pred": attacked}
        ).assign(**model | run | names)

    return made
