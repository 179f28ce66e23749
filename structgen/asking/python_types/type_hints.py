"""Reads a Python type as a language: its JSON Schema, and the way back from a document to an object.

For example `list[int]` becomes `{"type": "array", "items": {"type": "integer"}}`, and the document `[1, 2]`
becomes the list `[1, 2]`. pydantic does both (the extra `typed`). It is loaded when the first type is read.
"""

from __future__ import annotations

import inspect
import textwrap
import traceback
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from structgen.asking.python_types.pydantic_formats import FORMATS, make_refusal
from structgen.base.errors import UnsupportedError, ValidatorError
from structgen.base.system.installation import require_extras

T = TypeVar("T")

_POLICIES: Mapping[str, Any] = MappingProxyType(
    # pydantic reads numerals with an exponent as binary64 (an int has no room for them), and no lone
    # surrogates
    {"whitespace": "oneline", "numbers": "plain", "escapes": "utf8", "custom_formats": FORMATS}
)


class TypeReader(Generic[T]):
    """A type as a language. Made by `read_type`."""

    __slots__ = ("_validate_json", "core_schema", "hint", "schema")

    def __init__(
        self,
        hint: Any,
        validator: Any,
        schema: dict[str, Any],
        core_schema: Any,
    ) -> None:
        """`validator` is the validator that pydantic-core made of `core_schema`."""
        self.hint = hint
        self._validate_json = validator.validate_json
        self.core_schema = core_schema
        self.schema = schema
        """The JSON Schema (2020-12) of the documents, a dict that must not be changed."""

    @property
    def policies(self) -> Mapping[str, Any]:
        """Keyword arguments for `sg.json_schema(reader.schema, ...)` under which every document is read."""
        return _POLICIES

    def __reduce__(self) -> Any:
        """Pickle by the type, which is read again."""
        return read_type, (self.hint,)

    def read_document(self, document: str | bytes) -> T:
        """Return the object of a document. Cost: microseconds for each value.

        Errors: `ValidatorError` where a validator of the type's own refuses it, or the document is none of
        the schema's.
        """
        try:
            value: T = self._validate_json(document)
            return value
        except OSError as error:
            if not _of_a_path(error):
                raise
            raise ValidatorError(
                f"The file system rejects the path: {error.strerror}.",
                cure="List the allowed paths in a Literal, or annotate pathlib.Path.",
            ) from error
        except ValueError as error:
            # optional: pydantic
            from pydantic_core import ValidationError

            if not isinstance(error, ValidationError):
                raise
            faults = error.errors(include_url=False, include_input=False)
            first = faults[0]
            place = "".join(f"/{part}" for part in first["loc"])
            raise ValidatorError(
                f"{first['msg']}{f' (and {len(faults) - 1} more)' if len(faults) > 1 else ''}.",
                count=len(faults),
                where=place,
                cure="A validator of the type rejects a value that its schema allows.",
            ) from error


