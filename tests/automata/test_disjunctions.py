"""Disjunctions of conditions on one string, format regex beside lengths, and what one call may cost."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import Walker

import structgen as sg
from structgen.automata.strings import node_completions
from structgen.errors import LimitError
from structgen.language.ir import DEAD, All, Any_, Format, Formula, Length, Not, Pattern
from structgen.system.public_calls import THIS_CALL

PATTERNS = ["^.{2}$", "^[ab]{3}", "a", "b$", "^a", "^(ab|1)*$", "a.*b", "^[^b]*$", "1.*1"]
TEXTS = ["".join(text) for size in range(6) for text in itertools.product("ab1", repeat=size)]


def holds(formula: Formula, text: str) -> bool:
    """What a formula says of a text of a, b and 1, by Python's matcher."""
    match formula:
        case Pattern(source):
            return re.search(source.replace("$", r"\Z"), text) is not None
        case Length(least, most):
            return least <= len(text) and (most is None or len(text) <= most)
        case Not(of):
            return not holds(of, text)
        case All(parts):
            return all(holds(part, text) for part in parts)
        case Any_(parts):
            return any(holds(part, text) for part in parts)
    raise AssertionError(formula)


LEAVES = st.one_of(
    st.sampled_from(PATTERNS).map(Pattern),
    st.tuples(st.integers(0, 3), st.integers(3, 5)).map(lambda pair: Length(*pair)),
)
FORMULAS = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        parts.map(Not),
        st.lists(parts, min_size=2, max_size=3).map(lambda found: All(tuple(found))),
        st.lists(parts, min_size=2, max_size=3).map(lambda found: Any_(tuple(found))),
    ),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None)
@given(parts=st.lists(FORMULAS, min_size=2, max_size=3), beside=LEAVES)
def test_parts_of_a_disjunction_live_and_end_as_all_their_texts_say(
    parts: list[Formula], beside: Formula
) -> None:
    # no text is longer than 5 characters of a, b and 1, so that all of them are listed
    formula = All((Any_(tuple(parts)), beside, Pattern("^[ab1]*$"), Length(0, 5)))
    words = [text for text in TEXTS if holds(formula, text)]
    reader = Walker(formula)
    beginnings = {word[:size] for word in words for size in range(len(word) + 1)}
    for text in TEXTS:
        state = reader.state(text)
        assert (state != DEAD) == (text in beginnings)
        assert reader.accepts(text) == (text in words)
        if state != DEAD and len(text) < 3:
            rests = sorted(
                (word[len(text) :] for word in words if word.startswith(text)), key=lambda w: (len(w), w)
            )
            assert reader.pool.finish(state)[0] == rests[0].encode()


OPEN_TEXTS = ["".join(text) for size in range(5) for text in itertools.product("ab1!\n", repeat=size)]
"""`!` stands for every character that no pattern names."""


@pytest.mark.parametrize("steps", [5_000, 1])
@settings(max_examples=60, deadline=None)
@given(formula=FORMULAS, most=st.integers(2, 4), least=st.integers(0, 2))
def test_what_has_an_end_within_a_length_is_live_and_nothing_else(
    steps: int, formula: Formula, most: int, least: int
) -> None:
    # patterns that are found anywhere stand beside others: estimates tell of some nodes, searches of others
    whole = All((formula, Pattern("a|1b"), Pattern("b.?"), Length(least, most)))
    words = [text for text in OPEN_TEXTS if holds(whole, text)]
    reader = Walker(whole)
    for text in OPEN_TEXTS:
        if len(text) > 3:
            continue
        rests = [len(word) - len(text) for word in words if word.startswith(text)]
        state = reader.state(text)
        assert (state != DEAD) == bool(rests)
        if rests:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(node_completions, "_STEPS_IN_BREADTH", steps)
                patch.setattr(node_completions, "_STEPS_BY_BOUNDS", steps)
                found = reader.pool.finish(state)[0].decode()
            assert holds(whole, text + found)
            assert len(found) >= min(rests) if steps == 1 else len(found) == min(rests)


MULTIPLYING = [  # alternatives of which each has patterns that multiply, all of one length
    ("^.{40}$", "^[^<>]*$", "[a-f]{4}-[0-9]{2}", "(foo|bar).*baz"),
    ("^[\\s\\S]{40}$", "x.*y.*z", "\\d{3}", "^(?:\\S+\\s+){0,9}\\S+$"),
    ("^[A-Za-z0-9 .-]{40}$", "[A-Z].*[0-9]", "^\\w+( \\w+)*$", "q.*q.*q"),
]


def denied(conditions: tuple[str, ...]) -> dict[str, object]:
    """A schema that says in two negations that some patterns hold."""
    return {"not": {"anyOf": [{"not": {"allOf": [{"pattern": one} for one in conditions]}}]}}


@pytest.mark.parametrize("pattern", ["\\d", "^.*(a|b).*$"])
def test_alternatives_of_many_patterns_are_searched_one_by_one(pattern: str) -> None:
    schema = {
        "type": "string",
        "anyOf": [denied(conditions) for conditions in MULTIPLYING],
        "minLength": 5,
        "maxLength": 120,
        "pattern": pattern,
    }
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], 256)
    # all of them at once are a product of a million states
    compiled = sg.compile(
        sg.json_schema(schema, limits=sg.Limits(oracle_steps=30_000)), tokenizer, store=False
    )
    text = json.loads(compiled.completion(compiled.start))
    assert any(all(re.search(one, text) for one in conditions) for conditions in MULTIPLYING)
    assert re.search(pattern, text) and len(text) == 40


