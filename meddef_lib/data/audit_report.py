"""An audit for a reader: its numbers and codes in words, beside what the paper prints of the data set."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from meddef_lib.data import patients, reasons, splits
from meddef_lib.params import Dataset


def describe(
    summary: Mapping[str, Any], dataset: Dataset, printed: Mapping[str, Any] | None, *, source: str
) -> dict[str, Any]:
    """An audit's `summary` with the words for its codes and the paper's numbers: what `invoke audit` prints.

    `printed` is the data set's entry of `params/published/datasets.yaml` as plain values; None where the
    paper prints nothing of it. `source` is that of the pictures.
    """
    paper = None
    if printed:
        pixels, duplicates = printed.get("pixels") or {}, printed.get("duplicates") or {}
        paper = {name: printed[name] for name in ("total", "split", "per_class")}
        paper |= {name: pixels.get(name) for name in ("mean", "std")}
        paper["duplicates"] = duplicates.get("identified")
    used = summary["split_in_use"]
    more = {
        "title": dataset.title,
        "data_version": splits.data_version(summary["listed"], dataset, source=source),
        "published": paper,
        **{
            name: [reasons.in_words(entry) for entry in summary[name]]
            for name in ("unreadable", "converted", "doubtful")
        },
        "readings": patients.descriptions(dataset.patients),
        "split_in_use": {
            **used,
            "has_published_counts": splits.has_published_counts(used["counts"], printed, source=source),
        },
        "statistics": {
            **summary["statistics"],
            "published_mean": paper and paper["mean"],
            "published_std": paper and paper["std"],
        },
    }
    return {name: value for name, value in ({**summary, **more}).items() if name != "listed"}


def show(found: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what `describe` found, as text or JSON."""
    print(json.dumps(found, indent=1, ensure_ascii=False) if as_json else as_text(found))


def as_text(summary: Mapping[str, Any]) -> str:
    """What `describe` found, as lines for a terminal."""
    published, used, sizes = summary["published"], summary["split_in_use"], summary["sizes"]
    lines = [f"{summary['title']}: {summary['images']:,} readable images ({summary['data_version']})"]
    for split, counts in summary["counts"].items():
        of_class = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        lines.append(f"  {split:5} {sum(counts.values()):>7,}  ({of_class})")
    ours = ", ".join(f"{split} {sum(counts.values()):,}" for split, counts in used["counts"].items())
    theirs = ""
    if published:
        printed = ", ".join(f"{split} {count:,}" for split, count in published["split"].items())
        theirs = f"The paper: {printed}. "
    lines += [f"{theirs}Here, with the split {used['rule']!r}: {ours}."]
    lines += _listing("cannot be read and are left out", summary["unreadable"])
    lines += _listing("are converted to 8-bit grey", summary["converted"])
    lines += _listing("are worth a look", summary["doubtful"])
    if summary["clutter"]:
        lines += [f"{len(summary['clutter'])} files or folders of clutter are ignored."]
    modes = ", ".join(f"{mode} {count:,}" for mode, count in summary["modes"].items())
    lines += [
        f"Modes: {modes}. Widths {sizes['width'][0]:g} to {sizes['width'][2]:g} "
        f"(median {sizes['width'][1]:g}), "
        f"heights {sizes['height'][0]:g} to {sizes['height'][2]:g} (median {sizes['height'][1]:g}); "
        f"{sizes['different']:,} different sizes. {len(summary['exif'])} files with EXIF."
    ]
    for kind, words in (
        ("bytes", "the same bytes"),
        ("pixels", "the same pixels"),
        ("near", "nearly the same picture, not counting those"),
    ):
        found = summary["duplicates"][kind]
        lines.append(
            f"Files with {words}: {found['groups']:,} groups, {found['files']:,} files; across splits "
            f"{found['across_splits']}, across classes {found['across_classes']}, across patients "
            f"{found['across_patients']}."
        )
    for name, description in summary["readings"].items():
        lines.append(
            f"Patients, read as {description}: {summary['patients'][name]:,}, "
            f"{summary['ambiguous_patients'][name]:,} of them two patients in another reading; in two splits "
            f"{summary['patients_across_splits'][name]:,} (in the split in use "
            f"{used['patients_across_splits'][name]:,}), with two classes "
            f"{summary['patients_with_two_classes'][name]:,}."
        )
    if summary["names_without_patient"]:
        lines.append(
            f"{summary['names_without_patient']:,} file names say nothing of a patient; each counts as one."
        )
    found = summary["statistics"]
    theirs = ""
    if found["published_mean"] is not None:
        theirs = f"; the paper's {found['published_mean']:.4f} and {found['published_std']:.4f}"
    lines.append(
        f"Pixels: mean {found['mean']:.4f}, standard deviation {found['std']:.4f} (mean of each image's own "
        f"{found['mean_std']:.4f}){theirs}."
    )
    lines.append("Balanced accuracy of the class from one thing alone (95 % interval; chance):")
    for name, score in summary["shortcuts"].items():
        value = (
            "too few patients"
            if score["balanced_accuracy"] is None
            else f"{score['balanced_accuracy']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
        )
        lines.append(f"  {name.replace('_', ' '):12} {value}; chance {score['chance']:.2f}")
    return "\n".join(lines)


def _listing(what: str, found: Sequence[Mapping[str, str]], most: int = 20) -> list[str]:
    if not found:
        return []
    lines = [f"{len(found)} files {what}:"]
    lines += [f"  {entry['path']}: {entry['reason']}" for entry in found[:most]]
    return lines + ([f"  and {len(found) - most} more (--json lists all)"] if len(found) > most else [])
