"""Why a file was left out or changed, as codes: what results hold. The words for them are in `reasons`."""

from enum import StrEnum
from typing import Any

Reason = dict[str, Any]  # {"code": a Code, and its facts}, as JSON values


class Code(StrEnum):
    """One kind of reason. (Names, not texts: what an error says in words is no part of a cell's key.)"""

    EMPTY = "empty"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    NO_PIXELS = "no_pixels"
    CUT_OFF = "cut_off"
    CUT_OFF_IN_HEADER = "cut_off_in_header"
    NO_MARKER = "no_marker"
    NO_SIZE = "no_size"
    NO_HEADER = "no_header"
    COLOUR_TYPE = "colour_type"
    UNDECODABLE = "undecodable"
    OPENCV_ERROR = "opencv_error"
    OTHER_SIZE = "other_size"
    SAMPLE_BITS = "sample_bits"
    COMPONENTS = "components"
    OTHER_FORMAT = "other_format"
    UNKNOWN_FORMAT = "unknown_format"
    ZEROS = "zeros"
    TEXT = "text"
    NOT_A_FILE = "not_a_file"
    NOT_THERE = "not_there"
    NO_ACCESS = "no_access"
    LINK_TO_ITSELF = "link_to_itself"
    LINK_TO_NOTHING = "link_to_nothing"
    LINK_BROKEN = "link_broken"
    LINK_TO_NEITHER = "link_to_neither"
    LINK_LOOP = "link_loop"
    UNPRINTABLE_NAME = "unprintable_name"
    SPECIAL_FILE = "special_file"
    NOT_A_CLASS = "not_a_class"
    NOT_AN_IMAGE_FILE = "not_an_image_file"
    CONVERTED = "converted"


class UnreadableImage(Exception):
    """A file that is no picture for us, and why."""

    def __init__(self, code: Code, **facts: Any) -> None:
        super().__init__(code)
        self.reason: Reason = {"code": code.value, **facts}
