"""Documents that are no objects, inside objects: `{"value": 36}` for the return type `int`.

The embedded models were trained on objects, and servers of OpenAI's protocol take objects alone. Such a model
is asked for an object with one member, and the member's value is what was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Final, Literal, TypeAlias, TypeVar

from structgen.asking.python_types.type_hints import TypeReader
from structgen.base.json_text.exact_json import JsonObject
from structgen.grammars.text_grammars.composition.argument_roots import root_of

T = TypeVar("T")
Wrapping: TypeAlias = Literal["never", "unlisted", "always"]
"""Whether documents that are no objects are held by one; "unlisted": those that are not listed values."""

WRAPPER: Final = "value"
"""The name of the member that holds the document."""
_SINGLE_MEMBER: Final = re.compile(r'\s*\{\s*("(?:[^"\\]|\\.)*")\s*:(.*)\}\s*', re.DOTALL)
"""An object: its first key, and all behind its colon."""

_WRAPPER_OPENING: Final = re.compile(rf'\s*\{{\s*"{WRAPPER}"\s*:\s*')


def is_object(schema: JsonObject) -> bool:
    """Tell whether all documents of a schema are objects, by the `type` of its root or of its definition."""
    _, root = root_of(schema)
    return bool(root.get("type") == "object")


def wrap_schema(schema: JsonObject) -> JsonObject:
    """Return the schema of objects with one member, whose values are the documents of a schema; the schema
    itself, if its documents are objects."""
    if is_object(schema):
        return schema
    wrapper: JsonObject = {
        "type": "object",
        "properties": {WRAPPER: {key: value for key, value in schema.items() if key != "$defs"}},
        "required": [WRAPPER],
        "additionalProperties": False,
    }
    return {**wrapper, "$defs": schema["$defs"]} if "$defs" in schema else wrapper


def wrap_document(text: str) -> str:
    """Return a text of `wrap_schema(schema)` for a document of the schema."""
    return f'{{"{WRAPPER}": {text}}}'


def openings_of(text: str, *, is_wrapped: bool, is_string: bool) -> Iterator[tuple[str, str]]:
    """Yield the ways in which a text may begin a document, each with the text that would then close it:
    inside of the wrapper and of the string, where the document has them, and as it is. For example, `[1` may
    stand for `{"value": [1`, which `}` would close."""
    # the string stays open
    inner, closing = (json.dumps(text, ensure_ascii=False)[:-1], '"') if is_string else (text, "")
    if is_wrapped:
        yield wrap_document(inner)[:-1], f"{closing}}}"
    elif is_string:
        yield inner, closing
    yield text, ""


def unwrap_document(text: str) -> str:
    """Return the document inside a text of `wrap_schema(schema)`; the text itself, if it is no such
    object."""
    wrapper = _SINGLE_MEMBER.fullmatch(text)
    with suppress(ValueError):
        if wrapper is not None and json.loads(wrapper[1]) == WRAPPER:  # the policies may allow escapes
            return wrapper[2].strip()
    return text


class Unwrapping:
    """The document inside a text that comes in pieces."""

    def __init__(self) -> None:
        self._text = self._handed_out = ""

    def add_piece(self, piece: str | None) -> str:
        """Return the text that a piece adds to the document; None ends the text. Characters that may be the
        end of the wrapper are handed out when more has come. Cost: linear in the text so far."""
        self._text += piece or ""
        opening = _WRAPPER_OPENING.match(self._text)
        rest = "" if opening is None else self._text[opening.end() :].rstrip("} \t\n\r")
        document = unwrap_document(self._text) if piece is None else rest
        addition = document[len(self._handed_out) :]
        self._handed_out += addition
        return addition


class WrappedReader(TypeReader[T]):
    """A type as a language of objects with one member. The values that it reads, and the pointers of its
    errors, are those of the type."""

    __slots__ = ("_inner",)

    def __init__(self, inner: TypeReader[T]) -> None:
        """`inner` reads the type's own documents."""
        self._inner = inner

        def read_document(document: str | bytes) -> T:
            return inner.read_document(
                unwrap_document(document if isinstance(document, str) else document.decode())
            )

        # pydantic keeps definitions at the root: the wrapper goes inside of them
        core = inner.core_schema
        is_shared = core["type"] == "definitions"
        field = {
            "type": "typed-dict-field",
            "schema": core["schema"] if is_shared else core,
            "required": True,
        }
        object_core: JsonObject = {"type": "typed-dict", "fields": {WRAPPER: field}}
        core = {**core, "schema": object_core} if is_shared else object_core
        validator = SimpleNamespace(validate_json=read_document)
        super().__init__(inner.hint, validator, wrap_schema(inner.schema), core)

    def __reduce__(self) -> Any:
        """Pickle by the type, as its own reader does."""
        return WrappedReader, (self._inner,)
