"""The commands about images and printed numbers by themselves, without a run: see `commands`."""

import sys
from functools import partial
from pathlib import Path

from meddef_lib import params, paths
from meddef_lib.app import progress
from meddef_lib.app.boundary import command
from meddef_lib.app.options import Texts, use_data_root, workbook_of
from meddef_lib.engine import devices
from meddef_lib.errors import DONE, UserError


@command
def audit(dataset: str, data_root: str | None = None, set: Texts = None, json: bool = False) -> int:
    """Audit a data set: counts, duplicates, patients, unreadable files, shortcuts."""
    from meddef_lib.data import audit_report, image_audit
    from meddef_lib.paper import published
    from meddef_lib.workbook.cells import audit as cell

    use_data_root(data_root)
    source = "folders" if paths.data_root() else "phantoms"
    book = workbook_of("sample" if source == "folders" else "smoke", [dataset], None, set)
    found = book.datasets[dataset]
    with progress.steps() as told:  # on stderr, so that --json prints JSON and nothing else
        folder = book.store.get(
            cell.recipe(book, dataset, told),
            processes=devices.available_cores(),
            progress=told,
            say=lambda text: print(text, file=sys.stderr),
        )
    summary = image_audit.load(folder).summary
    facts = published.read().datasets.get(dataset)
    printed = facts.model_dump(mode="json") if facts else None
    audit_report.show(audit_report.describe(summary, found, printed, source=source), as_json=json)
    return DONE


@command
def fetch(dataset: str, data_root: str | None = None, size: str = "64", archive: str | None = None) -> int:
    """Download the MedMNIST form of a data set, or unpack a published archive; tells where those are."""
    from meddef_lib.data import splits
    from meddef_lib.data.fetch import fetch_medmnist
    from meddef_lib.data.sources import folders
    from meddef_lib.data.unpack import unpack

    use_data_root(data_root)
    root = paths.data_root()
    if root is None:
        raise UserError("fetch needs a folder to put the data into; name it with --data-root or MEDDEF_DATA")
    found = params.read_dataset(dataset)
    with progress.steps() as told:
        if archive is None:
            file = fetch_medmnist(found, root, image_size=size, progress=told)
        else:
            file = paths.given(archive, "--archive", Path.cwd())
            own = partial(folders.require_class_folders, dataset=found, archive=file)
            unpack(file, root, check=own, progress=told)
    if archive is None:
        print(f"Fetched {file}")
        print(f"Use it with --set data.source=medmnist --data-root {root} (or MEDDEF_DATA={root}).")
    else:
        images = folders.list_folder(root, found).images
        print(f"{splits.data_version(splits.listed(images), found)}: {splits.counts(images, found)}")
    return DONE


@command
def audit_paper(json: bool = False, paper: str | None = None) -> int:
    """Check a paper's printed numbers against each other; needs no data and no torch."""
    from meddef_lib.paper.audit.terminal import show

    show(paper, as_json=json)
    return DONE
