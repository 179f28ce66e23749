"""Masks of Lark grammars, held to lark: a token is allowed exactly where a text that lark accepts goes on so;
counts, budgets, rollback and forks; and grammars made at random."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Set
from functools import cache
from pathlib import Path

import lark
import pytest
from for_each import for_each
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lark_reference import build, differences, takes, texts

import structgen as sg
from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.limits import Limits

MORE = [
    b"ab", b"ba", b"aa", b"bb", b"abc", b"bc", b"c ", b" a", b"a b", b"(a", b"a)", b"((", b"))", b"a+", b"+a",
    b'"a', b'a"', b'"b"', b"a\n", b"\n ", b"\n\n ", b"aab", b"abab", b"\xc3", b"\xa9", b"\xc3\xa9a", b"a\xc3",
]  # fmt: skip
TOKENS: list[bytes | None] = [*(bytes((byte,)) for byte in range(256)), *MORE, None]
END = len(TOKENS) - 1

GRAMMARS = {
    "ordered choice": ('start: X "b"\nX: /a|ab/\n', "ab", 7),
    "width": ('start: A "c" | B\nA: /a{1,5}/\nB: /ab/\n', "abc", 7),
    "keywords": ('start: ("ab" N | N "c")+\nN: /[ab]+/\n%ignore " "\n', "abc ", 6),
    "an ignored keyword": ('start: N+\nN: /[abc]+/\n%ignore "ab"\n%ignore " "\n', "abc ", 6),
    "an expression": ('start: start "+" t | t\nt: "a" | "(" start ")"\n', "a+()", 6),
    "strings lazily ended": ('start: S+\nS: /"(a|b|c)*?"/\n', 'ab"', 7),
    "a look-ahead": ('start: (A | "b" | "c")+\nA: /a(?=b|.c)/\n', "abc", 6),
    "a look-behind": ('start: ("a" | B | "c")+\nB: /(?<!a)b/ | /(?<=ac)b/\n', "abc", 6),
    "an undecided tail": ('start: A ("b" | "c")* "("?\nA: /a(?:bbc)?/\n', "abc(", 6),
    "lines": ('start: (A "\\n")+\nA: /^a+/m\n%ignore " "\n', "a \n", 7),
    "letters of two bytes": ('start: ("é" "a" | /é+b/)+\n', "éab", 5),
    "complete on the way": ('start: A? "a"? "b" | A A? |\nA: "cc"\n%ignore /b+/\n', "abc", 5),
    "merged look-ahead": ('start: "(" e X | "a" e Y\ne: "b"\nX: /c/\nY: /c{1,3}/\n', "(abc", 6),
}


@cache
def _tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_bytes(TOKENS, eos_token_id=END)


@cache
def _built(name: str) -> tuple[lark.Lark, sg.CompiledGrammar, frozenset[bytes], frozenset[bytes]]:
    """Return lark's parser, ours, the accepted texts up to a length, and their beginnings."""
    grammar, alphabet, longest = GRAMMARS[name]
    reference = build(grammar)
    accepted = frozenset(text.encode() for text in texts(alphabet, longest) if takes(reference, text))
    beginnings = frozenset(text[:size] for text in accepted for size in range(len(text) + 1))
    return reference, sg.compile(sg.lark(grammar), _tokenizer(), store=False), accepted, beginnings


def _takes(reference: lark.Lark, text: bytes) -> bool:
    return takes(reference, text.decode())


def _after(compiled: sg.CompiledGrammar, text: bytes) -> sg.core.State:
    state = compiled.start
    for byte in text:
        after = compiled.step(state, byte)
        assert after is not None, text
        state = after
    return state


@for_each("name", GRAMMARS)
def test_a_token_is_allowed_exactly_where_an_accepted_text_goes_on_so(name: str) -> None:
    reference, compiled, accepted, beginnings = _built(name)
    _grammar, _alphabet, longest = GRAMMARS[name]
    for read in sorted(beginnings, key=len):
        if len(read) > longest - 3:
            break
        state = _after(compiled, read)
        allowed = set(compiled.allowed(state))
        assert (END in allowed) == state.is_complete == (read in accepted), read
        for token, text in enumerate(TOKENS):
            if text is None:
                continue
            if read + text in beginnings:
                assert token in allowed, (read, text)
            elif token in allowed:
                after = compiled.step(state, token)
                assert after is not None
                assert _takes(reference, read + text + compiled.completion(after)), (read, text)
            else:
                assert compiled.step(state, token) is None, (read, text)


@for_each("name", GRAMMARS)
def test_some_allowed_token_lowers_the_count(name: str) -> None:
    _reference, compiled, accepted, beginnings = _built(name)
    _hold_counts(compiled, accepted, sorted(beginnings, key=len)[:60])


def _hold_counts(compiled: sg.CompiledGrammar, accepted: Set[bytes], beginnings: list[bytes]) -> None:
    for read in beginnings:
        state = _after(compiled, read)
        cost = compiled.tokens_to_finish(state)
        assert (cost == 0) == (read in accepted), read
        if cost:
            after = [compiled.step(state, token) for token in compiled.allowed(state)]
            assert any(one is not None and compiled.tokens_to_finish(one) < cost for one in after), read


