"""The paper against itself: what follows from its printed numbers and statements, without any data.

Every check is a pure function of a transcription (`published.Paper`) that yields findings; a check of another
paper's tables is another folder in the same format."""

from meddef_lib.paper.audit.checks import audit
from meddef_lib.paper.audit.finding import GRADES, Finding

__all__ = ["GRADES", "Finding", "audit"]
