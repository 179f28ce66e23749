"""Ignored terminals that overlap and look ahead, beside terminals that do: all short texts, the completion of
each beginning, and masks, are held to lark."""

from __future__ import annotations

import contextlib
import random

import lark
import pytest
from for_each import for_each
from lark_reference import build, differences, language, takes, texts
from random_lark import Lines

import structgen as sg
from structgen.base.limits import Limits

LETTERS = "ab# \n"
MORE = [
    b"# ",
    b"#a",
    b"a#",
    b" #",
    b"##",
    b"a\n",
    b"\na",
    b"\n\n",
    b" a",
    b"a ",
    b"ab",
    b"b\n#",
    b"# a\n",
    b"#b#",
]
TOKENS: list[bytes | None] = [*(letter.encode() for letter in LETTERS), b"x", *MORE, None]
END = len(TOKENS) - 1
TOKENIZER = sg.Tokenizer.from_bytes(TOKENS, eos_token_id=END)

NAMED = {
    # an end that owes the text's end was taken for one that owes that or an "a", as behind NL both are alike
    "a comment that only the text's end ends": r"""
start: A+ NL
A: /a(?=b|\n| |\Z)/
NL: /\n(?=a|\Z)/
%ignore / (?!\Z)/
%ignore / (?=#)|#(?= )/
%ignore /#.*$/
""",
    "a comment that takes what must come": r"""
start: A B?
A: /ab?(?=b)|[ab]\Z/
B: /#/
%ignore I
I.1: /#.*| +?(?=.*b)/
""",
    "a line's end that an ignored one owes": r"""
start: (A|C)+ B
A.-1: /[ab]+?(?=\n#)|\n+/m
B: /\n(?! )/
C: /a*b/
%ignore /#.*$(?!\Z)/
""",
    "a break before what only ends": r"""
start: A B C?
A: /ab?(?=.*b)/
B.1: /(?:ab)+(?=a|\Z)|#(?=\s)/
C.-1: /[ab]+(?!.)/
%ignore /\n(?=a)/
""",
    "a break that wins": r"""
start: (A|C)+ B
A.1: /b+(?=[^a]*\Z)|[ab](?=\n#)/
B: /a(?!\n)|b(?=.)/
C.-1: /[^#](?!\Z)/
%ignore I
I.2: /(?!.)\n ?(?=\n#)/
""",
    # behind one ignored lexeme another one comes that owes more than was looked for
    "blanks behind a comment that gives them back": r"""
start: A
A: /(?=a|\Z)a\n?/
%ignore /#.*(?=\s)/
%ignore / +?(?=a)/
""",
    "comments inside comments": r"""
start: A B?
A.1: /(?!$)[ab]|[ab]\Z/
B.1: /(?=#.*$)a/
%ignore /#[^\n]*(?=.*b)/
%ignore /#.*(?=#.*$)| *#(?=.)/
""",
    "a comment that gives back its last blank": r"""
start: A (B A)*
A: /a*b(?=.+$)/
B: /#a(?!$)|b+(?!.)/
%ignore /#[^b]*(?= )/
%ignore / #| /
""",
    "a comment that itself comes again": r"""
start: (A|B)+
A.1: /\n+|b/
B: /a/
%ignore /#(?!\s)|#.*(?=#)/
""",
    "three that begin alike": r"""
start: A* B
A.-1: /a*b(?=\n)/
B: /ab?/
%ignore /#(?=.+$)|(?=\n) +(?=.*b)/
%ignore /\Z[ #](?!$)/
%ignore / #| (?=.*b)/
""",
}

LINES = {
    # a newline behind what is owed has one width alone, or a proof that begins without its column
    "a name that looks over its line's end": r"""
start: (A NL)+
A: /(?!\n\Z)a#?(?=\n#)|ab?/
NL: /(\n *)+/
%ignore / +/
%ignore /#.*/
""",
    "an ignored one that looks over its line's end": r"""
start: x* A NL
x: A NL (INDENT B NL DEDENT)?
A: /a#?/
B.1: /#(?!.*b)|#/
NL: /(\n *)+(?=\S|\Z)/
%ignore /[ #]+(?=\n#)/
""",
    "two names of which one looks over the line's end": r"""
start: A* A NL
A: /a+(?=\n#)|#/
NL: /(\n *)+/
%ignore /#(?!\n)/
%ignore /#\Z/
""",
    "a comment in a newline, and outside": r"""
start: (A NL)+
A: /a#?(?!$)|a+/
NL: /(\n *(#[^\n]*)?)+/
%ignore /#/
%ignore / *#[^\n]*\n?/
""",
    "a newline that must be behind its own": r"""
start: (A NL)+
A.1: /#|a+(?=.+$)/
NL: /\n *(?=[ab]|$)/
%ignore /#\n(?!\n\Z)/
""",
    "a comment of nothing that must end": r"""
start: A NL? B? (A NL)*
A.1: /ab?|(?=a)#/
B: /b/
NL: /(\n *(#[^\n]*)?)+/
%ignore / (?=$)/
""",
    "a block behind a comment": r"""
start: x+
x: A NL INDENT x+ DEDENT | B NL
A: /b(?=a)|a#?(?=\n#)/
B.1: /a+(?=\n#)/
NL: /(\n *)+/
%ignore /# ?/
""",
}
BLOCKS = 'OPEN: "("\nCLOSE: ")"\n%declare INDENT DEDENT\n'

