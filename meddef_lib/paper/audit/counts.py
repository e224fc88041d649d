"""Counts that have to add up: images, splits, duplicates, and the parameters of the ablations."""

from collections.abc import Iterator
from itertools import pairwise

from meddef_lib.paper.audit.finding import Finding, counted, listed
from meddef_lib.paper.printed_tables import AXES
from meddef_lib.paper.published import Paper

FEW_IMAGES = 50  # of a validation set: fewer cannot choose between models that differ by a few points


def images_of_splits(paper: Paper) -> Iterator[Finding]:
    """Each data set: do the splits add up to the total, and the classes to the splits?"""
    for dataset, facts in paper.datasets.items():
        sums = {"": (facts.total, facts.split)} | {
            split: (facts.split[split], classes) for split, classes in facts.per_class.items()
        }
        for split, (stated, parts) in sums.items():
            total, of = sum(parts.values()), "classes" if split else "splits"
            yield Finding(
                id=f"images_of_splits/{dataset}" + (f"/{split}" if split else ""),
                section=facts.section,
                grade="consistent" if total == stated else "contradiction",
                printed=f"{stated:,} {split} images".replace("  ", " "),
                implied=f"{total:,} images in the {of}",
                text=f"{', '.join(filter(None, (facts.title, split)))}: the {of} add up to {total:,} images; "
                f"{stated:,} are stated.",
            )


def duplicates_removed(paper: Paper) -> Iterator[Finding]:
    """Each data set whose duplicates are said to be removed: are there fewer images than before?

    Before is what the public archive holds, where that is known; without it, a total that the splits add up
    to may have been counted before or after the removal.
    """
    for dataset, facts in paper.datasets.items():
        found = facts.duplicates
        if found is None or not found.removed:
            continue
        used = sum(facts.split.values())
        before = facts.total if facts.archive is None else facts.archive.images
        kept = used == before
        archive = "" if facts.archive is None else f" of the public archive ({facts.archive.source})"
        yield Finding(
            id=f"duplicates_removed/{dataset}",
            section=f"{found.section}, {facts.section}",
            grade="consistent" if not kept else "ambiguous" if facts.archive is None else "contradiction",
            printed=f"{found.identified} duplicates removed",
            implied=f"{before - used} images fewer in the splits than before",
            text=f"{facts.title}: {found.identified} duplicates are said to be removed; the splits hold "
            f"{used:,} of the {before:,} images{archive}.",
        )


def sizes_of_validation_sets(paper: Paper) -> Iterator[Finding]:
    """Each data set: can its validation set choose between models?"""
    for dataset, facts in paper.datasets.items():
        images = facts.split.get("val")
        if not images:
            continue
        yield Finding(
            id=f"sizes_of_validation_sets/{dataset}",
            section=facts.section,
            grade="unusual" if images < FEW_IMAGES else "consistent",
            printed=f"{images:,} validation images",
            implied=f"steps of {100 / images:.4g} points in accuracy",
            text=f"{facts.title}: one of {images:,} validation images is {100 / images:.4g} points of accuracy, by "
            "which training decides.",
        )


def repeated_columns(paper: Paper) -> Iterator[Finding]:
    """Each table: does a column that does not depend on the axis print one number a model?"""
    for table in paper.tables.values():
        for column in table.repeated:
            varying = table.varying(column)
            same = f"not the same in every row of {listed(varying)}" if varying else "the same in every row"
            yield Finding(
                id=f"repeated_columns/{table.id}/{column}",
                section=table.section,
                grade="contradiction" if varying else "consistent",
                printed=f"{column} in {len(table.rows)} rows of {len(table.variants)} models",
                implied=f"{len(varying)} models with two values",
                text=f"{table.name}: {column} does not depend on {AXES[table.axis][0]} and is {same}.",
            )


def parameters_of_ablations(paper: Paper) -> Iterator[Finding]:
    """Each table with parameters: does adding a component add parameters?"""
    order = paper.components.rising if paper.components else []
    for table in paper.tables.values():
        counts = {name: size for name in order if (size := table.constant(name, "parameters")) is not None}
        if len(counts) < 2:
            continue
        falls = [(one, other) for one, other in pairwise(counts) if counts[other] < counts[one]]
        fewer = listed([f"{one} {counts[one]:.2f} to {other} {counts[other]:.2f}" for one, other in falls])
        said = "every added component adds parameters."
        if falls:
            said = f"the number of parameters falls although a component is added ({fewer}), so removing it is not removing it alone."
        yield Finding(
            id=f"parameters_of_ablations/{table.id}",
            section=table.section,
            grade="unusual" if falls else "consistent",
            printed=", ".join(f"{name} {count:.2f} M" for name, count in counts.items()),
            implied="more parameters with every component",
            text=f"{table.name}: {said}",
        )


