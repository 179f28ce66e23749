"""Makes a pattern for the labels of international host names (IDNA 2008, RFC 5890 to 5893).

A *label* is a part of a host name between two dots. An *A-label* is its form in ASCII, which Punycode (RFC
3492) makes of the whole label: `bücher` -> `xn--bcher-kva`. An A-label has at most 63 octets. No small
automaton can measure this length, so the pattern leaves out all labels that might be too long.

The letters of the pattern are allowed everywhere in a label (PVALID), are written from left to right, and do
not combine with a letter before them. So a label of them needs no rule besides its length.
`named_formats.CUTS` describes what else the pattern leaves out.
"""

from __future__ import annotations

import functools
from typing import Final

from structgen.automata.unicode.charsets import LAST, Ranges, union
from structgen.automata.unicode.range_tables import read_ranges, read_table

DOTS: Final = ".\u3002\uff0e\uff61"
"""The characters that separate labels (RFC 3490, section 3.1), as a class of characters writes them."""
_LDH: Final = "(?![A-Za-z0-9]{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
"""A pattern for labels of ASCII letters, digits and hyphens that are not A-labels."""
_LOWER: Final[Ranges] = ((0x30, 0x39), (0x61, 0x7A))
"""The digits 0 to 9 and the letters a to z."""
_TIERS: Final = (
    (0x700, 14),
    (0xA000, 11),
    (LAST + 1, 9),
)
"""Pairs (end, most): a label of code points below `end` may have at most `most` characters. Its A-label then
never exceeds 63 octets; with one more character it may (tests/automata/test_idna.py computes the numbers)."""


@functools.lru_cache(maxsize=1)
def label_pattern() -> str:
    """Return the pattern for one label."""
    letters = read_ranges(read_table("idna_table.txt")["letters"])
    ways = [_LDH]
    # Punycode spends more octets on larger code points: each tier allows larger ones, and fewer of them.
    for end, max_length in _TIERS:
        letters_below = [(low, min(high, end - 1)) for low, high in letters if low < end]
        characters = union([*letters_below, *_LOWER])
        ways.append(f"{_class_pattern(characters)}{{1,{max_length}}}")
    return f"(?:{'|'.join(ways)})"


def _class_pattern(ranges: Ranges) -> str:
    """Return the pattern for a class of characters."""
    inside = "".join(f"\\u{{{low:x}}}-\\u{{{high:x}}}" for low, high in ranges)
    return f"[{inside}]"
