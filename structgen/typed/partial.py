"""What a stream has so far: closed parts as objects, the open ones as far as they go."""

from __future__ import annotations

import json
import re
from typing import Any, Generic, TypeVar

from structgen.errors import OptionError
from structgen.events import EventKind, EventLog, Terminal
from structgen.frontends.type_parts import Part

T_co = TypeVar("T_co", covariant=True)

_CUT = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?$|\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?$")
"""The end of a JSON string's text that is no character yet: an escape, or the first half of a pair."""


class Partial(Generic[T_co]):
    """A result so far, which later ones only add to; a value that does not change.

    Names are those of the document (a field's alias). Lists that are open hold the items that have begun.
    """

    __slots__ = ("_count", "_length", "_progress", "_result", "is_done")

    def __init__(self, progress: Progress, count: int, length: int) -> None:
        self._progress, self._count, self._length = progress, count, length
        self.is_done = False
        """Whether it is the last one, which has the result."""
        self._result: Any = None

    @property
    def text(self) -> str:
        """The document so far."""
        return self._progress.text(self._length)

    @property
    def value(self) -> Any:
        """What there is: an object of the type for each part that has closed (a date, a model, a list); for
        open ones a dict, a list, or the string so far; None before anything has come. Cost: linear in it."""
        return self._result if self.is_done else self._progress.value(self._count, self._length)

    @property
    def closed(self) -> frozenset[str]:
        """The JSON pointers (RFC 6901) of the parts that have closed."""
        return self._progress.closed(self._count)

    @property
    def result(self) -> T_co:
        """The result. Errors: OptionError before the end."""
        if not self.is_done:
            raise OptionError("The stream has not ended.", where="result", cure="Ask the last partial.")
        found: T_co = self._result
        return found

    def __getitem__(self, key: str | int) -> Any:
        """Return a member or an item of what there is so far. Raises KeyError or IndexError."""
        found = self._progress.value(self._count, self._length)
        if isinstance(found, dict | list):
            return found[key]  # type: ignore[index]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        found = self._progress.value(self._count, self._length)
        return isinstance(found, dict) and key in found

    def get(self, key: str | int, default: Any = None) -> Any:
        """Return a member or an item of what there is so far, or the default."""
        try:
            return self[key]
        except (KeyError, IndexError):
            return default

    def __repr__(self) -> str:
        return f"<Partial {self.value!r}>"


class Progress:
    """Follows a document that is being written, and validates each part as it closes."""

    __slots__ = ("_data", "_free", "_log", "_open", "_operations", "_part")

    def __init__(self, part: Part | None, *, free: bool = False) -> None:
        """`part` reads the document's parts; None: they are taken as JSON has them. `free`: it is no JSON."""
        self._part, self._free = part, free
        self._log = EventLog()
        self._data = bytearray()
        self._operations: list[tuple[str, tuple[str | int, ...], Any]] = []
        self._open: dict[int, tuple[int, tuple[str | int, ...]]] = {}
        """Where the string began that is open behind so many operations, and its place."""

    def add(self, piece: str) -> Partial[Any]:
        """Take a piece of the text; returns what there is now. Errors: ValidatorError for a part that its
        type refuses. Cost: linear in the piece, and the reading of what it closes."""
        data = piece.encode("utf-8", "surrogatepass")
        self._data += data
        if not self._free:
            for event in self._log.write(data):
                self._take(event.kind, event.place.parts, event.start, event.end, event.terminal)
        return Partial(self, len(self._operations), len(self._data))

    @property
    def written(self) -> str:
        """The text so far."""
        return self.text(len(self._data))

    def last(self, result: Any) -> Partial[Any]:
        """Return the last partial, which has the result."""
        made: Partial[Any] = Partial(self, len(self._operations), len(self._data))
        made.is_done, made._result = True, result
        return made

    def closed_items(self, since: int) -> tuple[list[Any], int]:
        """Return the items of the document's array that have closed after so many operations, and the number
        of operations now."""
        found = [
            value
            for kind, parts, value in self._operations[since:]
            if kind == "close" and len(parts) == 1 and isinstance(parts[0], int)
        ]
        return found, len(self._operations)

    def _take(
        self,
        kind: EventKind,
        parts: tuple[str | int, ...],
        start: int,
        end: int | None,
        terminal: Terminal | None,
    ) -> None:
        match kind:
            case EventKind.OBJECT_BEGIN | EventKind.ARRAY_BEGIN:
                self._operations.append(
                    ("object" if kind is EventKind.OBJECT_BEGIN else "array", parts, None)
                )
            case EventKind.TERMINAL_BEGIN if terminal is Terminal.STRING:
                self._open[len(self._operations)] = (start, parts)
            case EventKind.VALUE_END | EventKind.ITEM_END:
                assert end is not None, "a value that ended has an end"
                if not parts and self._operations:
                    return  # the whole is read once, as the result
                document = bytes(self._data[start:end])
                part = self._part.at(parts) if self._part is not None and parts else None
                value = json.loads(document) if part is None else part.read(document)
                self._operations.append(("close", parts, value))
            case _:
                pass

    # --- what a partial asks --------------------------------------------------------------------------------

    def text(self, length: int) -> str:
        """Return the first so many bytes, as text."""
        return self._data[:length].decode("utf-8", "surrogatepass")

    def closed(self, count: int) -> frozenset[str]:
        """Return the pointers of what closed within so many operations."""
        return frozenset(
            "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
            for kind, parts, _ in self._operations[:count]
            if kind == "close"
        )

    def value(self, count: int, length: int) -> Any:
        """Return what there was after so many operations and bytes."""
        if self._free:
            return self.text(length)
        root: list[Any] = []
        stack: list[Any] = [root]
        for kind, parts, value in self._operations[:count]:
            if kind == "close":
                if len(stack) > 1 + len(parts):
                    stack.pop()
                _put(stack[-1], parts[-1] if parts else 0, value)
                continue
            fresh: Any = {} if kind == "object" else []
            _put(stack[-1], parts[-1] if parts else 0, fresh)
            stack.append(fresh)
        start, place = self._open.get(count, (length, ()))
        if start < length:
            _put(stack[-1], place[-1] if place else 0, _so_far(self._data[start + 1 : length]))
        return root[0] if root else None


def _put(container: Any, key: str | int, value: Any) -> None:
    if isinstance(container, list) and key == len(container):
        container.append(value)
    else:
        container[key] = value


def _so_far(written: bytearray) -> str:
    """Return the characters of a string that is open, from its bytes behind the quote."""
    text = written.decode("utf-8", "surrogatepass")
    if (len(text) - len(text.rstrip("\\"))) % 2:
        text = text[:-1]
    cut = _CUT.search(text)
    if cut is not None and _is_escape(text, cut.start()):
        text = text[: cut.start()]
    found: str = json.loads(f'"{text}"')
    return found


def _is_escape(text: str, at: int) -> bool:
    """Tell whether the backslash at a place begins an escape, and is not the second one of a pair."""
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 0
