"""Finds how JSON text is written when no token has certain bytes, and which values can still be written.

The *missing bytes* are the bytes that no token of a vocabulary can write. A *way* to write a character is its
own UTF-8, or an *escape* such as `\\n` or `\\u000a`. A *spelling* is the bytes of a way that was chosen. A
*writable* character has a way without missing bytes. The policy of escapes tells which ways may be used:

- "utf8": one way each, raw where JSON allows it; "ascii": the same, with escapes from 0x7F on;
- "canonical": one way in keys and constants, all ways in other strings; "any": all ways everywhere.

For example without the byte of `é`'s UTF-8, 0xC3, the policy "any" writes `é` as `\\u00e9`.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from structgen.schema.reading.json_values import ascii_string, can_be_written, json_string
from structgen.schema.reading.policies import Policies

if TYPE_CHECKING:
    from structgen.base.native.array_types import BoolArray, ByteArray

_KINDS: Final = (
    ("null", (b"null",)),
    ("boolean", (b"true", b"false")),
    ("number", tuple(b"%d" % digit for digit in range(10))),
    ("string", (b'""',)),
    ("array", (b"[]",)),
    ("object", (b"{}",)),
)
"""The kinds of values, each with its shortest texts. A kind has a writable value if one of these texts has no
missing bytes. For example every number needs at least one digit."""
_SHORT: Final = {34: b'"', 92: b"\\", 47: b"/", 8: b"b", 12: b"f", 10: b"n", 13: b"r", 9: b"t"}
"""The code points that have an escape of two characters, each with the second one: 10 -> `n` for `\\n`."""
_LENGTHS: Final = (0x80, 0x800, 2), (0x800, 0xD800, 3), (0xE000, 0x10000, 3), (0x10000, 0x110000, 4)
"""Ranges of characters beyond ASCII: the first, the one after the last, and how many bytes of UTF-8 each
takes. Surrogates (0xD800 to 0xDFFF) have no UTF-8."""
_NUMERAL: Final = b"0123456789-+.eE"
MANY: Final = 80
"""From this number of plain characters on, `limits_of` gives no pattern of the writable strings. All
printable characters of ASCII without the quote and the backslash are 93."""


class Quoting:
    """Writes strings and keys under a policy of escapes, without missing bytes. Made by `quoting_of`.

    `escapes` is the policy: "utf8", "ascii", "canonical" or "any" (see the module). `missing` are the missing
    bytes.
    """

    def __init__(self, escapes: str, missing: frozenset[int]) -> None:
        self.missing = missing
        """The missing bytes: no text may have them."""
        self.numerals_lack = not missing.isdisjoint(_NUMERAL)
        """Whether some numerals cannot be written."""
        self.plain = bytes({*range(32, 127)}.difference(missing, b'"\\'))
        """The printable ASCII characters that can be written as they are, in ascending order."""
        self.is_ascii = escapes == "ascii"
        # Writes a whole string in the usual way, without regard to the missing bytes.
        self._whole = ascii_string if self.is_ascii else json_string
        # Whether lone surrogates may be written, and whether keys and constants may use all escapes.
        self.lone = escapes == "any"
        # Whether other strings may use all escapes.
        self._free = escapes in ("any", "canonical")
        # Without a choice of escapes their digits are in lower case.
        self.lost_digits = missing if self._free or not missing else missing.union(b"ABCDEF")
        """The bytes that no escape may have: the missing ones and, without a choice of escapes, A to F."""
        self._ways: dict[str, bytes] = {}
        self.blank = self.plain[:1] or self.write_literal(" ")[1:-1]
        """The shortest spelling of one more character of a string."""

    def write_literal(self, text: str) -> bytes:
        """Return the shortest JSON text of a string that has no missing bytes, quotes included.

        Where there is none, a JSON text with missing bytes comes back: the caller checks it.
        """
        spelling = self._whole(text)
        if not self.missing or self.missing.isdisjoint(spelling):
            return spelling
        return b'"%b"' % b"".join(map(self._write_character, text))

    def escape_cases(self, way: bytes) -> list[bytes]:
        """Return the spellings of an escape that have no missing bytes; a spelling may come twice.

        `way` is the escape, for example `\\u00E9`. Three spellings are tried: all digits in lower case; the
        digits of `way`; and each digit in lower case, or in upper case where the lower one is missing.
        """
        lower_way = way.lower()
        # The upper case is taken of bytes: in a `str` it may be two characters (`ß` -> `SS`).
        mixed_way = bytes(
            byte if byte not in self.missing else ord(bytes((byte,)).upper()) for byte in lower_way
        )
        return [spelling for spelling in (lower_way, way, mixed_way) if self.missing.isdisjoint(spelling)]

    def can_write(self, text: str) -> bool:
        """Return whether a text can be written as a key or a constant."""
        if not can_be_written(text, lone=self.lone):
            return False
        if not self.missing:
            return True
        spelling = self.write_literal(text) if self.lone else self._whole(text)
        return self.missing.isdisjoint(spelling)

    def _write_character(self, char: str) -> bytes:
        spelling = self._ways.get(char)
        if spelling is None:
            ways = [self._whole(char)[1:-1]]
            point = ord(char)
            if self._free:
                if point in _SHORT:
                    ways.append(b"\\" + _SHORT[point])
                # Characters beyond 0xFFFF are two code units: each four digits begin with \u.
                units = char.encode("utf-16-be", "surrogatepass").hex()
                digits = [digit if ord(digit) not in self.missing else digit.upper() for digit in units]
                # A text times True is the text, and times False it is empty.
                escape = "".join("\\u" * (index % 4 == 0) + digit for index, digit in enumerate(digits))
                ways.append(escape.encode())
            # The shortest way that is left; where none is, the usual one, for a caller that checks it.
            spelling = self._ways[char] = next(filter(self.missing.isdisjoint, ways), ways[0])
        return spelling

    @cached_property
    def strings(self) -> str | None:
        """A pattern of the strings that can be written; None where all can."""
        return _pattern_of(self._string_characters)

    @cached_property
    def keys(self) -> str | None:
        """A pattern of the keys and constants that can be written; None where all can."""
        return _pattern_of(self._written_characters(self.lone))

    @cached_property
    def unwritable_characters(self) -> tuple[frozenset[int], str | None]:
        """The characters that cannot be written in strings: pairs of `lost` bytes and a pattern.

        `lost` are the bytes of UTF-8 that only unwritable characters have: a string without them is writable,
        if the pattern is None. Else the pattern describes the writable strings. Cost: some 10 ms.
        """
        writable = self._string_characters
        if writable is None:
            return frozenset(), None
        lost = _bytes_of(~writable) - _bytes_of(writable)
        has_lost_byte = ~characters_without(lost)
        if (writable | has_lost_byte).all():
            return lost, None
        return lost, self.strings

    @cached_property
    def _string_characters(self) -> BoolArray | None:
        return self._written_characters(self._free)

    def _written_characters(self, free: bool) -> BoolArray | None:
        """Return for each code point whether some way to write it has no missing byte; None where all can be
        written.

        With `free` all escapes may be used. No other function decides this.
        """
        cases = ("%x", "%X") if free else ("%x",)
        # For each hexadecimal digit whether it can be written.
        digits = [any(ord(case % value) not in self.missing for case in cases) for value in range(16)]
        has_escapes = self.missing.isdisjoint(b"\\u")
        if not self.missing or (free and has_escapes and all(digits)):
            return None
        import numpy as np  # start-up: few vocabularies lack bytes

        writable = self._raw_characters()
        escapable = np.zeros_like(writable)
        if has_escapes:
            digit = np.array(digits)
            unit = np.arange(0x10000)
            # A code unit can be escaped if its four digits (4 bits each) can be written.
            units = digit[unit >> 12] & digit[unit >> 8 & 15] & digit[unit >> 4 & 15] & digit[unit & 15]
            escapable[:0x10000] = units
            # A character beyond 0xFFFF is a high and a low surrogate; they ascend with its number.
            high_surrogates = units[0xD800:0xDC00]
            low_surrogates = units[0xDC00:0xE000]
            escapable[0x10000:] = np.logical_and.outer(high_surrogates, low_surrogates).ravel()
        if not free:
            # Without all escapes only control characters are escaped; under "ascii" also all from 0x7F on.
            # The slice ends at 0x7F under "ascii", else at the last character.
            escapable[32 : 0x7F if self.is_ascii else None] = False
            escapable[list(_SHORT)] = False
        if not self.lone:
            escapable[0xD800:0xE000] = True  # lone surrogates: the policy rules them out
        if 92 not in self.missing:  # the backslash
            # A slash (47) is escaped only where all escapes may be used.
            short = [point for point in _SHORT if free or point != 47]
            escapable[short] |= [self.missing.isdisjoint(_SHORT[point]) for point in short]
        writable |= escapable
        return None if writable.all() else writable

    def _raw_characters(self) -> BoolArray:
        """Return for each code point whether it can be written as it is."""
        raw_characters = characters_without(self.missing)
        raw_characters[0x80:] &= not self.is_ascii
        # JSON always escapes control characters, the quote (34) and the backslash (92): RFC 8259, section 7.
        raw_characters[[*range(32), 34, 92]] = False
        raw_characters[0x7F] &= not self.is_ascii
        return raw_characters


def _pattern_of(writable: BoolArray | None) -> str | None:
    """Return a pattern of the strings of writable code points; None where all are writable.

    `writable` has a flag for each code point, or is None.
    """
    if writable is None:
        return None
    import numpy as np  # start-up: few vocabularies lack bytes

    # start-up, too
    from structgen.automata.strings.alphabets import pattern_of_characters

    # The bounds of the runs of writable characters: where the flag changes.
    run_bounds = np.flatnonzero(np.diff(writable, prepend=False, append=False))
    return pattern_of_characters(run_bounds)


def characters_without(missing: frozenset[int]) -> BoolArray:
    """Return for each code point whether its UTF-8 has no missing byte; False for surrogates."""
    import numpy as np  # start-up: few vocabularies lack bytes

    is_writable = np.zeros(0x110000, np.bool_)
    has_byte = ~np.isin(np.arange(256), [*missing])
    is_writable[:0x80] = has_byte[:0x80]
    for first, end, count in _LENGTHS:
        # Blocks of 64 characters share all bytes but the last one, which is 0x80 to 0xBF.
        has_begin = has_byte[_first_bytes(first, end, count)].all(axis=1)
        is_writable[first:end] = np.logical_and.outer(has_begin, has_byte[0x80:0xC0]).ravel()
    return is_writable


def _bytes_of(characters: BoolArray) -> frozenset[int]:
    """Return the bytes that occur in the UTF-8 of some code points. `characters` has a flag for each code
    point: whether it is one of them."""
    import numpy as np  # start-up: few vocabularies lack bytes

    byte_values = {*np.flatnonzero(characters[:0x80]).tolist()}
    for first, end, count in _LENGTHS:
        blocks = characters[first:end].reshape(-1, 64)
        begin_bytes = _first_bytes(first, end, count)[blocks.any(axis=1)]
        byte_values.update(begin_bytes.ravel().tolist())
        last_bytes = 0x80 + np.flatnonzero(blocks.any(axis=0))
        byte_values.update(last_bytes.tolist())
    return frozenset(byte_values)


def _first_bytes(first: int, end: int, count: int) -> ByteArray:
    """Return for each block of 64 characters the bytes of UTF-8 that these characters share.

    The blocks go from `first` to before `end`; each of their characters has `count` bytes. The characters of
    a block share all bytes but the last one, which runs from 0x80 to 0xBF. One row for each block.
    """
    import numpy as np  # start-up: few vocabularies lack bytes

    text = "".join(map(chr, range(first, end, 64))).encode()
    return np.frombuffer(text, np.uint8).reshape(-1, count)[:, :-1]


@lru_cache(maxsize=64)
def quoting_of(escapes: str, missing: frozenset[int] = frozenset()) -> Quoting:
    """Return the `Quoting` of a policy of escapes and the missing bytes. The last 64 are kept."""
    return Quoting(escapes, missing)


def limits_of(quoting: Quoting, policies: Policies) -> tuple[dict[str, Any], tuple[bool, ...], str | None]:
    """Return the limits of every value whose text has no missing bytes: three parts.

    The first part is fields of `Schema`, for example `{"max_items": 1}` where the comma is missing. The
    second is the booleans that cannot be written, such as `(True,)`. The third is a pattern of the keys that
    can be written, or None where keys need no pattern. Strings and keys get a pattern only where fewer than
    `MANY` characters are left: `Scalars` narrows the others.
    """
    missing = quoting.missing
    kinds = frozenset(kind for kind, texts in _KINDS if any(map(missing.isdisjoint, texts)))
    has_all_kinds = len(kinds) == len(_KINDS)
    fields: dict[str, Any] = {} if has_all_kinds else {"types": kinds}
    kind, indent, _limit = policies.space
    breaks = b"\n" + indent.encode() if kind == "indent" else b""
    blank = b" " if breaks or kind == "oneline" else b""
    comma = b"," if breaks else b"," + blank
    if not missing.isdisjoint(comma):
        # Two items or members need a comma between them.
        fields["max_items"] = fields["max_properties"] = 1
    if not missing.isdisjoint(breaks):
        # With an indent the first item stands on a line of its own.
        fields["max_items"] = fields["max_properties"] = 0
    if not missing.isdisjoint(b':"' + blank):
        fields["max_properties"] = 0
    booleans = ((True, b"true"), (False, b"false"))
    lost = tuple(value for value, text in booleans if not missing.isdisjoint(text))
    if len(lost) == 2:
        lost = ()  # then `kinds` has no booleans
    has_few = len(quoting.plain) < MANY
    if has_few and quoting.strings is not None:
        fields["pattern"] = quoting.strings
    return fields, lost, quoting.keys if has_few else None
