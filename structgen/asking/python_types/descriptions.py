"""Finds descriptions that people write beside a type and that pydantic leaves out of its schema.

One is a plain text among the metadata of a hint: `Annotated[str, "the surname only"]`. The other is a text
after a field of a class, or after a member of an Enum. It is read in the source, where that is available.
Each becomes the `description` of a schema that has none. No code is run.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import Any

from structgen.asking.python_types.grounding_marks import InferredMark, KeyMark, QuoteMark
from structgen.asking.python_types.pydantic_formats import make_refusal
from structgen.asking.python_types.regex_annotation import Regex
from structgen.base.json_text.exact_json import JsonObject
from structgen.machines.core.grammar import Grammar

MOST_SOURCE = 1_000_000
"""The most characters of a module that is read. 100,000 characters take some 40 ms, once in a process."""
_MARKS = (typing.Required, typing.NotRequired, typing.ClassVar, typing.Final)
_STANDS_FOR = ("__supertype__", "__value__", "__bound__", "__constraints__", "__default__")
"""The attributes of aliases and type variables that hold the types for which they stand."""
NOT_READ = frozenset(("builtins", "typing", "typing_extensions", "enum", "pydantic", "attr", "structgen"))
"""The packages whose classes are parts of types and have no descriptions of fields."""


def add_descriptions(schema: JsonObject, hint: Any, field_text: str = "") -> JsonObject:
    """Return the JSON Schema of a hint with the plain texts in the hint as descriptions, those of items,
    values and alternatives too. `field_text`: the text that stands behind a field, for one that has no
    other."""
    texts = []
    while typing.get_origin(hint) in (typing.Annotated, *_MARKS):
        texts += [text for text in getattr(hint, "__metadata__", ()) if isinstance(text, str)]
        hint = typing.get_args(hint)[0]
    text = " ".join(filter(None, map(str.strip, texts))) or field_text
    result = {"description": text, **schema} if text else dict(schema)
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        branches = result.get("anyOf", ())
        # pydantic merges branches of a union, which then have no hint each
        if len(branches) == len(args):
            result["anyOf"] = [
                add_descriptions(branch, arg) for branch, arg in zip(branches, args, strict=True)
            ]
    elif not isinstance(origin, type) or not args:
        pass
    elif issubclass(origin, tuple):
        if "prefixItems" in result:
            result["prefixItems"] = [
                add_descriptions(*pair) for pair in zip(result["prefixItems"], args, strict=False)
            ]
        if args[-1] is ... and isinstance(result.get("items"), dict):
            result["items"] = add_descriptions(result["items"], args[0])
    elif issubclass(origin, Collection):
        key = "additionalProperties" if issubclass(origin, Mapping) else "items"
        if isinstance(result.get(key), dict):
            result[key] = add_descriptions(result[key], args[-1])
    return result


def field_hints(cls: Any) -> JsonObject:
    """Return the types of a class's fields with their metadata, by name; {} where a name in them is not
    defined."""
    fields = vars(cls).get("__pydantic_fields__")
    # the types of a generic class are filled in there, names that are defined later are not
    if isinstance(fields, dict) and vars(cls).get("__pydantic_complete__"):
        return {
            name: typing.Annotated[(field.annotation, *field.metadata)]
            if field.metadata
            else field.annotation
            for name, field in fields.items()
        }
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def hints_inside(hint: Any) -> Iterator[tuple[Any, str]]:
    """Yield a hint and every hint in it, each with the field that it stands in ("" outside of fields): the
    arguments of generic types, the fields of classes, what names and type variables stand for."""
    visited: dict[int, Any] = {}
    waiting = [(hint, "")]
    while waiting:
        inner, field_name = waiting.pop()
        yield inner, field_name
        base = typing.get_origin(inner) or inner
        inside = typing.get_args(inner)
        if base is typing.Literal:
            continue
        if base is typing.Annotated:
            inside = inside[:1]
        elif isinstance(inner, list | tuple):  # arguments of a Callable, constraints of a type variable
            inside = tuple(inner)
        waiting += [(below, field_name) for below in inside]
        if id(base) in visited:
            continue
        visited[id(base)] = base
        if not isinstance(base, type):
            waiting += [(getattr(base, name), field_name) for name in _STANDS_FOR if hasattr(base, name)]
        elif hasattr(base, "__annotations__"):
            # none where a name is not defined: that is told of where the class is read
            waiting += [
                (field_hint, f"{base.__name__}.{name}") for name, field_hint in field_hints(base).items()
            ]


def refuse_unread(hint: Any) -> None:
    """Raise `UnsupportedError` for what of this package stands in `Annotated` beside a type, and is not read
    there: all but `sg.Regex`, `sg.Quote`, `sg.Inferred`, `sg.Key` and grammars. Metadata of others is
    theirs."""
    for inner, field_name in hints_inside(hint):
        if typing.get_origin(inner) is not typing.Annotated:
            continue
        for metadata in inner.__metadata__:
            if _is_ours(metadata) and not isinstance(
                metadata, Regex | QuoteMark | InferredMark | KeyMark | Grammar
            ):
                name = getattr(metadata, "__name__", type(metadata).__name__)
                owner = f" of {field_name}" if field_name else ""
                raise make_refusal(
                    f"{name} in Annotated would be ignored next to the type{owner}.",
                    "Annotated",
                    'Use a grammar: sg.regex("..."), sg.choice(["a", "b"]), sg.lark("...").',
                )


def _is_ours(metadata: Any) -> bool:
    """Return whether an object, its class, or a class that this is derived from comes from this package."""
    kind = typing.get_origin(metadata) or metadata
    kind = kind if isinstance(kind, type | types.FunctionType | types.ModuleType) else type(kind)
    # the constants that are public are mappings
    public = vars(sys.modules["structgen"]).values() if kind is types.MappingProxyType else ()
    return any(metadata is constant for constant in public) or any(
        package_of(base) == "structgen" for base in getattr(kind, "__mro__", (kind,))
    )


def texts_behind(cls: Any) -> dict[str, str]:
    """Return the texts after the fields of a class and of its bases, by the name of the field."""
    texts: dict[str, str] = {}
    for base in (*getattr(cls, "__orig_bases__", ()), *reversed(cls.__mro__[1:])):
        base = typing.get_origin(base) or base
        # classes of libraries say nothing of the fields of this one
        if isinstance(base, type) and base is not cls and package_of(base) not in NOT_READ:
            texts |= texts_behind(base)
    return texts if package_of(cls) in NOT_READ else texts | _source_texts(cls)


def class_text(cls: Any) -> str:
    """Return the docstring of a class; "" where it has none of its own, or the one that is made by itself."""
    text = vars(cls).get("__doc__")
    return "" if not isinstance(text, str) or text.startswith(f"{cls.__name__}(") else inspect.cleandoc(text)


def member_texts(cls: type[Enum]) -> dict[str, str]:
    """Return the descriptions of the members of an Enum, by name: the text after a member, or its
    `__doc__`."""
    docstrings = {member.name: vars(member).get("__doc__") for member in cls}
    texts = {
        name: inspect.cleandoc(text) for name, text in docstrings.items() if isinstance(text, str) and text
    }
    return {name: text for name, text in (texts_behind(cls) | texts).items() if name in docstrings}


def package_of(cls: Any) -> str:
    """Return the package that a class or a function comes from."""
    return str(getattr(cls, "__module__", cls.__name__)).partition(".")[0]


def _source_texts(cls: type) -> dict[str, str]:
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    # classes that were typed into a console have no source
    if not file or not file.endswith(".py"):
        return {}
    source = "".join(linecache.getlines(file, vars(module)))
    return _texts_of(source).get(cls.__qualname__, {})


@lru_cache(maxsize=32)
def _texts_of(source: str) -> dict[str, dict[str, str]]:
    """Return the texts after the fields of each class of a module. Of classes with one name the last
    counts."""
    if len(source) > MOST_SOURCE:
        return {}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    texts: dict[str, dict[str, str]] = {}
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        around, node = waiting.pop()
        name = around
        if isinstance(node, ast.ClassDef):
            name = f"{around}{node.name}"
            texts[name] = dict(_texts_after_names(node.body))
            name += "."
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{around}{node.name}.<locals>."
        inside = [inner for inner in ast.iter_child_nodes(node) if not isinstance(inner, ast.expr)]
        waiting.extend((name, inner) for inner in reversed(inside))
    return texts


def _texts_after_names(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield each name that a class body defines or annotates, with the string literal that follows it."""
    for statement, next_statement in pairwise(body):
        is_text = isinstance(next_statement, ast.Expr) and isinstance(next_statement.value, ast.Constant)
        text = next_statement.value.value if is_text else None  # type: ignore[attr-defined]
        names = (
            statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        )
        if isinstance(text, str) and isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from ((name.id, inspect.cleandoc(text)) for name in names if isinstance(name, ast.Name))
