"""The validators of a Python type as a checker."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from structgen.asking.python_types.type_hints import TypeReader, read_type
from structgen.decoding.samplers.checkers import ClosedValue


class TypeChecker:
    """The validators of a type, as a checker of JSON values as they close.

    A document that the type refuses is not valid. A validator of a member or an item is run as soon as that
    value has closed; if it refuses, no text continues from there. If its answer may depend on more than the
    value, it is run when the surrounding value has closed: if it sees other members (`ValidationInfo`), is
    inside a union, or comes after a validator that may change the document first (mode "before", "wrap" or
    "plain").
    """

    def __init__(self, type_: Any) -> None:
        """`type_` is any type that `sg.sample` takes, a `pydantic.TypeAdapter`, or a TypeReader.

        Raises UnsupportedError for a type that has no JSON Schema here.
        """
        # optional: pydantic
        from structgen.asking.python_types.pydantic_schema import TypeSchema
        from structgen.asking.python_types.type_places import PlaceValidators

        if hasattr(type_, "core_schema") and hasattr(type_, "validator"):  # a TypeAdapter
            hint, core = type_, type_.core_schema
            schema = type_.json_schema(schema_generator=TypeSchema)
        else:
            reader = type_ if isinstance(type_, TypeReader) else read_type(type_)
            hint, core, schema = reader.hint, reader.core_schema, reader.schema
        self.hint = hint
        self._validators = PlaceValidators(core)
        marks = [repr(schema), *map(_mark, self._validators.functions)]
        self.fingerprint = blake2b("\n".join(marks).encode("utf-8", "replace"), digest_size=16).hexdigest()
        """Identifies the type for prefix trees. A type with functions of its own has another fingerprint in
        each process, because their behaviour may have changed."""

    def closed(self, event: ClosedValue) -> bool:
        """Return False if the type refuses a value that has closed."""
        # optional: pydantic
        from structgen.asking.python_types.type_places import refuses

        reader = self._validators.at(event.path)
        return reader is None or not refuses(reader, event.document)

    def copy(self) -> TypeChecker:
        """Return the checker itself: it keeps no state of a prefix."""
        return self


def _mark(function: Callable[..., Any]) -> str:
    """Return a text that identifies a function in this process."""
    name = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
    return name if name.startswith(("pydantic.", "pydantic_core.")) else f"{name} {id(function)}"
