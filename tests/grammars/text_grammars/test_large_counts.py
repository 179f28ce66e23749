"""Counts that no automaton has the states for: exact at their borders, and the same texts as those of re."""

from __future__ import annotations

import random
import re

import pytest
from compiled_texts import takes, written
from for_each import for_each
from language_words import texts, words_of

import structgen as sg
from structgen.automata.regex.ecma_syntax import parse_ecma
from structgen.automata.regex.python_syntax import parse_form
from structgen.grammars.text_grammars import text_grammar
from structgen.grammars.text_grammars.machine.language import Language
from structgen.tokens.tokenizer import byte_tokenizer


def atom(chance: random.Random, depth: int) -> str:
    kind = chance.randrange(6 if depth else 2)
    if kind < 2:
        return chance.choice(["a", "b", "[ab]", "c", "[^a]"])
    inner = [counted(chance, depth - 1) for _ in range(chance.randint(1, 3))]
    return f"(?:{('|' if kind == 5 else '').join(inner)})"


def counted(chance: random.Random, depth: int) -> str:
    least = chance.randrange(4)
    counts = [
        "",
        "?",
        "*",
        "+",
        f"{{{least}}}",
        f"{{{least},}}",
        f"{{{least},{least + chance.randrange(4)}}}",
    ]
    return atom(chance, depth) + chance.choice(counts)


