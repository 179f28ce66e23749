"""Events of a JSON document that is still being written: which values, keys and terminals began or ended.

An *event* says what began or ended, and where: `{"a": 1}` has an event for the beginning of the object, then
for the beginning and the end of the key, and so on. A *terminal* is a string, a number, true, false or null.
The *scanner* reads the text byte by byte and makes the events; the *log* keeps them. A *place* is the keys
and indices that lead to a value.

The grammar is not needed: the text itself (RFC 8259) shows where values, keys and numerals begin and end.
A matcher does no work for events while it takes tokens. When events are first asked for, the bytes of the new
tokens are scanned, once.
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
"""The number of tokens between two snapshots of a log. `EventLog.truncate` goes back to a snapshot."""

_QUOTE = re.compile(rb'["\\\x00-\x1f]')


class EventKind(enum.Enum):
    """The kinds of events.

    A value is the document or the value of a member; an item is a value in an array. Between the events of a
    value or an item are those of an object, an array, or a terminal. Keys are not terminals.
    """

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
    """The kinds of terminals."""

    STRING = "string"
    NUMBER = "number"
    TRUE = "true"
    FALSE = "false"
    NULL = "null"


class Place:
    """A place in a document: the keys and indices that lead to a value. Immutable and comparable.

    A place refers to the place of the container around it, so that an event costs the same at any depth.
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
        """The last key or index; "" for the document itself."""
        return self._part

    @property
    def pointer(self) -> str:
        """The JSON pointer (RFC 6901), such as "/a/0"; "" is the document. Cost: its length."""
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
    """Return the JSON pointer of a nested location: (("#", "a", 0), "b") -> "#/a/0/b".

    A location is a tuple of the location around it and the keys and indices from there. The outermost one is
    a text, "#".
    """
    parts = []
    while isinstance(location, tuple):
        location, *segments = location
        parts.append(pointer_of(segments))
    return "".join([location, *reversed(parts)])


class Event(NamedTuple):
    """The beginning or the end of a value, an item, a container, a key or a terminal."""

    kind: EventKind
    place: Place
    """The place in the document. For KEY_BEGIN it is that of the object, because the key is not known yet;
    for KEY_END it is that of the member."""
    start: int
    """The index of the first byte, counted from the first byte of the matcher's text."""
    end: int | None
    """The index after the last byte, with quotes and brackets; None in an event of a beginning."""
    terminal: TerminalKind | None = None
    """The kind of the terminal, in TERMINAL_BEGIN and TERMINAL_END; else None."""

    @property
    def pointer(self) -> str:
        """The JSON pointer (RFC 6901) of the place."""
        return self.place.pointer


class _Frame(NamedTuple):
    """An object or an array that is still open."""

    below: _Frame | None
    """The container around it."""
    place: Place
    """Its place."""
    start: int
    """The index of its opening bracket."""
    items: int
    """The number of items that have begun, in an array; -1 in an object."""


class JsonError(ValueError):
    """The error for a text that no continuation makes JSON (RFC 8259)."""

    def __init__(self, fault: str, at: int) -> None:
        """`fault`: what is wrong, in words. `at`: the index of the first byte that is not allowed."""
        self.fault = fault
        self.at = at
        super().__init__(f"{fault} at byte {at}")


# The modes of the scanner: what it expects next, in words for messages. Inside a terminal or a key, `part`
# has the exact position.
_VALUE: Final = "a value"
_ITEM: Final = "an item or ]"
_FIRST_KEY: Final = "a key or }"
_KEY: Final = "a key"
_COLON: Final = "a colon"
_AFTER: Final = "a comma or the closing bracket"
_NOT_A_NUMBER: Final = " (NaN and Infinity are not JSON numbers)"
_HINTS: Final = {"'": " (strings are written in double quotes)", "N": _NOT_A_NUMBER, "I": _NOT_A_NUMBER}
"""First character of a frequent mistake -> a hint for the message."""


class _ScannerState(NamedTuple):
    """The state of the scanner. It is immutable, so that a rollback can return to an old state."""

    mode: str = _VALUE
    """What is expected next."""
    frame: _Frame | None = None
    """The innermost open container."""
    place: Place = Place(None, "")
    """The place of the value that is expected next, or being read."""
    start: int = 0
    """The index of the first byte of the terminal or key that is being read."""
    terminal: TerminalKind | None = None
    """The kind of the terminal that is being read; None for a key."""
    part: str = ""
    """The part of a terminal or a key that was read last (`_PARTS`); empty outside of them."""


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
"""Part of a terminal or a key -> characters that may follow it -> the part to which these characters belong.
For example, after the part "zero" of a numeral, "." leads to the part "point"."""
_NEXT: Final = MappingProxyType(
    {
        part: {ord(char): after for chars, after in row.items() for char in chars}
        for part, row in _PARTS.items()
    }
)
_WHOLE_NUMERALS: Final = frozenset(("zero", "whole", "fraction", "exponent"))
"""The parts after which a numeral may end."""
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
"""An event as a plain tuple, which is faster: `Event(*raw)` is the event."""

