"""The machine of Lark grammars: its masks and completions are what lark itself says, text by text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grammars_drawn as drawn
import numpy as np
import pytest
from compiled_texts import reached
from for_each import for_each
from lark_reference import differences, language

import structgen as sg
from structgen.doors.maskbench import vocabularies
from structgen.grammars.lark_grammars.compiled import lark_answers as answers
from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.grammars.lark_grammars.liveness import letters
from structgen.machines.core.compiled import State

GRAMMARS = Path(__file__).resolve().parents[3] / "grammars"
BYTES = sg.Tokenizer.from_bytes([*(bytes((one,)) for one in range(256)), None], eos_token_id=256)
LONGER = [one.encode() for one in "ab|ba|aa|abc|c | a|a b|#a|a#| #|##|bb |a\n|\n  a".split("|")]
TOKENS = sg.Tokenizer.from_bytes([*(bytes((one,)) for one in range(256)), *LONGER, None], eos_token_id=270)


def machine(text: str, tokenizer: sg.Tokenizer = BYTES, postlex: Any = None) -> CompiledLark:
    options = {} if postlex is None else {"postlex": postlex}
    return CompiledLark(sg.lark(text, **options), tokenizer, None, False)


def wrong(text: str, alphabet: str, longest: int, postlex: Any = None) -> list[str] | None:
    """Return where we and lark disagree over all texts of an alphabet up to a length; None where lark refuses
    the grammar, or a limit is named as it is read."""
    reference = drawn.judge(text, postlex)
    try:
        ours = None if reference is None else language(text, postlex=postlex)
    except sg.errors.LimitError:
        return None
    return None if ours is None else differences(reference, ours, alphabet, longest)


def random_machine(seed: int, blocks: bool = False, looks: bool = False) -> CompiledLark | None:
    """Return the machine of a random grammar; None where lark refuses it, or where it has no text."""
    text = drawn.drawn_blocks(seed) if blocks else drawn.drawn(seed, looks=looks)
    postlex = drawn.Blocks() if blocks else None
    try:
        return None if drawn.judge(text, postlex) is None else machine(text, TOKENS, postlex)
    except sg.StructgenError:
        return None


def hold_tokens(compiled: CompiledLark) -> None:
    """Assert in some states that a token is allowed exactly where its bytes are."""
    pending, met = [compiled.start.index], {compiled.start.index}
    for index in pending[:40]:
        allowed = set(compiled.allowed(State(compiled, index)))
        for token, data in enumerate(TOKENS.token_bytes):
            after = -1 if not data else compiled.bytes_index(index, data)
            assert (token in allowed) == (after >= 0 if data else compiled.may_end(index)), (index, data)
            if after >= 0 and after not in met:
                met.add(after)
                pending.append(after)


SHORT = {
    "blanks and comment": 'start: A+\nA: /a/\n%ignore /#[^\\n]*/\n%ignore " "\n',
    "a letter": 'start: A B\nA: "a"\nB: "b"\n%ignore / b?/\n',
    "the rest of a line": 'start: A B | C\nA: /a+/\nB: "a"\nC: "c"\n%ignore / [^\\n]*/\n',
    "what a separator begins": 'start: "b" B? x\nx: x B |\nB: "c"\n%ignore / (#|b)*/\n',
    "a second letter": 'start: A B\nA: /a+/\nB: "a"\n%ignore / a?/\n',
}
"""Ignored lexemes that take in what must come."""
LONG = {
    "no lexeme": 'start: "b" start+ B | "a"* A*\nA: /b{1,2}a+/\nB.-1: "ca"\n%ignore /c/\n',
    "a start that begins itself": 'start: start "a"* y | "a" A+ | "a"\nx: |\ny.1: "a" x* "a"? | A* start+ '
    'start\nA: "c"\n%ignore /c+/\n',
    "an end in a look-ahead": 'start: A?\nA: /a+?c(?!$\\b(?=a)|$|$[ab]+(?<!b))/\n%ignore "c"\n',
    "an end at a boundary": 'start: B | "a" A\nA.1: /bc.+($\\b|a)/\nB: "bcb"\n',
    "an end behind a look-ahead": 'start: B | "c" A\nA: /a{1,2}(?!cb)$/\nB: "aa"\n',
    "what is behind a lexeme": "start: A B\nA: /a|b/\nB: /(?<=b)c/\n",
    "the text's end": "start: A B\nA: /a/\nB: /b\\Z/\n",
    "a literal that is ignored": 'start: "b" | X\nX: /b+/\n%ignore "b"\n',
}
BLOCKS = 'start: x+\nx: "a" _NL | "b" _NL _INDENT x+ _DEDENT'
ANY_WIDTH = "\n_NL: /(\\n *)+/"
NEWLINES = {
    "one newline, any width": BLOCKS + "\n_NL: /\\n */",
    # behind a blank one more newline may follow, at column 0 it may not
    "more newlines": BLOCKS + " | _NL\n_NL: /\\n+ */",
    "no width": BLOCKS + "\n_NL: /\\n/",
    "even widths": BLOCKS + "\n_NL: /(\\n(  )*)+/",
    "two widths": BLOCKS + "\n_NL: /\\n( |   )?/",
    "widths before letters": BLOCKS + '\n%ignore "b "\n_NL: /\\n *(?=a)|\\n(  )*(?=b)/',
    "none before a letter": 'start: "a" _NL (_INDENT "a" _NL _DEDENT "b")?\n_NL: /\\n(?=b)|(\\n *)+/',
}
"""Newlines that may not go on to every width."""
UNEVEN = {
    "a block that is not closed": 'start: _NL _INDENT "a" | "b"' + ANY_WIDTH,
    "a block closed by another rule": 'start: "a" _NL _INDENT "a" x\nx: "b" | _NL _DEDENT "b"' + ANY_WIDTH,
    "blocks closed at the end": 'start: x+\nx: "a" _NL _INDENT x | "b" _NL y\ny: _DEDENT y | "a"' + ANY_WIDTH,
}
BRACKETS = 'T: "a"\nLPAR: "("\nRPAR: ")"\n%ignore / +/' + ANY_WIDTH
UNEVEN_BRACKETS = {
    "by two": "start: x+\nx: T _NL | open T close _NL\nopen: LPAR | LPAR LPAR\nclose: RPAR | RPAR RPAR\n",
    "by one": "start: x+\nx: T _NL | call _NL\ncall: LPAR T | LPAR LPAR T RPAR RPAR\n",
}


CASES = {
    **{name: (text, "ab# %", 4) for name, text in SHORT.items()},
    **{name: (text, "abc", 5) for name, text in LONG.items()},
    **{name: (text, "ab\n ", 5) for name, text in (NEWLINES | UNEVEN).items()},
    **{f"brackets {name}": (text + BRACKETS, "a()\n ", 5) for name, text in UNEVEN_BRACKETS.items()},
}
DECLARED = "\n%declare _INDENT _DEDENT\n"


@pytest.mark.parametrize("name", CASES)
def test_what_went_wrong_once_is_read_as_lark_reads_it(name: str) -> None:
    text, alphabet, longest = CASES[name]
    postlex = drawn.Blocks() if "_NL" in text else None
    assert wrong(text + DECLARED * bool(postlex), alphabet, longest, postlex) == []


@pytest.mark.parametrize("name", NEWLINES)
def test_a_token_is_allowed_where_its_bytes_are_beside_newlines(name: str) -> None:
    hold_tokens(machine(NEWLINES[name] + DECLARED, TOKENS, drawn.Blocks()))


FAMILIES: dict[str, tuple[Callable[[int], str], str, Any, range]] = {
    "plain": (drawn.drawn, drawn.ALPHABET, None, range(4000, 4015)),
    "looking around": (partial(drawn.drawn, looks=True), drawn.ALPHABET, None, range(1000, 1008)),
    "ending in anchors": (partial(drawn.drawn, ends=True), "ab #\n", None, range(7020, 7028)),
    "ignoring literals": (drawn.with_literals_ignored, "abc", None, range(8050, 8058)),
    "indented": (drawn.drawn_blocks, "a(\n :", drawn.Blocks, range(2000, 2006)),
}
"""By family: how it is drawn, the letters of texts, the indenter, and seeds."""


def held(family: str, seed: int) -> bool:
    """Assert that texts and completions of a grammar are lark's; return whether lark takes the grammar, and
    no limit is named."""
    make, alphabet, postlex, _seeds = FAMILIES[family]
    text = make(seed)
    found = wrong(text, alphabet, 4, postlex and postlex())
    assert not found, (family, seed, text)
    return found is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_random_grammars_are_read_and_completed_as_lark_does(family: str) -> None:
    assert sum(held(family, seed) for seed in FAMILIES[family][3]) > 3


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_random_grammars_are_read_and_completed_as_lark_does_whole(family: str) -> None:
    """docs/limitations.md: at most one in forty ends in a limit."""
    taken = limited = 0
    for seed in range(7000, 7400):
        try:
            taken += held(family, seed)
        except sg.errors.LimitError as error:
            assert error.limit == "oracle_steps"
            limited += 1
    assert taken > 100 and limited * 40 <= taken, (taken, limited)


@for_each("seed", [7000, 7002, 7008])
def test_searches_say_what_goes_on_where_letters_are_not_settled(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "_MOST_LOOKED_AT", 1)
    held("indented", seed)
    held("ending in anchors", seed)


def test_a_token_is_allowed_where_its_bytes_are_beside_keywords() -> None:
    words = ["".join(one) for size in (1, 2, 3) for one in itertools.product("selctd (1", repeat=size)]
    held = dict.fromkeys([*map(chr, range(128)), *words, *(" " + one for one in words)])
    tokens = sg.Tokenizer.from_bytes([*(one.encode() for one in held), None], eos_token_id=len(held))
    compiled = machine(
        'start: ("select" item | "set" NAME item | "led" "(" item)*\nitem: NAME | "else" NUMBER\n'
        'NAME: /[a-z_]+[a-z0-9_]*/\nNUMBER: /[0-9]+(?!e)/\n%ignore " "\n',
        tokens,
    )
    for text in (
        "",
        "se",
        "select",
        "select ",
        "select e",
        "set",
        "set t",
        "led(",
        "select else 1",
        "select d",
    ):
        state = compiled.step_bytes(compiled.start, text.encode())
        assert state is not None
        allowed = set(compiled.allowed(state)) - {len(held)}
        known = {at for at, one in enumerate(held) if compiled.step_bytes(state, one.encode()) is not None}
        assert allowed == known, text


def test_a_lexer_that_looks_ahead_too_far_ends_in_a_named_limit() -> None:
    grammar = sg.lark(
        "start: A B*\nA: /([a-z](?!.{40}q))+z/\nB: /[a-z]+/\n", limits=sg.Limits(oracle_steps=5_000)
    )
    with pytest.raises(sg.errors.LimitError) as caught:
        CompiledLark(grammar, BYTES, None, False)
    assert caught.value.limit in ("automaton_states", "oracle_steps")


def test_two_states_of_the_lexer_that_go_on_as_each_other_have_masks() -> None:
    compiled = machine(
        'start.1: x | start "ab" start\nx: ("ab")+ A? |\n'
        "A: /[ab]+(c*(ab){1,2}bc|[ab]?c{1,2}|.+[ab]+[ab]{1,2})((bc)+?|a?(ab)*a|bcb+(bc)*)+/\n"
    )
    state = compiled.step_bytes(compiled.start, b"abab")
    assert state is not None
    assert {ord("a"), ord("x"), 256} <= set(compiled.allowed(state))


@pytest.mark.parametrize("most", [1, 8])
def test_masks_are_the_same_where_places_are_forgotten(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = GRAMMARS / "json.lark"
    tokenizer = vocabularies.load_tokenizer("small")
    whole = CompiledLark(sg.lark(grammar), tokenizer, None, False)
    monkeypatch.setattr(answers, "MOST_PLACES", most)
    forgetful = CompiledLark(sg.lark(grammar), tokenizer, None, False)
    ours, theirs = sg.allocate_mask(1, tokenizer.vocab_size), sg.allocate_mask(1, tokenizer.vocab_size)
    one, other = sg.Matcher(forgetful), sg.Matcher(whole)
    for token in tokenizer.encode(b'{"a": [1, {"b": "x y"}, [[], [true]]], "c": -2.5e3}'):
        one.fill_mask(ours)
        other.fill_mask(theirs)
        assert np.array_equal(ours.array, theirs.array)
        one.advance(token)
        other.advance(token)
    assert forgetful.sizes["places"] < whole.sizes["places"]


def test_hundreds_of_strings_of_one_rule_are_told_apart() -> None:
    words = sorted({f"{one * 7919 % 9973:x}z" for one in range(200)})
    compiled = machine("start: (w)*\nw: " + " | ".join(f'"{word}"' for word in words) + "\n")
    state = compiled.start.index
    for word in (words[3], words[-1], words[100]):
        state = compiled.bytes_index(state, word.encode())
        assert compiled.may_end(state)
    assert compiled.bytes_index(state, b"zz") == -1


def test_a_long_text_makes_no_more_states() -> None:
    compiled = machine('start: (A ";")*\nA: /[a-z]+/\n%ignore " "\n')
    matcher, counts = sg.Matcher(compiled), []
    for _ in range(3):
        for byte in b"ab; c;" * 50:
            matcher.advance(byte)
        counts.append(compiled.sizes["machine_states"])
    assert counts[0] == counts[2]


def test_ignored_lexemes_that_owe_different_things_lead_to_one_another() -> None:
    text = 'start: (A "=")+\nA: /x+/\n%ignore /#[^\\n]*/\n%ignore /[ \\n]+/\n'
    assert wrong(text, "x=# \n", 4) == []
    compiled = machine(text)
    assert bytes(compiled.shortest_rest(compiled.bytes_index(compiled.start.index, b"x "))) == b"="


def test_a_deep_stack_and_a_long_rule_are_completed() -> None:
    compiled = machine('start: "[" start? "]"\n')
    index = compiled.bytes_index(compiled.start.index, b"[" * 3000)
    assert bytes(compiled.shortest_rest(index)) == b"]" * 3000
    compiled = machine("start: " + 100 * '"a" ' + '"b"\n')
    assert bytes(compiled.shortest_rest(compiled.start.index)) == b"a" * 100 + b"b"


@pytest.mark.parametrize("name", ["arithmetic", "csv", "dates", "json", "markers"])
def test_real_texts_are_completed_in_no_more_bytes_than_they_have(name: str) -> None:
    tokenizer, grammar = vocabularies.load_tokenizer("small"), sg.lark(GRAMMARS / f"{name}.lark")
    compiled = CompiledLark(grammar, tokenizer, None, False)
    for one in json.loads((GRAMMARS / f"{name}.texts.json").read_text(encoding="utf-8"))["accepted"][:3]:
        text = (one["text"] if isinstance(one, dict) else one).encode()
        for size in range(0, min(60, len(text)), 7):
            here = reached(compiled, text[:size])
            rest = compiled.completion(here)
            assert len(rest) <= len(text) - size
            assert compiled.may_end(compiled.bytes_index(here.index, rest))
            assert 0 <= compiled.tokens_to_finish(here) <= len(rest)
