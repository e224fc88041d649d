"""Pictures with photographs: what stands over and beside them, and the numbers behind them."""

import numpy as np
import pytest

from meddef_lib.results import gallery


@pytest.fixture
def folders(tmp_path):
    """The saliency cells of two models: two images of each of two classes, maps of 2 x 2 values."""
    rng = np.random.default_rng(0)
    found = {}
    for title in ("ResNet18 (clean training)", "MedDef (clean training)"):
        folder = tmp_path / title
        folder.mkdir()
        pictures = {
            name: rng.random((4, 8, 8)) for name in ("clean", "adversarial", "clean_map", "adversarial_map")
        }
        coarse = {f"{kind}_coarse": rng.random((4, 2, 2)) for kind in ("clean", "adversarial")}
        names = np.array(["NORMAL", "NORMAL", "PNEUMONIA", "PNEUMONIA"])
        np.savez(folder / "maps.npz", class_name=names, **pictures, **coarse)
        found[title] = folder
    return found


def test_every_column_and_row_of_the_saliency_panels_is_named(folders):
    axes = gallery.saliency(folders).axes
    assert [axis.get_title() for axis in axes[:4]] == [
        "NORMAL\nclean",
        "NORMAL\nattacked",
        "PNEUMONIA\nclean",
        "PNEUMONIA\nattacked",
    ]
    assert [axis.get_title() for axis in axes[4:]] == [""] * 4
    assert [axis.get_ylabel() for axis in axes if axis.get_ylabel()] == [
        "ResNet18\n(clean training)",
        "MedDef\n(clean training)",
    ]


def test_the_maps_behind_the_panels_are_those_of_the_images_shown(folders):
    values = gallery.saliency_values(folders)
    assert len(values) == 2 * 2 * 2 * 4  # models, classes, clean and attacked, values of a map
    title, folder = next(iter(folders.items()))
    mine = values[(values["model"] == title) & (values["class"] == "PNEUMONIA")]
    mine = mine[mine["image"] == "adversarial"].sort_values(["row", "column"])
    expected = np.load(folder / "maps.npz")["adversarial_coarse"][2]
    assert mine["map"].to_numpy() == pytest.approx(expected.ravel())
