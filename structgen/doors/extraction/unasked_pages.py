"""Pages that a model is not asked about, because they do not state what each item has."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from structgen.asking.grounding.stated_text import StatedText
from structgen.asking.grounding.unread_values import unread_values_of
from structgen.base.printable import short_repr
from structgen.base.system.html_pages import counted
from structgen.doors.extraction.extraction_tables import dotted

MOST_NAMED: Final = 3
"""Pages, places and reasons that a sentence names; further ones are counted."""
_LONGEST: Final = 60
"""Characters of the words at a place that are shown."""
Place = tuple[int, int]
"""From a character of the document to the one after the last."""


@dataclass(frozen=True, slots=True)
class UnaskedPage:
    """A page, or the characters `start` to `end` of one, that the model was not asked about."""

    document: str
    page: int
    start: int
    end: int
    is_whole: bool
    """Whether it is the whole page."""
    field: str
    """The JSON Pointer, in an item, of the value that the page does not state; "" for the item itself."""
    kinds: tuple[str, ...]
    """What it would be: number, date, ...; () for several values together."""
    unread: tuple[Place, ...]
    """The first places that look as if they stated such a value, in a form that is not read."""
    unread_count: int
    """How many such places there are."""

    @property
    def reason(self) -> str:
        """Why the page was not asked, such as "no date for made"."""
        missing = f"no {' or '.join(self.kinds)}" if self.kinds else "too few values"
        return f"{missing} for {dotted(self.field)}"


def unread_places(stated: StatedText, kinds: Sequence[str]) -> tuple[list[Place], int]:
    """Return the first places of a text that look as if they stated a value of some kinds (of any: ()), which
    no reader reads, and how many there are. Cost: that of `unread_values_of`."""
    (text,) = stated.texts.values()
    found = {
        (unread.start, unread.end)
        for unread in unread_values_of(text, [reading for _, reading in stated.readings])
        if not kinds or unread.kind in kinds or (unread.kind == "date" and "datetime" in kinds)
    }
    return sorted(found)[:MOST_NAMED], len(found)


def unasked_of(line: Mapping[str, Any], document: str, number: int) -> Iterator[UnaskedPage]:
    """Yield what was not asked of a page, given its line."""
    for part in line["unasked"]:
        is_whole = (part["start"], part["end"]) == (line["start"], line["end"])
        lists = {"kinds": tuple(part["kinds"]), "unread": tuple(map(tuple, part["unread"]))}
        yield UnaskedPage(document, number, is_whole=is_whole, **{**part, **lists})


def unasked_remarks(
    unasked: Sequence[UnaskedPage], texts: Mapping[str, str], pages: Mapping[str, int], cure: str
) -> list[str]:
    """Return a sentence for each document and each reason not to ask about its pages. `texts`, `pages`: of
    each document its text, and how many pages it has; `cure`: what to do about values that are not read."""
    groups = defaultdict[tuple[str, str], list[UnaskedPage]](list)
    for page in unasked:
        groups[page.document, page.reason].append(page)
    remarks = list[str]()
    for (name, reason), group in groups.items():
        verb, why = ("was", "it states") if len(group) == 1 else ("were", "they state")
        numbers = dict.fromkeys(f"page {page.page}" for page in group)
        what = f"{name}: {_counted(group, f' of {pages[name]:,}')} {verb} not asked, because {why} {reason}: "
        what += f"{listed(numbers, len(numbers))}."
        if total := sum(page.unread_count for page in group):
            places = (place for page in group for place in page.unread)
            what += (
                f" Possible values in a form that is not read: {named_places(places, texts[name], total)}."
            )
        remarks.append(f"{what} {cure}".rstrip() if total else what)
    return remarks


def unasked_summary(unasked: Sequence[UnaskedPage]) -> str:
    """Return how many pages were not asked, and why, in a few words; "" where all were."""
    if not unasked:
        return ""
    reasons = Counter(page.reason for page in unasked)
    return f"{_counted(unasked, '')} not asked: {listed(reasons, len(reasons))}"


def named_places(places: Iterable[Place], text: str, total: int) -> str:
    """Return the first of some places of a text, with their words; `total`: how many there are."""
    named = (
        f"characters {start:,} to {end:,} ({short_repr(text[start:end], _LONGEST)})" for start, end in places
    )
    return listed(named, total)


def listed(names: Iterable[str], total: int) -> str:
    """Return the first of some names, and how many more there are."""
    first = [*islice(names, MOST_NAMED)]
    more = total - len(first)
    return ", ".join(first) + f" and {more:,} more" * (more > 0)


def _counted(unasked: Sequence[UnaskedPage], of_all: str) -> str:
    """Return how many pages, and parts of pages, there are."""
    parts = sum(not page.is_whole for page in unasked)
    whole = len(unasked) - parts
    named = [f"{whole:,}{of_all} page{'' if (of_all or whole) == 1 else 's'}"] * (whole > 0)
    return " and ".join(named + [counted(parts, "page part")] * (parts > 0))
