"""The machine of Lark grammars: its masks are exactly what lark itself says, text by text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grammars_drawn as drawn
import numpy as np
import pytest
from for_each import for_each
from lark.indenter import PythonIndenter
from lark_reference import takes

import structgen as sg
from structgen.core.compiled import State
from structgen.lark_grammars.compiled import lark_answers as answers
from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.lark_grammars.liveness import letters
from structgen.maskbench import vocabularies

GRAMMARS = Path(__file__).resolve().parents[2] / "grammars"
BYTES = sg.Tokenizer.from_bytes([*(bytes((one,)) for one in range(256)), None], eos_token_id=256)
LONGER = [
    b"ab",
    b"ba",
    b"aa",
    b"abc",
    b"c ",
    b" a",
    b"a b",
    b"#a",
    b"a#",
    b" #",
    b"##",
    b"bb ",
    b"a\n",
    b"\n  a",
]
TOKENS = sg.Tokenizer.from_bytes([*(bytes((one,)) for one in range(256)), *LONGER, None], eos_token_id=270)


def machine(text: str, tokenizer: sg.Tokenizer = BYTES, postlex: Any = None) -> CompiledLark:
    options = {} if postlex is None else {"postlex": postlex}
    return CompiledLark(sg.lark(text, **options), tokenizer, None, False)


def wrong(text: str, alphabet: str, longest: int, postlex: Any = None) -> list[object] | None:
    """Return where the machine and lark disagree over all texts of an alphabet up to a length: an end, an
    allowed byte that begins no accepted text (lark refuses its completion), an accepted text that is not
    allowed. None where lark refuses the grammar, or a limit is named."""
    reference = drawn.judge(text, postlex)
    if reference is None:
        return None
    good = drawn.taken(reference, alphabet, longest)
    begun = {one[:size] for one in good for size in range(len(one) + 1)}
    try:
        compiled = machine(text, postlex=postlex)
    except sg.errors.LimitError:
        return None
    except sg.errors.GrammarError:
        return sorted(good)
    found: list[object] = []
    pending = [(b"", compiled.start.index)]
    for before, index in pending:
        if compiled.may_end(index) != (before in good):
            found.append(("end", before))
        try:
            rest = bytes(compiled.shortest_rest(index))
        except sg.errors.LimitError:
            found.append(("no completion", before))
            continue
        if not takes(reference, (before + rest).decode("utf-8", "replace")):
            found.append(("dead", before, rest))
        if len(before) == longest:
            continue
        mask = {token for token in compiled.allowed(State(compiled, index)) if token < 256}
        for byte in alphabet.encode():
            if byte in mask:
                pending.append((before + bytes((byte,)), compiled.bytes_index(index, bytes((byte,)))))
            elif before + bytes((byte,)) in begun:
                found.append(("refused", before + bytes((byte,))))
    return found


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


TAKES_IN = {
    "comment": "start: A+\nA: /a/\n%ignore /#[^\\n]*/\n",
    "dot": "start: A+\nA: /a/\n%ignore /#.*/\n",
    "blanks before": "start: A+\nA: /a/\n%ignore / *#[^\\n]*/\n",
    "alternatives": "start: A+\nA: /a/\n%ignore /#[^\\n]*|%[^\\n]*/\n",
    "blanks and comment": 'start: A+\nA: /a/\n%ignore /#[^\\n]*/\n%ignore " "\n',
    "a letter": 'start: A B\nA: "a"\nB: "b"\n%ignore / b?/\n',
    "the rest of a line": 'start: A B | C\nA: /a+/\nB: "a"\nC: "c"\n%ignore / [^\\n]*/\n',
    "what a separator begins": 'start: "b" B? x\nx: x B |\nB: "c"\n%ignore / (#|b)*/\n',
    "a second letter": 'start: A B\nA: /a+/\nB: "a"\n%ignore / a?/\n',
}


@pytest.mark.parametrize("name", TAKES_IN)
def test_an_ignored_lexeme_that_takes_in_what_must_come_is_not_offered(name: str) -> None:
    assert wrong(TAKES_IN[name], "ab# %", 4) == []


def test_a_comment_that_nothing_ends_is_refused_at_the_start() -> None:
    compiled = machine(TAKES_IN["comment"])
    assert compiled.next_bytes(compiled.start) == b"a"


def test_a_rule_whose_terminal_has_no_lexeme_is_never_begun() -> None:
    text = 'start: "b" start+ B | "a"* A*\nA: /b{1,2}a+/\nB.-1: "ca"\n%ignore /c/\n'
    assert wrong(text, "abc", 5) == []


def test_a_text_goes_on_where_the_start_rule_that_was_read_begins_itself() -> None:
    text = (
        'start: start "a"* y | "a" A+ | "a"\nx: |\ny.1: "a" x* "a"? | A* start+ start\nA: "c"\n%ignore /c+/\n'
    )
    assert wrong(text, "ac", 5) == []


@pytest.mark.parametrize(
    "text",
    [
        'start: A?\nA: /a+?c(?!$\\b(?=a)|$|$[ab]+(?<!b))/\n%ignore "c"\n',
        'start: B | "a" A\nA.1: /bc.+($\\b|a)/\nB: "bcb"\n',
        'start: B | "c" A\nA: /a{1,2}(?!cb)$/\nB: "aa"\n',
        "start: A B\nA: /a/\nB: /b\\Z/\n",
        'start: "b" | X\nX: /b+/\n%ignore "b"\n',
    ],
)
def test_what_ends_with_the_text_is_what_lark_finds_there(text: str) -> None:
    assert wrong(text, "abc", 5) == []


def test_blocks_whose_newlines_are_taken_in_by_blanks() -> None:
    text = (
        'start: stmt+\nstmt: T1 _NL | T1 ":" _NL _INDENT stmt+ _DEDENT\nT1: "c"\n_NL: /(\\r?\\n[\\t ]*)+/\n'
        "%declare _INDENT _DEDENT\n%ignore /\\s+/\n"
    )
    assert wrong(text, "c:\n ", 4, drawn.Blocks()) == []


@for_each("seed", range(40))
def test_random_grammars_are_read_as_lark_reads_them(seed: int) -> None:
    assert not wrong(drawn.drawn(seed), drawn.ALPHABET, 4)


@for_each("seed", range(1000, 1020))
def test_random_grammars_with_look_arounds_are_read_as_lark_reads_them(seed: int) -> None:
    assert not wrong(drawn.drawn(seed, looks=True), drawn.ALPHABET, 4)


def is_held(seed: int, text: str) -> bool:
    """Assert that masks and completions of a grammar are lark's; return whether lark takes the grammar, and
    no limit is named."""
    found = wrong(text, "ab #\n" if seed % 2 else "abc", 4)
    assert not found, text
    return found is not None


def with_ends(seed: int) -> bool:
    return is_held(seed, drawn.drawn(seed, ends=True))


def with_literals_ignored(seed: int) -> bool:
    one = ('"a"', '"b"', '"ab"', "/[ab]/", "/a+b?/")[seed % 5]
    return is_held(seed, drawn.drawn(seed) + f"%ignore {one}\n")


@for_each("seed", range(7020, 7050))
def test_what_ends_in_an_anchor_is_read_as_lark_reads_it(seed: int) -> None:
    with_ends(seed)


@for_each("seed", range(8050, 8080))
def test_what_is_ignored_and_a_literal_is_read_as_lark_reads_it(seed: int) -> None:
    with_literals_ignored(seed)


@pytest.mark.slow
@pytest.mark.parametrize("law", [with_ends, with_literals_ignored])
def test_what_random_grammars_ignore_and_end_in_is_larks_whole(law: Callable[[int], bool]) -> None:
    """docs/limitations.md: at most one in forty ends in a limit."""
    held = limited = 0
    for seed in range(7000, 7700):
        try:
            held += law(seed)
        except sg.errors.LimitError as error:
            assert error.limit == "oracle_steps"
            limited += 1
    assert held > 300 and limited * 40 <= held, (held, limited)


@for_each("seed", range(2000, 2020))
def test_random_grammars_with_blocks_are_read_as_lark_reads_them(seed: int) -> None:
    assert not wrong(drawn.drawn_blocks(seed), "a(\n :", 4, drawn.Blocks())


@for_each("seed", [7000, 7001, 7002, 7007, 7008, 7011])
def test_searches_say_what_goes_on_where_letters_are_not_settled(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "_MOST_STARTS", 1)
    assert not wrong(drawn.drawn_blocks(seed), "a(\n :", 4, drawn.Blocks())
    is_held(seed, drawn.drawn(seed, ends=True))


@pytest.mark.parametrize("seed", range(3000, 3015))
def test_a_token_is_allowed_where_its_bytes_are(seed: int) -> None:
    text = drawn.drawn(seed)
    if drawn.judge(text) is None:
        pytest.skip("lark refuses it")
    try:
        compiled = machine(text, TOKENS)
    except sg.errors.GrammarError:
        pytest.skip("it has no text")
    hold_tokens(compiled)


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


def test_a_fork_goes_on_apart_and_a_rollback_comes_back() -> None:
    matcher = sg.Matcher(machine('start: "a" (B | "c")*\nB: /b+(?!c)/\n%ignore " "\n'))
    for byte in b"ab":
        matcher.advance(byte)
    other, state = matcher.fork(), matcher.state
    other.advance(ord(" "))
    assert matcher.state == state
    assert other.state != state
    other.rollback(1)
    assert other.state == state


def test_a_lexer_that_looks_ahead_too_far_ends_in_a_named_limit() -> None:
    grammar = sg.lark(
        "start: A B*\nA: /([a-z](?!.{40}q))+z/\nB: /[a-z]+/\n", limits=sg.Limits(oracle_steps=50_000)
    )
    with pytest.raises(sg.errors.LimitError) as caught:
        CompiledLark(grammar, BYTES, None, False)
    assert caught.value.limit in ("automaton_states", "oracle_steps")


def test_a_grammar_without_a_text_is_refused() -> None:
    with pytest.raises(sg.errors.GrammarError, match="accepts no text"):
        machine('start: A B\nA: /a+/\nB: "a"\n')


BLOCKS = 'start: x+\nx: "a" _NL | "b" _NL _INDENT x+ _DEDENT'


@pytest.mark.parametrize(
    ("newline", "rules"),
    [
        ("/\\n */", BLOCKS),
        ("/\\n+ */", f"{BLOCKS} | _NL"),  # behind a blank one more newline may follow, at column 0 it may not
        ("/\\n/", BLOCKS),
        ("/(\\n(  )*)+/", BLOCKS),
        ("/\\n( |   )?/", BLOCKS),
        ("/\\n *(?=a)|\\n(  )*(?=b)/", BLOCKS + '\n%ignore "b "'),
        ("/\\n(?=b)|(\\n *)+/", 'start: "a" _NL (_INDENT "a" _NL _DEDENT "b")?'),
    ],
)
def test_newlines_that_may_not_go_on_to_every_width_are_read_as_lark_reads_them(
    newline: str, rules: str
) -> None:
    text = f"{rules}\n_NL: {newline}\n%declare _INDENT _DEDENT\n"
    assert not wrong(text, "ab\n ", 5, drawn.Blocks())
    hold_tokens(machine(text, TOKENS, drawn.Blocks()))


@pytest.mark.parametrize(
    "rules",
    [
        'start: _NL _INDENT "a" | "b"',
        'start: "a" _NL _INDENT "a" x\nx: "b" | _NL _DEDENT "b"',
        'start: x+\nx: "a" _NL _INDENT x | "b" _NL y\ny: _DEDENT y | "a"',
    ],
)
def test_blocks_that_rules_open_unevenly_are_counted(rules: str) -> None:
    assert wrong(f"{rules}\n_NL: /(\\n *)+/\n%declare _INDENT _DEDENT\n", "ab\n ", 5, drawn.Blocks()) == []


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
    tokenizer = vocabularies.load("small")
    whole = CompiledLark(sg.lark(grammar), tokenizer, None, False)
    monkeypatch.setattr(answers, "MOST_PLACES", most)
    monkeypatch.setattr(answers, "_PLACES_KEPT", 1)
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


def test_a_lexer_of_a_hundred_thousand_states_is_made_where_texts_need_it() -> None:
    tokenizer = vocabularies.load("small")
    grammar = sg.lark(GRAMMARS / "python.lark", postlex=PythonIndenter())
    compiled = CompiledLark(grammar, tokenizer, None, False)
    held = json.loads((GRAMMARS / "python.texts.json").read_text(encoding="utf-8"))["accepted"]
    texts = [one["text"] for one in held if "match" in one["text"] or "f'" in one["text"]]
    assert len(texts) > 3
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    for text in texts[:6]:
        matcher = sg.Matcher(compiled)
        for token in tokenizer.encode(text.encode()):
            matcher.fill_mask(mask)
            assert token in mask.allowed()
            matcher.advance(token)
        assert compiled.accepts_end(matcher.state)
    assert compiled.sizes["lexer_states"] < 8_000


@pytest.mark.parametrize(
    "rules",
    [
        "stmt: T _NL | opened T closed _NL\nopened: LPAR | LPAR LPAR\nclosed: RPAR | RPAR RPAR",
        "stmt: T _NL | call _NL\ncall: LPAR T | LPAR LPAR T RPAR RPAR",
    ],
)
def test_brackets_that_rules_open_unevenly_are_counted(rules: str) -> None:
    text = (
        f'start: stmt+\n{rules}\nT: "a"\nLPAR: "("\nRPAR: ")"\n_NL: /(\\n *)+/\n'
        "%declare _INDENT _DEDENT\n%ignore / +/\n"
    )
    assert wrong(text, "a()\n ", 5, drawn.Blocks()) == []


def test_hundreds_of_strings_of_one_rule_are_told_apart() -> None:
    words = sorted({f"{one * 7919 % 9973:x}z" for one in range(400)})
    compiled = machine("start: (w)*\nw: " + " | ".join(f'"{word}"' for word in words) + "\n")
    state = compiled.start.index
    for word in (words[3], words[-1], words[200]):
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
