"""What a stream has so far: closed parts as objects, the open ones as far as they go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from structgen.core.events import (
    ARRAY_BEGIN,
    ITEM_END,
    OBJECT_BEGIN,
    TERMINAL_BEGIN,
    VALUE_END,
    EventLog,
    JsonError,
    TerminalKind,
    pointer_of,
)
from structgen.core.growing_json import characters, put, value_of
from structgen.errors import OptionError, ValidatorError
from structgen.python_types.type_parts import TypePart
from structgen.typed.wanted_forms import failed

T_co = TypeVar("T_co", covariant=True)
Parts: TypeAlias = "tuple[str | int, ...]"
"""A place in the document: keys and indices from its root."""

_STRING: Final = TerminalKind.STRING

_FOLLOWED: Final = (VALUE_END, ITEM_END, OBJECT_BEGIN, ARRAY_BEGIN, TERMINAL_BEGIN)
"""The events that add to a partial object."""


class Partial(Generic[T_co]):
    """A result so far, which later ones only add to; a value that does not change.

    Names are those of the document (a field's alias). Lists that are open hold the items that have begun.
    """

    __slots__ = ("_count", "_pieces", "_progress", "_result", "is_done")

    def __init__(self, progress: PartialDocument | PartialReply, count: int, pieces: int) -> None:
        self._progress, self._count, self._pieces = progress, count, pieces
        self.is_done = False
        """Whether it is the last one, which has the result."""
        self._result: Any = None

    @property
    def text(self) -> str:
        """The document so far, in its wrapper if it has one."""
        return self._progress.text(self._pieces)

    @property
    def value(self) -> Any:
        """What there is: an object of the type for each part that has closed (a date, a model, a list); for
        open ones a dict, a list, or the string so far; None before anything has come. Of a reply that may
        call tools: the call that is being written, its name first, then its arguments; or the text so far.
        Cost: linear in it."""
        return self._result if self.is_done else self._progress.value(self._count, self._pieces)

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
        found = self._progress.value(self._count, self._pieces)
        if not isinstance(found, dict | list):
            raise KeyError(key)
        held: Any = found
        return held[key]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Raise AttributeError with the way to a member of the document, which is no attribute."""
            raise AttributeError(
                f"A Partial has no attribute {name!r}. Write partial[{name!r}] or partial.get({name!r}) for "
                "a member of the document so far; partial.value is all of it.",
                name=name,
                obj=self,
            )

    def __contains__(self, key: object) -> bool:
        found = self._progress.value(self._count, self._pieces)
        return isinstance(found, dict) and key in found

    def get(self, key: str | int, default: Any = None) -> Any:
        """Return a member or an item of what there is so far, or the default."""
        try:
            return self[key]
        except (KeyError, IndexError):
            return default

    def __repr__(self) -> str:
        return f"<Partial {self.value!r}>"


class PartialReply:
    """Follows a reply that may call tools. `read` returns what there is of a text so far."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        self._read, self._pieces = read, list[str]()

    def add(self, piece: str) -> Partial[Any]:
        """Take a piece of the text; returns what there is now, which is read when it is asked for."""
        self._pieces.append(piece)
        return Partial(self, 0, len(self._pieces))

    def last(self, result: Any) -> Partial[Any]:
        """Return the last partial, which has the result."""
        made: Partial[Any] = Partial(self, 0, len(self._pieces))
        made.is_done, made._result = True, result
        return made

    def text(self, pieces: int) -> str:
        """Return the first so many pieces."""
        return "".join(self._pieces[:pieces])

    def closed(self, _: int) -> frozenset[str]:
        """Return no pointers: a call says itself whether it is complete."""
        return frozenset()

    def value(self, _: int, pieces: int) -> Any:
        """Return what there was of the reply after so many pieces. Cost: linear in them."""
        return self._read(self.text(pieces))


class PartialDocument:
    """Follows a document that is being written, and validates each part as it closes.

    It holds the containers that are open, with what has closed in them, for the newest partial; and what was
    done in order, for older ones.
    """

    __slots__ = (
        "_free",
        "_is_broken",
        "_log",
        "_open",
        "_operations",
        "_outside",
        "_part",
        "_pieces",
        "_quiet",
        "_scanned",
        "_stack",
    )

    def __init__(self, part: TypePart | None, *, free: bool = False, wrapped: bool = False) -> None:
        """`part` reads the document's parts; None: they are taken as JSON has them. `free`: it is no JSON.
        `wrapped`: an object with one member holds the document."""
        self._part, self._free = part, free
        self._outside = int(wrapped)
        """How many keys lead from the root of the text to the document."""
        self._pieces: list[str] = []
        self._scanned = 0
        """How many pieces the log has read. It need not read what only adds to an open string."""
        self._quiet = free
        self._is_broken = False
        """Whether the text is no JSON from here on."""
        self._log = EventLog()
        self._operations: list[tuple[str, Parts, Any]] = []
        self._open: dict[int, tuple[int, Parts]] = {}
        """Where the string began that is open behind so many operations, and its place."""
        self._stack: list[tuple[str | int, Any]] = []
        """The containers that are open: the key of each in the one before, and what has closed in it."""

    def add(self, piece: str) -> Partial[Any]:
        """Take a piece of the text; returns what there is now. Errors: GenerationError for a part that its
        type refuses, with the text so far. Cost: linear in the piece, and the reading of what it closes.

        It is called for every token, and seldom enough that its code is not in the processor's caches: what
        it touches costs more than what it does.
        """
        self._pieces.append(piece)
        if not self._quiet or (('"' in piece or "\\" in piece) and not (self._free or self._is_broken)):
            self._scan()
        return Partial(self, len(self._operations), len(self._pieces))

    def _scan(self) -> None:
        """Read the pieces that were not read."""
        data = "".join(self._pieces[self._scanned :]).encode("utf-8", "surrogatepass")
        self._scanned = len(self._pieces)
        try:
            self._log.write_document(data)
        except JsonError:  # whoever reads the whole text says what is wrong with it
            self._is_broken = True
        for kind, place, start, end, terminal in self._log.recent:
            if kind not in _FOLLOWED or len(parts := place.parts) < self._outside:
                continue
            parts = parts[self._outside :]
            if kind is VALUE_END or kind is ITEM_END:
                assert end is not None, "a value that ended has an end"
                self._close(parts, start, end)
            elif kind is OBJECT_BEGIN:
                self._begin("object", parts, {})
            elif kind is ARRAY_BEGIN:
                self._begin("array", parts, [])
            elif terminal is _STRING and kind is TERMINAL_BEGIN:
                self._open[len(self._operations)] = (start, parts)
        self._quiet = self._log.in_string or self._is_broken

    @property
    def written(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    def last(self, result: Any) -> Partial[Any]:
        """Return the last partial, which has the result."""
        made: Partial[Any] = Partial(self, len(self._operations), len(self._pieces))
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

    def _begin(self, kind: str, parts: Parts, fresh: Any) -> None:
        self._operations.append((kind, parts, None))
        self._stack.append((parts[-1] if parts else 0, fresh))

    def _close(self, parts: Parts, start: int, end: int) -> None:
        if not parts and self._operations:
            return  # the whole is read once, as the result
        document = bytes(self._log.text[start:end])
        part = self._part.at(parts, self._stack) if self._part is not None and parts else None
        try:
            if part is not None:
                value = part.read(document)
            elif self._part is None and len(self._stack) > len(parts):
                value = self._stack[-1][1]
            else:
                value = value_of(document.decode("utf-8", "surrogatepass"))
        except ValidatorError as refusal:
            raise failed(refusal.what, self.written, 1, refusal.where) from refusal
        self._operations.append(("close", parts, value))
        if len(self._stack) > len(parts):
            self._stack.pop()
        if parts:
            put(self._stack[-1][1], parts[-1], value)

    # --- what a partial asks --------------------------------------------------------------------------------

    def text(self, pieces: int) -> str:
        """Return the first so many pieces."""
        return "".join(self._pieces[:pieces])

    def closed(self, count: int) -> frozenset[str]:
        """Return the pointers of what closed within so many operations."""
        return frozenset(pointer_of(parts) for kind, parts, _ in self._operations[:count] if kind == "close")

    def value(self, count: int, pieces: int) -> Any:
        """Return what there was after so many operations and pieces. Cost: the containers that are open; of
        what others have added to since, linear in what came before."""
        if self._free:
            return self.text(pieces)
        stack = self._stack if count == len(self._operations) else self._stack_after(count)
        key: str | int = 0
        found: Any = None
        begun = self._open.get(count)
        if begun is not None:
            start, place = begun
            found, key = self._string(start, pieces), place[-1] if place else 0
        if found is None and count and not stack:
            return self._operations[0][2]  # the document is one terminal
        for above, container in reversed(stack):
            whole = container.copy()
            if found is not None:
                put(whole, key, found)
            found, key = whole, above
        return found

    def _string(self, start: int, pieces: int) -> str | None:
        """Return what so many pieces have of a string that begins at a byte; None where it had not begun."""
        if pieces < len(self._pieces) and not self._is_broken:
            data = self.text(pieces).encode("utf-8", "surrogatepass")
            return characters(data[start + 1 :]) if start < len(data) else None
        unread = "" if self._is_broken else "".join(self._pieces[self._scanned :])
        return characters(bytes(self._log.text[start + 1 :]) + unread.encode("utf-8", "surrogatepass"))

    def _stack_after(self, count: int) -> list[tuple[str | int, Any]]:
        """Return the containers that were open after so many operations."""
        stack: list[tuple[str | int, Any]] = []
        for kind, parts, value in self._operations[:count]:
            if kind != "close":
                stack.append((parts[-1] if parts else 0, {} if kind == "object" else []))
                continue
            if len(stack) > len(parts):
                stack.pop()
            if parts:
                put(stack[-1][1], parts[-1], value)
        return stack
