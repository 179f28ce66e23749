"""Grammars with an indenter, held to lark: texts, completions and masks, of some that had traps and of others
made at random."""

from __future__ import annotations

import random

import lark
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lark_reference import build, differences, takes, texts
from random_lark import Lines

import structgen as sg
from structgen.limits import Limits

ALPHABET = "ab\n ()"
MORE = [b"a\n", b"\n ", b"\n  ", b"\n\n", b" a", b"(a", b"a)", b"\n a", b"b\n "]
TOKENS: list[bytes | None] = [*(bytes((byte,)) for byte in range(256)), *MORE, None]
END = len(TOKENS) - 1
TERMINALS = 'OPEN: "("\nCLOSE: ")"\n%declare INDENT DEDENT\n'
GRAMMARS = {
    "lines that end where they are indented": 'start: NL INDENT x+ DEDENT\nx: "a" NL\nNL: /\\n+ */\n',
    "an indentation that no rule has": 'start: x+\nx: "a" NL? | OPEN x CLOSE\nNL: /(\\n *)+/\n',
    "blocks": 'start: x+\nx: "a" NL | "b" NL INDENT x+ DEDENT\nNL: /(\\n *)+/\n',
    "brackets": 'start: x\nx: "a" | OPEN NL* x CLOSE | "b" NL INDENT x NL? DEDENT\nNL: /(\\n *)+/\n',
    "look-aheads": 'start: x+\nx: "a" NL | "b" NL INDENT x+ DEDENT\nNL: /(\\n *(?=[ab\\n]|$))+/\n',
}
BLOCKS = ("NL INDENT x NL DEDENT", "NL INDENT y+ DEDENT", "NL INDENT x DEDENT", "INDENT x DEDENT")
PARTS = st.sampled_from(
    ['"a"', '"b"', "NL", "NL", "x", "y", "W", "OPEN x CLOSE", 'OPEN "a"? CLOSE', '"a" NL', *BLOCKS]
)


@st.composite
def grammars(draw: st.DrawFn) -> str:
    """Draw a grammar of lines; lark need not build it."""
    lines = []
    for rule in ("start", "x", "y"):
        ways = []
        for _ in range(draw(st.integers(1, 3))):
            parts = draw(st.lists(PARTS, min_size=rule != "start", max_size=3))
            ways.append(
                " ".join(f"({part}){draw(st.sampled_from(['', '', '?', '*', '+']))}" for part in parts)
            )
        lines.append(f"{rule}{draw(st.sampled_from(['', '', '.1']))}: {' | '.join(ways)}")
    newline = st.sampled_from(
        [r"/(\r?\n[\t ]*)+/", r"/(\n[ ]*)+/", r"/\n+ */", r"/(\n *(?=[ab\n]))+/", r"/\n[ \n]*/"]
    )
    word = st.sampled_from(["/b+/", "/ab/", "/[ab]+(?=.)/", "/a(?! )/"])
    ignored = st.sampled_from(['%ignore " "\n', "%ignore / +/\n", "%ignore /[ b]/\n", ""])
    return "\n".join([*lines, f"NL: {draw(newline)}", f"W: {draw(word)}", TERMINALS]) + draw(ignored)


def _reference(grammar: str) -> lark.Lark:
    try:
        return build(grammar, postlex=Lines())
    except lark.exceptions.LarkError:
        assume(False)
        raise


def _accepted(reference: lark.Lark) -> set[bytes]:
    return {text.encode() for text in texts(ALPHABET, 5) if takes(reference, text)}


def _hold_masks(reference: lark.Lark, grammar: str, accepted: set[bytes], source: random.Random) -> None:
    beginnings = sorted({text[:size] for text in accepted for size in range(len(text) + 1)})
    tokenizer = sg.Tokenizer.from_bytes(TOKENS, eos_token_id=END)
    compiled = sg.compile(sg.lark(grammar, postlex=Lines()), tokenizer, store=False)
    for read in source.sample(beginnings, min(8, len(beginnings))):
        state = compiled.step_bytes(compiled.start, read)
        assert state is not None, read
        allowed = set(compiled.allowed(state))
        assert (END in allowed) == (compiled.tokens_to_finish(state) == 0) == (read in accepted), read
        for token, text in enumerate(TOKENS[:-1]):
            assert text is not None
            if token not in allowed:
                assert read + text not in beginnings, (read, text)
            elif read + text not in beginnings:
                after = compiled.step(state, token)
                assert after is not None
                whole = read + text + compiled.completion(after)
                assert takes(reference, whole.decode()), (read, text, whole)


@pytest.mark.parametrize("name", GRAMMARS)
def test_texts_and_masks_of_lines_are_larks(name: str) -> None:
    grammar = GRAMMARS[name] + TERMINALS
    reference = build(grammar, postlex=Lines())
    ours = sg.lark(grammar, postlex=Lines()).language(Limits())
    assert differences(reference, ours, ALPHABET, 5) == []
    _hold_masks(reference, grammar, _accepted(reference), random.Random(name))


@settings(max_examples=settings().max_examples // 6, suppress_health_check=list(HealthCheck))
@given(grammars(), st.randoms(use_true_random=False))
def test_whatever_lark_builds_of_lines(grammar: str, source: random.Random) -> None:
    reference = _reference(grammar)
    accepted = _accepted(reference)
    assume(accepted)
    limits = Limits(oracle_steps=40_000)
    try:
        ours = sg.lark(grammar, postlex=Lines(), limits=limits).language(limits)
        found = differences(reference, ours, ALPHABET, 4)
        assert not found, found[:5]
        _hold_masks(reference, grammar, accepted, source)
    except sg.errors.LimitError:
        return
