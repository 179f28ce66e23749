"""JSON text of a vocabulary that lacks bytes: how characters are written then, and which values are left."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from structgen.schema.reading.json_values import ascii_string, can_be_written, json_string
from structgen.schema.reading.policies import Policies

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_KINDS: Final = (
    ("null", (b"null",)),
    ("boolean", (b"true", b"false")),
    ("number", tuple(b"%d" % digit for digit in range(10))),
    ("string", (b'""',)),
    ("array", (b"[]",)),
    ("object", (b"{}",)),
)
"""Kinds of values, each with texts of which one can be written if any of its texts can."""
_SHORT: Final = {34: b'"', 92: b"\\", 47: b"/", 8: b"b", 12: b"f", 10: b"n", 13: b"r", 9: b"t"}
"""Characters with an escape of two, and its second."""
_LENGTHS: Final = (0x80, 0x800, 2), (0x800, 0xD800, 3), (0xE000, 0x10000, 3), (0x10000, 0x110000, 4)
"""Characters beyond ASCII: the first, the one behind the last, of how many bytes each is."""
_NUMERAL: Final = b"0123456789-+.eE"
MANY: Final = 80
"""Characters from which on strings are told apart by few of them, whatever else may stand in them."""


class Quoting:
    """How strings and keys are written under a policy of escapes, without some bytes. Made by `quoting_of`.

    A text has one way under "utf8" and "ascii"; under "canonical" keys and constants have one, and other
    strings all; under "any" all have all.
    """

    def __init__(self, escapes: str, missing: frozenset[int]) -> None:
        self.missing = missing
        """Bytes that no text has."""
        self.numerals_lack = not missing.isdisjoint(_NUMERAL)
        """Whether some numerals cannot be written."""
        self.plain = bytes({*range(32, 127)}.difference(missing, b'"\\'))
        """The characters of ASCII that are written as they are, ascending."""
        self.is_ascii = escapes == "ascii"
        self._whole = ascii_string if self.is_ascii else json_string
        self.lone, self._free = escapes == "any", escapes in ("any", "canonical")
        self.lost_digits = missing if self._free or not missing else missing.union(b"ABCDEF")
        """Bytes that escapes do not have."""
        self._ways: dict[str, bytes] = {}
        self.blank = self.plain[:1] or self.write_literal(" ")[1:-1]
        """What one more character takes, the cheapest."""

    def write_literal(self, text: str) -> bytes:
        """Return the shortest JSON text of a decoded string, quotes included; where none is without the
        missing bytes, one that has some."""
        spelling = self._whole(text)
        if not self.missing or self.missing.isdisjoint(spelling):
            return spelling
        return b'"%b"' % b"".join(map(self._write_character, text))

    def escape_cases(self, way: bytes) -> list[bytes]:
        """Return an escape with digits in lower case, in upper case, and in whichever is there: of these,
        what can be written."""
        there = bytes(
            byte if byte not in self.missing else ord(bytes((byte,)).upper()) for byte in way.lower()
        )
        return [spelling for spelling in (way.lower(), way, there) if self.missing.isdisjoint(spelling)]

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
            ways, point = [self._whole(char)[1:-1]], ord(char)
            if self._free:
                units = char.encode("utf-16-be", "surrogatepass").hex()
                digits = [digit if ord(digit) not in self.missing else digit.upper() for digit in units]
                ways += [b"\\" + _SHORT[point]] if point in _SHORT else []
                ways.append(
                    "".join("\\u" * (at % 4 == 0) + digit for at, digit in enumerate(digits)).encode()
                )
            spelling = self._ways[char] = next(filter(self.missing.isdisjoint, ways), ways[0])
        return spelling

    @cached_property
    def strings(self) -> str | None:
        """A pattern of the strings that can be written; None: all."""
        return _pattern_of(self._string_characters)

    @cached_property
    def keys(self) -> str | None:
        """A pattern of the keys and constants that can be written; None: all."""
        return _pattern_of(self._written_characters(self.lone))

    @cached_property
    def unwritable_characters(self) -> tuple[frozenset[int], str | None]:
        """The bytes of UTF-8 that only characters have which cannot be written; and, where other characters
        cannot be written either, a pattern of the strings that can. Cost: some 10 ms."""
        writable = self._string_characters
        if writable is None:
            return frozenset(), None
        lost = _bytes_of(~writable) - _bytes_of(writable)
        return lost, None if (writable | ~characters_without(lost)).all() else self.strings

    @cached_property
    def _string_characters(self) -> npt.NDArray[np.bool_] | None:
        return self._written_characters(self._free)

    def _written_characters(self, free: bool) -> npt.NDArray[np.bool_] | None:
        """Return for each code point whether some way to write it has no missing byte; None: all can be
        written. `free`: all escapes may be used. This is the one table of how characters are written."""
        cases = ("%x", "%X") if free else ("%x",)
        digits = [any(ord(case % value) not in self.missing for case in cases) for value in range(16)]
        has_escapes = self.missing.isdisjoint(b"\\u")
        if not self.missing or (free and has_escapes and all(digits)):
            return None
        import numpy as np  # start-up: few vocabularies lack bytes

        writable = self._raw_characters()
        escapable = np.zeros_like(writable)
        if has_escapes:
            digit, unit = np.array(digits), np.arange(0x10000)
            units = digit[unit >> 12] & digit[unit >> 8 & 15] & digit[unit >> 4 & 15] & digit[unit & 15]
            escapable[:0x10000] = units
            escapable[0x10000:] = np.logical_and.outer(units[0xD800:0xDC00], units[0xDC00:0xE000]).ravel()
        if not free:
            escapable[32 : 0x7F if self.is_ascii else None] = False
            escapable[list(_SHORT)] = False
        if not self.lone:
            escapable[0xD800:0xE000] = True  # they cannot be written for another reason
        if 92 not in self.missing:
            short = [point for point in _SHORT if free or point != 47]
            escapable[short] |= [self.missing.isdisjoint(_SHORT[point]) for point in short]
        writable |= escapable
        return None if writable.all() else writable

    def _raw_characters(self) -> npt.NDArray[np.bool_]:
        """Return for each code point whether it can be written as it is."""
        lacking = characters_without(self.missing)
        lacking[0x80:] &= not self.is_ascii
        lacking[[*range(32), 34, 92]] = False
        lacking[0x7F] &= not self.is_ascii
        return lacking


def _pattern_of(writable: npt.NDArray[np.bool_] | None) -> str | None:
    """Return a pattern of the strings of some code points; None for all."""
    if writable is None:
        return None
    import numpy as np  # start-up: few vocabularies lack bytes

    # start-up, too
    from structgen.automata.strings.alphabets import pattern_of_characters

    return pattern_of_characters(np.flatnonzero(np.diff(writable, prepend=False, append=False)))


def characters_without(missing: frozenset[int]) -> npt.NDArray[np.bool_]:
    """Return for each code point whether its UTF-8 has none of some bytes; False for surrogates."""
    import numpy as np  # start-up: few vocabularies lack bytes

    lacking, has = np.zeros(0x110000, np.bool_), ~np.isin(np.arange(256), [*missing])
    lacking[:0x80] = has[:0x80]
    for first, end, count in _LENGTHS:
        begin = has[_first_bytes(first, end, count)].all(axis=1)
        lacking[first:end] = np.logical_and.outer(begin, has[0x80:0xC0]).ravel()
    return lacking


def _bytes_of(characters: npt.NDArray[np.bool_]) -> frozenset[int]:
    """Return the bytes of the UTF-8 of some code points; `characters` has a flag for each."""
    import numpy as np  # start-up: few vocabularies lack bytes

    byte_values = {*np.flatnonzero(characters[:0x80]).tolist()}
    for first, end, count in _LENGTHS:
        blocks = characters[first:end].reshape(-1, 64)
        byte_values.update(_first_bytes(first, end, count)[blocks.any(axis=1)].ravel().tolist())
        byte_values.update((0x80 + np.flatnonzero(blocks.any(axis=0))).tolist())
    return frozenset(byte_values)


def _first_bytes(first: int, end: int, count: int) -> npt.NDArray[np.uint8]:
    """Return for each 64 characters of `count` bytes, from `first` to before `end`, the bytes they share:
    all but the last, which may be any byte inside a character."""
    import numpy as np  # start-up: few vocabularies lack bytes

    text = "".join(map(chr, range(first, end, 64))).encode()
    return np.frombuffer(text, np.uint8).reshape(-1, count)[:, :-1]


@lru_cache(maxsize=64)
def quoting_of(escapes: str, missing: frozenset[int] = frozenset()) -> Quoting:
    """Return how strings are written under a policy of escapes, without some bytes."""
    return Quoting(escapes, missing)


def limits_of(quoting: Quoting, policies: Policies) -> tuple[dict[str, Any], tuple[bool, ...], str | None]:
    """Return what every value meets whose text has none of the missing bytes: fields of `Schema`, which of
    true and false it is not, and a pattern of its keys (None: any).

    Of strings only those are looked at that few characters are left for: `Scalars` knows of the others.
    """
    missing = quoting.missing
    kinds = frozenset(kind for kind, texts in _KINDS if any(map(missing.isdisjoint, texts)))
    fields: dict[str, Any] = {} if len(kinds) == len(_KINDS) else {"types": kinds}
    kind, indent, _limit = policies.space
    breaks = b"\n" + indent.encode() if kind == "indent" else b""
    blank = b" " if breaks or kind == "oneline" else b""
    if not missing.isdisjoint(b"," + (b"" if breaks else blank)):
        fields["max_items"] = fields["max_properties"] = 1
    if not missing.isdisjoint(breaks):
        fields["max_items"] = fields["max_properties"] = 0
    if not missing.isdisjoint(b':"' + blank):
        fields["max_properties"] = 0
    lost = tuple(
        value for value, text in ((True, b"true"), (False, b"false")) if not missing.isdisjoint(text)
    )
    few = len(quoting.plain) < MANY
    if few and quoting.strings is not None:
        fields["pattern"] = quoting.strings
    return fields, lost if len(lost) == 1 else (), quoting.keys if few else None
