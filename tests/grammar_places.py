"""Grammars with predicates that tell their texts, and places of types at which a string may stand."""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing
from collections.abc import Callable
from typing import Annotated, Any, Generic, NamedTuple, NewType, TypeVar

import attrs
import lark
import lark.indenter
import pydantic
import typing_extensions
from typing_extensions import TypeAliasType

import structgen as sg

T = TypeVar("T")
DOCUMENT = "ab(x)\nba"
INDENTED = """
start: line+
line: "a" _NL [_INDENT line+ _DEDENT]
_NL: /\\n */
%declare _INDENT _DEDENT
"""
IMPORTING = """%import common.LETTER
start: LETTER ("(" start ")")?
"""


class Indenter(lark.indenter.Indenter):
    NL_type = "_NL"
    OPEN_PAREN_types = ()  # type: ignore[assignment]
    CLOSE_PAREN_types = ()  # type: ignore[assignment]
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = 8


def parsed(**options: Any) -> Callable[[str], bool]:
    """Return a predicate of lark's own."""
    parser = lark.Lark(parser="lalr", **options)

    def found(text: str) -> bool:
        try:
            parser.parse(text)
        except lark.exceptions.LarkError:
            return False
        return True

    return found


def matched(pattern: str) -> Callable[[str], bool]:
    """Return a predicate of re's own."""
    return lambda text: re.fullmatch(pattern, text) is not None


def balanced(text: str) -> bool:
    while len(text) > 1:
        if text[0] + text[-1] != "()":
            return False
        text = text[1:-1]
    return text == "x"


def few(text: str) -> bool:
    return balanced(text) and len(text) < 4


REGULAR: dict[str, tuple[Callable[[], sg.Grammar], Callable[[str], bool]]] = {
    "regex": (lambda: sg.regex(r"[ab]+x?\n?"), matched(r"[ab]+x?\n?")),
    "choice": (lambda: sg.choice(["ab", "(x)", ""]), {"ab", "(x)", ""}.__contains__),
    "literal": (lambda: sg.literal("a\n"), {"a\n"}.__contains__),
    "sequence of patterns": (lambda: sg.sequence("a", sg.regex("[bx]*")), matched("a[bx]*")),
    "union": (lambda: sg.regex("a+") | "x", matched("a+|x")),
    "difference": (lambda: sg.regex("[abx]*") - "a", lambda text: matched("[abx]*")(text) and text != "a"),
    "meeting": (lambda: sg.regex("a*b?") & sg.regex("a?b*"), matched("a?b?")),
    "complement": (lambda: ~sg.regex("a|x"), lambda text: text not in ("a", "x")),
    "repeated": (lambda: sg.regex("ab?|x").repeat(1, 3), matched("(?:ab?|x){1,3}")),
    "without": (lambda: sg.without(sg.regex("[abx]*"), ["ab"]), matched("(?!.*ab)[abx]*")),
    "ECMA": (lambda: sg.regex(r"[^b]\p{L}?[^]|\cJ", dialect="ecma"), matched(r"[^b][^\W\d_]?(?s:.)|\n")),
    "ECMA with anchors": (lambda: sg.regex(r"^[^b\n]*$", dialect="ecma"), matched(r"[^b\n]*")),
}
OTHERS: dict[str, tuple[Callable[[], sg.Grammar], Callable[[str], bool]]] = {
    "ebnf": (lambda: sg.ebnf('root ::= "(" root ")" | "x"'), balanced),
    "ebnf with a start": (lambda: sg.ebnf('s ::= "(" s ")" | "x"', start="s"), balanced),
    "lark": (lambda: sg.lark('start: "(" start ")" | "x"'), balanced),
    "lark that imports": (lambda: sg.lark(IMPORTING), parsed(grammar=IMPORTING)),
    "lark of characters": (lambda: sg.lark('start: "(" start ")" | "x"', lexer="characters"), balanced),
    "lark with an indenter": (
        lambda: sg.lark(INDENTED, postlex=Indenter()),
        parsed(grammar=INDENTED, postlex=Indenter()),
    ),
    "lark that binds": (
        lambda: sg.lark('%declare X\nstart: "(" start ")" | X', bind={"X": sg.choice(["x"])}),
        balanced,
    ),
    "spans": (lambda: sg.substring_of(DOCUMENT), lambda text: text != "" and text in DOCUMENT),
    "text": (sg.text, lambda _text: True),
    "JSON": (lambda: sg.json_schema({"enum": ["", "a"]}), {'""', '"a"'}.__contains__),
    "sequence": (
        lambda: sg.sequence("a", sg.ebnf('root ::= "(" root ")" | "x"')),
        lambda text: text[:1] == "a" and balanced(text[1:]),
    ),
    "either": (
        lambda: sg.either(sg.substring_of("ab"), sg.ebnf('root ::= "(" root ")" | "x"')),
        lambda text: text in ("a", "b", "ab") or balanced(text),
    ),
    "meeting of rules": (lambda: sg.ebnf('root ::= "(" root ")" | "x"') & sg.regex(r"[(x)]{1,3}"), few),
    "rules without": (
        lambda: sg.without(sg.ebnf('root ::= "(" root ")" | "x"'), ["(("]),
        few,
    ),
}
GRAMMARS = REGULAR | OTHERS
TEXTS = sorted({"".join(some) for count in range(4) for some in itertools.product("abx()\n", repeat=count)})
TEXTS += [
    "((x))",
    "((x)",
    "a(x)",
    "a((x))",
    'a"',
    "a\\",
    '"a"',
    '""',
    "a\n a\n",
    "a\n a\na\n",
    "é",
    "ababx",
    DOCUMENT,
]


