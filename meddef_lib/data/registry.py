"""What is known of the published releases beside `params/datasets/*.yaml`: counts, labels, how to get them.

`MEDMNIST_LABELS` and `RELEASES` are facts of the releases, not settings: nothing is changed by editing them.
"""

from pathlib import Path

from meddef_lib.params import Dataset, DatasetId

SPLITS = ("train", "val", "test")

# Images in train, val and test of each release. The paper's counts for ROCT are Kaggle's (MedDef, 3.1.1);
# MedMNIST (Yang et al., 2023, table 2) parts the newest Mendeley train folder into train and val.
RELEASES: dict[DatasetId, dict[tuple[int, int, int], str]] = {
    "roct": {
        (83_484, 32, 968): "Kaggle (kermany2018)",
        (83_484, 0, 1_000): "Mendeley Data, version 2",
        (108_309, 0, 1_000): "Mendeley Data, version 3",
        (97_477, 10_832, 1_000): "OCTMNIST",
    },
    "chest_xray": {
        (5_216, 16, 624): "Kaggle (chest-xray-pneumonia)",
        (5_232, 0, 624): "Mendeley Data",
        (4_708, 524, 624): "PneumoniaMNIST",
    },
}

# MedMNIST's labels 0, 1, ... by the paper's class names (medmnist 3.0.2, info.py)
MEDMNIST_LABELS: dict[DatasetId, tuple[str, ...]] = {
    "roct": ("CNV", "DME", "DRUSEN", "NORMAL"),
    "chest_xray": ("NORMAL", "PNEUMONIA"),
}


def how_to_get(dataset: Dataset, root: Path | None) -> str:
    """Where the data set is to be had and where it must lie, as lines for a reader."""
    where = root or Path("DATA_ROOT")
    example = where / dataset.folders[0] / "train" / dataset.classes[0]
    lines = [
        f"To get {dataset.title} (doi:{dataset.doi}, {dataset.licence}), download one of:",
        *(f"  - {archive}" for archive in dataset.archives),
        f"and unpack it under {where}, so that there is a folder {example}.",
        f"`invoke fetch --dataset {dataset.id} --archive FILE` unpacks an archive safely; without --archive "
        f"it downloads the same images, smaller, as {dataset.medmnist}.npz (data.source=medmnist).",
    ]
    return "\n".join(lines)
