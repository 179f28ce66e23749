"""attrs classes among type hints, which pydantic does not know: each is read through a model of its
fields."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, ForwardRef, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from structgen.errors import StructgenError, UnsupportedError


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

        Looked for in the hint, in the arguments of generic types, and in the fields of attrs classes; the
        fields of other classes are theirs. Errors: `UnsupportedError` for a field without a type.
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