class Root(pydantic.RootModel[T], Generic[T]):
    pass


class GenericModel(pydantic.BaseModel, Generic[T]):
    s: T


@dataclasses.dataclass
class GenericData(Generic[T]):
    s: T


def of_fields(make: Callable[[Any], Any]) -> tuple[Callable[[Any], Any], str]:
    return make, '{{"s": {}}}'


PLACES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "the type itself": (lambda hint: hint, "{}"),
    "nested": (lambda hint: Annotated[hint, "the name"], "{}"),
    "an item": (lambda hint: list[hint], "[{}]"),
    "a tuple": (lambda hint: tuple[int, hint], "[1, {}]"),
    "a value": (lambda hint: dict[str, hint], '{{"k": {}}}'),
    "a branch": (lambda hint: int | hint, "{}"),
    "an optional": (lambda hint: hint | None, "{}"),
    "an optional inside": (lambda hint: list[hint | None], "[null, {}]"),
    "a new type": (lambda hint: NewType("New", hint), "{}"),
    "an alias": (lambda hint: TypeAliasType("Alias", list[hint]), "[{}]"),
    "a model": of_fields(lambda hint: pydantic.create_model("Model", s=(hint, ...))),
    "a field with a default": of_fields(lambda hint: pydantic.create_model("Model", s=(hint, "x"))),
    "a described field": of_fields(
        lambda hint: pydantic.create_model("Model", s=(hint, pydantic.Field(description="it")))
    ),
    "a root model": (lambda hint: Root[hint], "{}"),
    "a generic model": of_fields(lambda hint: GenericModel[hint]),
    "a dataclass": of_fields(lambda hint: dataclasses.make_dataclass("Data", [("s", hint)])),
    "a generic dataclass": of_fields(lambda hint: GenericData[hint]),
    "an attrs class": of_fields(
        lambda hint: attrs.make_class("Attrs", {"s": attrs.field(type=hint)})  # type: ignore[call-overload]
    ),
    "a NamedTuple": of_fields(lambda hint: NamedTuple("Named", [("s", hint)])),  # type: ignore[misc]
    "a TypedDict": of_fields(lambda hint: typing_extensions.TypedDict("Typed", {"s": hint})),  # type: ignore[operator]
    "a key that may be missing": of_fields(
        lambda hint: typing_extensions.TypedDict("Typed", {"s": typing.NotRequired[hint]})  # type: ignore[operator]
    ),
    "a model in a list": (lambda hint: list[pydantic.create_model("In", s=(hint, ...))], '[{{"s": {}}}]'),  # type: ignore[misc]
    "a schema of its own": (lambda hint: _own(hint), "{}"),
}


def _own(hint: Any) -> Any:
    class Own(str):
        @classmethod
        def __get_pydantic_core_schema__(cls, _source: Any, handler: Any) -> Any:
            return handler(hint)

    return Own