@for_each("name", GRAMMARS)
def test_a_budget_allows_what_can_still_be_completed_within_it(name: str) -> None:
    reference, compiled, _accepted, _beginnings = _built(name)
    source = random.Random(name)
    for _ in range(12):
        text = _walked_within(compiled, source)
        assert _takes(reference, text), text


def _walked_within(compiled: sg.CompiledGrammar, source: random.Random) -> bytes:
    """Return a text written within a budget, each mask of which was held to the counts of what it allows."""
    mask = sg.allocate_mask(1, len(TOKENS))
    matcher = sg.Matcher(compiled)
    left = matcher.tokens_to_finish() + source.randrange(6)
    text = b""
    while True:
        matcher.fill_mask(mask, budget=left)
        allowed = mask.allowed().tolist()
        state = matcher.state
        wanted = []
        for token in compiled.allowed(state):
            after = None if token == END else compiled.step(state, token)
            if token == END or (after is not None and compiled.tokens_to_finish(after) < left):
                wanted.append(token)
        assert allowed == wanted
        token = source.choice(allowed)
        if token == END:
            return text
        matcher.advance(token)
        text, left = text + (TOKENS[token] or b""), left - 1
        if left == 0:
            assert matcher.is_complete
            return text


@pytest.mark.parametrize("name", GRAMMARS)
def test_rollback_and_forks_lead_to_the_same_masks(name: str) -> None:
    compiled = _built(name)[1]
    source = random.Random(name)
    for _ in range(6):
        matcher = sg.Matcher(compiled)
        masks, taken = [compiled.allowed(matcher.state)], []
        for _ in range(8):
            plain = [token for token in masks[-1] if token != END]
            if not plain:
                break
            taken.append(source.choice(plain))
            matcher.advance(taken[-1])
            masks.append(compiled.allowed(matcher.state))
        if not taken:
            continue
        back = source.randrange(1, len(taken) + 1)
        forked = matcher.fork()
        matcher.rollback(back)
        assert compiled.allowed(matcher.state) == masks[-1 - back]
        assert compiled.allowed(forked.state) == masks[-1]
        for token, mask in zip(taken[-back:], masks[-back:], strict=True):
            matcher.advance(token)
            assert compiled.allowed(matcher.state) == mask
        assert matcher.state == forked.state


# --- grammars made at random --------------------------------------------------------------------------------

ALPHABET = "abc"
ATOMS = st.sampled_from(
    ["a", "b", "c", "ab", "[ab]", "[^a]", ".", "bc", r"\b", "(?=a)", "(?!b)", "(?<=a)", "(?<!b)", "$", "^"]
)
QUANTIFIERS = st.sampled_from(["", "", "", "*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}?"])


