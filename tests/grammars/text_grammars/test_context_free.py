"""Context-free languages, held to all their short words, made from the rules by brute force."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

import pytest
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st
from language_words import product, words_of_language

import structgen as sg
from structgen.automata.regex.python_syntax import parse_python
from structgen.base.limits import Limits
from structgen.errors import GrammarError, LimitError
from structgen.grammars.text_grammars.context_free.context_free_language import ContextFree
from structgen.grammars.text_grammars.machine.language import Config

Rules = Sequence[tuple[str, tuple[str, ...]]]


def brute(
    rules: Rules,
    terminals: Mapping[str, str],
    start: str,
    alphabet: str,
    most: int,
    ignored: Sequence[str] = (),
) -> set[str]:
    """All words of at most so many letters: what rules make of what they have made, until nothing is new."""
    texts = ["".join(word) for size in range(most + 1) for word in itertools.product(alphabet, repeat=size)]
    words = {
        name: {text for text in texts if re.fullmatch(source, text)} for name, source in terminals.items()
    }
    space = {""}
    while True:
        more = space.union(*(product(space, words[name], most) for name in ignored))
        if more == space:
            break
        space = more
    known = {name: product(found, space, most) for name, found in words.items()}
    for left, _ in rules:
        known[left] = set()
    while True:
        before = sum(map(len, known.values()))
        for left, right in rules:
            made = {""}
            for name in right:
                made = product(made, known[name], most)
            known[left] |= made
        if sum(map(len, known.values())) == before:
            return product(space, known[start], most)


def made(
    rules: Rules, terminals: Mapping[str, str], start: str = "s", ignored: Sequence[str] = ()
) -> ContextFree:
    trees = {name: parse_python(source) for name, source in terminals.items()}
    return ContextFree(rules, trees, start, ignored=ignored)


AB = {"a": "a", "b": "b"}
CASES: list[tuple[str, Rules, Mapping[str, str]]] = [
    ("right-recursive", [("s", ("a", "s")), ("s", ("b",))], AB),
    ("left-recursive", [("s", ("s", "a")), ("s", ("b",))], AB),
    ("nested", [("s", ("a", "s", "b")), ("s", ())], AB),
    ("hidden-left-recursive", [("s", ("x", "s", "a")), ("s", ("b",)), ("x", ()), ("x", ("b",))], AB),
    ("ambiguous", [("s", ("s", "s")), ("s", ("a",)), ("s", ("b",))], AB),
    ("ambiguous and empty", [("s", ("s", "s")), ("s", ("a", "s", "b")), ("s", ())], AB),
    ("cyclic", [("s", ("x",)), ("x", ("y",)), ("y", ("s",)), ("y", ("a", "s")), ("x", ("b",))], AB),
    ("cyclic through empty rules", [("s", ("x", "s", "x")), ("s", ("a",)), ("x", ()), ("x", ("b", "s"))], AB),
    ("palindromes", [("s", ("a", "s", "a")), ("s", ("b", "s", "b")), ("s", ("a",)), ("s", ())], AB),
    ("unproductive", [("s", ("a", "x")), ("s", ("b",)), ("x", ("x", "a"))], AB),
    ("empty terminals", [("s", ("t", "u", "t")), ("s", ("s", "u"))], {"t": "a*", "u": "b?|ab"}),
    ("long terminals", [("s", ("t", "u")), ("u", ("t",)), ("u", ())], {"t": "a+b|ab+|a"}),
    ("terminals of one another", [("s", ("t", "u")), ("s", ("u", "u"))], {"t": "a", "u": "ab?|b"}),
    ("many empty symbols", [("s", ("x",) * 12), ("x", ()), ("x", ("a",)), ("x", ("b", "x"))], AB),
    ("only the empty word", [("s", ("x", "x")), ("x", ())], {}),
    ("looks", [("s", ("t", "s")), ("s", ("u",))], {"t": "a(?!b)[ab]?", "u": r"\bb"}),
    ("a terminal alone", [], {"s": "(?:ab)*"}),
    (
        "recursion at both ends",
        [("s", ("a", "s")), ("s", ("s", "b")), ("s", ("s", "a", "s")), ("s", ("b",))],
        AB,
    ),
    (
        "tails of one another",
        [("s", ("a", "x")), ("x", ("b", "s")), ("x", ("s",)), ("x", ("b",)), ("s", ("x", "a"))],
        AB,
    ),
    (
        "tails through empty symbols",
        [("s", ("a", "s", "x")), ("s", ()), ("x", ()), ("x", ("b", "x"))],
        AB,
    ),
    (
        "a tail inside its own rule",
        [("s", ("x", "a", "s")), ("s", ("x",)), ("x", ("b", "s")), ("x", ("b",))],
        AB,
    ),
    (
        "tails and units",
        [("s", ("x",)), ("x", ("y",)), ("x", ("y", "a", "x")), ("y", ("b",)), ("y", ("b", "s"))],
        AB,
    ),
]  # fmt: skip


@for_each(("rules", "terminals"), [case[1:] for case in CASES])
def test_the_words_are_those_of_the_rules(rules: Rules, terminals: Mapping[str, str]) -> None:
    assert words_of_language(made(rules, terminals), "ab", 6) == brute(rules, terminals, "s", "ab", 6)


@for_each(("rules", "terminals"), [case[1:] for case in CASES[:12]])
def test_ignored_terminals_stand_anywhere_between(rules: Rules, terminals: Mapping[str, str]) -> None:
    terminals = {**terminals, "w": " ", "c": "b b"}
    language = made(rules, terminals, ignored=("w", "c"))
    assert words_of_language(language, "ab ", 4) == brute(rules, terminals, "s", "ab ", 4, ("w", "c"))


NAMES = ["s", "x", "y"]
RULES = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.lists(st.sampled_from([*NAMES, "t", "u", "v"]), max_size=3).map(tuple)
    ),
    min_size=1,
    max_size=8,
)
TERMINALS = st.fixed_dictionaries(
    {name: st.sampled_from(["a", "b", "ab", "a*", "a|ab", "b?", "ba+", "(?!)", ""]) for name in "tuv"}
)


def _agrees(rules: Rules, terminals: Mapping[str, str], ignored: Sequence[str] = ()) -> None:
    rules = [*rules, *((name, (name, "t")) for name in NAMES)]
    expected = brute(rules, terminals, "s", "ab", 5, ignored)
    try:
        language = made(rules, terminals, ignored=ignored)
    except GrammarError:
        assert not expected
        return
    assert words_of_language(language, "ab", 5) == expected


@settings(max_examples=2 * settings().max_examples)
@given(
    rules=RULES,
    terminals=TERMINALS,
    ignored=st.just(()) | st.lists(st.sampled_from("uv"), max_size=2, unique=True),
)
def test_random_rules_have_their_words(
    rules: Rules, terminals: Mapping[str, str], ignored: Sequence[str]
) -> None:
    _agrees(rules, terminals, ignored)


TAILS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.lists(st.sampled_from([*NAMES, "t", "u"]), max_size=2).map(tuple),
        st.sampled_from(NAMES),
    ),
    min_size=1,
    max_size=6,
)


@given(tails=TAILS, ends=st.lists(st.sampled_from(["t", "u", "v", ""]), min_size=3, max_size=3))
def test_random_rules_that_call_in_their_last_place(
    tails: list[tuple[str, tuple[str, ...], str]], ends: list[str]
) -> None:
    rules = [(left, (*before, last)) for left, before, last in tails]
    rules += [(name, (end,) if end else ()) for name, end in zip(NAMES, ends, strict=True)]
    terminals = {"t": "a", "u": "b", "v": "ab|b"}
    assert words_of_language(made(rules, terminals), "ab", 5) == brute(rules, terminals, "s", "ab", 5)


@given(rules=RULES, terminals=TERMINALS)
def test_texts_of_one_configuration_have_the_same_continuations(
    rules: Rules, terminals: Mapping[str, str]
) -> None:
    rules = [*rules, ("s", ("a", "s")), ("s", ("b",))]
    terminals = {**terminals, "a": "a", "b": "b"}
    rules = [*rules, *((name, (name, "t")) for name in NAMES)]
    language = made(rules, terminals)
    front: dict[str, Config | None] = {"": language.start()}
    reached: dict[Config, set[str]] = {}
    for size in range(5):
        for word in [word for word in front if len(word) == size]:
            if (config := front[word]) is not None:
                reached.setdefault(config, set()).add(word)
                front |= {word + letter: language.step(config, ord(letter)) for letter in "ab"}
    whole = brute(rules, terminals, "s", "ab", 6)
    for words in reached.values():
        for rest in ("", "a", "b", "ab", "ba"):
            assert len({word + rest in whole for word in words}) == 1


def test_a_deep_text_is_read_without_recursion() -> None:
    language = made([("s", ("a", "s", "b")), ("s", ())], AB)
    config: Config | None = language.start()
    for _ in range(20_000):
        assert config is not None
        config = language.step(config, 97)
    assert config is not None
    assert len(language.shortest_rest(config)) == 20_000
    config = language.step(config, 98)
    assert config is not None and language.step(config, 97) is None


@pytest.mark.parametrize(
    ("rules", "loop"),
    [
        ([("s", ("a", "s")), ("s", ("b",))], "a"),
        ([("s", ("a", "s")), ("s", ("b", "s")), ("s", ())], "ab"),
        ([("s", ("a", "x")), ("x", ("b", "s")), ("x", ("b",))], "ab"),
        ([("s", ("a", "s")), ("s", ("s", "b")), ("s", ("b",))], "a"),
        ([("s", ("s", "a", "s")), ("s", ("b",))], "ba"),
        ([("s", ("x", "a", "s")), ("s", ("x",)), ("x", ("b",)), ("x", ("a", "s", "b"))], "ba"),
        ([("s", ("x",)), ("x", ("y", "a", "x")), ("x", ("y",)), ("y", ("b",)), ("y", ("a", "y"))], "ba"),
    ],
    ids=["right", "two rules", "mutual", "both ends", "operators", "list", "ladder"],
)
def test_recursion_in_the_last_place_keeps_no_stack(rules: Rules, loop: str) -> None:
    language = made(rules, AB)
    config: Config | None = language.start()
    met = set()
    for _ in range(2_000 // len(loop)):
        for letter in loop:
            assert config is not None
            config = language.step(config, ord(letter))
        met.add(config)
    assert len(met) <= 3
    assert language.sizes["stacks"] < 50


def test_stacks_that_are_counted_grow_by_what_was_read() -> None:
    # as many b as a at most: each a is remembered, and what may be reduced is not worked out anew for all
    language = made([("s", ("a", "s", "x")), ("s", ()), ("x", ()), ("x", ("b",))], AB)
    config: Config | None = language.start()
    sizes = []
    for _ in range(300):
        assert config is not None
        config = language.step(config, ord("a"))
        sizes.append(language.sizes["stacks"])
    assert sizes[299] - sizes[199] == sizes[199] - sizes[99] < 2_000


def test_a_long_ring_of_rules_is_not_turned_around() -> None:
    # each rule of the ring is called from outside: turned around they would be 2,000 times as many
    count = 2_000
    rules = [(f"n{i}", ("a", f"n{(i + 1) % count}")) for i in range(count)]
    rules += [("s", (f"n{i}", "b")) for i in range(count)]
    language = made([*rules, ("n7", ("b",))], AB)
    assert len(language.rules.rules) == len(rules) + 1


def test_many_rules_take_time_in_proportion() -> None:
    rules = [("s", (f"n{i}",)) for i in range(6_000)] + [(f"n{i}", ("a", f"n{i + 1}")) for i in range(5_999)]
    language = made([*rules, ("n5999", ("b",))], AB)
    assert language.accepts(language.step(language.start(), 98))


@pytest.mark.parametrize(
    ("rules", "start", "said"),
    [
        ([("s", ("q",))], "s", "q is used"),
        ([("s", ("a",))], "r", "rule r does not exist"),
        ([("s", ("s", "a"))], "s", "generates no text"),
        ([("a", ("b",))], "a", "terminal and a rule"),
        ([("s", ("n",))], "s", "generates no text"),
    ],
)
def test_rules_without_words_are_refused(rules: Rules, start: str, said: str) -> None:
    with pytest.raises(GrammarError, match=said):
        made(rules, {**AB, "n": "(?!)"}, start)


def test_the_number_of_stacks_is_bounded_by_name() -> None:
    trees = {name: parse_python(source) for name, source in AB.items()}
    language = ContextFree([("s", ("a", "s", "b")), ("s", ())], trees, "s", limits=Limits(parser_states=100))
    config: Config | None = language.start()
    with pytest.raises(LimitError, match="parser_states"):
        for _ in range(200):
            config = language.step(config, 97)


def test_the_count_of_a_long_literal_beside_a_class_makes_a_few_bundles_for_each_state() -> None:
    """No terminal has masks of its own, so no state is divided: it would be quadratic."""
    sizes = []
    for copies in (50, 100):
        rules = sg.ebnf(f'root ::= [a-z]* "{"ab" * copies}" [a-z]*')
        compiled = sg.compile(rules, sg.Tokenizer.from_bytes([*map(bytes, zip(range(256))), None], 256))
        assert compiled.tokens_to_finish(compiled.start) == 2 * copies
        language = compiled._language
        assert isinstance(language, ContextFree)
        sizes.append(len(language.scanner.bundles))
    assert sizes[1] < 3 * sizes[0]
