"""attrs classes among type hints, which pydantic does not know: each is read through a model of its fields.

In hints they are replaced by their models. In the fields of dataclasses, typed dicts and named tuples
pydantic asks them for a schema while it reads those (`answering`); pydantic models, whose schemas are made,
hold them as instances of any class, and there the schema is replaced (`filled_in`).
"""

from __future__ import annotations

import sys
import threading
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, ForwardRef, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic_core import SchemaValidator

from structgen.errors import StructgenError, UnsupportedError

_ASKED = "__get_pydantic_core_schema__"
"""What pydantic asks a class that it does not know."""
_LOCK = threading.RLock()
"""Held while classes answer pydantic."""


def is_attrs_class(hint: object) -> bool:
    """Tell whether a hint is a class made by attrs."""
    return isinstance(hint, type) and "__attrs_attrs__" in vars(hint)


class AttrsClasses:
    """Rewrites hints so that pydantic can read the attrs classes in them; one for each hint that is read."""

    def __init__(self) -> None:
        self.models: dict[type, type[BaseModel]] = {}
        self._open: dict[type, str] = {}
        self._names: dict[str, Any] = {}

    def rewritten(self, hint: Any) -> Any:
        """Return a hint with each attrs class replaced by its model and the way back.

        Looked for in the hint, in the arguments of generic types, and in the fields of attrs classes. Errors:
        `UnsupportedError` for a field without a type.
        """
        if is_attrs_class(hint):
            return self._class(hint)
        origin, arguments = get_origin(hint), get_args(hint)
        if not arguments or origin is typing.Literal:
            return hint
        if origin is Annotated:
            inner = self.rewritten(arguments[0])
            return hint if inner is arguments[0] else Annotated[(inner, *arguments[1:])]
        inner_hints = tuple(
            [self.rewritten(one) for one in argument]
            if isinstance(argument, list)
            else self.rewritten(argument)
            for argument in arguments
        )
        if all(a is b for a, b in zip(inner_hints, arguments, strict=True)):
            return hint
        if origin in (Union, types.UnionType):
            return Union[inner_hints]
        return origin[inner_hints]

    @contextmanager
    def answering(self, classes: Sequence[type]) -> Iterator[None]:
        """Have attrs classes tell pydantic their schemas, as the fields of others; for so long."""

        def answer_of(cls: type) -> Any:
            return staticmethod(lambda source, handler: handler.generate_schema(self.rewritten(cls)))

        asked = [cls for cls in classes if not hasattr(cls, _ASKED)]
        with _LOCK:
            answers = [(cls, answer_of(cls)) for cls in asked]
            try:
                for cls, answer in answers:
                    setattr(cls, _ASKED, answer)
                yield
            finally:
                for cls in asked:
                    if _ASKED in vars(cls):
                        delattr(cls, _ASKED)

    def filled_in(self, core: Any, classes: Sequence[type]) -> Any | None:
        """Return a copy of pydantic's schema in which attrs classes, of which it takes instances alone, are
        read; None where it takes instances of none."""
        known: dict[type, Any] = {}
        definitions: dict[str, Any] = {}

        def opened(schema: Any) -> Any:
            if schema["type"] != "definitions":
                return schema
            definitions.update((one["ref"], one) for one in schema["definitions"])
            return schema["schema"]

        def copied(node: Any) -> Any:
            if isinstance(node, list | tuple):
                return type(node)(map(copied, node))
            if not isinstance(node, dict):
                return node
            cls: Any = node.get("cls")
            if node.get("type") == "is-instance" and cls in classes:
                if cls not in known:
                    known[cls] = opened(TypeAdapter(self.rewritten(cls)).core_schema)
                return known[cls]
            return {key: value if key == "metadata" else copied(value) for key, value in node.items()}

        filled = opened(copied(core))
        if known and definitions:
            return {"type": "definitions", "schema": filled, "definitions": list(definitions.values())}
        return filled if known else None

    def _class(self, cls: type) -> Any:
        name = f"{cls.__qualname__.replace('.', '_').replace('<locals>', '')}_{id(cls):x}"
        if cls in self.models:
            return Annotated[self.models[cls], AfterValidator(_maker(cls))]
        if cls in self._open:
            return Annotated[ForwardRef(name), AfterValidator(_maker(cls))]
        self._open[cls] = name
        fields: dict[str, Any] = {}
        hints = _hints(cls)
        for field in vars(cls)["__attrs_attrs__"]:
            if not field.init:
                continue
            if field.name not in hints:
                raise UnsupportedError(
                    f"The field {field.name!r} of {cls.__name__} has no type.",
                    keyword="attrs",
                    where="type",
                    cure="Annotate it.",
                )
            default = ... if field.default is sys.modules["attr"].NOTHING else None
            # a leading underscore is attrs's for private attributes, and pydantic takes no such name
            python_name = f"field_{len(fields)}"
            fields[python_name] = (self.rewritten(hints[field.name]), Field(default, alias=field.alias))
        model = create_model(
            name,
            __config__=ConfigDict(title=cls.__name__, extra="forbid", arbitrary_types_allowed=True),
            __doc__=None,
            **fields,
        )
        self._names[name] = model
        del self._open[cls]
        self.models[cls] = model
        if not self._open:
            for one in self.models.values():
                one.model_rebuild(force=True, _types_namespace=self._names)
        return Annotated[model, AfterValidator(_maker(cls))]


class FilledAdapter:
    """An adapter of pydantic's for a schema that was filled in."""

    def __init__(self, core: Any) -> None:
        self.core_schema = core
        self.validator = SchemaValidator(core, _use_prebuilt=False)

    def json_schema(self, *, schema_generator: Any) -> Any:
        """Return the JSON Schema."""
        return schema_generator().generate(self.core_schema, mode="validation")


def attrs_inside(hint: Any) -> list[type]:
    """Return the attrs classes in a hint, in the arguments of generic types, and in fields of classes."""
    found: dict[type, None] = {}
    seen: set[Any] = set()
    waiting = [hint]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(one)
            continue
        if get_origin(one) is typing.Literal:
            continue
        waiting.extend(get_args(one))
        base = get_origin(one) or one
        if not isinstance(base, type) or base in seen:
            continue
        seen.add(base)
        if is_attrs_class(base):
            found[base] = None
        fields = getattr(base, "__pydantic_fields__", None)
        if isinstance(fields, dict):
            waiting.extend(field.annotation for field in fields.values())
        elif hasattr(base, "__annotations__"):
            waiting.extend(_known_hints(base))
    return list(found)


def _known_hints(cls: type) -> list[Any]:
    """Return the types of a class's fields; none of a class whose annotations name what is not defined: it is
    told of where it is read."""
    try:
        return list(typing.get_type_hints(cls, include_extras=True).values())
    except (NameError, TypeError):
        return []


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise StructgenError(
            f"A type of {cls.__name__} is not known: {error}.",
            where="type",
            cure="Define the class at the top of a module, or import what its annotations name.",
        ) from error


def _maker(cls: type) -> Callable[[BaseModel], Any]:
    """Return what makes an instance of an attrs class from the model of its fields."""

    def made(found: BaseModel) -> Any:
        fields = type(found).model_fields
        given = {fields[name].alias or name: getattr(found, name) for name in found.model_fields_set}
        try:
            return cls(**given)
        except TypeError as error:  # attrs's own validators raise it, and pydantic lets it through
            raise ValueError(str(error)) from error

    return made
