"""What is sure behind a parser's state: a text goes on from every stack with it on top, as the reader finds
one, and masks with it are those without."""

from __future__ import annotations

import random
from pathlib import Path

import lark
import numpy as np
import pytest
import sure_states as slow
from lark.indenter import PythonIndenter
from lark_grammars import JSON
from same_masks import bare, hold

import structgen as sg
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.liveness.certified_states import CertifiedStates
from structgen.lark_grammars.masks.compiled_lark import CompiledLark
from structgen.lark_grammars.parser.lalr_parser import ParserPlace
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.limits import Limits
from structgen.system import resources

BYTES = sg.Tokenizer.from_bytes([bytes([byte]) for byte in range(256)] + [None], eos_token_id=256)
PYTHON = Path(lark.__file__).parent / "grammars" / "python.lark"

# behind `a` the lexer takes a `b`, too: none is left for B
SWALLOWED = 'start: A B | "c" A ";"\nA: /a+( *b)?/\nB: "b"\n%ignore " "\n'
# nothing is ignored: nothing keeps lexemes apart
APART = 'start: (A ";")+\nA: /a+/\n'
# LALR merges what may follow `e`, and lark shifts: behind `n` an `x` is lost, and the plan goes on with one
LOST = 'start: "(" e "x" | "[" e | e\ne: N | N "x"\nN: "n"\n%ignore " "\n'
# lark takes each `x` for one of `e`: what began with a bracket never ends
ENDLESS = 'start: "(" e "x" | "[" e | e\ne: N "x"+\nN: "n"\n%ignore " "\n'
# brackets in which lines do not end
CALLS = r"""
start: statement+
statement: "if" (NAME | "(" value ")") ":" block | "return" [NAME] _NEWLINE | value _NEWLINE
value: NAME ["(" [value ("," value)*] ")"]
block: _NEWLINE _INDENT statement+ _DEDENT
NAME: /[a-z]\w*/
_NEWLINE: /(\n[ \t]*)+/
%ignore " "
%declare _INDENT _DEDENT
"""
# a comment that is not closed is a division, and what follows it is read as one meanwhile
COMMENTS = r"""
start: (e ";")*
?e: t | e "+" t | e "-" t
?t: f | t "*" f | t "/" f
?f: NAME | "(" e ")" | "*" f
COMMENT: /\/\*(.|\n)*?\*\//
%import common.CNAME -> NAME
%ignore " "
%ignore COMMENT
"""
GRAMMARS = {
    "JSON": lambda: sg.lark(JSON),
    "comments": lambda: sg.lark(COMMENTS),
    "swallowed": lambda: sg.lark(SWALLOWED),
    "nothing apart": lambda: sg.lark(APART),
    "a lost action": lambda: sg.lark(LOST),
    "a lost end": lambda: sg.lark(ENDLESS),
    "calls in blocks": lambda: sg.lark(CALLS, postlex=PythonIndenter()),
    "lark's Python": lambda: sg.lark(PYTHON, start="file_input", postlex=PythonIndenter()),
    "our Python": lambda: sg.lark(resources.grammar("python"), postlex=PythonIndenter()),
    "our SQL": lambda: sg.lark(resources.grammar("sql")),
}
KNOWN = {
    "JSON": 1.0,
    "comments": 1.0,
    "a lost action": 1.0,
    "lark's Python": 0.85,
    "our Python": 0.5,
    "our SQL": 0.99,
}
"""What part of the states is known to be sure."""


def sure_of(language: ContextualLanguage) -> np.ndarray:
    """Return what is sure by plans that hold with what the search has asked of the lexer."""
    while True:
        found = CertifiedStates(language.reader.tables, language.completion_of, language.separability).find()
        if not language.outdated():
            return found


def places(language: ContextualLanguage, seed: int, walks: int, steps: int) -> list[ParserPlace]:
    """Return places that the parser comes to by terminals drawn at random."""
    parser, tables, source = language.reader.parser, language.reader.tables, random.Random(seed)
    found: dict[ParserPlace, None] = {parser.start(): None}
    for _ in range(walks):
        place = parser.start()
        for _ in range(steps):
            context = tables.contexts[int(tables.context_of[parser.top[place.stack]])]
            wanted = [one for one in context.terminals if one not in tables.ignored]
            source.shuffle(wanted)
            columns = [*range(place.widths[-1] + 3)]
            read = (parser.read(place, one, source.choice(columns)) for one in wanted)
            after = next((one for one in read if one is not None), None)
            if after is None:
                break
            place = after
            found[place] = None
    return list(found)


def stack_of(language: ContextualLanguage, place: ParserPlace) -> list[int]:
    parser, here = language.reader.parser, place.stack
    states = []
    while here >= 0:
        states.append(parser.top[here])
        here = parser.below[here]
    return states


def wrongly_sure(language: ContextualLanguage, found: list[ParserPlace]) -> list[ParserPlace]:
    """Return places that are said to be sure, from which no text goes on."""
    sure = sure_of(language)
    wrong = []
    for place in found:
        stack = stack_of(language, place)
        if (sure[stack] & K.EXCLUDING).any():
            continue
        if sure[stack[0]] & K.CERTIFIED_SEPARATED and not language.is_open(place):
            wrong.append(place)
    return wrong


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_text_goes_on_from_each_stack_with_a_sure_state(name: str) -> None:
    language = GRAMMARS[name]().language(Limits())
    assert isinstance(language, ContextualLanguage)
    large = len(language.reader.tables.kernels) > 200
    assert not wrongly_sure(language, places(language, 1, 8 if large else 30, 25))