def _of_a_path(error: OSError) -> bool:
    """Return whether an error comes from pydantic's look-up of a path (`FilePath`, `DirectoryPath`, ...)."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") == "pydantic.types" for frame, _ in frames)


def read_type(hint: type[T] | Any) -> TypeReader[T]:
    """Return a type as a language: pydantic models, dataclasses, attrs classes, TypedDict, NamedTuple, Enum,
    Literal, unions, the containers, dates, UUID, Decimal, bytes, Path, re.Pattern, `Annotated[...]`.

    Documents of the schema, under the policies of the reader, are accepted by the type, its own validators
    aside. Cost: milliseconds, and the loading of pydantic the first time.
    Errors: `UnsupportedError` for a type that has no schema here, which says what of it has none;
    `StructgenError` where pydantic is missing.
    """
    with require_extras("A type", "typed", where="type"):
        # optional: pydantic
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError
        from pydantic_core import PydanticSerializationError, SchemaError
    # optional: pydantic
    from structgen.asking.python_types.attrs_classes import answer_pydantic
    from structgen.asking.python_types.descriptions import add_descriptions, refuse_unread
    from structgen.asking.python_types.pydantic_schema import TypeSchema, refused_field

    # a function without annotations says nothing of its type
    if hint is inspect.Parameter.empty or isinstance(hint, TypeVar):
        raise _no_schema(hint, "the type is missing")
    if _is_instance(hint):
        fault = f"{repr(hint)[:60]} is an object, not a type."
        raise make_refusal(fault, "type", f"Pass its class, {type(hint).__name__}.")
    try:
        with answer_pydantic(hint):
            adapter = TypeAdapter(hint)
        refuse_unread(hint)
        schema = add_descriptions(adapter.json_schema(schema_generator=TypeSchema), hint)
    except UnsupportedError as error:
        if field := refused_field(hint) if error.keyword == "Annotated" else "":
            error.name_owner(field)
        raise
    except PydanticUserError as error:
        raise _refused_by_pydantic(hint, error) from error
    except PydanticSerializationError as error:
        raise _no_schema(hint, "one of its values cannot be written as JSON") from error
    except NameError as error:
        raise _undefined_type(hint, repr(error.name)) from error
    except (SchemaError, ImportError, TypeError, AttributeError) as error:
        refuse_unread(hint)  # a class whose instances pydantic could ask
        raise _no_schema(hint, textwrap.shorten(str(error), 200)) from error
    return TypeReader(hint, adapter.validator, schema, adapter.core_schema)


def _is_instance(hint: Any) -> bool:
    """Tell whether a hint is an object of a class with fields, given in place of the class."""
    kind = type(hint)
    field_attributes = ("model_fields", "__dataclass_fields__", "__attrs_attrs__")
    return not isinstance(hint, type) and any(name in dir(kind) for name in field_attributes)


def _refused_by_pydantic(hint: Any, error: Any) -> UnsupportedError:
    """Return the error of a type that pydantic refuses, with a cure that holds here."""
    message = str(error).strip().splitlines()[0]
    if error.code in ("class-not-fully-defined", "undefined-annotation"):
        return _undefined_type(hint, _undefined_name(hint))
    if error.code == "typed-dict-version":
        return make_refusal(
            f"{type_text(hint)} contains a TypedDict of typing, whose fields pydantic cannot read "
            "before Python 3.12.",
            "TypedDict",
            "Write `from typing_extensions import TypedDict`; it is otherwise the same.",
        )
    if error.code == "schema-for-unknown-type":
        return make_refusal(
            f"{type_text(hint)} has no JSON Schema: it contains a class whose fields are not known.",
            "type",
            "If the class is yours, write @dataclass above it; otherwise use a type that JSON can represent.",
        )
    return _no_schema(hint, message)


def _undefined_type(hint: Any, name: str) -> UnsupportedError:
    return make_refusal(
        f"{type_text(hint)} refers to {name or 'a name'}, which is not defined.",
        "type",
        f"Define {name or 'it'} at the top of the module, before the first call.",
    )


def _undefined_name(hint: Any) -> str:
    """Return the first undefined name in the annotations of a class or of a type's arguments; "" for none."""
    if isinstance(hint, str | typing.ForwardRef):
        return repr(hint if isinstance(hint, str) else hint.__forward_arg__)
    try:
        typing.get_type_hints(hint)
    except NameError as error:
        return repr(error.name)
    except TypeError:  # list[P] has no annotations of its own
        return next((name for argument in typing.get_args(hint) if (name := _undefined_name(argument))), "")
    return ""


def _no_schema(hint: Any, why: str) -> UnsupportedError:
    return make_refusal(
        f"{type_text(hint)} has no JSON Schema: {why.rstrip('.')}.",
        "type",
        "Use a type that JSON can represent: a pydantic model, a dataclass, list[str], ...",
    )


def type_text(hint: Any) -> str:
    """Return the text of a type as people write it, for example `list[int]`."""
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
