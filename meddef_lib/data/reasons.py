"""The words for what results hold as codes: why a file was left out, what was converted.

A result keeps a reason as a code with its facts, `{"code": "cut_off", "format": "JPEG", "bytes": 812}`, so
that a better wording makes nothing anew. Whoever shows it asks for the clause that follows the file's path.
"""

from collections.abc import Mapping
from typing import Any, Literal

Code = Literal[
    "empty", "too_many_bytes", "too_many_pixels", "cut_off", "header", "undecodable", "opencv_error",
    "other_size", "other_format", "unknown_format", "text", "not_there", "no_access", "link_to_nothing",
    "unprintable_name", "special_file", "not_a_class", "not_an_image_file", "not_a_split", "too_deep",
    "corrupt", "few_levels", "blank", "converted",
]  # fmt: skip
Reason = dict[str, Any]  # {"code": a Code, and its facts}, as JSON values


class UnreadableImage(Exception):
    """A file that is no picture for us, and why."""

    def __init__(self, code: Code, **facts: Any) -> None:
        super().__init__(code)
        self.reason: Reason = {"code": code, **facts}


CLAUSES: dict[Code, str] = {
    # files that are no whole image (decode.py)
    "empty": "is empty (0 bytes)",
    "too_many_bytes": "has {bytes:,} bytes; an image may have {limit:,}",
    "too_many_pixels": "claims {width:,} x {height:,} = {pixels:,} pixels, more than the limit of "
    "{limit:,} (data.max_pixels), and was not decoded",
    "cut_off": "is cut off: {bytes:,} bytes of {format} data without the {end}",
    "header": "is cut off or damaged: its {format} header cannot be read ({error})",
    "undecodable": "is damaged: its header is whole, but OpenCV cannot decode what follows",
    "opencv_error": "is damaged: OpenCV cannot decode it ({error})",
    "other_size": "is damaged: its header says {width} x {height} pixels, but it decodes to "
    "{decoded_width} x {decoded_height}",
    "other_format": "is {named_format}, not a JPEG or PNG image",
    "unknown_format": "is not a JPEG or PNG image (its first bytes are {first_bytes})",
    "text": "is text, not an image (it begins {beginning!r})",
    # what is no file to be read (decode.py, folder_entries.py, folders.py)
    "not_there": "is not there",
    "no_access": "cannot be read: {error}",
    "link_to_nothing": "is a symbolic link to nothing",
    "unprintable_name": "has a name that is not printable text; rename it",
    "special_file": "is a named pipe, a device or a socket, not a file",
    "not_a_class": "is a {kind}; only the folders {named_classes} are read here",
    "not_an_image_file": "is a {kind}; only .jpeg, .jpg and .png files are read",
    "not_a_split": "is a folder of images ({images:,}); only the folders train, val and test are read here",
    "too_deep": "is a folder of images ({images:,}), one too deep to be read; move them into the one above",
    # what was read, and is worth a look (examine.py)
    "corrupt": "was read, but its data are damaged, and what is missing was filled in ({error})",
    "blank": "shows nothing: every pixel is {level} of 255",
    "few_levels": "has samples of 16 bits of which only the lowest {bits} are used: the high byte, which is "
    "read, has {levels} levels of grey; scale the samples to 16 bits",
}

ENDS = {"JPEG": "end marker", "PNG": "last chunk"}
FORMATS = {
    "RIFF": "a RIFF file (such as WebP)",
    "PDF": "a PDF document",
    "ZIP": "a ZIP archive",
    "gzip": "a gzip archive",
    "DICOM": "a DICOM file",
}  # the others are images
CONVERSIONS = {
    "1": "1 bit to 8 bits",
    "L;2": "2 bits to 8 bits",
    "L;4": "4 bits to 8 bits",
    "I;16": "16 bits to 8 bits (the high byte)",
    "RGB;16": "16 bits to 8 bits (the high byte)",
    "P": "palette to grey",
    "LA": "transparency ignored",
    "LA;16": "16 bits to 8 bits (the high byte), transparency ignored",
    "RGBA": "transparency ignored",
    "RGBA;16": "16 bits to 8 bits (the high byte), transparency ignored",
    "CMYK": "CMYK to grey",
}  # by Pillow's word for the mode of the file


def clause(reason: Mapping[str, Any]) -> str:
    """A reason in words, to follow the path of its file. Raises KeyError for a code that nothing writes."""
    if reason["code"] == "converted":
        changes = [CONVERSIONS[reason["mode"]]] if "mode" in reason else []
        if "orientation" in reason:
            changes.append(f"turned upright (EXIF orientation {reason['orientation']})")
        return "; ".join(changes)
    facts: dict[str, Any] = dict(reason)
    if "format" in reason:
        facts["end"] = ENDS.get(reason["format"])
        facts["named_format"] = FORMATS.get(reason["format"], f"a {reason['format']} image")
    if "width" in reason:
        facts["pixels"] = reason["width"] * reason["height"]
    facts["named_classes"] = listed(reason.get("classes", ()))
    return CLAUSES[reason["code"]].format(**facts)


def in_words(entry: Mapping[str, Any]) -> dict[str, str]:
    """An entry of a summary, `path` beside a reason, as path and `reason` in words."""
    return {"path": entry["path"], "reason": clause(entry)}


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Names as a list in a sentence: "CNV, DME and NORMAL"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