def is_found_in_sets(language: ContextualLanguage) -> bool:
    """Return whether what is sure is what the slow search finds."""
    found = sure_of(language)
    return (
        slow.CertifiedStates(language.reader.tables, language.completion_of, language.separability)
        .find()
        .tolist()
        == found.tolist()
    )


@pytest.mark.parametrize("name", GRAMMARS)
def test_what_is_sure_is_what_the_slow_search_finds(name: str) -> None:
    language = GRAMMARS[name]().language(Limits())
    assert isinstance(language, ContextualLanguage)
    assert is_found_in_sets(language)


@pytest.mark.parametrize("seed", range(8, 20))
def test_what_the_slow_search_finds_of_whatever_lark_builds(seed: int) -> None:
    assert is_found_in_sets(built(random.Random(seed)))


@pytest.mark.parametrize("name", KNOWN)
def test_most_states_are_sure(name: str) -> None:
    language = GRAMMARS[name]().language(Limits())
    sure = sure_of(language)
    assert (sure & K.CERTIFIED_SEPARATED > 0).mean() >= KNOWN[name]


@pytest.mark.parametrize("name", ["swallowed", "nothing apart", "a lost end"])
def test_a_state_whose_plan_fails_is_not_sure(name: str) -> None:
    language = GRAMMARS[name]().language(Limits())
    assert not (sure_of(language) & K.CERTIFIED_SEPARATED).all()


@pytest.mark.parametrize("seed", range(8))
def test_whatever_lark_builds(seed: int) -> None:
    """Of grammars drawn at random, with terminals that take the beginnings of others."""
    language = built(random.Random(seed))
    assert not wrongly_sure(language, places(language, seed, 12, 12))


def built(source: random.Random) -> ContextualLanguage:
    """Return the language of a grammar drawn at random that lark builds, and that has a text."""
    while True:
        try:
            language = sg.lark(drawn(source)).language(Limits(oracle_steps=20_000))
            language.start()
        except sg.StructgenError:
            continue
        assert isinstance(language, ContextualLanguage)
        return language


def drawn(source: random.Random) -> str:
    """Draw a grammar of some rules; lark need not build it."""
    symbols = ["A", "B", '"("', '")"', '"a"', "x", "y", "start"]
    lines = []
    for rule in ("start", "x", "y"):
        ways = (
            " ".join(
                source.choice(symbols) + source.choice(["", "", "", "?", "*"])
                for _ in range(source.randrange(1, 4))
            )
            for _ in range(source.randrange(1, 4))
        )
        lines.append(f"{rule}: {' | '.join(ways)}")
    lines.append(f"A: {source.choice(['/a+/', '/a+b?/', '/ab?/', '/a(?=b)/', '/[ab]+/'])}")
    lines.append(f"B: {source.choice(['/b+/', '/ab/', '/b/', '/ba?/'])}")
    return "\n".join([*lines, '%ignore " "', ""])


TEXTS = {
    "JSON": '{"a": [1, -2.5e+3, "x"], "b": {}}',
    "comments": "a + b /* foo */ * c; x",
    "calls in blocks": "if (a):\n    f(a,\n  b)\n    if b:\n        return\nreturn iffy\n",
    "lark's Python": "class A:\n\tdef f(self):  # note\n\t\treturn {1: [2, (3)]}\nx = 1\n",
    "our Python": "match x:\n    case [1, y]:\n        f(f'{y}')\nfor x in y:\n    pass\n",
    "our SQL": "SELECT a, count(*) FROM t WHERE x = 'y' AND b IN (1, 2);",
}


@pytest.mark.parametrize("name", TEXTS)
def test_masks_are_the_same(name: str) -> None:
    tokenizer = sg.Tokenizer.from_huggingface(Path(__file__).parents[1] / "data" / "bpe" / "tokenizer.json")
    plain = CompiledLark(bare(GRAMMARS[name]()), tokenizer, None, False)
    shown = CompiledLark(GRAMMARS[name](), tokenizer, None, False)
    assert shown._vocabulary_tables.knows_certified
    assert not plain._vocabulary_tables.knows_certified
    hold(plain, shown, tokenizer.encode(TEXTS[name].encode()))


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_known_ahead_is_what_is_found_later(name: str) -> None:
    grammars = bare(GRAMMARS[name]()), GRAMMARS[name]()
    later, ahead = (CompiledLark(one, BYTES, None, False) for one in grammars)
    later._answers.certify_states()
    assert np.array_equal(later._vocabulary_tables._certified, ahead._vocabulary_tables._certified)
    asked = later._vocabulary_tables._separability != K.SEPARABLE_UNKNOWN
    assert asked.any()
    assert np.array_equal(
        later._vocabulary_tables._separability[asked], ahead._vocabulary_tables._separability[asked]
    )
    states = range(len(ahead._vocabulary_tables._certified))
    assert [later._vocabulary_tables.plan(one) for one in states] == [
        ahead._vocabulary_tables.plan(one) for one in states
    ]
