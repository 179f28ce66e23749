"""Whether a text goes on, by saturation, held to lark on grammars made at random: what is live is completed
by a text that lark takes, and what is dead begins no accepted text of a few characters more."""

from __future__ import annotations

import lark
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lark_reference import build, takes, texts
from random_lark import Lines
from test_lark_lines import grammars as grammars_of_lines

import structgen as sg
from structgen.lark_grammars.liveness.saturated_reader import SaturatedReader
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.limits import Limits

_ATOMS = st.sampled_from(["a", "b", "c", "ab", "[ab]", "[^a]", ".", "bc", "a(b*c)?", "(a|b)+?c", "b{1,2}"])
_SYMBOLS = st.sampled_from(["A", "B", "C", '"a"', '"b"', '"ab"', "x", "y", "start"])


@st.composite
def grammars(draw: st.DrawFn) -> str:
    """Draw a grammar without look-arounds; lark need not build it."""
    lines = []
    for rule in ("start", "x", "y"):
        ways = [
            " ".join(
                draw(_SYMBOLS) + draw(st.sampled_from(["", "", "", "?", "*", "+"]))
                for _ in range(draw(st.integers(0, 3)))
            )
            for _ in range(draw(st.integers(1, 3)))
        ]
        lines.append(f"{rule}{draw(st.sampled_from(['', '', '.1']))}: {' | '.join(ways)}")
    for name in "ABC":
        parts = draw(st.lists(_ATOMS, min_size=1, max_size=3))
        lines.append(f"{name}{draw(st.sampled_from(['', '', '.1']))}: /{''.join(parts)}/")
    return "\n".join(lines) + draw(st.sampled_from(["\n", '\n%ignore "c"\n', "\n%ignore /b+/\n"]))


def _hold(reference: lark.Lark, ours: sg.Grammar, alphabet: str, longest: int) -> None:
    language = ours.language(Limits())
    assert isinstance(language, ContextualLanguage)
    reader = language.reader
    assume(reader.parser.is_productive)
    saturated = SaturatedReader(reader)
    assume(saturated.is_exact)
    accepted = {text.encode() for text in texts(alphabet, longest) if takes(reference, text)}
    beginnings = {text[:size] for text in accepted for size in range(len(text) + 1)}
    for text in map(str.encode, texts(alphabet, 3)):
        reading = reader.run(reader.start(), text)
        if reading is None or not saturated.may_live(reading):
            assert text not in beginnings, text
        elif text not in beginnings:
            assert takes(reference, (text + bytes(language.shortest(reading))).decode()), text


@settings(max_examples=settings().max_examples // 2, suppress_health_check=list(HealthCheck))
@given(grammars())
def test_liveness_of_whatever_lark_builds(grammar: str) -> None:
    try:
        reference = build(grammar)
    except lark.exceptions.LarkError:
        assume(False)
        raise
    _hold(reference, sg.lark(grammar), "abc", 6)


@settings(max_examples=settings().max_examples // 6, suppress_health_check=list(HealthCheck))
@given(grammars_of_lines())
def test_liveness_of_whatever_lark_builds_of_lines(grammar: str) -> None:
    try:
        reference = build(grammar, postlex=Lines())
    except lark.exceptions.LarkError:
        assume(False)
        raise
    _hold(reference, sg.lark(grammar, postlex=Lines()), "ab\n (", 5)


@pytest.mark.parametrize("grammar", ['start: A B\nA: /a+/\nB: "ab"\n', "start: A\nA: /[^\\s\\S]/\n"])
def test_a_grammar_whose_lexer_leaves_no_text_has_none(grammar: str) -> None:
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
    with pytest.raises(sg.GrammarError):
        sg.compile(sg.lark(grammar), tokenizer, store=False)
