"""`ignore_at_most`: lark's texts whose runs of ignored characters are short enough, and no others."""

from __future__ import annotations

import itertools
import pickle
import random
import re
from typing import Any

import lark
import pytest

import structgen as sg
from structgen.machines.core.compiled import CompiledGrammar

BYTES = sg.Tokenizer.from_bytes([bytes([byte]) for byte in range(256)] + [None], eos_token_id=256)
IGNORED = {
    " ": ('%ignore " "', " "),
    "blanks": ("WS: /[ \\t]+/\n%ignore WS", " \t"),
    "two terminals": ('%ignore " "\nTABS: /\\t+/\n%ignore TABS', " \t"),
    "lark's own": ("%import common.WS_INLINE\n%ignore WS_INLINE", " \t"),
    "wide": ("%ignore /\\u3000|[ ]{1,3}/", " \u3000"),
    "commas": ("%ignore /[ ,]/", " ,"),
}
"""What a grammar ignores, and the characters of it."""
RULES = {
    "pairs": ('start: (N "=" N)+\nN: /[ab]+/', "ab="),
    "keywords": ('start: "a" N | N\nN: /[ab]+/', "ab"),
    "blanks inside": ('start: (S | "b")+\nS: /"[^"]*"/', '"b'),
    "a blank at the end": ('start: L+ "b"\nL: /a[ \\t]*/', "ab"),
    "a look-ahead": ("start: (A | B)+\nA: /a(?=b)/\nB: /b(?!b)/", "ab"),
    "nothing at all": ('start: "a"*', "a"),
    "nested": ('start: "(" start? ")" | "a" start', "(a)"),
}
"""Rules whose terminals begin with no blank, and the characters of their texts."""


def longest_run(parser: lark.Lark, text: str) -> int | None:
    """Return the length of the longest run between two lexemes, by lark's own positions; None: no text."""
    try:
        tree = parser.parse(text)
    except lark.exceptions.LarkError:
        return None
    spans = [
        (one.start_pos, one.end_pos) for one in tree.scan_values(lambda one: isinstance(one, lark.Token))
    ]
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    return max(start - end for start, end in zip(starts, ends, strict=True))


def accepts(compiled: CompiledGrammar, text: str) -> bool:
    state = compiled.step_bytes(compiled.start, text.encode())
    return state is not None and compiled.accepts_end(state)


def random_texts(draw: random.Random, letters: str, ignored: str, count: int) -> list[str]:
    alphabet = letters + 2 * ignored
    return ["".join(draw.choices(alphabet, k=draw.randint(0, 9))) for _ in range(count)]


@pytest.mark.parametrize("bound", [1, 2, 3])
@pytest.mark.parametrize("ignored", IGNORED)
@pytest.mark.parametrize("rules", RULES)
def test_the_texts_are_those_of_lark_with_short_runs(rules: str, ignored: str, bound: int) -> None:
    (text_of_rules, letters), (ignoring, blanks) = RULES[rules], IGNORED[ignored]
    grammar = f"{text_of_rules}\n{ignoring}\n"
    parser = lark.Lark(grammar, parser="lalr", keep_all_tokens=True)
    compiled = sg.compile(sg.lark(grammar, ignore_at_most=bound), BYTES)
    small = map(
        "".join, itertools.chain(*(itertools.product(letters[:2] + blanks, repeat=n) for n in range(5)))
    )
    draw = random.Random(f"{rules} {ignored} {bound}")
    for text in {*small, *random_texts(draw, letters, blanks, 150)}:
        run = longest_run(parser, text)
        assert accepts(compiled, text) == (run is not None and run <= bound), (text, run)


@pytest.mark.parametrize("lexer", ["characters", "greedy"])
@pytest.mark.parametrize("ignored", IGNORED)
@pytest.mark.parametrize("rules", ["pairs", "keywords", "nothing at all", "nested"])
def test_the_other_lexers_leave_out_the_same_runs(rules: str, ignored: str, lexer: Any) -> None:
    """No terminal of these rules has a blank, so that each run of blanks is ignored."""
    (text_of_rules, letters), (ignoring, blanks) = RULES[rules], IGNORED[ignored]
    grammar = f"{text_of_rules}\n{ignoring}\n"
    free = sg.compile(sg.lark(grammar, lexer=lexer), BYTES)
    runs = re.compile(f"[{re.escape(blanks)}]+")
    for bound in (1, 2, 3):
        compiled = sg.compile(sg.lark(grammar, lexer=lexer, ignore_at_most=bound), BYTES)
        for text in random_texts(random.Random(f"{rules} {ignored} {bound}"), letters, blanks, 200):
            longest = max(map(len, runs.findall(text)), default=0)
            assert accepts(compiled, text) == (accepts(free, text) and longest <= bound), text


