"""Pages that a model is not asked about, because they do not state what each item has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from structgen.asking.grounding.stated_text import KIND_OF_FORMAT, StatedText
from structgen.asking.grounding.unread_values import guesses_of
from structgen.base.errors import NotStatedError
from structgen.base.printable import short_repr
from structgen.base.system.html_pages import format_count

MOST_NAMED: Final = 3
"""Pages and places that a sentence names; further ones are counted."""
_LONGEST: Final = 60
"""Characters of the words at a place that are shown."""


@dataclass(frozen=True, slots=True)
class UnaskedPiece:
    """A page, or a half of one that was asked by halves, that the model was not asked about: the characters
    `start` to `end` of its document."""

    document: str
    page: int
    start: int
    end: int
    field: str
    """The JSON Pointer, in an item, of the value that it does not state; "" for the item itself."""
    reason: str
    """What it does not state, such as "no date for /made"."""
    places: list[list[int]]
    """The first places, from a character of the document to another, that look as if they stated such a
    value, in a form that is not read."""
    count: int
    """How many such places there are."""


def unasked_piece(lack: NotStatedError, piece_text: StatedText, start: int) -> dict[str, Any]:
    """Return, of an `UnaskedPiece`, all but the document and the page, as a line of a file has it.

    `lack`: the error that says what is not stated; `piece_text`: the text of the piece, which stands at the
    character `start` of the document. Cost: that of `guesses_of`.
    """
    # readings have kinds, and the error has names of formats
    kinds = {KIND_OF_FORMAT.get(name.removesuffix("-time"), name) for name in lack.kinds}
    (text,) = piece_text.texts.values()
    guess_spans = {
        (start + guess.start, start + guess.end)
        for guess in guesses_of(piece_text)
        if not kinds or guess.kind in kinds
    }
    return {
        "start": start,
        "end": start + len(text),
        "field": lack.path,
        "reason": lack.missing,
        "places": [*map(list, sorted(guess_spans)[:MOST_NAMED])],
        "count": len(guess_spans),
    }


def unasked_remarks(
    pieces: Sequence[UnaskedPiece],
    texts: Mapping[str, str],
    cure: str,
) -> list[str]:
    """Return a remark for each document and each reason not to ask about its pieces. `texts`: the documents
    by name; `cure`: what to do about values that are not read."""
    groups = defaultdict[tuple[str, str], list[UnaskedPiece]](list)
    for piece in pieces:
        # one sentence for all pieces of one kind
        groups[piece.document, piece.reason].append(piece)
    remarks = list[str]()
    for (name, reason), group in groups.items():
        pages = [f"page {piece.page}" for piece in group]
        places = [place for piece in group for place in piece.places]
        first_pages = _name_first(pages, len(pages))
        remark = f"{name}: Not asked: {format_count(len(group), 'piece')} with {reason} ({first_pages})."
        if places:
            words = (
                f"characters {start:,} to {end:,} ({short_repr(texts[name][start:end], _LONGEST)})"
                for start, end in places
            )
            total = sum(piece.count for piece in group)
            remark += f" Possible values in a form that is not read: {_name_first(words, total)}.{cure}"
        remarks.append(remark)
    return remarks


def _name_first(names: Iterable[str], total: int) -> str:
    """Return the first of some names, and how many more there are."""
    first = [*islice(names, MOST_NAMED)]
    return ", ".join(first) + f" and {total - len(first):,} more" * (total > len(first))
