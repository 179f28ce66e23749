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
_LABEL_OCTETS: Final = 63
_LDH: Final = "(?![A-Za-z0-9]{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
"""Labels of letters, digits and hyphens that are no A-labels."""
_LOWER: Final[Ranges] = ((0x30, 0x39), (0x61, 0x7A))
_TIERS: Final = (0x700, 0xA000, LAST + 1)
"""A label is measured by the first of these that is above all its characters, as if they could be any
below."""


@functools.lru_cache(maxsize=1)
def label() -> str:
    """Return a pattern of the labels.

    In each tier of code points a label is so short that Punycode cannot make it longer than 63 octets.
    """
    letters = read_ranges(read_table("idna_table.txt")["letters"])
    ways = [_LDH]
    for end in _TIERS:
        most = 1
        while all(_fits(others, most + 1 - others, end) for others in range(1, most + 2)):
            most += 1
        below = ((low, min(high, end - 1)) for low, high in letters if low < end)
        ways.append(f"{_set(union([*below, *_LOWER]))}{{1,{most}}}")
    return f"(?:{'|'.join(ways)})"


def _set(ranges: Ranges) -> str:
    """Return a character class."""
    inside = "".join(f"\\u{{{low:x}}}-\\u{{{high:x}}}" for low, high in ranges)
    return f"[{inside}]"


@functools.lru_cache(maxsize=1)
def _least_deltas() -> list[int]:
    """Return, for 1, 2, ... digits, the least delta that Punycode writes with so many digits under any
    bias."""
    least = [1 << 60] * 8
    for bias in range(400):
        below, weight = 0, 1
        for digits in range(8):
            least[digits] = min(least[digits], below)
            threshold = min(max(36 * (digits + 1) - bias, 1), 26)
            below += threshold * weight
            weight *= 36 - threshold
    return least


def _fits(others: int, ascii_: int, end: int) -> bool:
    """Return whether every label of so many non-ASCII and ASCII characters, all below `end`, is short enough.

    Punycode's deltas (RFC 3492, section 6.3) sum to at most one step for each code point and place. They
    have the most digits if the sum is spread evenly.
    """
    least = _least_deltas()
    left = (end - 0x7F) * (others + ascii_)
    digits = others
    for more in range(1, len(least)):
        step = least[more] - least[more - 1]
        taken = min(others, left // step)
        digits += taken
        left -= taken * step
        if taken < others:
            break
    octets = 4 + ascii_ + (ascii_ > 0) + digits
    return octets <= _LABEL_OCTETS