@pytest.mark.parametrize("lexer", ["contextual", "characters", "greedy"])
def test_each_beginning_is_one_of_a_text_and_masks_agree(lexer: Any) -> None:
    grammar = sg.lark('start: (N "=" N ";")+\nN: /[ab]+/\n%ignore /[ \\t]+/\n', lexer=lexer, ignore_at_most=2)
    compiled, draw = sg.compile(grammar, BYTES), random.Random(lexer)
    mask = sg.allocate_mask(1, BYTES.vocab_size)
    for _ in range(20):
        matcher, written = sg.Matcher(compiled), b""
        for _ in range(25):
            matcher.fill_mask(mask)
            allowed = set(mask.allowed(0).tolist())
            state = compiled.step_bytes(compiled.start, written)
            for byte in b"ab=; \t(":
                after = compiled.step_bytes(compiled.start, written + bytes([byte]))
                assert (byte in allowed) == (after is not None)
            assert state is not None and accepts(
                compiled, (written + (compiled.completion(state) or b"")).decode()
            )
            (byte,) = draw.choices(sorted(allowed - {256}), k=1)
            matcher.advance(byte)
            written += bytes([byte])
        assert b"   " not in written.replace(b"\t", b" ")


@pytest.mark.parametrize(
    ("grammar", "options", "error", "words"),
    [
        ('start: "a"\n%ignore /#[^\\n]*/', {}, sg.errors.GrammarError, "only inside of longer texts"),
        ('start: "a"\n%ignore /( \\t)+/', {}, sg.errors.GrammarError, "only inside of longer texts"),
        ('start: N "b"\nN: /[^b]+/\n%ignore " "', {}, sg.errors.GrammarError, "N may begin with a character"),
        ('start: N " b"\nN: /a+/\n%ignore " "', {"lexer": "greedy"}, sg.errors.GrammarError, "may begin"),
        ('start: "a" B\n%declare B\n%ignore " "', {"bind": {"B": "b"}}, sg.errors.OptionError, "with bind="),
    ],
)
def test_what_cannot_be_bounded_is_refused_by_name(
    grammar: str, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=rf"ignore_at_most\W.*{words}"):
        sg.lark(grammar, ignore_at_most=8, **options)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "8"])
def test_a_bound_is_a_number_from_1_on(value: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match="ignore_at_most"):
        sg.lark('start: "a"\n%ignore " "', ignore_at_most=value)


@pytest.mark.parametrize("lexer", ["contextual", "characters", "greedy"])
def test_it_is_a_grammar_of_its_own_that_a_pickle_keeps(lexer: Any) -> None:
    text = 'start: "a" "b"\n%ignore " "'
    grammars = [sg.lark(text, lexer=lexer, ignore_at_most=bound) for bound in (None, 1, 2)]
    assert len({grammar.canonical for grammar in grammars}) == len(set(grammars)) == 3
    for grammar, wanted in zip(grammars, ([True, True], [True, False], [True, True]), strict=True):
        again = pickle.loads(pickle.dumps(grammar))
        assert again == grammar
        compiled = sg.compile(again, BYTES)
        assert [accepts(compiled, one) for one in ("a b", "a  b")] == wanted
        # a server reads only lark's own language
        assert (grammar.written is None) == (lexer != "contextual" or grammar is not grammars[0])


def test_a_grammar_that_ignores_nothing_stays() -> None:
    for lexer in ("contextual", "characters", "greedy"):
        compiled = sg.compile(sg.lark('start: "a" "b"', lexer=lexer, ignore_at_most=8), BYTES)  # type: ignore[call-overload]
        assert [accepts(compiled, one) for one in ("ab", "a b")] == [True, False]