_AHEAD = (
    "(?=a)", "(?=b)", "(?= )", "(?=#)", r"(?=\n)", r"(?=\n|\Z)", r"(?=a|\Z)", r"(?=b|\n| |\Z)", "(?! )",
    "(?!a)", r"(?!\Z)", r"(?!\n)", r"(?!#|\Z)", "(?!.)", "(?=.)", r"\Z", "$", "(?=$)", "(?!$)", "(?=.*b)",
    "(?!.*b)", r"(?=[^a]*\Z)", "(?=.+$)", r"(?!\n\Z)", r"(?=\s)", r"(?!\s)", "(?=#.*$)", r"(?=\n#)",
)  # fmt: skip
_READ = (
    "a", "b", "a+", "b+", "ab?", "[ab]", "[ab]+", "a*b", "#", "#a", r"\n", r"\n+", "a b", "[ab]+?", "[^#]",
    r"a\n?", "(?:ab)+",
)  # fmt: skip
_IGNORED = (
    " ", "#", "# ?", " +", r"\s", r"\s+", "#.*", "#.*$", r"#[^\n]*", "[ #]", "[ #]+", r"\n", "#[^b]*", " #| ",
    r"\n ?", r"\n+", " *#", "(?: #)+", r"#.*\n?", " +?", "#(?:.*a)?",
)  # fmt: skip
_STARTS = (
    "A+ B", "(A|B)+", "A (B A)*", "(A B)+", "A* B", "A B?", "x+", "x B", "(A | B A)+", "A B A", "B A+ B?",
    "(A C)+", "A C B?", "(A|C)+ B", "A C* B", "A B C?", 'A "b" B', 'A "#" B?', '(A "a")+', 'x "a"', "A",
)  # fmt: skip
_RULES = ("A B", "A | B A", "A C", "B", "A x | B", '"#" x | A', '"b" A B')


def drawn(seed: int) -> str:
    """Return a random grammar that lark builds, and of which it takes a text of up to three letters."""
    source = random.Random(f"ignored {seed}")

    def pattern(read: tuple[str, ...]) -> str:
        ways = []
        for _ in range(source.choice((1, 1, 1, 2))):
            before, behind = source.random() < 0.15, source.random() < 0.6
            way = (source.choice(_AHEAD) if before else "") + source.choice(read)
            ways.append(way + (source.choice(_AHEAD) if behind else ""))
        return f"/{'|'.join(ways)}/{source.choice(('',) * 8 + ('m', 's'))}"

    while True:
        lines = [f"start: {source.choice(_STARTS)}", f"x: {source.choice(_RULES)}"]
        lines += [f"{name}{source.choice(('', '', '', '.1', '.-1'))}: {pattern(_READ)}" for name in "ABC"]
        for number in range(source.randint(1, 3)):
            name = f"I{number}{source.choice(('', '', '', '.1', '.-1'))}"
            lines += [f"{name}: {pattern(_IGNORED)}", f"%ignore I{number}"]
        text = "\n".join(lines) + "\n"
        with contextlib.suppress(lark.exceptions.LarkError):
            reference = build(text)
            if any(takes(reference, one) for one in texts(LETTERS, 3)):
                return text


def hold(grammar: str, longest: int, **options: object) -> None:
    """Hold texts of so many letters, completions, counts and masks to lark."""
    source = sg.lark(grammar, **options)  # type: ignore[arg-type]
    ours = source.language(Limits(oracle_steps=200_000))
    assert differences(build(grammar, **options), ours, LETTERS, longest) == [], grammar
    compiled = sg.compile(source, TOKENIZER, store=False)
    pending = [compiled.start]
    met = set(pending)
    for state in pending:  # the list grows meanwhile
        further = {one: compiled.step_bytes(state, text) for one, text in enumerate(TOKENS) if text}
        live = [one for one, to in further.items() if to is not None]
        assert compiled.allowed(state) == live + [END] * compiled.accepts_end(state), grammar
        rest, most = compiled.completion(state), compiled.tokens_to_finish(state)
        assert -(-len(rest) // 4) <= most <= len(rest), grammar  # a token has at most four bytes
        fresh = [further[one] for one in range(len(LETTERS))]
        more = {one for one in fresh if one is not None and len(met) < 20} - met
        met |= more
        pending += sorted(more, key=lambda one: one.index)


@for_each("name", NAMED)
def test_named_grammars_are_larks(name: str) -> None:
    hold(NAMED[name], 4)


@for_each("name", LINES)
def test_named_grammars_of_lines_are_larks(name: str) -> None:
    hold(LINES[name] + BLOCKS, 4, postlex=Lines())


@for_each("seed", range(8))
def test_random_grammars_are_larks(seed: int) -> None:
    with contextlib.suppress(sg.errors.LimitError):
        hold(drawn(seed), 3)


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(20))
def test_many_random_grammars_are_larks(hundred: int) -> None:
    for seed in range(100 * hundred + 8, 100 * hundred + 108):
        with contextlib.suppress(sg.errors.LimitError):
            hold(drawn(seed), 4)


def test_a_terminal_that_only_a_long_ignored_lexeme_makes_possible_is_met() -> None:
    grammar = "start: A B\nA: /a/\nB: /(?<=q)b/\n%ignore /#[ab]{350}q|#c/\n"
    ours = language(grammar)
    whole = bytes(ours.shortest_rest(ours.start())).decode()
    assert len(whole) == 354 and takes(build(grammar), whole)
