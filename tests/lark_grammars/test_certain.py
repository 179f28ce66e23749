"""Certain boundaries: a text goes on from every stack with the state on top, as the reader finds one; the
runs from which this follows are those of the plain saturation."""

from __future__ import annotations

import random
from pathlib import Path

import lark
import numpy as np
import pytest
from lark.indenter import PythonIndenter
from lark_grammars import JSON
from plain_saturation import PlainSaturation
from same_masks import bare, hold

import structgen as sg
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.liveness.letters import NOTHING
from structgen.lark_grammars.liveness.saturated_reader import SaturatedReader
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


def told(language: ContextualLanguage, found: list[ParserPlace]) -> list[tuple[bool, bool]]:
    """Return for each place whether its boundary is certain where nothing is owed, and whether a text goes
    on from there."""
    certain, top = language.certain(), language.reader.parser.top
    return [
        (bool(certain[top[one.stack], int(one.brackets > 0)] >> K.BETWEEN & 1), language.is_open(one))
        for one in found
    ]


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_text_goes_on_where_that_is_certain(name: str) -> None:
    language = GRAMMARS[name]().language(Limits())
    assert isinstance(language, ContextualLanguage)
    large = len(language.reader.tables.kernels) > 200
    found = told(language, places(language, 1, 8 if large else 30, 25))
    assert (True, False) not in found


@pytest.mark.parametrize(
    "name", ["JSON", "comments", "calls in blocks", "lark's Python", "our SQL", "nothing apart"]
)
def test_it_is_certain_wherever_a_text_goes_on(name: str) -> None:
    language = GRAMMARS[name]().language(Limits())
    assert isinstance(language, ContextualLanguage)
    found = told(language, places(language, 2, 12, 25))
    assert (True, True) in found
    assert (False, True) not in found


def test_nothing_is_certain_of_a_state_over_which_some_stack_is_dead() -> None:
    language = GRAMMARS["a lost end"]().language(Limits())
    assert isinstance(language, ContextualLanguage)
    assert (False, False) in told(language, places(language, 3, 30, 8))


def hold_runs(language: ContextualLanguage) -> None:
    """Assert that runs from each cell, where nothing is owed, end as the plain saturation says."""
    saturated = SaturatedReader(language.reader)
    letters = saturated.letters if saturated.is_exact else language._shortest_letters
    with language.budget:
        fast = saturated._saturated(letters, saturated._brackets)
        plain = PlainSaturation(language.reader.tables, letters, saturated._brackets)
        names = [*fast._numbers]
        for cell in np.flatnonzero(fast._arrays["cell_at"]).tolist():
            state, inside = saturated._brackets.state(cell), saturated._brackets.is_open(cell)
            context = int(language.reader.tables.context_of[state])
            bits = sum(1 << names.index(one) for one in fast._letters_at(context, inside, (NOTHING, 0)))
            found = {
                end: {name for at, name in enumerate(names) if rest >> at & 1}
                for end, rest in fast._ends_of(cell, bits).items()
            }
            assert found == {end: rest for end, rest in plain.ends(cell, NOTHING).items() if rest}, cell


@pytest.mark.parametrize("name", [one for one in GRAMMARS if one != "our SQL"])
def test_runs_end_as_the_plain_saturation_says(name: str) -> None:
    language = GRAMMARS[name]().language(Limits())
    assert isinstance(language, ContextualLanguage)
    hold_runs(language)


@pytest.mark.parametrize("seed", range(8, 20))
def test_runs_of_whatever_lark_builds(seed: int) -> None:
    hold_runs(built(random.Random(seed)))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_lark_builds(seed: int) -> None:
    """Of grammars drawn at random, with terminals that take the beginnings of others."""
    language = built(random.Random(seed))
    assert (True, False) not in told(language, places(language, seed, 12, 12))


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
    hold(plain, shown, tokenizer.encode(TEXTS[name].encode()))


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_known_ahead_is_what_is_found_later(name: str) -> None:
    ahead = CompiledLark(GRAMMARS[name](), BYTES, None, False)
    later = bare(GRAMMARS[name]()).language(Limits())
    assert isinstance(later, ContextualLanguage)
    assert np.array_equal(ahead._vocabulary_tables._certain, later.certain())


# inside brackets each "x" is one of `e`; outside one should be the line's, which `e` takes as well
OUTSIDE = r"""
start: line+
line: "ok" _NEWLINE | "(" e ")" _NEWLINE | e "x" _NEWLINE
e: N "x"*
N: "n"
_NEWLINE: /(\n[ \t]*)+/
%ignore " "
%declare _INDENT _DEDENT
"""
# an "a" behind "x" makes a C of it, which needs a "q"; a D needs the "a"
OTHER_SLOT = r"""
start: "ok" | D "a" "y" | C "q"
C.2: /x(?=a)/
D: /x/
"""
# the newline takes the blank with which X begins
TAKEN_BLANK = r"""
start: "ok" _NEWLINE | "n" _NEWLINE X
X: / x/
_NEWLINE: /(\n[ \t]*)+/
%ignore " "
%declare _INDENT _DEDENT
"""


@pytest.mark.parametrize(
    ("grammar", "dead", "lines"),
    [(OUTSIDE, "n", True), (OTHER_SLOT, "x", False), (TAKEN_BLANK, "n", True)],
    ids=["outside brackets", "another slot", "a blank"],
)
def test_a_byte_from_which_no_text_goes_on_is_refused(grammar: str, dead: str, lines: bool) -> None:
    made = sg.lark(grammar, postlex=PythonIndenter() if lines else None)
    compiled = CompiledLark(made, BYTES, None, False)
    allowed = bytes(token for token in compiled.allowed(compiled.start) if token < 256)
    assert b"o" in allowed
    assert dead.encode() not in allowed
