"""What a sentence advises where images are missing: where to get them, and what lies there already."""

from pathlib import Path

from meddef_lib.data.reasons import listed
from meddef_lib.data.sources.folder_entries import entries_of, folders_of, plain
from meddef_lib.params import Dataset

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")


def how_to_get(dataset: Dataset, root: Path | None) -> str:
    """Where the data set is to be had and where it must lie, as lines for a reader."""
    where = root or Path("DATA_ROOT")
    example = where / dataset.folders[0] / "train" / dataset.classes[0]
    there = f"under {where}, so that there is a folder {example}."
    if not dataset.archives:
        return f"Put the images of {dataset.title} {there}"
    known = ", ".join(filter(None, (dataset.doi and f"doi:{dataset.doi}", dataset.licence)))
    unpacks = f"`invoke fetch --dataset {dataset.id} --archive FILE` unpacks an archive safely"
    if dataset.medmnist:
        unpacks += (
            "; without --archive it downloads the same images, smaller, as "
            f"{dataset.medmnist.prefix}.npz (data.source=medmnist)"
        )
    return "\n".join(
        [
            f"To get {dataset.title}{f' ({known})' if known else ''}, download one of:",
            *(f"  - {archive}" for archive in dataset.archives),
            f"and unpack it {there}",
            f"{unpacks}.",
        ]
    )


def instead_of_getting(dataset: Dataset, root: Path) -> str:
    """What lies in a data root that nobody has to download any more, and how it can be used."""
    said = []
    classes = {plain(name) for name in dataset.classes}
    for folder in (root, *(root / alias for alias in dataset.folders if (root / alias).is_dir())):
        found = [name for name in folders_of(folder) if plain(name) in classes]
        if found:
            said.append(
                f"{folder} holds {listed(found)}, but in no folder train, val or test: put them into one, "
                f"such as {folder / 'test'}."
            )
    for entry in entries_of(root):
        if dataset.medmnist and Path(entry.name).match(f"{dataset.medmnist.prefix}*.npz"):
            said.append(f"{root / entry.name} is there; use it with data.source=medmnist.")
        elif entry.kind == "file" and entry.name.lower().endswith(ARCHIVES):
            fetch = f"invoke fetch --dataset {dataset.id} --data-root {root} --archive {root / entry.name}"
            said.append(f"{root / entry.name} is there; `{fetch}` unpacks it.")
    return "\n".join(said)
