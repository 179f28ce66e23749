"""Cuts a long text into pages, so that each page fits into the context of a model.

A text is read as *pieces*. A piece is a word, a character of a script without blanks, or a run of marks, with
the white space before it. A *page* is a part of the text; it begins and ends between two pieces, at a
*border*. One array says how good each border is. Two other arrays say how many tokens stand before and after
each piece. Everything else is a search in these arrays.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, TypeAlias
from unicodedata import category

import numpy as np
import numpy.typing as npt

from structgen.base.errors import OptionError
from structgen.grammars.text_grammars.word_runs import LETTER

Count: TypeAlias = Callable[[str], int]
"""A function that returns the number of tokens of a text."""
_Numbers: TypeAlias = "npt.NDArray[np.integer[Any]]"

_MARK: Final = "\u0301"
"""The character that stands for every combining mark while pieces are searched."""
_JOINED: Final = rf"(?:{_MARK}|\u200d\S){{0,31}}+"
"""The marks of a character, and what a zero-width joiner joins to it."""
_CHARACTER: Final = rf"(?:[\U0001f1e6-\U0001f1ff]{{2}}|(?s:.)){_JOINED}"
_OPENING: Final = r"(\[{«“\u2018「『\uff08"
_PIECE: Final = re.compile(
    rf"(\s*+)(?:{LETTER}(?:{LETTER}|[{_MARK}\u200d])*+|\w{_JOINED}"
    rf"|(?:[{_OPENING}]{_JOINED}){{1,16}}+|(?:[^\w\s{_OPENING}]{_JOINED}){{1,16}}+)"
)
"""White space, then a word, a character of a script without blanks, opening marks, or other marks."""
_SMALLER: Final = tuple(map(re.compile, (rf"(?:{_CHARACTER}){{1,32}}+", _CHARACTER, r"(?s:.)")))
"""Patterns of the parts of a piece that is too large. Each splits what the one before leaves too large."""
CHARACTERS_AT_ONCE: Final = 64
"""The longest text that is measured at once, in characters, in case the count is not linear."""
PIECES_KEPT: Final = 100_000
"""The most pieces whose token counts are kept."""
_STOP: Final = r"[.!?…؟।][\"'”\u2019»)\]]*+"
_WIDE_STOP: Final = r"[。\uff01\uff1f｡]++[”\u2019」』\uff09]*+"
SPACED: Final = 2
"""The kind of a border at white space. 0: inside a word; 1: between pieces without white space."""
_BORDERS: Final = (
    (3, rf"{_STOP}(?=\s++[^\sa-z])|{_WIDE_STOP}"),
    (4, r"[\n\r\v\x85\u2028]"),
    (5, rf"(?:{_STOP}|{_WIDE_STOP})[^\S\n]*+\n"),
    (6, r"\n[^\S\n]*+\n|[\f\u2029]"),
    (7, r"(?m:^) {0,3}(?=#{1,6}[ \t])"),
    (4, r"(?m:^) {0,3}#{1,6}[ \t][^\n]*+\n"),
)
"""Better borders, and patterns that end at them; a later row counts. Ends of sentences, lines, lines that end
a sentence, paragraphs; before a heading. Behind a heading is the end of a line."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A page: `text[start:end]`, in characters."""

    start: int
    end: int


