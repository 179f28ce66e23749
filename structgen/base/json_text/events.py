"""Events of a JSON document under way: which values, keys and terminals began and closed, read from its text.

The grammar is not needed: JSON text (RFC 8259) itself shows where values, keys and numerals begin and end,
and a matcher accepts no other text. Nothing is recorded while tokens are taken; the first question scans the
bytes of the new tokens, once.
"""

from __future__ import annotations

import enum
import json
import re
from array import array
from collections.abc import Collection, Iterable, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

_STRIDE = 32
"""Tokens between two snapshots to which a log can roll back."""

_QUOTE = re.compile(rb'["\\\x00-\x1f]')


class EventKind(enum.Enum):
    """The kinds of events. A value is the document or a member's value, an item is an array's. Inside each is
    an object, an array, or a terminal (string, number, true, false, null). Keys are not terminals."""

    VALUE_BEGIN = "value_begin"
    VALUE_END = "value_end"
    ITEM_BEGIN = "item_begin"
    ITEM_END = "item_end"
    OBJECT_BEGIN = "object_begin"
    OBJECT_END = "object_end"
    ARRAY_BEGIN = "array_begin"
    ARRAY_END = "array_end"
    KEY_BEGIN = "key_begin"
    KEY_END = "key_end"
    TERMINAL_BEGIN = "terminal_begin"
    TERMINAL_END = "terminal_end"


class TerminalKind(enum.Enum):
    """The kinds of terminals; true, false and null by the text they have."""

    STRING = "string"
    NUMBER = "number"
    TRUE = "true"
    FALSE = "false"
    NULL = "null"


class Place:
    """A place in a document: the keys and indices that lead there. Immutable; equal places compare equal.

    A place holds the one above it, so that an event costs the same at any depth.
    """

    __slots__ = ("_parent", "_part")

    def __init__(self, parent: Place | None, part: str | int) -> None:
        self._parent = parent
        self._part = part

    @property
    def parts(self) -> tuple[str | int, ...]:
        """The keys (decoded) and indices from the root. Cost: the depth."""
        parts: list[str | int] = []
        place: Place = self
        while place._parent is not None:
            parts.append(place._part)
            place = place._parent
        parts.reverse()
        return tuple(parts)

    @property
    def part(self) -> str | int:
        """The last key or index; of the document itself ""."""
        return self._part

    @property
    def pointer(self) -> str:
        """The JSON pointer (RFC 6901); "" is the document. Cost: its length."""
        return pointer_of(self.parts)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Place):
            return self.parts == other.parts
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.parts)

    def __repr__(self) -> str:
        return f"<Place {self.pointer!r}>"


def escape(segment: str | int) -> str:
    """Return one reference token of a JSON pointer (RFC 6901, section 3), with "~" and "/" escaped."""
    text = str(segment)
    if "~" in text or "/" in text:
        return text.replace("~", "~0").replace("/", "~1")
    return text


