"""Lark grammars held to lark: texts, masks, counts, budgets, cursors and kept masks; some had traps, others
are drawn at random.

A token is allowed exactly where a text that lark accepts goes on so.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import lark
import pytest
from for_each import for_each
from lark_reference import build, differences, takes, texts
from random_lark import Lines, drawn

import structgen as sg
from structgen.base.limits import Limits
from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark

MORE = [
    b"ab", b"ba", b"aa", b"bb", b"abc", b"bc", b"c ", b" a", b"a b", b"(a", b"a)", b"((", b"))", b"a+", b"+a",
    b'"a', b'a"', b'"b"', b"a\n", b"\n ", b"\n  ", b"\n\n", b"\n a", b"b\n ", b"\n\n ", b"aab", b"abab",
    b"\xc3", b"\xa9", b"\xc3\xa9a", b"a\xc3", b"if", b" if", b"a i", b"- ", b"-i",
]  # fmt: skip
TOKENS: list[bytes | None] = [*(bytes((byte,)) for byte in range(256)), *MORE, None]
END = len(TOKENS) - 1
TERMINALS = 'OPEN: "("\nCLOSE: ")"\n%declare INDENT DEDENT\n'
BLANKS = 'x: W NL | W ":" NL INDENT x+ DEDENT\nW: "c"\nNL: /(\\n *)+/\n%ignore /\\s+/\n'
NAMED = {
    "ordered choice": ('start: X "b"\nX: /a|ab/\n', "ab", 7),
    "width": ('start: A "c" | B\nA: /a{1,5}/\nB: /ab/\n', "abc", 7),
    "keywords": ('start: ("ab" N | N "c")+\nN: /[ab]+/\n%ignore " "\n', "abc ", 5),
    "an ignored keyword": ('start: N+\nN: /[abc]+/\n%ignore "ab"\n%ignore " "\n', "abc ", 5),
    "an expression": ('start: start "+" t | t\nt: "a" | "(" start ")"\n', "a+()", 5),
    "strings lazily ended": ('start: S+\nS: /"(a|b|c)*?"/\n', 'ab"', 7),
    "a look-ahead": ('start: (A | "b" | "c")+\nA: /a(?=b|.c)/\n', "abc", 6),
    "a look-behind": ('start: ("a" | B | "c")+\nB: /(?<!a)b/ | /(?<=ac)b/\n', "abc", 6),
    "an undecided tail": ('start: A ("b" | "c")* "("?\nA: /a(?:bbc)?/\n', "abc(", 6),
    "lines": ('start: (A "\\n")+\nA: /^a+/m\n%ignore " "\n', "a \n", 7),
    "letters of two bytes": ('start: ("é" "a" | /é+b/)+\n', "éab", 5),
    "complete on the way": ('start: A? "a"? "b" | A A? |\nA: "cc"\n%ignore /b+/\n', "abc", 5),
    "merged look-ahead": ('start: "(" e X | "a" e Y\ne: "b"\nX: /c/\nY: /c{1,3}/\n', "(abc", 5),
    "a word behind what is ignored": ('start: "a"+ /\\bif\\b/\n%ignore " "\n', "aif ", 5),
    "a word behind ignored runs": ('start: ("a" | "-")+ /\\bif\\b/ "a"*\n%ignore / +/\n', "aif- ", 5),
    "a comment": ("start: A+\nA: /a/\n%ignore /#[^\\n]*/\n", "a#\n", 7),
    "a comment of any characters": ("start: A+\nA: /a/\n%ignore /#.*/\n", "a#\n", 7),
    "a comment behind blanks": ("start: A+\nA: /a/\n%ignore / *#[^\\n]*/\n", "a #\n", 6),
    "comments of two kinds": ("start: A+\nA: /a/\n%ignore /#[^\\n]*|;.*/\n", "a#;\n", 6),
    "blanks that take a line's end": (f"start: x+\n{BLANKS}{TERMINALS}", "c\n :", 6),
    "lines that end where they are indented": (
        f'start: NL INDENT x+ DEDENT\nx: "a" NL\nNL: /\\n+ */\n{TERMINALS}', "a\n ", 6,
    ),
    "an indentation that no rule has": (
        f'start: x+\nx: "a" NL? | OPEN x CLOSE\nNL: /(\\n *)+/\n{TERMINALS}', "a\n ()", 5,
    ),
    "blocks": (f'start: x+\nx: "a" NL | "b" NL INDENT x+ DEDENT\nNL: /(\\n *)+/\n{TERMINALS}', "ab\n ", 6),
    "brackets": (
        f'start: x\nx: "a" | OPEN NL* x CLOSE | "b" NL INDENT x NL? DEDENT\nNL: /(\\n *)+/\n{TERMINALS}',
        "ab\n ()", 5,
    ),
    "blocks and look-aheads": (
        f'start: x+\nx: "a" NL | "b" NL INDENT x+ DEDENT\nNL: /(\\n *(?=[ab\\n]|$))+/\n{TERMINALS}',
        "ab\n ", 5,
    ),
}  # fmt: skip
"""Grammars with their letters, and how many letters the texts have of which lark is asked."""
LONGEST = {3: 6, 4: 5, 5: 4, 6: 4}
"""Letters of an alphabet -> letters of the texts, for grammars drawn at random."""
DRAWN = [(family, seed) for family in ("plain", "looks", "lines") for seed in range(4)]
MANY = [
    (family, range(first, first + 20))
    for family in ("plain", "looks", "lines")
    for first in range(4, 404, 20)
]


class Subject(NamedTuple):
    """A grammar, as lark has it and as we have it, and what lark says of all short texts."""

    text: str
    options: dict[str, Any]
    letters: str
    longest: int
    reference: lark.Lark
    accepted: frozenset[bytes]
    beginnings: list[bytes]
    """Of the accepted texts, short ones first."""

    def grammar(self) -> sg.LarkGrammar:
        return sg.lark(self.text, **self.options)

    def compiled(self) -> sg.CompiledGrammar:
        return sg.compile(self.grammar(), TOKENIZER, store=False)

    def takes(self, text: bytes) -> bool:
        return takes(self.reference, text.decode())


TOKENIZER = sg.Tokenizer.from_bytes(TOKENS, eos_token_id=END)


def subject(text: str, letters: str, longest: int, options: dict[str, Any], reference: lark.Lark) -> Subject:
    accepted = frozenset(one.encode() for one in texts(letters, longest) if takes(reference, one))
    beginnings = {one[:size] for one in accepted for size in range(len(one) + 1)}
    return Subject(text, options, letters, longest, reference, accepted, sorted(beginnings, key=len))


@cache
def named(name: str) -> Subject:
    text, letters, longest = NAMED[name]
    options = {"postlex": Lines()} if "INDENT" in text else {}
    return subject(text, letters, longest, options, build(text, **options))


@cache
def random_subject(family: str, seed: int) -> Subject:
    one = drawn(family, seed)
    return subject(one.text, one.alphabet, LONGEST[len(one.alphabet)], one.options, one.reference)


def after(compiled: sg.CompiledGrammar, text: bytes) -> sg.core.State:
    state = compiled.step_bytes(compiled.start, text)
    assert state is not None, text
    return state


def texts_are_those_of_lark(one: Subject, chance: random.Random) -> None:
    ours = one.grammar().language(Limits(oracle_steps=40_000))
    assert differences(one.reference, ours, one.letters, 5 if len(one.letters) < 5 else 4) == []


def masks_are_exact(one: Subject, chance: random.Random) -> None:
    compiled, beginnings = one.compiled(), set(one.beginnings)
    for read in [read for read in one.beginnings if len(read) <= one.longest - 2][:80]:
        state = after(compiled, read)
        allowed = set(compiled.allowed(state))
        assert (END in allowed) == state.is_complete == (read in one.accepted), read
        for token, text in enumerate(TOKENS[:-1]):
            assert text is not None
            if read + text in beginnings:
                assert token in allowed, (read, text)
            elif token in allowed:
                then = compiled.step(state, token)
                assert then is not None
                assert one.takes(read + text + compiled.completion(then)), (read, text)
            else:
                assert compiled.step(state, token) is None, (read, text)


def some_allowed_token_lowers_the_count(one: Subject, chance: random.Random) -> None:
    compiled = one.compiled()
    for read in one.beginnings[:60]:
        state = after(compiled, read)
        cost = compiled.tokens_to_finish(state)
        assert (cost == 0) == (read in one.accepted), read
        if cost:
            then = [compiled.step(state, token) for token in compiled.allowed(state)]
            assert any(other is not None and compiled.tokens_to_finish(other) < cost for other in then), read


def a_budget_allows_what_can_still_be_completed(one: Subject, chance: random.Random) -> None:
    compiled, mask = one.compiled(), sg.allocate_mask(1, len(TOKENS))
    for _ in range(6):
        matcher, text = sg.Matcher(compiled), b""
        left = matcher.tokens_to_finish() + chance.randrange(6)
        token = 0
        while left and token != END:
            matcher.fill_mask(mask, budget=left)
            allowed, wanted = mask.allowed().tolist(), []
            for token in compiled.allowed(matcher.state):
                then = None if token == END else compiled.step(matcher.state, token)
                if token == END or (then is not None and compiled.tokens_to_finish(then) < left):
                    wanted.append(token)
            assert allowed == wanted
            token = chance.choice(allowed)
            if token != END:
                matcher.advance(token)
                text, left = text + (TOKENS[token] or b""), left - 1
        assert matcher.is_complete and one.takes(text), text


def rollback_and_forks_lead_to_the_same_masks(one: Subject, chance: random.Random) -> None:
    compiled = one.compiled()
    for _ in range(6):
        matcher, taken = sg.Matcher(compiled), list[int]()
        masks = [compiled.allowed(matcher.state)]
        while len(taken) < 8 and (plain := [token for token in masks[-1] if token != END]):
            taken.append(chance.choice(plain))
            matcher.advance(taken[-1])
            masks.append(compiled.allowed(matcher.state))
        back = chance.randrange(len(taken) + 1)
        forked = matcher.fork()
        matcher.rollback(back)
        assert compiled.allowed(matcher.state) == masks[len(taken) - back]
        assert compiled.allowed(forked.state) == masks[-1]
        for token in taken[len(taken) - back :]:
            matcher.advance(token)
        assert matcher.state == forked.state


def masks_that_were_kept_are_those_of_a_new_grammar(one: Subject, chance: random.Random) -> None:
    def masks(compiled: sg.CompiledGrammar, read: list[bytes]) -> list[list[int]]:
        return [compiled.allowed(after(compiled, text)) for text in read]

    def some(count: int) -> list[bytes]:
        return chance.sample(one.beginnings, min(count, len(one.beginnings)))

    with tempfile.TemporaryDirectory() as folder:
        store = sg.MaskStore(path=Path(folder))
        first = sg.compile(one.grammar(), TOKENIZER, store=store)
        masks(first, some(4))
        second = CompiledLark(one.grammar(), TOKENIZER, None, sg.MaskStore(path=Path(folder)))
        asked = some(10)
        assert masks(second, asked) == masks(one.compiled(), asked)


LAWS = (
    texts_are_those_of_lark,
    masks_are_exact,
    some_allowed_token_lowers_the_count,
    a_budget_allows_what_can_still_be_completed,
    rollback_and_forks_lead_to_the_same_masks,
    masks_that_were_kept_are_those_of_a_new_grammar,
)
Law = Callable[[Subject, random.Random], None]


@pytest.mark.parametrize("law", LAWS[1:], ids=lambda law: law.__name__)
@for_each("name", NAMED)
def test_named_grammars_obey(law: Law, name: str) -> None:
    law(named(name), random.Random(name))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@for_each(("family", "seed"), DRAWN)
def test_random_grammars_obey(law: Law, family: str, seed: int) -> None:
    with contextlib.suppress(sg.errors.LimitError):
        law(random_subject(family, seed), random.Random(seed))


@pytest.mark.slow
@pytest.mark.parametrize(("family", "seeds"), MANY)
def test_random_grammars_obey_whole(family: str, seeds: range) -> None:
    for seed in seeds:
        one = random_subject.__wrapped__(family, seed)
        for law in LAWS:
            with contextlib.suppress(sg.errors.LimitError):
                law(one, random.Random(seed))
