"""Grammars whose terminals ask what stands before them, beside what is ignored: held to lark.

What proves that a text goes on from a place holds only behind a text of which look-behinds may ask the same.
"""

from __future__ import annotations

import random

import lark
import pytest
from lark_reference import build, differences, takes

import structgen as sg

ALPHABET = "ai-f "
_TEXTS = (b"a ", b" i", b"if", b" if", b"aa", b"a i", b"- ", b"-i")
_TOKENS = [*(bytes((byte,)) for byte in range(256)), *_TEXTS]
_ATOMS = (
    '"a"',
    '"-"',
    "X",
    r"/\bif\b/",
    r"/\bi/",
    r"/(?<!a)i/",
    r"/(?<=[a-])f/",
    r"/\Bi/",
    r"/(?<!\w)a/",
    r"/f\b/",
)
_SHAPES = (
    "start: {0}+ {1}\n",
    "start: ({0} | {1})+ {2}\n",
    "start: {0} x\nx: {1} | {2} x\n",
    "start: ({0} {1})+ | {2} {1}\n",
    "start: x {1}\nx: {0} | {2} | x {0}\n",
)
GIVEN = ('start: "a"+ /\\bif\\b/\n%ignore " "\n', 'start: ("a" | "-")+ /\\bif\\b/ "a"*\n%ignore / +/\n')


def _drawn(seed: int) -> str:
    chance = random.Random(seed)
    text = chance.choice(_SHAPES).format(*chance.choices(_ATOMS, k=3))
    if "X" in text:
        text += "X: " + chance.choice(("/aa?|-/", "/a+/", "/a(?!f)|-+/")) + "\n"
    return text + chance.choice(("", '%ignore " "\n', '%ignore " "\n', "%ignore /-? /\n"))


def _hold(grammar: str, longest: int) -> None:
    """Hold a grammar to lark: its texts, their beginnings, and completions as compiled code has them."""
    try:
        reference = build(grammar)
        ours = sg.lark(grammar)
    except (lark.exceptions.LarkError, sg.errors.GrammarError):
        return  # a conflict, or nothing that the start rule derives
    assert differences(reference, ours.language(ours.limits), ALPHABET, longest) == []
    tokenizer = sg.Tokenizer([*_TOKENS, None], eos_token_ids=[len(_TOKENS)])
    try:
        compiled = sg.compile(ours, tokenizer, store=False)
    except sg.errors.GrammarError:
        return  # no text at all, and that was held to lark above
    pending, met = [(compiled.start, b"")], {compiled.start}
    for state, text in pending:
        left = compiled.tokens_to_finish(state)
        assert takes(reference, (text + compiled.completion(state)).decode())
        after = {
            token: compiled.step(state, token) for token in compiled.allowed(state) if token < len(_TOKENS)
        }
        costs = [compiled.tokens_to_finish(one) for one in after.values() if one is not None]
        assert len(costs) == len(after)
        assert left == 0 or min(costs) < left
        for token, one in after.items():
            if one is not None and one not in met and len(met) < 30:
                met.add(one)
                pending.append((one, text + _TOKENS[token]))


@pytest.mark.parametrize("grammar", GIVEN)
def test_a_rest_behind_a_look_behind_is_one_that_lark_takes(grammar: str) -> None:
    _hold(grammar, 4)


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(1000, 1600), marks=pytest.mark.slow)])
def test_random_grammars_with_look_behinds_are_larks(seeds: range) -> None:
    for seed in seeds:
        _hold(_drawn(seed), 4)
