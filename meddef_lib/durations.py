"""Spans of time in words, for terminals and pages alike."""


def duration(seconds: float) -> str:
    """Seconds as a person says them: 4 s, 3 min, 2.5 h, 12 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / (24 * 3600):,.0f} days"
