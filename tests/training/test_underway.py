import pytest

from meddef_lib.training import loop
from meddef_lib.training.checkpoint import CheckpointError


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 1.0}, {"epochs": 9}, {"attacked_share": 0.5}],
    ids=["rate", "epochs", "share"],
)
def test_the_checkpoint_of_another_training_is_refused(tmp_path, new_tiny, sets, short, plan_of, change):
    loop.fit(new_tiny(), *sets, plan_of(short), work=tmp_path)

    with pytest.raises(CheckpointError, match=r"belongs to another training \(it differs in training\)"):
        loop.fit(new_tiny(), *sets, plan_of(short.model_copy(update=change)), work=tmp_path)


def test_other_images_are_refused_too(tmp_path, new_tiny, sets, short, plan_of):
    loop.fit(new_tiny(), *sets, plan_of(short), work=tmp_path)

    with pytest.raises(CheckpointError, match="train_images, validation_images"):
        loop.fit(new_tiny(), *reversed(sets), plan_of(short), work=tmp_path)