def pointer_of(parts: Iterable[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of keys and indices from the root."""
    return "".join(["/" + escape(part) for part in parts])


def spell_pointer(location: Any) -> str:
    """Return the pointer of a place that is written as the one around it and the segments from there: a
    tuple; the outermost is a text, "#"."""
    parts = []
    while isinstance(location, tuple):
        location, *segments = location
        parts.append(pointer_of(segments))
    return "".join([location, *reversed(parts)])


class Event(NamedTuple):
    """One thing that began or closed."""

    kind: EventKind
    place: Place
    """Where in the document. At KEY_BEGIN the object's, for the key is not known; at KEY_END the member's."""
    start: int
    """The byte where it begins, counted from the matcher's first byte."""
    end: int | None
    """The byte just past it, quotes and brackets included; None where it has only begun."""
    terminal: TerminalKind | None = None
    """At TERMINAL_BEGIN and TERMINAL_END: which."""

    @property
    def pointer(self) -> str:
        """The JSON pointer (RFC 6901) of the place."""
        return self.place.pointer


class _Frame(NamedTuple):
    """An open bracket."""

    below: _Frame | None
    place: Place
    start: int
    items: int
    """Items begun in an array, -1 in an object."""


class JsonError(ValueError):
    """A text that no continuation makes JSON (RFC 8259); `at` is the byte that cannot stand where it
    stands."""

    def __init__(self, fault: str, at: int) -> None:
        self.fault = fault
        self.at = at
        super().__init__(f"{fault} at byte {at}")


# What the scanner is in front of, in words; inside of a terminal or a key `part` says more.
_VALUE: Final = "a value"
_ITEM: Final = "an item or ]"
_FIRST_KEY: Final = "a key or }"
_KEY: Final = "a key"
_COLON: Final = "a colon"
_AFTER: Final = "a comma or the closing bracket"
_NOT_A_NUMBER: Final = " (NaN and Infinity are not JSON numbers)"
_HINTS: Final = {"'": " (strings are written in double quotes)", "N": _NOT_A_NUMBER, "I": _NOT_A_NUMBER}
"""Hints for other spellings that people often write, by the first character of these."""


class _ScannerState(NamedTuple):
    """Where the scanner is: an immutable value, so that a rollback takes an old one."""

    mode: str = _VALUE
    frame: _Frame | None = None
    place: Place = Place(None, "")
    """The place of the value that is expected next, or being read."""
    start: int = 0
    """Where the terminal or key being read begins."""
    terminal: TerminalKind | None = None
    """The kind of the terminal that is being read; None for a key."""
    part: str = ""
    """The part of a terminal or a key that was read last (`_PARTS`); empty outside."""


_END: Final = "end"
_HEX: Final = "0123456789abcdefABCDEF"
_PARTS: Final = MappingProxyType(
    {
        "string": {'"': _END, "\\": "escape"},
        "escape": {'"\\/bfnrt': "string", "u": "escape 4"},
        "escape 4": {_HEX: "escape 3"},
        "escape 3": {_HEX: "escape 2"},
        "escape 2": {_HEX: "escape 1"},
        "escape 1": {_HEX: "string"},
        "sign": {"0": "zero", "123456789": "whole"},
        "zero": {".": "point", "eE": "e"},
        "whole": {"0123456789": "whole", ".": "point", "eE": "e"},
        "point": {"0123456789": "fraction"},
        "fraction": {"0123456789": "fraction", "eE": "e"},
        "e": {"0123456789": "exponent", "+-": "sign of e"},
        "sign of e": {"0123456789": "exponent"},
        "exponent": {"0123456789": "exponent"},
        "t": {"r": "tr"},
        "tr": {"u": "tru"},
        "tru": {"e": _END},
        "f": {"a": "fa"},
        "fa": {"l": "fal"},
        "fal": {"s": "fals"},
        "fals": {"e": _END},
        "n": {"u": "nu"},
        "nu": {"l": "nul"},
        "nul": {"l": _END},
    }
)
"""Part of a terminal or a key -> the characters that may follow it -> the part in which they stand."""
_NEXT: Final = MappingProxyType(
    {
        part: {ord(char): after for chars, after in row.items() for char in chars}
        for part, row in _PARTS.items()
    }
)
_WHOLE_NUMERALS: Final = frozenset(("zero", "whole", "fraction", "exponent"))
"""The parts that a numeral may end with."""
_TERMINALS: Final = MappingProxyType(
    {
        ord("t"): (TerminalKind.TRUE, "t"),
        ord("f"): (TerminalKind.FALSE, "f"),
        ord("n"): (TerminalKind.NULL, "n"),
        ord('"'): (TerminalKind.STRING, "string"),
        ord("-"): (TerminalKind.NUMBER, "sign"),
        ord("0"): (TerminalKind.NUMBER, "zero"),
        **dict.fromkeys(b"123456789", (TerminalKind.NUMBER, "whole")),
    }
)
"""First byte -> the kind of the terminal, and its first part."""


Raw: TypeAlias = tuple[EventKind, Place, int, "int | None", "TerminalKind | None"]
"""An event as the scanner notes it: `Event(*raw)`."""

# Looked up once, also for others that read the notes of each token: what an enum's member costs adds up.
(
    VALUE_BEGIN,
    VALUE_END,
    ITEM_BEGIN,
    ITEM_END,
    OBJECT_BEGIN,
    OBJECT_END,
    ARRAY_BEGIN,
    ARRAY_END,
    KEY_BEGIN,
    KEY_END,
    TERMINAL_BEGIN,
    TERMINAL_END,
) = EventKind

_OPENED: Final = MappingProxyType(
    {ord("{"): (OBJECT_BEGIN, _FIRST_KEY, -1), ord("["): (ARRAY_BEGIN, _ITEM, 0)}
)
"""Opening bracket -> the event, what comes next, and `_Frame.items`."""


class EventLog:
    """The events of a text, scanned up to some token; a matcher has one once events were asked.

    It is the one reader of JSON that is still being written: iterative at any depth, linear in the text
    however it is cut, and strict (`JsonError`). `growing_json` makes values of what it finds.

    Memory: the text, 4 bytes a token, and about 150 bytes an event.
    """

    __slots__ = (
        "_counts",
        "_events",
        "_marks",
        "_state",
        "text",
    )

    def __init__(self) -> None:
        self.text = bytearray()
        """The text that was scanned: all that was written, up to the end of the document."""
        self._events: list[Raw] = []
        self._counts = array("i", (0,))
        self._state = _ScannerState()
        self._marks: list[tuple[_ScannerState, int]] = [(self._state, 0)]

    @property
    def token_count(self) -> int:
        """How many tokens were scanned."""
        return len(self._counts) - 1

    @property
    def numeral(self) -> bytes:
        """The numeral that is being read; empty where there is none."""
        at = self._state
        if at.part and at.terminal is TerminalKind.NUMBER:
            return bytes(self.text[at.start :])
        return b""

    def read_tokens(
        self,
        tokens: Sequence[int],
        token_bytes: Sequence[bytes | None],
        ends: Collection[int],
    ) -> None:
        """Scan the tokens that were not scanned yet; `ends` are the end tokens. Linear in their bytes."""
        for at in range(self.token_count, len(tokens)):
            token = tokens[at]
            if token in ends:
                self._finish_text()
            else:
                self._scan_text(token_bytes[token] or b"")
            self._counts.append(len(self._events))
            if self.token_count % _STRIDE == 0:
                self._marks.append((self._state, len(self.text)))

    @property
    def is_whole(self) -> bool:
        """Whether the document has closed. A numeral that is the document closes where something follows."""
        return self._state.mode == _AFTER and self._state.frame is None

    def feed_text(self, data: bytes) -> list[Raw]:
        """Scan more of a text that comes without tokens, and return what began and closed in it. A log is
        written or read, not both. Errors: `JsonError`, for anything but white space behind the document too.
        """
        at = self.write_document(data)
        if data[at:].strip(b" \t\n\r"):
            raise JsonError("The document has closed before what stands", len(self.text))
        return self._events

    def write_document(self, data: bytes) -> int:
        """Scan more of a document that may be a part of a text; `recent_events` is what began and closed in
        it. Return how much of the data belongs to it. Errors: `JsonError`; `text` ends before the fault
        then."""
        if self._events:
            self._events = []  # a new list: the caller may still hold the events of the last piece
        try:
            return self._scan_text(data)
        except JsonError as error:
            del self.text[error.at :]
            raise

    @property
    def recent_events(self) -> list[Raw]:
        """The events of the piece that was written last."""
        return self._events

    def events_since(self, count: int) -> list[Event]:
        """Return the events of the tokens after the first `count`, in the order of the text."""
        first = self._counts[min(count, self.token_count)]
        return [Event(*raw) for raw in self._events[first:]]

    def truncate(self, count: int) -> None:
        """Forget all tokens but the first `count`, and up to 31 of those (scanned again when asked)."""
        if count >= self.token_count:
            return
        # Back to the last snapshot: of what follows it only the tokens are known, and they are scanned again.
        mark = count // _STRIDE
        del self._marks[mark + 1 :]
        self._state, length = self._marks[mark]
        del self.text[length:]
        del self._counts[mark * _STRIDE + 1 :]
        del self._events[self._counts[-1] :]

    def copy(self) -> EventLog:
        """Return an independent log of the same tokens."""
        twin = EventLog.__new__(EventLog)
        twin.text = self.text[:]
        twin._events = self._events[:]
        twin._counts = self._counts[:]
        twin._marks = self._marks[:]
        twin._state = self._state
        return twin

    # --- the scanner ---

    def _finish_text(self) -> None:
        """Take the end of the text: a numeral that is the whole document ends there."""
        at = self._state
        if at.terminal is TerminalKind.NUMBER and at.part in _WHOLE_NUMERALS:
            self._terminal_end(at.frame, at.place, at.start, len(self.text), at.terminal)
            self._state = at._replace(mode=_AFTER, part="")

    def _terminal_end(
        self,
        frame: _Frame | None,
        place: Place,
        start: int,
        end: int,
        terminal: TerminalKind | None,
    ) -> None:
        """Note that a terminal ends, and with it its value: of `[1]`, the bytes 1 to 2 of the item 0."""
        self._events.append((TERMINAL_END, place, start, end, terminal))
        self._value_end(frame, place, start, end)

    def _value_begin(self, frame: _Frame | None, place: Place, start: int) -> tuple[_Frame | None, Place]:
        """Note that a value begins; return the frame with it, and its place."""
        if frame is None or frame.items < 0:
            self._events.append((VALUE_BEGIN, place, start, None, None))
            return frame, place
        # The number of items so far is the index of this one.
        place = Place(frame.place, frame.items)
        self._events.append((ITEM_BEGIN, place, start, None, None))
        return _Frame(frame.below, frame.place, frame.start, frame.items + 1), place

    def _value_end(self, frame: _Frame | None, place: Place, start: int, end: int) -> None:
        """Note that a value ends, in the bracket `frame` (None: it is the document). Of `[1]`, the item at
        the bytes 1 to 2, and then the document at the bytes 0 to 3."""
        is_item = frame is not None and frame.items >= 0
        kind = ITEM_END if is_item else VALUE_END
        self._events.append((kind, place, start, end, None))

    def _scan_text(self, data: bytes) -> int:
        """Take more text, up to the end of the document. Return how much of it that is."""
        text = self.text
        events = self._events
        size_before = at = len(text)
        text += data
        size = len(text)
        mode, frame, place, start, terminal, part = self._state
        while at < size:
            if part:
                if part == "string":
                    # most bytes of most texts: one search passes over them all
                    quote = _QUOTE.search(text, at)
                    if quote is None:
                        break
                    at = quote.start()
                after = _NEXT[part].get(text[at])
                if after is not None:
                    part = after
                    at += 1
                elif part in _WHOLE_NUMERALS:
                    part = _END  # the byte behind a numeral is no part of it
                else:
                    raise JsonError(_stuck_fault(part, terminal), at)
                if part == _END:
                    part = ""
                    if terminal is None:
                        assert frame is not None, "a key is in an object"
                        place = Place(frame.place, decode_string(text[start + 1 : at - 1]))
                        events.append((KEY_END, place, start, at, None))
                        mode = _COLON
                    else:
                        self._terminal_end(frame, place, start, at, terminal)
                        mode = _AFTER
                continue
            byte = text[at]
            if mode == _AFTER and frame is None:
                break
            at += 1
            if byte in b" \t\n\r":
                continue
            # A bracket that does not fit falls through to the last branch, the error.
            if byte in b"}]" and frame is not None and _may_close(mode, byte, frame):
                below, place, start, items = frame
                events.append((OBJECT_END if items < 0 else ARRAY_END, place, start, at, None))
                frame = below
                self._value_end(frame, place, start, at)
                mode = _AFTER
            elif mode in (_VALUE, _ITEM):
                start = at - 1
                terminal, part = _TERMINALS.get(byte, (None, ""))
                if terminal is None and byte not in b"{[":
                    raise _misplaced_error(mode, byte, start)
                frame, place = self._value_begin(frame, place, start)
                if terminal is not None:
                    events.append((TERMINAL_BEGIN, place, start, None, terminal))
                else:
                    kind, mode, items = _OPENED[byte]
                    frame = _Frame(frame, place, start, items)
                    events.append((kind, place, start, None, None))
            elif mode in (_FIRST_KEY, _KEY) and byte == 34:  # a quote
                assert frame is not None, "a key is in an object"
                start = at - 1
                events.append((KEY_BEGIN, frame.place, start, None, None))
                terminal = None
                part = "string"
            elif mode == _COLON and byte == 58:  # :
                mode = _VALUE
            elif mode == _AFTER and byte == 44:  # ,
                assert frame is not None, "a comma is inside a bracket"
                mode = _KEY if frame.items < 0 else _VALUE
            else:
                raise _misplaced_error(mode, byte, at - 1)
        self._state = _ScannerState(mode, frame, place, start, terminal, part)
        if mode == _AFTER and frame is None:
            del text[at:]
        else:
            at = size
        return at - size_before


def _may_close(mode: str, byte: int, frame: _Frame) -> bool:
    """Tell whether a closing bracket fits the one that is open, where the scanner is."""
    if byte == 125:  # }
        return frame.items < 0 and mode in (_AFTER, _FIRST_KEY)
    return frame.items >= 0 and mode in (_AFTER, _ITEM)


def _misplaced_error(mode: str, byte: int, at: int) -> JsonError:
    hint = _HINTS.get(chr(byte), "")
    return JsonError(f"{chr(byte)!r} stands where {mode} is expected{hint},", at)


def _stuck_fault(part: str, terminal: TerminalKind | None) -> str:
    """Return the fault where nothing follows a part of a terminal or a key, in words."""
    if part == "string":
        return "A control character stands in a string"
    if terminal is None or terminal is TerminalKind.STRING:
        return "An escape does not go on so"
    return f"{'A numeral' if terminal is TerminalKind.NUMBER else terminal.value} does not go on so"


def decode_string(literal: bytes | bytearray) -> str:
    """Return the string that its bytes between the quotes write, lone surrogates included."""
    text = literal.decode("utf-8", "surrogatepass")
    # Most strings have no escape, and are what they write.
    return json.loads(f'"{text}"') if "\\" in text else text