@for_each("seed", range(60))
def test_parts_that_are_counted_have_the_texts_of_re(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    pattern = "".join(counted(chance, 2) for _ in range(chance.randint(1, 3)))
    pattern = chance.choice(["{}", "^{}$", r"\A{}\Z", "(?:{})"]).format(pattern)
    expected = {text for text in texts("abc", 4) if re.fullmatch(pattern, text)}
    with monkeypatch.context() as patched:
        patched.setattr(text_grammar, "MOST_LETTERS", chance.choice([0, 1, 3, 6]))
        tree, _ = parse_form(pattern, 0)
        apart = text_grammar.pattern_as_rules(tree, sg.Limits())
        grammar = sg.regex(pattern) if apart is None else apart
        try:
            found = words_of(grammar, "abc", 4)
        except sg.errors.GrammarError:
            found = set()
    assert found == expected, pattern


EDGES = [
    ("[a-z]{1,N}", "q", 1, 1), ("[a-z]{N}", "q", 0, 1), ("[a-z]{N,}", "q", 0, 0), ("^[a-z]{2,N}$", "q", 2, 1),
    ("(?:ab){1,N}", "ab", 1, 1), ("(?:ab|c){3,N}", "ab", 3, 1), ("(?:[a-z]{1,N}){1,2}", "q", 1, 2),
    ("(?:a{2}){1,N}", "aa", 1, 1), ("(?:é|x){0,N}", "é", -1, 1), ("(?:ab?){9,N}", "ab", 9, 1),
    ("(?:(?:ab){1,N}){1,3}", "ab", 1, 3), ("[a-z]{1,N}|[0-9]{5,N}", "7", 5, 1),
    ("[a-z]{1,N}[0-9]*", "q", 1, 1),
]  # fmt: skip
"""A pattern, one copy; the least copies, 0 for N; the most as a multiple of N, 0 for no bound."""
OF_EBNF = [
    ('root ::= [a-z]{1,N}', "q"), ('root ::= "<" root ">" | "ab"{2,N}', "ab"),
    ('root ::= [a-z]{1,N} ";"?', "q"),    ('root ::= ("a" | "b"{3,N})', "b"),
]  # fmt: skip


def stands(language: Language, data: bytes) -> bool | None:
    """Return whether a text is complete; None where it is no beginning of one."""
    reached = language.config_after(language.start(), data)
    return None if reached is None else language.accepts(reached)


def check_edges(pattern: str, copy: str, least: int, times: int, size: int) -> None:
    language, data = sg.regex(pattern.replace("N", str(size))).language(sg.Limits()), copy.encode()
    least, most = least or size, times * size or None
    if least > 0:
        assert [stands(language, data * count) for count in (least - 1, least)] == [False, True]
    if most is None:
        assert stands(language, data * (least + 1)) is True
    else:
        counts = (most - 1, most, most + 1)
        assert [stands(language, data * count) for count in counts] == [most > least, True, None]


def check_ebnf(source: str, copy: str, size: int) -> None:
    language, data = sg.ebnf(source.replace("N", str(size))).language(sg.Limits()), copy.encode()
    assert [stands(language, data * count) for count in (size - 1, size, size + 1)] == [True, True, None]


@for_each(("pattern", "copy", "least", "times"), EDGES)
def test_counts_are_exact_at_their_borders(
    pattern: str, copy: str, least: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(text_grammar, "MOST_LETTERS", 8)
        check_edges(pattern, copy, least, times, 40)


@for_each(("source", "copy"), OF_EBNF)
def test_counts_of_ebnf_are_exact(source: str, copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(text_grammar, "MOST_LETTERS", 8)
        check_ebnf(source, copy, 40)


def test_a_count_of_65536_is_exact_at_its_border() -> None:
    language = sg.regex("[a-z]{1,65536}").language(sg.Limits())
    last = language.config_after(language.start(), b"q" * 65_535)
    for _ in range(2):
        assert last is not None and language.accepts(last)
        last = language.step(last, ord("q"))
    assert last is None


@pytest.mark.slow
@for_each(("pattern", "copy", "least", "times"), EDGES)
def test_large_counts_are_exact_at_their_borders(pattern: str, copy: str, least: int, times: int) -> None:
    check_edges(pattern, copy, least, times, 65_536)


@pytest.mark.slow
@for_each(("source", "copy"), OF_EBNF)
def test_large_counts_of_ebnf_are_exact(source: str, copy: str) -> None:
    check_ebnf(source, copy, 65_536)


@for_each(
    "grammar",
    [
        sg.regex("[a-z]{1,65536}"), sg.ebnf("root ::= [a-z]{1,65536}"), sg.regex("[a-z]").repeat(1, 65_536),
        "<" + sg.regex("[a-z]{1,65536}"), sg.in_json_string(sg.regex("[a-z]{1,65536}")),
    ],
)  # fmt: skip
def test_a_large_count_has_masks_budgets_and_completions(grammar: sg.Grammar) -> None:
    compiled = sg.compile(grammar, byte_tokenizer())
    chance = random.Random(5)
    for budget in (5, 12):
        assert takes(compiled, bytes(written(sg.Matcher(compiled), chance, budget)))
    assert compiled.tokens_to_finish(compiled.start) <= 4


def test_a_vocabulary_without_some_bytes_has_large_counts() -> None:
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"b", None], eos_token_id=2)
    compiled = sg.compile(sg.regex("[a-c]{1,65536}|c{2,65536}"), tokenizer)
    assert takes(compiled, "abba") and not takes(compiled, "cc")


def test_copies_that_may_be_read_in_many_ways_are_bounded() -> None:
    compiled = sg.compile(sg.regex("(?:[a-z]{1,300} ?){1,300}"), byte_tokenizer())
    assert takes(compiled, "a" * 20 + " " + "b" * 20)
    limits = sg.Limits(oracle_steps=2_000)
    exact = sg.compile(sg.regex("(?:[a-z]{1,300} ?){300}", limits=limits), byte_tokenizer())
    with pytest.raises(sg.errors.LimitError) as caught:
        exact.step_bytes(exact.start, b"a" * 5_000)
    assert caught.value.limit == "oracle_steps"


def test_what_asserts_inside_stays_one_automaton() -> None:
    assert text_grammar.pattern_as_rules(parse_ecma(r"(?:^|x)[a-z]{1,65536}"), sg.Limits()) is None
    with pytest.raises(sg.errors.LimitError):
        sg.regex(r"(?:^|x)[a-z]{1,65536}").language(sg.Limits())
