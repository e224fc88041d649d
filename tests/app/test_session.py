"""A notebook opened by hand: it computes what it needs, where that is no work of months."""

import pytest

from meddef_lib.app import runner, session
from meddef_lib.app.session import NotComputed
from meddef_lib.params import overrides_from_text
from meddef_lib.workbook.book import workbook


def test_on_a_cpu_a_notebook_begins_nothing_of_a_profile_that_is_meant_for_a_gpu(monkeypatch):
    begun = []
    monkeypatch.setattr(session, "resolve_device", lambda wanted: "cpu")
    monkeypatch.setattr(runner, "compute", lambda book, needs, **_: begun.extend(needs) or {})

    def start(overrides):
        session.start("01_preprocessing", "mini", "chest_xray", overrides)

    with pytest.raises(NotComputed, match="invoke reproduce --profile mini --yes") as refused:
        start('{"image_size": 64, "needs_yes_on_cpu": true}')
    assert begun == []
    agreed = str(refused.value).rpartition("overrides = ")[2].strip("'")
    assert overrides_from_text(agreed) == {"image_size": 64, "needs_yes_on_cpu": False}
    start(agreed)
    cells = workbook("mini", overrides=["image_size=64"]).cells
    assert [recipe.key for recipe in begun] == [cells[recipe.id].key for recipe in begun]


def test_what_is_there_is_shown_whatever_the_profile_is_meant_for(monkeypatch):
    monkeypatch.setattr(session, "resolve_device", lambda wanted: "cpu")
    monkeypatch.setattr(runner, "compute", lambda *_, **__: {})
    monkeypatch.setattr("meddef_lib.engine.store.Store.has", lambda *_: True)
    started = session.start("04_epsilon_sweep", "mini", "chest_xray", '{"needs_yes_on_cpu": true}')
    assert started.dataset == "chest_xray"
