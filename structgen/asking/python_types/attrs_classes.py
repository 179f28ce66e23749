"""Reads attrs classes among type hints, which pydantic does not know: each becomes an object of its fields.

pydantic asks such a class for a schema while it reads a hint (`answer_pydantic`). Schemas of pydantic models
were made before that, and hold no attrs classes.
"""

from __future__ import annotations

import sys
import threading
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, get_origin

from pydantic_core import core_schema

from structgen.asking.python_types.descriptions import hints_inside
from structgen.asking.python_types.pydantic_formats import make_refusal
from structgen.asking.python_types.pydantic_schema import ATTRS_CLASS

_SCHEMA_HOOK = "__get_pydantic_core_schema__"
"""What pydantic asks a class that it does not know."""
_LOCK = threading.RLock()
"""Held while classes answer pydantic."""


@contextmanager
def answer_pydantic(hint: Any) -> Iterator[None]:
    """Have the attrs classes in a hint, in the arguments of generic types, and in fields of classes tell
    pydantic their schemas, for so long."""
    inside = (get_origin(inner) or inner for inner, _ in hints_inside(hint))
    classes = dict.fromkeys(cls for cls in inside if isinstance(cls, type) and "__attrs_attrs__" in vars(cls))
    with _LOCK if classes else nullcontext():
        patched_classes = [cls for cls in classes if not hasattr(cls, _SCHEMA_HOOK)]
        open_ = set[type]()
        try:
            for cls in patched_classes:
                setattr(cls, _SCHEMA_HOOK, staticmethod(_answer_of(cls, open_)))
            yield
        finally:
            for cls in patched_classes:
                # a class may have got a method of its own meanwhile
                if _SCHEMA_HOOK in vars(cls):
                    delattr(cls, _SCHEMA_HOOK)


def _answer_of(cls: type, open_: set[type]) -> Callable[[Any, Any], Any]:
    """Return what a class answers: an object of its fields, and the way back. `open_`: classes whose fields
    are being read; inside those they are referred to.

    Errors: `UnsupportedError` for a field without a type; NameError for one of a type that is not defined.
    """
    ref = f"{cls.__module__}.{cls.__qualname__}:{id(cls)}"

    def answer(_source: Any, handler: Any) -> Any:
        if cls in open_:
            return core_schema.definition_reference_schema(ref)
        hints = typing.get_type_hints(cls, include_extras=True)
        fields = dict[str, Any]()
        open_.add(cls)
        try:
            for field in vars(cls)["__attrs_attrs__"]:
                # a field that no argument sets is no member of the document
                if not field.init:
                    continue
                if field.name not in hints:
                    fault = f"The field {field.name!r} of {cls.__name__} has no type."
                    raise make_refusal(fault, "attrs", "Annotate the field.")
                is_required = field.default is sys.modules["attr"].NOTHING
                inner = handler.generate_schema(hints[field.name])
                fields[field.alias] = core_schema.typed_dict_field(inner, required=is_required)
        finally:
            open_.discard(cls)
        members = core_schema.typed_dict_schema(
            fields,
            extra_behavior="forbid",
            config=core_schema.CoreConfig(title=cls.__name__),
            metadata={ATTRS_CLASS: cls},
        )
        return core_schema.no_info_after_validator_function(_instance_builder(cls), members, ref=ref)

    return answer


def _instance_builder(cls: type) -> Callable[[dict[str, Any]], Any]:
    """Return what makes an instance of an attrs class from its fields."""

    def build_instance(members: dict[str, Any]) -> Any:
        try:
            return cls(**members)
        except TypeError as error:  # attrs's own validators raise it, and pydantic lets it through
            raise ValueError(str(error)) from error

    return build_instance
