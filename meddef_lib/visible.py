"""Text of others (names, titles, the words of servers) made fit to be printed or put on a page.

Control characters move the cursor, colour what follows or end a line where none ends; marks of direction
reorder what stands around them (Boucher and Anderson, "Trojan Source", USENIX Security 2023).
"""

import json
import re

# all control characters but tabs and line ends; marks and overrides of direction; what ends a line elsewhere
HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# halves of characters, too: no file takes them
_ESCAPED = re.compile(rf"{HIDDEN.pattern[:-1]}\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text with what cannot be seen in it escaped as JSON does: `\u202e`. JSON stays the same JSON."""
    return _ESCAPED.sub(lambda found: json.dumps(found[0])[1:-1], text)


def one_line(text: object, longest: int = 300) -> str:
    """What somebody else said, visible and on one line that is no longer than this."""
    said = " ".join(visible(str(text)).split())
    return said if len(said) <= longest else f"{said[:longest]}…"
