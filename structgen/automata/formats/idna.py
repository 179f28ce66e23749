"""The labels of international host names (IDNA 2008, RFC 5890 to 5893) as a pattern.

Letters are PVALID, written from left to right, and compose with no letter before them, so that a label needs
no rule but its length. That is the length of its A-label, which Punycode (RFC 3492) makes of the whole label;
no small automaton measures it, so labels that might be too long are left out. What else is left out stands in
`named_formats.CUTS`.
"""

from __future__ import annotations

import functools
from typing import Final

from structgen.automata.unicode.charsets import LAST, Ranges, union
from structgen.automata.unicode.range_tables import read_ranges, read_table

DOTS: Final = ".\u3002\uff0e\uff61"
"""The characters that separate labels (RFC 3490, section 3.1), as a class of characters writes them."""
_LDH: Final = "(?![A-Za-z0-9]{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
"""Labels of letters, digits and hyphens that are no A-labels."""
_LOWER: Final[Ranges] = ((0x30, 0x39), (0x61, 0x7A))
_TIERS: Final = (
    (0x700, 14),
    (0xA000, 11),
    (LAST + 1, 9),
)
"""Code points, each with the most characters of a label of smaller ones: so many Punycode never makes longer
than 63 octets, of one more it may (tests/automata/test_idna.py works them out)."""


@functools.lru_cache(maxsize=1)
def label_pattern() -> str:
    """Return a pattern of the labels."""
    letters = read_ranges(read_table("idna_table.txt")["letters"])
    ways = [_LDH]
    # Punycode spends more octets on larger code points: each tier allows larger ones, and fewer of them.
    for end, max_length in _TIERS:
        letters_below = [(low, min(high, end - 1)) for low, high in letters if low < end]
        characters = union([*letters_below, *_LOWER])
        ways.append(f"{_class_pattern(characters)}{{1,{max_length}}}")
    return f"(?:{'|'.join(ways)})"


def _class_pattern(ranges: Ranges) -> str:
    """Return a character class."""
    inside = "".join(f"\\u{{{low:x}}}-\\u{{{high:x}}}" for low, high in ranges)
    return f"[{inside}]"