@settings(max_examples=120, deadline=None)
@given(
    patterns=st.lists(st.sampled_from(PATTERNS), min_size=2, max_size=4, unique=True), least=st.integers(0, 3)
)
def test_a_search_along_distances_finds_a_shortest_text(patterns: list[str], least: int) -> None:
    formula = All((*map(Pattern, patterns), Pattern("^[ab1]*$"), Length(least, None)))
    words = [text for text in TEXTS if holds(formula, text)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node_completions, "_STEPS_IN_BREADTH", 1)
        reader = Walker(formula)
        found = {
            text: reader.pool.finish(reader.state(text))[0]
            for text in ("", "a", "1b")
            if reader.state(text) > 0
        }
    for text, rest in found.items():
        assert holds(formula, text + rest.decode())
        lengths = [len(word) - len(text) for word in words if word.startswith(text)]
        assert not lengths or len(rest) == min(lengths)


def test_many_patterns_of_one_length_are_met_without_a_search_of_all_texts() -> None:
    patterns = ["^.{60}$", "[A-Z].*[0-9]", "\\d{3}", "x.*y.*z", "^(?:\\S+\\s+){0,9}\\S+$", "(foo|bar).*baz"]
    patterns += ["^\\w+( \\w+)*$", "^[A-Za-z0-9 ]+([-.][A-Za-z0-9 ]+)*$"]
    schema = {"type": "string", "allOf": [denied((one,)) for one in patterns], "minLength": 5}
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], 256)
    compiled = sg.compile(
        sg.json_schema(schema, limits=sg.Limits(oracle_steps=30_000)), tokenizer, store=False
    )
    text = json.loads(compiled.completion(compiled.start))
    assert len(text) == 60 and all(re.search(one, text) for one in patterns)


def test_an_easy_alternative_ends_the_search_of_a_hard_one() -> None:
    # the first part is a product of a million states, and its shortest text longer than that of the second
    hard = All(
        tuple(Pattern(one) for one in (*MULTIPLYING[1], "[A-Z].*[0-9]", "[a-f]{4}-[0-9]{2}", "q.*q.*q"))
    )
    reader = Walker(Any_((hard, All((Pattern("^b{2,3}$"), Not(Pattern("a")))))))
    assert reader.pool.finish(reader.start) == {0: b"bb"}
    assert reader.pool.work < 2_000


@pytest.mark.parametrize("bounds", [(0, None), (3, None), (6, None), (0, 5), (2, 6), (4, 4)])
def test_regular_expressions_of_a_length_go_on_as_the_search_says(bounds: tuple[int, int | None]) -> None:
    quick = Walker(All((Format("regex"), Length(*bounds))))
    # with a second pattern it is not known that regular expressions may be made longer: a search must tell
    slow = Walker(All((Format("regex"), Length(*bounds), Pattern("^[^\\n]*$"))))
    source, letters = random.Random(sum(bounds[:1])), "ab1()[]{},-?*+\\^$|"
    for text in _texts(source, letters, 150):
        one, other = quick.state(text), slow.state(text)
        assert (one == DEAD) == (other == DEAD)
        assert quick.accepts(text) == slow.accepts(text)
        if one != DEAD:
            assert quick.pool.finish(one) == slow.pool.finish(other)


def _texts(source: random.Random, letters: str, count: int) -> Iterator[str]:
    for _ in range(count):
        yield "".join(source.choice(letters) for _ in range(source.randint(0, 6)))


def test_a_long_regular_expression_is_not_searched() -> None:
    reader = Walker(All((Format("regex"), Length(300, None))))
    state = reader.state("(a[b-")
    before = reader.pool.work
    rest = reader.pool.finish(state)[0].decode()
    assert len(rest) == 295
    assert reader.pool.work - before < 2_000
    assert reader.accepts("(a[b-" + rest)


MANY = All((Pattern("x.*y.*z"), Pattern("[a-f]{4}-[0-9]"), Pattern("^.{20}$")))


def _walk(reader: Walker) -> None:
    source = random.Random(1)
    for _ in range(150):
        state = reader.state("".join(source.choices("xyzabcd4-q", k=source.randint(0, 12))))
        reader.pool.finish(state)


def test_the_work_of_a_call_is_bounded_as_a_whole() -> None:
    reader = Walker(MANY, limits=sg.Limits(oracle_steps=650))
    with THIS_CALL.begin(), pytest.raises(LimitError, match="work of one call"):
        _walk(reader)
    _walk(reader)  # each question of its own is within the bound


def test_a_call_inside_a_call_is_a_part_of_it() -> None:
    reader = Walker(MANY)
    with THIS_CALL.begin():
        reader.pool.finish(reader.start)
        first = reader.pool.work
        with THIS_CALL.begin():
            reader.pool.finish(reader.state("x"))
        whole = reader.pool.work
        assert whole > first > 0
    with THIS_CALL.begin():
        reader.pool.finish(reader.state("qqqa"))
        assert reader.pool.work < whole
