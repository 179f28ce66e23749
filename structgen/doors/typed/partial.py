"""The value of a stream so far: closed parts as objects, the open ones as far as they go."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from structgen.asking.tool_calls.tool_replies import json_of_calls
from structgen.base.errors import AdviceWarning, OptionError, ValidatorError, warning_level
from structgen.base.json_text.events import JsonError, Place, pointer_of
from structgen.base.json_text.growing_json import MISSING, GrowingJson
from structgen.doors.typed.outcomes import Outcome
from structgen.doors.typed.target_forms import TargetForm, generation_error
from structgen.doors.typed.wrapping import WRAPPER

if TYPE_CHECKING:
    from structgen.asking.python_types.type_places import TypeParts

T_co = TypeVar("T_co", covariant=True)
PartPath: TypeAlias = "tuple[str | int, ...]"
"""The path of a part of the document: keys and indices from its root."""


class Partial(Generic[T_co]):
    """A result so far, which later ones only add to; a value that does not change.

    Names are those of the document (a field's alias). Lists that are open hold the items that have begun.
    """

    __slots__ = ("_count", "_outcome", "_pieces", "_progress")

    def __init__(self, progress: Progress, outcome: Outcome[Any] | None = None) -> None:
        self._progress, self._outcome = progress, outcome
        self._count, self._pieces = progress.size

    @property
    def is_done(self) -> bool:
        """Whether it is the last one, which has the result."""
        return self._outcome is not None

    @property
    def text(self) -> str:
        """The document so far, in its wrapper if it has one."""
        return self._progress.text_after(self._pieces)

    @property
    def value(self) -> Any:
        """What there is: an object of the type for each part that has closed (a date, a model, a list). An
        open part is a dict, a list, or the string so far; before anything has come it is None. Of a reply
        that may call tools: the call that is being written, its name first, then its arguments; or the text
        so far. The last partial has the whole result: an object, where those before had a dict, a list or a
        string. Who reads both in one stream is warned once; `json` is of one kind throughout. Cost: linear in
        it."""
        value = self._read_value()
        self._progress.compare_kinds(value, is_last=self.is_done)
        return value

    def _read_value(self) -> Any:
        if self._outcome is not None and self._outcome.error is None:
            return self._outcome.value
        return self._progress.value_after(self._pieces)

    @property
    def json(self) -> Any:
        """What there is as plain JSON, as `Outcome.json` has it in the end: dicts, lists, strings so far,
        numbers, True, False and None, in each partial of a stream. Before anything has come it is None. Cost:
        the new text, and the open parts; of an earlier partial linear in its text."""
        if self._outcome is not None and self._outcome.error is None:
            return self._outcome.json
        return self._progress.json_after(self._pieces)

    @property
    def closed(self) -> frozenset[str]:
        """The JSON pointers (RFC 6901) of the parts that have closed."""
        return self._progress.closed_pointers(self._count)

    @property
    def result(self) -> T_co:
        """The result. Errors: OptionError before the end; that of a call that failed."""
        return self.outcome.value

    @property
    def outcome(self) -> Outcome[T_co]:
        """The result, and how its text came to be. Errors: OptionError before the end."""
        if self._outcome is None:
            raise OptionError("The stream has not ended.", where="result", cure="Use the last partial.")
        return self._outcome

    def __getitem__(self, key: str | int) -> Any:
        """Return a member or an item of what there is so far. Raises KeyError or IndexError."""
        value = self._progress.value_after(self._pieces)
        if not isinstance(value, dict | list):
            raise KeyError(key)
        container: Any = value
        return container[key]

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
        value = self._progress.value_after(self._pieces)
        return isinstance(value, dict) and key in value

    def get(self, key: str | int, default: Any = None) -> Any:
        """Return a member or an item of what there is so far, or the default."""
        try:
            return self[key]
        except (KeyError, IndexError):
            return default

    def __repr__(self) -> str:
        return f"<Partial {self._read_value()!r}>"


class Progress:
    """Follows a text that is being written. It reads each part of a document by its type, once the part has
    closed."""

    def __init__(
        self,
        types: TypeParts | None = None,
        *,
        is_json: bool = True,
        wrapped: bool = False,
        calls: Callable[[str], Any] | None = None,
    ) -> None:
        """Follow a new text, such as `Progress(form.type_parts)`.

        `types`
            the reader of its parts; None: they are plain values of JSON.
        `is_json`
            whether the text is a document.
        `wrapped`
            whether an object with one member holds the document.
        `calls`
            returns the calls of a text so far, which may stand in place of a document; None: there are none.
        """
        self._read_calls, self._type_parts, self._pieces = calls, types, list[str]()
        self._outside = int(wrapped)
        """How many keys lead from the root of the text to the document."""
        self._is_json, self._is_broken = is_json, not is_json
        """Whether the text is a document; and whether it is no JSON from here on."""
        self._reader = GrowingJson(on_close=self._close_part)
        self._plain: Progress | None = None
        """The same text without types, once somebody asks for plain JSON."""
        self._read_kind: type | None = None
        """The class of the value that somebody last read of a partial which was not the last one."""
        self._closed: dict[int, tuple[PartPath, Any]] = {}
        """The parts that have closed, in order: the path and the object of each, by its offset in the
        text."""

    @property
    def size(self) -> tuple[int, int]:
        """How many parts have closed, and how many pieces have come."""
        return len(self._closed), len(self._pieces)

    def text_after(self, pieces: int | None = None) -> str:
        """Return the first so many pieces; None: all."""
        return "".join(self._pieces[:pieces])

    def add_piece(self, piece: str) -> Partial[Any]:
        """Take a piece of the text, and return the result so far. Errors: GenerationError, with the text so
        far, for a part that its type refuses. Cost: linear in the piece, and the reading of the parts that it
        closes."""
        self._pieces.append(piece)
        if not self._is_broken:  # a broken text is read whole, at its end
            self._is_broken = not _feed_reader(self._reader, piece)
        return Partial(self)

    def _close_part(
        self,
        path: Place,
        start: int,
        end: int,
        value: Any,
    ) -> Any:
        """Return the object of a part that has closed: the callback of `GrowingJson`. `start` and `end`: its
        offsets in the text; `value`: its plain value. For example, a date is an object, its text the
        value."""
        parts = path.parts[self._outside :]
        if not parts and isinstance(value, dict | list):
            return value  # the whole is read once, as the result
        part = None
        if self._type_parts and parts:
            part = self._type_parts.reader_at(path.parts, self._reader.open)
        if part is not None:
            try:
                value = part.read_document(self._reader.text_between(start, end))
            except ValidatorError as refusal:
                if self._read_calls is not None:  # the end of the text tells whether it is a call
                    return value
                pointer = pointer_of(parts) + refusal.where
                raise generation_error(refusal.what, self.text_after(), 1, pointer) from refusal
        self._closed[start] = parts, value
        return value

    def closed_items(self, since: int) -> tuple[list[Any], int]:
        """Return the items of the document's array that have closed after so many parts, and the number of
        parts now."""
        closed = islice(self._closed.values(), since, None)
        items = [value for parts, value in closed if len(parts) == 1 and isinstance(parts[0], int)]
        return items, len(self._closed)

    def closed_pointers(self, count: int) -> frozenset[str]:
        """Return the pointers of the first so many parts that closed."""
        return frozenset(pointer_of(parts) for parts, _ in islice(self._closed.values(), count))

    def value_after(self, pieces: int) -> Any:
        """Return the value after so many pieces. Cost: the open containers of a document; linear in the text
        of an earlier partial, and of a text that is no document."""
        if self._read_calls is not None or not self._is_json:
            text = self.text_after(pieces)
            answer = text if self._read_calls is None else self._read_calls(text)
            if answer is not None or not self._is_json:
                return answer
        reader = self._reader
        if pieces < len(self._pieces):  # an earlier partial is asked: its text is read again
            reader = GrowingJson(
                on_close=lambda _path, start, _end, value: self._closed.get(start, (None, value))[1]
            )
            _feed_reader(reader, self.text_after(pieces))
        value = reader.value
        if self._outside:
            value = value.get(WRAPPER, MISSING) if isinstance(value, dict) else MISSING
        return None if value is MISSING else value

    def json_after(self, pieces: int) -> Any:
        """Return the plain JSON after so many pieces. Cost: that of `value_after`, and reading the new
        text."""
        if self._plain is None:
            is_wrapped = self._outside > 0
            self._plain = Progress(is_json=self._is_json, wrapped=is_wrapped, calls=self._read_calls)
        for piece in self._pieces[len(self._plain._pieces) : pieces]:
            self._plain.add_piece(piece)
        return json_of_calls(self._plain.value_after(pieces))

    def compare_kinds(self, value: Any, *, is_last: bool) -> None:
        """Warn where the value of the last partial is of another kind than one that was read before it in
        this stream. A reply that may call tools has texts and calls in any case."""
        kind = self._read_kind
        if not is_last:
            self._read_kind = type(value) if self._read_calls is None else None
        elif kind in (dict, list, str) and not isinstance(value, kind):
            self._read_kind = None  # one warning is enough
            warning = (
                f"partial.value is a {type(value).__name__} in the last step, and was a {kind.__name__} "
                "before. Read partial.json for plain JSON in every step, or partial.result at the end."
            )
            warnings.warn(AdviceWarning(warning), stacklevel=warning_level())


def _feed_reader(reader: GrowingJson, piece: str) -> bool:
    """Feed a piece to a reader, and return whether the text may still be JSON. The reading of the whole text
    at the end has the message about a fault."""
    try:
        reader.feed(piece)
    except JsonError:
        return False
    return True


def progress_of(form: TargetForm, read_calls: Callable[[str], Any] | None = None) -> Progress:
    """Return the `Progress` of a new text, which is JSON where its form has a schema. `read_calls` returns
    the value of a reply that may call tools, from its text so far."""
    return Progress(
        form.type_parts,
        is_json=form.schema is not None,
        wrapped=form.is_wrapped or form.is_text_in_string,
        calls=None if form.tools is None else read_calls,
    )