def cut_pages(
    text: str,
    count: Count,
    page_tokens: int,
    overlap: int,
) -> list[Cut]:
    """Return the pages of a text, in its order: none of a text of white space, one of a text that fits.

    `count` tells how many tokens a text has; it is asked about words, and the tokens of a page are their sum,
    which is seldom less than those of the page at once. A page has at most `page_tokens` tokens. Each stretch
    of whole pieces that has at most `overlap` tokens stands whole in a page; `overlap` is less than half of
    `page_tokens`. Pages begin and end at characters that are no white space, and have all of these.

    A page ends at the best border in the last three quarters of what it has beyond the page before: at a
    heading, else at a blank line, a line's end, a sentence's end, white space. It begins at such a border
    too, where that costs no more than half of the overlap again. A page begins or ends inside a word only
    where the word is longer than a page, and never between a character and its marks (with up to 31).

    Raises OptionError where one character has more than `page_tokens` tokens. Cost: linear, some 1 us a piece
    and what `count` costs for the different ones, in 50 bytes for each.
    """
    begins, ends, tokens_before, tokens_up_to, kinds = _measure_pieces(text, count, page_tokens)
    word_ends = np.flatnonzero(kinds) + 1
    """The numbers of pieces after which no word continues."""
    cuts = []
    first = new = 0
    while new < len(ends):
        last = int(tokens_up_to.searchsorted(tokens_before[first] + page_tokens, "right"))
        if last < len(ends):
            # a whole number: for a float all of `tokens_up_to` would become floats
            quarter = (3 * tokens_before[new] + tokens_before[first] + page_tokens + 3) // 4
            low = min(max(int(tokens_up_to.searchsorted(quarter)), new) + 1, last)
            word_end = int(word_ends[word_ends.searchsorted(last, "right") - 1])
            last = _best_border(kinds, low, last) or (word_end if new < word_end < last else last)
        cuts.append(Cut(int(begins[first]), int(ends[last - 1])))
        new = last
        if new < len(ends):
            # the least stretch that no page has ends with the word of the piece `new`
            end = tokens_up_to[word_ends[word_ends.searchsorted(new, "right")] - 1]
            early, need = (
                min(int(tokens_before.searchsorted(end - tokens)), new)
                for tokens in (min(2 * overlap, page_tokens // 2), overlap)
            )
            # where there is no border, no stretch begins
            first = _best_border(kinds, max(early, 1), need) or min(
                int(word_ends[word_ends.searchsorted(need)]), new
            )
    return cuts


def _best_border(kinds: _Numbers, low: int, high: int) -> int:
    """Return the number of pieces before the best border, from `low` to `high`. Of several the last one
    counts. 0: all borders are inside a word, or there are none."""
    borders = kinds[low - 1 : high][::-1]
    offset = int(borders.argmax()) if len(borders) else 0
    return high - offset if len(borders) and borders[offset] else 0


def _measure_pieces(text: str, count: Count, page_tokens: int) -> tuple[_Numbers, ...]:
    """Return five arrays with an entry for each piece: its first character, the character after it, the
    tokens before it, the tokens up to its end, and the kind of the border after it."""
    marks = {ord(char): _MARK for char in set(text) if _is_mark(char)}
    folded = text.translate(marks) if marks else text
    sizes_by_piece: dict[str, array[int]] = {}
    sizes = array("q")
    kinds = bytearray()
    for match in _PIECE.finditer(folded, 0, len(text.rstrip())):
        piece = text[match.start() : match.end()]
        if (parts := sizes_by_piece.get(piece)) is None:
            # a text of ever new words must not fill the memory
            if len(sizes_by_piece) == PIECES_KEPT:
                sizes_by_piece.clear()
            parts = sizes_by_piece[piece] = _piece_sizes(piece, match[0], len(match[1]), count, page_tokens)
        sizes += parts
        kinds += bytes(len(parts) // 4 - 1) + b"\1"
    rows = np.frombuffer(sizes, np.int64).reshape(-1, 2)
    bounds = np.ascontiguousarray(rows.cumsum(0).reshape(-1, 2, 2).transpose(1, 2, 0))
    (begins, tokens_before), (ends, tokens_up_to) = bounds
    borders = np.frombuffer(kinds, np.uint8).copy()
    borders[:-1][begins[1:] > ends[:-1]] = SPACED
    _set_better_borders(borders, text, begins, ends)
    return begins, ends, tokens_before, tokens_up_to, borders


def _set_better_borders(borders: _Numbers, text: str, begins: _Numbers, ends: _Numbers) -> None:
    """Set the kinds of `borders`, behind each piece, by the patterns of _BORDERS. `begins`, `ends`: the
    characters where pieces begin, and before which they end."""
    for kind, pattern in _BORDERS:
        matches = re.finditer(pattern, text)
        border_ends = np.fromiter((match.end() for match in matches), np.int64)
        next_pieces = ends.searchsorted(border_ends, "right")
        is_between = (next_pieces > 0) & (next_pieces < len(ends))
        next_pieces = next_pieces[is_between]
        border_ends = border_ends[is_between]
        # a border that ends inside of the next piece is none
        is_border = border_ends <= begins[next_pieces]
        borders[next_pieces[is_border] - 1] = kind


def _is_mark(char: str) -> bool:
    """Return whether a character belongs to the one before: a mark, one without width, a skin's colour."""
    return char != "\u200d" and (
        category(char) in ("Mn", "Mc", "Me", "Cf") or "\U0001f3fb" <= char <= "\U0001f3ff"
    )


def _piece_sizes(
    piece: str,
    folded: str,
    gap: int,
    count: Count,
    page_tokens: int,
) -> array[int]:
    """Return of each part of a piece the characters before it, the tokens before it, its own characters and
    its own tokens."""
    parts = _split_word(piece[gap:], folded[gap:], count, page_tokens)
    sizes = array("q", chain.from_iterable(parts))
    if len(sizes) == 4 and gap <= CHARACTERS_AT_ONCE:
        white = max(count(piece) - sizes[-1], 0)
    else:
        white = sum(
            count(piece[offset : min(offset + CHARACTERS_AT_ONCE, gap)])
            for offset in range(0, gap, CHARACTERS_AT_ONCE)
        )
    sizes[:2] = array("q", (gap, white))
    return sizes


def _split_word(
    word: str,
    folded: str,
    count: Count,
    page_tokens: int,
    level: int = 0,
) -> Iterator[tuple[int, ...]]:
    """Yield the sizes of the parts of a word, none of which has more than `page_tokens` tokens."""
    if len(word) <= CHARACTERS_AT_ONCE and (tokens := count(word)) <= page_tokens:
        yield 0, 0, len(word), tokens
    elif level < len(_SMALLER):
        for part in _SMALLER[level].finditer(folded):
            low, high = part.span()
            yield from _split_word(word[low:high], folded[low:high], count, page_tokens, level + 1)
    else:
        fault = f"A piece has at most {page_tokens} tokens, and the character {word!r} has {tokens}."
        raise OptionError(fault, where="page", cure="Increase page=.")
