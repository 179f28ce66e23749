"""A call that an exception cuts off, at whatever line, leaves its compiled grammar as good as a new one.

Ctrl-C raises KeyboardInterrupt between any two lines, memory may run out, and other tools raise exceptions of
their own in a thread. Here one is raised at a line chosen by chance while a document is walked, then the same
grammar must give what a new one gives, and must come to an end.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from lark.indenter import Indenter

import structgen as sg

SOURCES = str(Path(sg.__file__).parent)
_LARK = r"""
start: stmt+
stmt: "if" "(" expr ")" stmt | NAME "=" expr ";"
expr: expr "+" part | part
part: NAME | NUMBER | "(" expr ")" | STRING
NAME: /[a-z]+/
NUMBER: /\d+(\.\d+)?/
STRING: /"[^"]*?"/
%ignore /\s+/
"""
_LINES = r"""
start: (stmt | _NEWLINE)*
stmt: NAME ":" _NEWLINE _INDENT stmt+ _DEDENT | NAME "(" NAME ")" _NEWLINE | "if" NAME _NEWLINE
NAME: /(?<![a-z])[a-z]+/
_NEWLINE: /(\r?\n[\t ]*(#[^\n]*)?)+/
%ignore /[ \t]+/
%declare _INDENT _DEDENT
"""
_BOUND = """
start: "let" J ";" | stmt+
stmt: NAME "=" J ";"
NAME: /[a-z]+/
%ignore " "
%declare J
"""
_SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "string", "pattern": "^[ab]+$"},
        "foo": {
            "anyOf": [
                {"type": "integer", "multipleOf": 3},
                {"type": "array", "items": {"enum": ["x", "ab"]}, "uniqueItems": True},
            ]
        },
    },
    "required": ["foo"],
    "patternProperties": {"^b": {"type": "number", "minimum": 1.5}},
}


class Blocks(Indenter):
    NL_type = "_NEWLINE"
    OPEN_PAREN_types = ["LPAR"]  # noqa: RUF012
    CLOSE_PAREN_types = ["RPAR"]  # noqa: RUF012
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = 8


class Machine(NamedTuple):
    """A grammar, a text that is walked, and a shorter one."""

    grammar: Callable[[], sg.Grammar]
    text: bytes
    brief: bytes


def _composed() -> sg.Grammar:
    document = sg.json_schema({"type": "object", "properties": {"a": {"type": "integer"}}})
    return sg.sequence(sg.regex("a*"), document, sg.choice(["foo", "ab"]), sg.text(until="end"))


def _bound() -> sg.Grammar:
    items = {"type": "array", "items": {"type": ["integer", "string"]}}
    return sg.lark(_BOUND, bind={"J": sg.json_schema(items)})


MACHINES = {
    "json": Machine(
        lambda: sg.json_schema(_SCHEMA),
        b'{"a":"ab","foo": [ "x","ab"],"b1":12.5, "zz":{}}',
        b'{"a":"a","foo":[ "x"]}',
    ),
    "regex": Machine(
        lambda: sg.regex(r"(foo|ab)+\s(?=1)[0-9.]{2,7}(ab|a b)?"), b"fooabfoo 12.5ab", b"fooab 12.5"
    ),
    "ebnf": Machine(
        lambda: sg.ebnf('root ::= "(" root ")" | word ("," root)*\nword ::= [a-z]+ | "12"\n'),
        b"((foo,ab,12))",
        b"(foo,a)",
    ),
    "composed": Machine(_composed, b'aa{"a":12}foo xx end', b'a{"a":1}fooend'),
    "lark": Machine(lambda: sg.lark(_LARK), b'if (ab+1.25) x=(foo+"a b");y = 12;', b"if (a) x=1;"),
    "lark, lines": Machine(
        lambda: sg.lark(_LINES, postlex=Blocks), b"a:\n  b:\n    if a\n  x(a )\n", b"a:\n  if a\n"
    ),
    "lark, characters": Machine(lambda: sg.lark(_LARK, lexer="characters"), b'if (ab) x=1.2+"a";', b"x=1+a;"),
    "lark, bound": Machine(_bound, b'x = [12,"ab"]; f=[];', b"x=[1];"),
}
_TEXTS = (
    *(b"ab", b'"a', b'":', b'{"', b"if ", b"aa", b"foo", b" a", b"),", b"((", b"12", b"1.", b"= "),
    b"\n  ",
)
_TOKENS = [*(bytes((byte,)) for byte in range(256)), *_TEXTS]
TOKENIZER = sg.Tokenizer([*_TOKENS, None], eos_token_ids=[len(_TOKENS)])


class Cut(BaseException):
    """An exception that nobody expects."""


class Endless(BaseException):
    """Too many functions were called."""


KINDS: tuple[type[BaseException], ...] = (KeyboardInterrupt, MemoryError, Cut)


class Lines:
    """Counts the lines of our sources that are run, and calls; raises an exception at one of the lines."""

    def __init__(self, at: int = 0, kind: type[BaseException] = Cut) -> None:
        self.count, self.calls, self.at, self.kind = 0, 0, at, kind
        self.where = ""

    def call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        self.calls += 1
        return self.line if frame.f_code.co_filename.startswith(SOURCES) else None

    def line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            self.count += 1
            if self.count == self.at:
                self.where = f"{frame.f_code.co_filename[len(SOURCES) + 1 :]}:{frame.f_lineno}"
                raise self.kind
        return self.line


class Calls:
    """Counts the functions that are called; raises Endless past a bound."""

    def __init__(self, most: float) -> None:
        self.count, self.most = 0, most

    def call(self, _frame: FrameType, _event: str, _argument: Any) -> None:
        self.count += 1
        if self.count > self.most:
            raise Endless


@contextmanager
def traced(tracer: Lines | Calls) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(tracer.call)
    try:
        yield
    finally:
        sys.settrace(before)


def tokens_of(text: bytes) -> list[int]:
    """Return a text as tokens, the longest first."""
    order = sorted(range(len(_TOKENS)), key=lambda token: -len(_TOKENS[token]))
    found: list[int] = []
    while text:
        token = next(one for one in order if text.startswith(_TOKENS[one]))
        found.append(token)
        text = text[len(_TOKENS[token]) :]
    return found


def said(compiled: sg.CompiledGrammar, state: sg.core.State) -> tuple[Any, ...]:
    """Return what a compiled grammar says of a state."""
    return (
        compiled.allowed(state),
        compiled.tokens_to_finish(state),
        compiled.accepts_end(state),
    )


def walk(
    compiled: sg.CompiledGrammar, tokens: list[int], states: list[sg.core.State]
) -> list[tuple[Any, ...]]:
    """Return what a compiled grammar says before each token and behind the last; the states that were met are
    added to a list."""
    state, found = compiled.start, []
    for token in tokens:
        states.append(state)
        found.append(said(compiled, state))
        after = compiled.step(state, token)
        assert after is not None
        state = after
    states.append(state)
    return [*found, said(compiled, state)]


def hold_cuts(name: str, text: bytes, count: int, seed: int) -> None:
    """Cut a walk at so many lines, each in a grammar of its own, and hold what is said then to what a new
    grammar says."""
    machine, chance = MACHINES[name], random.Random(seed)
    tokens = tokens_of(text)

    def fresh() -> sg.CompiledGrammar:
        return sg.compile(machine.grammar(), TOKENIZER, store=False)

    lines = Lines()
    walk(fresh(), tokens, [])
    with traced(lines):
        expected = walk(fresh(), tokens, [])
    wrong = []
    for turn in range(count):
        cut = Lines(chance.randrange(1, lines.count), KINDS[turn % len(KINDS)])
        compiled, states = fresh(), list[sg.core.State]()
        try:
            with traced(cut):
                walk(compiled, tokens, states)
        except cut.kind:
            pass
        try:
            with traced(Calls(3 * lines.calls)):
                if states:
                    assert said(compiled, states[-1]) == expected[len(states) - 1]
                assert walk(compiled, tokens, []) == expected
        except (Exception, Endless) as error:
            wrong.append((cut.where, cut.at, repr(error)[:200]))
    assert wrong == []


@pytest.mark.parametrize("name", MACHINES)
def test_a_grammar_whose_call_was_cut_off_says_what_a_new_one_says(name: str) -> None:
    """Each kind of exception cuts; the slow test cuts at 500 lines. A walk over lines takes a second."""
    hold_cuts(name, MACHINES[name].brief, len(KINDS) * (1 if name == "lark, lines" else 2), 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", MACHINES)
def test_a_grammar_is_whole_after_cuts_at_500_lines(name: str) -> None:
    hold_cuts(name, MACHINES[name].text, 500, 2)