# Names of the members, also for other modules: looking up a member of an enum costs time at each event.
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
    """The events of a text that grows.

    It is used in one of two ways. A matcher calls `read_tokens` and `events_since`, once events are asked
    for. Others write a text without tokens, by `write_document` or `feed_text`; then each call replaces the
    events. `growing_json` makes values from the events.

    It does not recurse, takes time linear in the text however the text is cut, and is strict (`JsonError`).
    Memory: the text, 4 bytes for each token, and about 150 bytes for each event.
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
        """The text that was scanned, up to the end of the document."""
        self._events: list[Raw] = []
        self._counts = array("i", (0,))
        self._state = _ScannerState()
        self._marks: list[tuple[_ScannerState, int]] = [(self._state, 0)]

    @property
    def token_count(self) -> int:
        """The number of tokens that were scanned."""
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
        """Scan the tokens that were not scanned yet.

        `tokens`: all tokens of the text. `token_bytes`: the bytes of each token of the vocabulary. `ends`:
        the end tokens. Cost: linear in the bytes of the new tokens.
        """
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
        """Whether the document has ended. A document that is a numeral ends when another byte follows."""
        return self._state.mode == _AFTER and self._state.frame is None

    def feed_text(self, data: bytes) -> list[Raw]:
        """Scan more of a text that comes without tokens, and return the events of this piece.

        A log that is fed cannot also read tokens. Raises `JsonError`, also for anything but white space after
        the document.
        """
        at = self.write_document(data)
        if data[at:].strip(b" \t\n\r"):
            raise JsonError("The document was already complete before this text", len(self.text))
        return self._events

    def write_document(self, data: bytes) -> int:
        """Scan more of a document, after which other text may follow; `recent_events` has its events.

        Returns the number of bytes of `data` that belong to the document. Raises `JsonError`; `text` then
        ends before the fault.
        """
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
        """Drop all tokens after the first `count`. Up to 31 tokens before that are dropped too; they are
        scanned again when events are asked for."""
        if count >= self.token_count:
            return
        # Go back to the last snapshot; the tokens between it and `count` have to be scanned again.
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
        """Handle the end of the text: a numeral that is the whole document ends there."""
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
        """Add the events for the end of a terminal and of its value. In `[1]`, item 0 is the bytes 1 to 2."""
        self._events.append((TERMINAL_END, place, start, end, terminal))
        self._value_end(frame, place, start, end)

    def _value_begin(self, frame: _Frame | None, place: Place, start: int) -> tuple[_Frame | None, Place]:
        """Add the event for the beginning of a value; return (the frame that counts it, its place)."""
        if frame is None or frame.items < 0:
            self._events.append((VALUE_BEGIN, place, start, None, None))
            return frame, place
        # The number of items so far is the index of this one.
        place = Place(frame.place, frame.items)
        self._events.append((ITEM_BEGIN, place, start, None, None))
        return _Frame(frame.below, frame.place, frame.start, frame.items + 1), place

    def _value_end(self, frame: _Frame | None, place: Place, start: int, end: int) -> None:
        """Add the event for the end of a value. `frame`: the container around it; None: it is the document.

        In `[1]`, the item is the bytes 1 to 2; then the document is the bytes 0 to 3.
        """
        is_item = frame is not None and frame.items >= 0
        kind = ITEM_END if is_item else VALUE_END
        self._events.append((kind, place, start, end, None))

    def _scan_text(self, data: bytes) -> int:
        """Scan more text, up to the end of the document. Return the number of bytes that belong to it."""
        text = self.text
        events = self._events
        size_before = at = len(text)
        text += data
        size = len(text)
        mode, frame, place, start, terminal, part = self._state
        while at < size:
            if part:
                if part == "string":
                    # Most bytes of most texts are inside strings: one search skips all ordinary ones.
                    quote = _QUOTE.search(text, at)
                    if quote is None:
                        break
                    at = quote.start()
                after = _NEXT[part].get(text[at])
                if after is not None:
                    part = after
                    at += 1
                elif part in _WHOLE_NUMERALS:
                    part = _END  # the byte after a numeral does not belong to it
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
            # A closing bracket that is not allowed here reaches the last branch, which raises.
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
    """Return whether a closing bracket is allowed here: it fits `frame`, and no value or key must follow."""
    if byte == 125:  # }
        return frame.items < 0 and mode in (_AFTER, _FIRST_KEY)
    return frame.items >= 0 and mode in (_AFTER, _ITEM)


def _misplaced_error(mode: str, byte: int, at: int) -> JsonError:
    """Return the error for a byte that cannot follow in a mode of the scanner."""
    hint = _HINTS.get(chr(byte), "")
    return JsonError(f"{chr(byte)!r} is not allowed where {mode} is expected{hint},", at)


def _stuck_fault(part: str, terminal: TerminalKind | None) -> str:
    """Return in words the fault of a byte that cannot follow a part of a terminal or a key."""
    if part == "string":
        return "A control character is not allowed in a string"
    if terminal is None or terminal is TerminalKind.STRING:
        return "An escape is not valid"
    return f"{('A number' if terminal is TerminalKind.NUMBER else terminal.value)} is not valid"


def decode_string(literal: bytes | bytearray) -> str:
    """Return the value of a string. `literal`: its bytes between the quotes. Lone surrogates are allowed."""
    text = literal.decode("utf-8", "surrogatepass")
    # Most strings have no escape, so their text is their value.
    return json.loads(f'"{text}"') if "\\" in text else text