@st.composite
def patterns(draw: st.DrawFn, depth: int = 2) -> str:
    """Draw a regular expression of Python's."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        if depth and draw(st.integers(0, 2)) == 0:
            opening = draw(st.sampled_from(["(?:", "(?:", "(?:", "(?=", "(?!"]))
            inner = "|".join(draw(st.lists(patterns(depth=depth - 1), min_size=1, max_size=3)))
            atom = f"{opening}{inner})"
        else:
            atom = draw(ATOMS)
        if len(atom) > 1 and atom[0] not in "[(.\\":
            atom = f"(?:{atom})"
        parts.append(atom if atom in "^$" else atom + draw(QUANTIFIERS))
    return "".join(parts)


@st.composite
def terminals(draw: st.DrawFn) -> str:
    """Draw the definition of a terminal, without its name."""
    priority = draw(st.sampled_from(["", "", "", ".1", ".-1"]))
    if draw(st.booleans()):
        text = draw(st.text("abc", min_size=1, max_size=3))
        return f'{priority}: "{text}"{draw(st.sampled_from(["", "", "i"]))}'
    return f"{priority}: /{draw(patterns())}/{draw(st.sampled_from(['', '', '', 'i', 'm', 's']))}"


@st.composite
def grammars(draw: st.DrawFn) -> str:
    """Draw a grammar of a few rules and terminals; lark need not build it."""
    names = "ABCD"[: draw(st.integers(1, 4))]
    symbol = st.sampled_from([*names, *names, '"a"', '"b"', '"ab"', "x", "y", "start"])
    lines = []
    for rule in ("start", "x", "y"):
        ways = [
            " ".join(
                draw(symbol) + draw(st.sampled_from(["", "", "", "?", "*", "+"]))
                for _ in range(draw(st.integers(0, 3)))
            )
            for _ in range(draw(st.integers(1, 3)))
        ]
        lines.append(f"{rule}{draw(st.sampled_from(['', '', '.1']))}: {' | '.join(ways)}")
    lines += [f"{name}{draw(terminals())}" for name in names]
    if draw(st.booleans()):
        ignored = draw(st.sampled_from([*names, '"c"', "/b+/", "/a(?=c)/"]))
        lines.append(f"%ignore {ignored}")
    return "\n".join(lines) + "\n"


def _reference(grammar: str) -> lark.Lark:
    try:
        return build(grammar)
    except lark.exceptions.LarkError:
        assume(False)
        raise


@settings(suppress_health_check=list(HealthCheck))
@given(grammars())
def test_whatever_lark_builds(grammar: str) -> None:
    reference = _reference(grammar)
    try:
        ours = sg.lark(grammar, limits=Limits(oracle_steps=20_000)).language(Limits(oracle_steps=20_000))
        found = differences(reference, ours, ALPHABET, 5)
    except sg.errors.LimitError:
        return
    assert not found, found[:5]


@settings(suppress_health_check=list(HealthCheck))
@given(patterns(), patterns())
def test_one_terminal_matches_as_re_does(pattern: str, other: str) -> None:
    grammar = f'start: A "b"? | B "a"\nA: /{pattern}/\nB: /{other}/\n'
    reference = _reference(grammar)
    try:
        found = differences(reference, sg.lark(grammar).language(Limits(oracle_steps=20_000)), ALPHABET, 5)
    except sg.errors.LimitError:
        return
    assert not found, found[:5]


@settings(max_examples=settings().max_examples // 5, suppress_health_check=list(HealthCheck))
@given(grammars())
def test_masks_of_whatever_lark_builds(grammar: str) -> None:
    reference = _reference(grammar)
    accepted = {text.encode() for text in texts(ALPHABET, 5) if takes(reference, text)}
    beginnings = {text[:size] for text in accepted for size in range(len(text) + 1)}
    assume(accepted)
    ours = sg.lark(grammar)
    try:
        found = _wrong_masks(reference, sg.compile(ours, _tokenizer(), store=False), accepted, beginnings)
    except sg.errors.LimitError:
        return
    assert not found, found[:5]


def _wrong_masks(
    reference: lark.Lark, compiled: sg.CompiledGrammar, accepted: set[bytes], beginnings: set[bytes]
) -> list[tuple[bytes, bytes | None]]:
    """Return where a mask differs from what lark takes: the text read, and the token, None for the end."""
    found: list[tuple[bytes, bytes | None]] = []
    for read in sorted(beginnings, key=len)[:12]:
        state = _after(compiled, read)
        allowed = set(compiled.allowed(state))
        if (END in allowed) != (read in accepted):
            found.append((read, None))
        for token, text in enumerate(TOKENS):
            if text is None:
                continue
            is_right = token in allowed
            if is_right and read + text not in beginnings:
                after = compiled.step(state, token)
                is_right = after is not None and _takes(reference, read + text + compiled.completion(after))
            elif not is_right:
                is_right = read + text not in beginnings
            if not is_right:
                found.append((read, text))
    return found


@settings(max_examples=settings().max_examples // 5, suppress_health_check=list(HealthCheck))
@given(grammars(), st.randoms(use_true_random=False))
def test_counts_and_budgets_of_whatever_lark_builds(grammar: str, source: random.Random) -> None:
    reference = _reference(grammar)
    accepted = {text.encode() for text in texts(ALPHABET, 5) if takes(reference, text)}
    assume(accepted)
    beginnings = sorted({text[:size] for text in accepted for size in range(len(text) + 1)})
    try:
        compiled = sg.compile(sg.lark(grammar), _tokenizer(), store=False)
        _hold_counts(compiled, accepted, sorted(beginnings, key=len)[:20])
        written = [_walked_within(compiled, source) for _ in range(2)]
    except sg.errors.LimitError:
        return
    assert all(_takes(reference, text) for text in written), written


@settings(max_examples=settings().max_examples // 5, suppress_health_check=list(HealthCheck))
@given(grammars(), st.randoms(use_true_random=False))
def test_masks_that_were_kept_and_prepared_of_whatever_lark_builds(
    grammar: str, source: random.Random
) -> None:
    reference = _reference(grammar)
    accepted = {text.encode() for text in texts(ALPHABET, 4) if takes(reference, text)}
    assume(accepted)
    beginnings = sorted({text[:size] for text in accepted for size in range(len(text) + 1)})
    ours = sg.lark(grammar)
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = sg.MaskStore(path=Path(folder))
            first = sg.compile(ours, _tokenizer(), store=store)
            _masks(first, source.sample(beginnings, min(4, len(beginnings))))
            if source.random() < 0.5:
                first.prepare()
            store.flush()
            second = CompiledLark(ours, _tokenizer(), None, sg.MaskStore(path=Path(folder)))
            fresh = sg.compile(ours, _tokenizer(), store=False)
            asked = source.sample(beginnings, min(10, len(beginnings)))
            assert _masks(second, asked) == _masks(fresh, asked)
    except sg.errors.LimitError:
        return


def _masks(compiled: sg.CompiledGrammar, read: list[bytes]) -> list[list[int]]:
    return [compiled.allowed(_after(compiled, text)) for text in read]