def parameters_without_components(paper: Paper) -> Iterator[Finding]:
    """Each table with parameters: do attention and fusion explain what a model without components has beyond the baseline?"""
    parts = paper.components
    if parts is None or parts.attention is None or not parts.baseline:
        return
    (bare, *_), width = parts.rising, parts.feature_width
    attention = parts.attention.projections * (width + 1) * width / 1e6
    fusion = (parts.fusion_inputs * width + 1) * width / 1e6
    for table in paper.tables.values():
        own, base = (table.constant(name, "parameters") for name in (bare, parts.baseline))
        if own is None or base is None or parts.of[bare]:
            continue
        left = own - base - attention - fusion
        open_ = abs(left) > 2 * 10**-table.decimals
        yield Finding(
            id=f"parameters_without_components/{table.id}",
            section=f"{parts.attention.section}, {table.section}",
            grade="ambiguous" if open_ else "consistent",
            printed=f"{bare} {own:.2f} M, {parts.baseline} {base:.2f} M",
            implied=f"{left:.2f} M besides attention and fusion",
            text=f"{table.name}: {bare} has {own - base:.2f} M parameters more than {parts.baseline}; an attention of "
            f"{parts.attention.projections} projections ({attention:.2f} M) and the fusion ({fusion:.2f} M) leave "
            f"{left:.2f} M" + (" that no layer of the text explains." if open_ else "."),
        )


def parts_removed_alone(paper: Paper) -> Iterator[Finding]:
    """The ablations: which part does a variant lack alone, so that its effect can be told from the others'?"""
    if paper.components is None:
        return
    *others, whole = paper.components.rising
    parts = paper.components.of[whole]
    lacking = {name: [part for part in parts if part not in paper.components.of[name]] for name in others}
    never = [part for part in parts if [part] not in lacking.values()]
    yield Finding(
        id="parts_removed_alone",
        section=paper.components.section,
        grade="unsupported" if never else "consistent",
        printed="; ".join(f"{name} lacks {', '.join(lacks) or 'nothing'}" for name, lacks in lacking.items()),
        implied=f"no variant lacks {' or '.join(never)} alone" if never else "each part is removed alone",
        text=f"Of {counted(len(parts), 'part')}, {len(parts) - len(never)} {'is' if len(parts) - len(never) == 1 else 'are'} "
        "removed alone"
        + (f"; the ablations are nested, and none lacks only {' or only '.join(never)}." if never else "."),
    )


def sizes_of_maps(paper: Paper) -> Iterator[Finding]:
    """The block that pools feature maps: are the maps as large as what they are pooled to?"""
    maps = paper.components.maps if paper.components else None
    if maps is None:
        return
    size = maps.input // maps.downsampling
    larger = [scale for scale in maps.pooled_to if scale > size]
    yield Finding(
        id="sizes_of_maps",
        section=maps.section,
        grade="ambiguous" if larger else "consistent",
        printed=f"scales {', '.join(map(str, maps.pooled_to))}",
        implied=f"maps of {size} x {size}",
        text=f"Images of {maps.input} pixels give maps of {size} x {size}, which are average pooled at scales "
        f"{', '.join(map(str, maps.pooled_to))}; "
        + (
            f"a map has to be enlarged for {larger[0]}, be that the window or the size of the result, and of that nothing is said."
            if larger
            else "every scale is possible."
        ),
    )


def parameters_of_classes(paper: Paper) -> Iterator[Finding]:
    """Each pair of tables: do the parameters of a model differ by the last layer alone?"""
    if paper.components is None:
        return
    tables = [
        table
        for table in paper.tables.values()
        if "parameters" in table.columns and table.dataset in paper.datasets
    ]
    for one, other in pairwise(tables):
        classes = [len(paper.datasets[table.dataset].classes) for table in (one, other)]
        expected = abs(classes[0] - classes[1]) * (paper.components.feature_width + 1) / 1e6
        sizes = {
            name: (one.constant(name, "parameters"), other.constant(name, "parameters"))
            for name in one.variants
        }
        apart = {name: a - b for name, (a, b) in sizes.items() if a is not None and b is not None}
        wrong = [name for name, by in apart.items() if abs(abs(by) - expected) > 10**-one.decimals]
        yield Finding(
            id=f"parameters_of_classes/{one.id}/{other.id}",
            section=one.section,
            grade="contradiction" if wrong else "consistent",
            printed=f"parameters with {classes[0]} and {classes[1]} classes",
            implied=f"{expected:.4f} M apart",
            text=f"{len(apart)} models with {classes[0]} and {classes[1]} classes should differ by "
            f"{1e6 * expected:,.0f} parameters, the last layer's; "
            + (f"{listed(wrong)} do not." if wrong else "all do, as far as two decimals show."),
        )
