"""A grammar of texts, or of Lark, is as good as a new one after an exception at whatever line of ours.

An exception is raised at a line of structgen's own code, or where a function of it returns, so that its
caller does not get the result: Ctrl-C comes there, and a MemoryError. Then the same compiled grammar, the
states of it that were reached, and the same grammar compiled again in the same store must say what a grammar
says that nobody cut off.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from lark.indenter import Indenter
from methods.monitored_text import Monitor, Monitored

import structgen as sg
from structgen.grammars.text_grammars.machine.stepping import TextContext
from structgen.machines.core.forced_text import with_forced_text

SOURCES = str(Path(sg.__file__).parent)
# where a generator is let go, the exception of its return is nobody's
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
_PIECES = (
    *(b"ab", b"aa", b"ba", b"foo", b"bar", b"if ", b"12", b"11", b"dd", b"ccc", b"1.", b"= ", b"((", b"),"),
    *(b'"a', b'":', b'{"', b"<t", b"t>", b"</", b"\n  ", b"  ", b" a", b"a,", b"e\n", "é".encode(), b"\xa9a"),
)  # fmt: skip
_TOKENS = [*(bytes((byte,)) for byte in range(256)), *_PIECES]
SPECIAL, END = len(_TOKENS), len(_TOKENS) + 1
TOKENIZER = sg.Tokenizer([*_TOKENS, None, None], eos_token_ids=[END])
_ORDER = sorted(range(len(_TOKENS)), key=lambda token: -len(_TOKENS[token]))
_ITEMS = sg.json_schema({"type": "array", "items": {"type": ["integer", "string"]}})
_OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
_COLLISIONS = """
start: (stmt ";")+
stmt: "if" expr | NAME "=" expr | "do" block
block: "(" stmt ("," stmt)* ")"
expr: NAME | NUMBER | SHORT | expr "+" NUMBER
NAME: /[a-z]+/
SHORT.2: "ab"
NUMBER: /\\d+/
%ignore " "
%ignore /#[^\\n]*/
"""
_LINES = r"""
start: (stmt | _NEWLINE)*
stmt: NAME ":" _NEWLINE _INDENT stmt+ _DEDENT | NAME "(" NAME ")" _NEWLINE
NAME: /[a-z]+/
_NEWLINE: /(\r?\n[\t ]*)+/
%ignore " "
%declare _INDENT _DEDENT
"""
_AROUND = r"""
start: (WORD | NUMBER | SIGN)+
WORD: /[a-c]+(?![a-d1])/
NUMBER: /(?<!a)\d+(?=[a-z ;]|$)/
SIGN: /;|(?<=1);;/
%ignore / +/
"""
_TEMPLATE = """
start: list{pair} | "(" start ")"
list{item}: item ("," item)*
pair: KEY "=" (KEY | NUMBER)?
KEY.2: "foo"i | /ba*/i
NUMBER: "1".."3"+
"""
_TAG = {
    "type": "structural_tag",
    "format": {
        "type": "triggered_tags",
        "triggers": ["<t"],
        "tags": [
            {"begin": "<t>", "content": {"type": "json_schema", "json_schema": _OBJECT}, "end": "</t>"},
            {"begin": "<tb>", "content": {"type": "regex", "pattern": "a+b"}, "end": "</t>"},
        ],
    },
}


class Blocks(Indenter):
    NL_type = "_NEWLINE"
    OPEN_PAREN_types = ["LPAR"]  # noqa: RUF012
    CLOSE_PAREN_types = ["RPAR"]  # noqa: RUF012
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = 8


class Cut(BaseException):
    """An exception that nobody expects."""


class Endless(BaseException):
    """Too many functions were called."""


KINDS: tuple[type[BaseException], ...] = (KeyboardInterrupt, MemoryError, Cut)


class Dots(Monitor):
    """Behind a dot, words that the text decides."""

    name = "dots"
    trigger_characters = "."

    def trigger(self, text: str) -> bool:
        return text.endswith(".")

    def suggest(self, text: str) -> Sequence[str]:
        return ["foo", "ab", "aab"] if len(text) % 3 else ["bar"]


DOTS = Dots()


class Case(NamedTuple):
    """A grammar, and the tokens of a text that is walked."""

    grammar: Callable[[], sg.Grammar]
    tokens: tuple[int, ...]
    around: Callable[[sg.CompiledGrammar], sg.CompiledGrammar] = lambda compiled: compiled
    kinds: tuple[type[BaseException], ...] = KINDS


def _tokens(text: bytes) -> tuple[int, ...]:
    """Return a text as tokens, the longest first; one NUL byte stands for the special token."""
    found: list[int] = []
    while text:
        token = SPECIAL if text[0] == 0 else next(one for one in _ORDER if text.startswith(_TOKENS[one]))
        found.append(token)
        text = text[1 if token == SPECIAL else len(_TOKENS[token]) :]
    return tuple(found)


def _ebnf(text: str) -> Callable[[], sg.Grammar]:
    return lambda: sg.ebnf(text)


def _lark(text: str, **options: Any) -> Callable[[], sg.Grammar]:
    return lambda: sg.lark(text, **options)


def _parts() -> sg.Grammar:
    return sg.sequence(
        sg.regex("a*"), sg.json_schema(_OBJECT), sg.choice(["foo", "ab"]), sg.text(until="end")
    )


def _with_few_crossings(compiled: sg.CompiledGrammar) -> sg.CompiledGrammar:
    """Return a grammar with so little room for ends of lexemes that its texts are read whole instead."""
    compiled._attach_workspace()
    compiled._tables.context[TextContext.most_crossings] = 6
    return compiled


def _with_few_places(compiled: sg.CompiledGrammar) -> sg.CompiledGrammar:
    """Return a grammar of Lark that soon forgets its places."""
    compiled.answers._max_places = 12  # type: ignore[attr-defined]
    return compiled


def _bound() -> sg.Grammar:
    text = 'start: "if" J ";" | (NAME "=" J ";")+\nNAME: /[a-z]+/\n%ignore " "\n%declare J\n'
    return sg.lark(text, bind={"J": _ITEMS})


CASES = {
    "regex": Case(lambda: sg.regex(r"(foo|ab)+\s(?=1)[0-9.]{2,7}(ab|a b)?"), _tokens(b"fooab 12.5ab")),
    "regex, counted": Case(lambda: sg.regex(r"(a{2,4}b?){1,3}|[^a]*é"), _tokens(b"aabaaaa")),
    "regular formula": Case(
        lambda: (sg.regex("[ab]*") - sg.regex("(ab)*")) & ~sg.regex(".*bb.*"), _tokens(b"aabab")
    ),
    "nested": Case(_ebnf('root ::= "a" root "b" | "," | root "1"'), _tokens(b"aa,1b1b")),
    "left recursion": Case(
        _ebnf('root ::= root "," item | item\nitem ::= [a-c]+ | ""\n'), _tokens(b"ab,,c,aa")
    ),
    "right recursion": Case(_ebnf('root ::= "a" root | "(" root ")" | "é"\n'), _tokens("aa(aé)".encode())),
    "ambiguous": Case(_ebnf('root ::= root root | "a" | "ab" | "(" root? ")"\n'), _tokens(b"aab(ab)a")),
    "ebnf repeats": Case(
        _ebnf('root ::= (w{1,3} ","?){2} n*\nw ::= [a-z] | "foo"\nn ::= [0-9]+ "."?\n'),
        _tokens(b"foo,ab12.1"),
    ),
    "read whole": Case(
        _ebnf('root ::= (word | "ab" | sum)*\nword ::= [a-c]+\nsum ::= "(" sum ")" | word "+" sum | word\n'),
        _tokens(b"ab(ba)c"),
        _with_few_crossings,
    ),
    "intersection": Case(
        lambda: sg.ebnf('root ::= "a" root "b" | "," | root "1"') & sg.regex("[^1]*1?[^1]*"),
        _tokens(b"aa,1bb"),
    ),
    "choices": Case(lambda: sg.choice(["foo", "fooab", "ab", "aab", "12"]), _tokens(b"fooab")),
    "free text": Case(lambda: "(" + sg.text(until="end", max_tokens=6) + ")", _tokens(b"(ab e\nend)")),
    "no until": Case(lambda: sg.text(until="ab", included=False).repeat(0, 2) + "ab", _tokens(b"foo aab")),
    "substring": Case(lambda: sg.substring_of("the foo bar ab, 12") + ".", _tokens(b"foo bar.")),
    "no span": Case(lambda: sg.without_spans_of("foo bar ab", longest=4), _tokens(b"foo ab")),
    "parts": Case(_parts, _tokens(b'a{"a":12}fooxend')),
    "nullable parts": Case(
        lambda: (sg.sequence("- ", _ITEMS, "\n")).optional().repeat(0, 3), _tokens(b'- [1,"ab"]\n')
    ),
    "either part": Case(
        lambda: sg.either(_ITEMS, sg.json_schema(_OBJECT), sg.regex(r"\[1+\]ab")), _tokens(b'{"a":11}')
    ),
    "lark in a part": Case(
        lambda: sg.sequence("<t", sg.lark('start: ("a" | "11")+ | "(" start ")"\n'), "t>"),
        _tokens(b"<t(a11a)t>"),
    ),
    "in a string": Case(lambda: sg.in_json_string(sg.json_schema(_OBJECT)), _tokens(b'"{\\"a\\":1}"')),
    "tag": Case(lambda: sg.structural_tag(_TAG), _tokens(b'a<t>{"a":1}</t>ab')),
    "special": Case(
        lambda: sg.sequence(
            sg.regex("a*"), sg.special(SPECIAL), sg.either("foo", sg.special(SPECIAL)).repeat(0, 2)
        ),
        _tokens(b"aa\0foo\0"),
    ),
    "banned": Case(
        lambda: sg.without(sg.ebnf('root ::= [ab]+ "," | root "c"'), ["aab", "bb"]), _tokens(b"aba,cc")
    ),
    "lark": Case(_lark('start: ("a" | "11")+\n'), _tokens(b"a11aa1")),
    "lark, letters": Case(_lark('start: ("c" | "dd")+\n'), _tokens(b"cddc")),
    "lark, forgotten": Case(
        _lark('start: item ("," item)*\nitem: "a" | "(" start ")"\n'), _tokens(b"a,(a,(a))"), _with_few_places
    ),
    "lark, collisions": Case(_lark(_COLLISIONS), _tokens(b"b=ab+1;do(if a);#x")),
    "lark, around": Case(_lark(_AROUND), _tokens(b"ab; 1 c;1;;12")),
    "lark, template": Case(_lark(_TEMPLATE), _tokens(b"(Foo=12,BA=)")),
    "lark, lines": Case(_lark(_LINES, postlex=Blocks), _tokens(b"a:\n  b(a)\n")),
    "lark, characters": Case(_lark(_COLLISIONS, lexer="characters"), _tokens(b"b=1+12;")),
    "lark, bound": Case(_bound, _tokens(b"ab= [12];")),
    "forced": Case(
        _lark('start: "foo" ("=" "bar")? NAME\nNAME: /[ab]+/\n'),
        _tokens(b"if foo=barab"),
        lambda compiled: with_forced_text(compiled, border=b"if "),
    ),
    "monitored": Case(
        lambda: Monitored(sg.regex(r"[a-z]+(\.[a-z]+)*"), DOTS),
        _tokens(b"foo.bar.ab"),
        kinds=(KeyboardInterrupt, Cut),  # a MemoryError is taken for one of the monitor's
    ),
}
"""Grammars of all kinds, but JSON Schemas."""


class Place(NamedTuple):
    """Where a call is cut off: a line of a file, before it (`line`) or as a function returns there
    (`return`), and the how manieth time. Counts of all events would not do: what a process has made once is
    not made again."""

    file: str
    line: int
    event: str
    turn: int


class Events:
    """Notes the lines of our sources that are run, and those at which functions return; raises an exception
    at one of these places."""

    def __init__(self, at: Place | None = None, kind: type[BaseException] = Cut) -> None:
        self.at, self.kind, self.calls, self.left = at, kind, 0, 0 if at is None else at.turn
        self.met = Counter[tuple[str, int, str]]()
        self._process = os.getpid()

    def call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        self.calls += 1
        file = frame.f_code.co_filename
        if os.getpid() != self._process or not file.startswith(SOURCES if self.at is None else self.at.file):
            return None
        return self.note if self.at is None else self.one

    def note(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event != "exception":
            self.met[frame.f_code.co_filename, frame.f_lineno, event] += 1
        return self.note

    def one(self, frame: FrameType, event: str, _argument: Any) -> Any:
        assert self.at is not None
        if frame.f_lineno == self.at.line and event == self.at.event:
            self.left -= 1
            if self.left == 0:
                raise self.kind
        return self.one


class Calls:
    """Counts the functions that are called; raises Endless past a bound."""

    def __init__(self, most: float) -> None:
        self.count, self.most = 0, most

    def call(self, _frame: FrameType, _event: str, _argument: Any) -> None:
        self.count += 1
        if self.count > self.most:
            raise Endless


@contextmanager
def traced(tracer: Events | Calls) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(tracer.call)
    try:
        yield
    finally:
        sys.settrace(before)


def said(compiled: sg.CompiledGrammar, state: sg.core.State) -> tuple[Any, ...]:
    """Return what a compiled grammar says of a state: masks, with budgets and without, counts, completion."""
    mask, rows, needed = sg.allocate_mask(1, compiled.vocab_size), [], compiled.tokens_to_finish(state)
    for budget in (needed, needed + 1, needed + 3):
        compiled.fill_within(state.index, mask, 0, budget)
        rows.append(mask.array.tobytes())
    expected = sorted((one.what, one.first) for one in compiled.expected(state))
    return (
        *(compiled.allowed(state), needed, compiled.completion(state), compiled.accepts_end(state), expected),
        *(compiled.next_bytes(state), rows),
    )


Answers = list[tuple[Any, ...]]


def walk(compiled: sg.CompiledGrammar, tokens: Sequence[int], states: list[sg.core.State]) -> Answers:
    """Return what a compiled grammar says before each token and behind the last; the states that were met are
    added to a list."""
    matcher, found = sg.Matcher(compiled), list[tuple[Any, ...]]()
    for token in (*tokens, None):
        states.append(matcher.state)
        found.append(said(compiled, matcher.state))
        if token is not None:
            matcher.advance(token)
    return found


def aside(compiled: sg.CompiledGrammar) -> list[list[int]]:
    """Return the masks along another way: what a cut call was about to make is made by nobody then."""
    state, found = compiled.start, []
    for _ in range(4):
        found.append(allowed := compiled.allowed(state))
        after = compiled.step(state, allowed[len(allowed) // 2])
        if after is None or after.is_finished:
            break
        state = after
    return found


class Trial:
    """What one case says, and cuts of it."""

    def __init__(self, name: str) -> None:
        self.case = CASES[name]
        walk(self.made(False), self.case.tokens, [])
        self.events = Events()
        with traced(self.events):
            self.expected = walk(self.made(sg.MaskStore()), self.case.tokens, [])
        self.beside = aside(self.made(False))

    def made(self, store: Any) -> sg.CompiledGrammar:
        return self.case.around(sg.compile(self.case.grammar(), TOKENIZER, store=store))

    def cut(
        self, *ats: Place, kind: type[BaseException] = Cut, is_new: bool = True, is_aside: bool = True
    ) -> str | None:
        """Cut walks at some places, one after another in one grammar; return what is wrong then: in the state
        that was reached last, along another way (`is_aside`), along the text, and in a new grammar of the
        store (`is_new`)."""
        store, held, states = sg.MaskStore(), None, list[sg.core.State]()
        where = ", ".join(f"{at.file[len(SOURCES) + 1 :]}:{at.line} {at.event} {at.turn}" for at in ats)
        for at in ats:
            reached = list[sg.core.State]()
            try:
                with traced(Events(at, kind)):
                    held = self.made(store) if held is None else held
                    walk(held, self.case.tokens, reached)
            except kind:
                pass
            states = reached if len(reached) > len(states) else states
        try:
            with traced(Calls(4 * self.events.calls)):
                last = len(states) - 1
                if states and not is_aside and said(states[-1].compiled, states[-1]) != self.expected[last]:
                    return f"{where}: the state {last} that was held"
                if held is not None and is_aside and aside(held) != self.beside:
                    return f"{where}: another way of the grammar that was held"
                if held is not None and walk(held, self.case.tokens, []) != self.expected:
                    return f"{where}: the grammar that was held"
                if is_new and walk(self.made(store), self.case.tokens, []) != self.expected:
                    return f"{where}: a new grammar in the store"
        except (Exception, Endless) as error:
            return f"{where}: {error!r:.200}"
        return None

    def places(self, per: int, chance: random.Random, where: Sequence[str] = ("",)) -> list[Place]:
        """Return places in some files: of each line, and of each return, the first time, the last, and others
        by chance."""
        found = dict[Place, None]()
        for (file, line, event), times in self.events.met.items():
            if any(one in file for one in where):
                turns = (1, times, *(chance.randint(1, times) for _ in range(per - 2)))
                found |= dict.fromkeys(Place(file, line, event, turn) for turn in turns[:per])
        return list(found)


PUBLISHED = (
    *(
        "lark_answers",
        "lark_completions",
        "lexer_tables",
        "contextual_lexer",
        "items_and_guards",
        "letters.py",
    ),
    *("forgetting", "growing_tables", "lexeme_tables", "text_costs", "token_counts", "rest_completions"),
    *(
        "numbered_text",
        "compiled_text",
        "step_table",
        "lexeme_rows",
        "part_ends",
        "scanning",
        "shortest_rests",
    ),
    *("parser_stacks", "narrowed_text", "forced_text", "mask_store"),
)
"""Files that write what compiled code and later calls read."""
QUICK = (
    "lark, letters",
    "nested",
    "special",
    "monitored",
    "forced",
    "read whole",
    "lark, forgotten",
    "lark, around",
    "lark, lines",
    "lark, bound",
    "parts",
)


@pytest.mark.parametrize("name", QUICK)
def test_a_text_that_was_cut_off_is_as_good_as_a_new_one(name: str) -> None:
    """Four lines or returns, drawn by chance; the slow test has all lines."""
    chance, trial = random.Random(name), Trial(name)
    for turn, at in enumerate(chance.sample(trial.places(2, chance, PUBLISHED), 4)):
        assert (
            trial.cut(
                at,
                kind=trial.case.kinds[turn % len(trial.case.kinds)],
                is_new=turn % 3 == 0,
                is_aside=turn % 2 == 0,
            )
            is None
        )


def test_what_compiled_code_reads_of_letters_is_written_at_once() -> None:
    """Lines of publications that were written piece by piece once, and ended in a segmentation fault."""
    trial, chance = Trial("lark, letters"), random.Random(1)
    places = trial.places(2, chance, ("lark_answers", "lexeme_tables", "lark_completions"))
    for at in chance.sample(places, 20):
        assert trial.cut(at, is_new=False, is_aside=False) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_cut_off_at_each_line_and_each_return(name: str) -> None:
    """Every line of structgen that is met: the first time, the last, and once by chance."""
    chance, trial, wrong = random.Random(name), Trial(name), list[str]()
    for turn, at in enumerate(trial.places(3, chance)):
        found = trial.cut(
            at,
            kind=trial.case.kinds[turn % len(trial.case.kinds)],
            is_new=turn % 4 == 0,
            is_aside=turn % 2 == 0,
        )
        wrong += [] if found is None else [found]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_cut_off_twice(name: str) -> None:
    """The second exception comes near the first, while what that has left is mended, or anywhere."""
    chance, trial, wrong = random.Random(name), Trial(name), list[str]()
    places = trial.places(3, chance, PUBLISHED)
    for at in chance.sample(places, min(100, len(places))):
        near = [one for one in places if one.file == at.file and abs(one.line - at.line) < 10]
        found = trial.cut(at, chance.choice(chance.choice((near, places))))
        wrong += [] if found is None else [found]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_cut_off_by_a_timer(name: str) -> None:
    """A signal's handler raises the exception, as Ctrl-C does, where no line begins too."""
    chance, trial, wrong = random.Random(name), Trial(name), 0

    def cut(_number: int, _frame: FrameType | None) -> None:
        raise Cut

    def walked(met: list[sg.CompiledGrammar], states: list[sg.core.State]) -> None:
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, spent))
            met.append(trial.made(store))
            walk(met[0], trial.case.tokens, states)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    before = signal.signal(signal.SIGALRM, cut)
    begun = time.perf_counter()
    walk(trial.made(False), trial.case.tokens, [])
    spent = time.perf_counter() - begun
    try:
        for _ in range(150):
            store, met, states = sg.MaskStore(), list[sg.CompiledGrammar](), list[sg.core.State]()
            with suppress(Cut):
                walked(met, states)
            wrong += bool(states) and said(met[0], states[-1]) != trial.expected[len(states) - 1]
            wrong += sum(walk(one, trial.case.tokens, []) != trial.expected for one in met)
            wrong += walk(trial.made(store), trial.case.tokens, []) != trial.expected
    finally:
        signal.signal(signal.SIGALRM, before)
    assert wrong == 0
