"""Why a file was left out or changed, as codes: what results hold. The words for them are in `reasons`."""

from typing import Any, Literal

Code = Literal[
    "empty", "too_many_bytes", "too_many_pixels", "no_pixels", "cut_off", "cut_off_in_header",
    "no_marker", "no_size", "no_header", "colour_type", "undecodable", "opencv_error", "other_size",
    "sample_bits", "components", "other_format", "unknown_format", "zeros", "text", "not_a_file",
    "not_there", "no_access", "link_to_itself", "link_to_nothing", "link_broken", "link_to_neither",
    "link_loop", "unprintable_name", "special_file", "not_a_class", "not_an_image_file",
    "not_a_split", "too_deep", "corrupt", "few_levels", "blank", "converted",
]  # fmt: skip
Reason = dict[str, Any]  # {"code": a Code, and its facts}, as JSON values


class UnreadableImage(Exception):
    """A file that is no picture for us, and why."""

    def __init__(self, code: Code, **facts: Any) -> None:
        super().__init__(code)
        self.reason: Reason = {"code": code, **facts}
