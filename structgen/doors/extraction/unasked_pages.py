"""Pieces that a model is not asked about, because they do not state a value that each item must have.

A *piece* is a part of a document that is asked about at once, or a half of one that was asked in halves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from structgen.asking.documents.sheets import Sheet
from structgen.asking.grounding.stated_text import KIND_OF_FORMAT, StatedText
from structgen.asking.grounding.unread_values import guesses_of
from structgen.asking.pages.html_pages import format_count
from structgen.base.errors import NotStatedError
from structgen.base.printable import short_repr

MOST_NAMED: Final = 3
"""The most pieces and places that a sentence names. It gives the number of the others."""
_LONGEST: Final = 60
"""The most characters of the text at a place that are shown."""


@dataclass(frozen=True, slots=True)
class UnaskedPiece:
    """A piece, or a half of one, that the model was not asked about: the characters `start` to `end` of its
    document. `page`: its number."""

    document: str
    page: int
    start: int
    end: int
    field: str
    """The JSON Pointer, in an item, of the value that the piece does not state; "" for the item itself."""
    reason: str
    """The reason in words, such as "no date for /made"."""
    places: list[list[int]]
    """The first places, as [start, end] in characters of the document, that look as if they stated such a
    value, in a notation that we do not read."""
    count: int
    """The number of all such places."""
    sheet: Sheet | None = None
    """The sheet at which the piece begins, as of a `FoundValue`."""


def unasked_piece(lack: NotStatedError, piece_text: StatedText, start: int) -> dict[str, Any]:
    """Return the members of an `UnaskedPiece`, without its document and page, as a line of a file has them.

    `lack`: the error that names the value that is missing. `piece_text`: the text of the piece. `start`: the
    character of the document at which it begins. Cost: that of `guesses_of`.
    """
    # the error names formats such as "date-time", while readings of a text have kinds
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
    """Return a remark for each document and each reason for which pieces of it were not asked about. `texts`:
    the documents by name. `cure`: the advice for values in a notation that we do not read."""
    groups = defaultdict[tuple[str, str], list[UnaskedPiece]](list)
    for piece in pieces:
        # one sentence for all pieces of one kind
        groups[piece.document, piece.reason].append(piece)
    remarks = list[str]()
    for (name, reason), group in groups.items():
        names = [name_piece(piece.page, piece.sheet) for piece in group]
        places = [place for piece in group for place in piece.places]
        first_pieces = _name_first(names, len(names))
        remark = f"{name}: Not processed: {format_count(len(group), 'piece')} with {reason} ({first_pieces})."
        if places:
            words = (
                f"characters {start:,} to {end:,} ({short_repr(texts[name][start:end], _LONGEST)})"
                for start, end in places
            )
            total = sum(piece.count for piece in group)
            remark += f" Possible values in a form that is not read: {_name_first(words, total)}.{cure}"
        remarks.append(remark)
    return remarks


def name_piece(number: int, sheet: Sheet | None) -> str:
    """Return the words for a piece: `piece 3 on sheet 4 of 30`."""
    if sheet is None:
        return f"piece {number}"
    return f"piece {number} {sheet.location_words}"


def _name_first(names: Iterable[str], total: int) -> str:
    """Return the first of some names as a text, and how many more there are of `total`."""
    first = [*islice(names, MOST_NAMED)]
    return ", ".join(first) + f" and {total - len(first):,} more" * (total > len(first))
