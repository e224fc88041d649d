"""Counts of verdicts as one coloured bar each: what there is none of has no part in it."""

from collections.abc import Mapping

from markupsafe import Markup

from meddef_lib.report.comparing import label

Words = Mapping[str, tuple[str, str, str]]  # word, colour and shape of each verdict


def stacked(counts: Mapping[str, Mapping[str, int]], words: Words, alt: str) -> Markup:
    """A bar a row (by its title) of its counts, with what the colours mean below.

    Each part says its shape and number, so that nothing is told by colour alone.
    """
    rows = Markup()
    for title, of in counts.items():
        parts = Markup().join(
            Markup('<span class="status {}" style="flex:{}" title="{}: {}">{}{}</span>').format(
                kind, of[name], word, of[name], shape, of[name]
            )
            for name, (word, kind, shape) in words.items()
            if of.get(name)
        )
        rows += Markup('<div class="counts"><b>{}</b><div>{}</div></div>').format(title, parts)
    there = [name for name in words if any(of.get(name) for of in counts.values())]
    key = Markup(" ").join(label(words[name]) for name in there)
    return Markup('<div class="bars" role="group" aria-label="{}">{}<p>{}</p></div>').format(alt, rows, key)


def share(in_favour: int, against: int, of: int) -> Markup:
    """How many of how many are in favour (from the left) and against (from the right), as a bar."""
    parts = Markup().join(
        Markup('<span class="{}" style="width:{:.0f}%"></span>').format(kind, 100 * many / of)
        for kind, many in (("good", in_favour), ("bad", against))
    )
    html = '<span class="share" role="img" aria-label="{} of {} in favour, {} against">{}</span>'
    return Markup(html).format(in_favour, of, against, parts)
