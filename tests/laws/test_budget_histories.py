"""Masks under a budget are functions of state and budget: whatever was asked before, and as counts say."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.errors import BudgetError, UnsatisfiableSchema

BYTES = [bytes((byte,)) for byte in range(256)]
COMPACT = {"whitespace": "compact"}
OPTIONS: list[dict[str, Any]] = [
    COMPACT,
    {},
    {"escapes": "any", **COMPACT},
    dict(sg.WIDEST),
    {"property_order": "any", **COMPACT},
]
OPEN: list[Any] = [
    {"type": "string"},
    {"type": "integer"},
    {"type": ["string", "integer"]},
    {"type": "array", "items": {"type": "string"}, "maxItems": 1},
    {"type": "object", "maxProperties": 1},
]
NARROW: list[Any] = [
    {"type": "string", "maxLength": 2},
    {"type": "string", "pattern": "^[ab]*$"},
    {"type": "string", "minLength": 1},
    {"enum": ["a", "ab", "b", 1]},
    {"enum": ["", "a", 0, 1, None, True]},
    {"type": "integer", "minimum": 0, "maximum": 12},
    {"type": "number", "minimum": 0, "maximum": 3},
    {"type": ["null", "boolean"]},
    {"type": "string", "not": {"enum": ["a", ""]}},
    {"type": "integer", "minimum": 0, "not": {"const": 1}},
    {"oneOf": [{"const": "a"}, {"type": "string", "maxLength": 1}]},
    {"anyOf": [{"const": 1}, {"type": "string"}]},
    {},
]


def scalar(chance: random.Random) -> Any:
    return chance.choice(OPEN if chance.random() < 0.4 else NARROW)


def schema(chance: random.Random, depth: int = 2) -> Any:
    """Return a schema of values that exclude one another: in lists, branches, and lists of constants."""
    kind, least = chance.randrange(-3, 8), chance.randint(0, 2)
    if kind < 0:
        more = {"minItems": chance.randint(0, 1), "maxItems": chance.randint(1, 3), "uniqueItems": True}
        return {"type": "array", "items": scalar(chance), **more}
    if not depth or chance.random() < 0.15:
        return scalar(chance)
    if kind < 3:
        items = schema(chance, depth - 1 if chance.random() < 0.5 else 0)
        more = {"minItems": least, "maxItems": 3, "uniqueItems": chance.random() < 0.9}
        return {"type": "array", "items": items, **more}
    if kind == 3:
        firsts = [scalar(chance) for _ in range(chance.randint(1, 2))]
        found = {"prefixItems": firsts, "items": chance.choice([False, scalar(chance), True]), "maxItems": 3}
        contains = {"contains": scalar(chance)} if chance.random() < 0.4 else {}
        return {"type": "array", "uniqueItems": True, **found, **contains}
    if kind == 4:
        listed = [chance.choice(["a", "", "b", 0, 1]) for _ in range(2)]
        denied = chance.choice([{"const": listed}, {"enum": [listed, [], listed[:1]]}, {"uniqueItems": True}])
        return {"type": "array", "items": scalar(chance), "maxItems": 2, "not": denied}
    if kind == 5:
        values = schema(chance, depth - 1)
        return {"type": "object", "additionalProperties": values, "minProperties": least, "maxProperties": 3}
    if kind == 6:
        named = {"a": schema(chance, depth - 1), "b": schema(chance, depth - 1)}
        denied = {"not": {"const": {"a": chance.choice([0, "a", "", 1])}}} if chance.random() < 0.5 else {}
        return {"type": "object", "properties": named, "additionalProperties": False, **denied}
    unique = {"type": "array", "items": scalar(chance), "uniqueItems": True, "maxItems": 2}
    return {"oneOf": [schema(chance, depth - 1), unique]}


def compiler(said: Any, options: dict[str, Any], tokens: Sequence[bytes]) -> Callable[[], sg.CompiledGrammar]:
    """Return what compiles a schema anew, with nothing asked before."""
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    return lambda: sg.compile(sg.json_schema(said, strict=None, **options), tokenizer, store=False)


def reached(compiled: sg.CompiledGrammar, text: bytes) -> sg.State:
    state = compiled.step_bytes(compiled.start, text)
    assert state is not None, text
    return state


def document(chance: random.Random, compiled: sg.CompiledGrammar) -> bytes:
    """Return a short document, of few characters and many brackets."""
    state, text = compiled.start, b""
    for _ in range(chance.randint(0, 9)):
        some = [one for one in compiled.allowed(state) if one < 256 and one in b'ab01 "[]{},:tn\\']
        if not some:
            break
        weights = [8 if one in b'"],}' else 1 if one in b" \\" else 3 for one in some]
        byte = chance.choices(some, weights)[0]
        after = compiled.step(state, byte)
        assert after is not None
        state, text = after, text + BYTES[byte]
    return text + compiled.completion(state)


def masked(compiled: sg.CompiledGrammar, state: sg.State, budget: int) -> list[int] | str:
    """Return the tokens of a mask under a budget, or why there is none."""
    mask = sg.allocate_mask(1, compiled.vocab_size)
    try:
        sg.Matcher(compiled, state).fill_mask(mask, budget=budget)
    except BudgetError as error:
        return str(error)
    return mask.allowed().tolist()


def ask(chance: random.Random, compiled: sg.CompiledGrammar, text: bytes) -> None:
    """Ask about the state behind a text: its count, its completion, its mask, or one under a budget."""
    state, kind = reached(compiled, text), chance.randrange(5)
    if kind == 0:
        compiled.tokens_to_finish(state)
    elif kind == 1:
        compiled.completion(state)
    elif kind == 2:
        compiled.allowed(state)
    else:
        masked(compiled, state, compiled.tokens_to_finish(state) + chance.randint(-1, 3))


def costs(
    fresh: Callable[[], sg.CompiledGrammar], text: bytes, end: int
) -> tuple[int, bytes, dict[int, int]]:
    """Return the count and the completion behind a text, and what is needed after each token, one by one."""
    compiled = fresh()
    state, after = reached(compiled, text), dict[int, int]()
    need, rest = compiled.tokens_to_finish(state), compiled.completion(state)
    for token in compiled.allowed(state):
        behind = None if token == end else compiled.step(state, token)
        after[token] = -1 if behind is None else compiled.tokens_to_finish(behind)
    return need, rest, after


def pieces_of(texts: list[bytes], longest: int) -> list[bytes]:
    """Return all parts of texts of two bytes to so many."""
    sizes = range(2, longest + 1)
    pieces = {text[at : at + size] for text in texts for at in range(len(text)) for size in sizes}
    return sorted(piece for piece in pieces if len(piece) > 1)


def holds(seed: int) -> None:
    """Compare a grammar of which much was asked with one of which nothing was, and both with counts."""
    chance = random.Random(f"budgets {seed}")
    said, options = schema(chance), chance.choice(OPTIONS)
    try:
        plain = compiler(said, options, BYTES)()
    except UnsatisfiableSchema:
        return
    texts = [document(chance, plain) for _ in range(6)]
    joined = pieces_of(texts, 5)
    tokens = [*BYTES, *chance.sample(joined, min(len(joined), chance.randint(2, 12)))]
    fresh = compiler(said, options, tokens)
    asked, (text, *others) = fresh(), texts
    for other in others:
        for size in range(len(other) + 1):
            if chance.random() < 0.3:
                ask(chance, asked, other[:size])
    chosen = chance.sample(range(len(text) + 1), min(3, len(text) + 1))
    for size in range(len(text) + 1):
        begun = text[:size]
        if size not in chosen:
            ask(chance, asked, begun)
            continue
        need, rest, after = costs(fresh, begun, len(tokens))
        state = reached(asked, begun)
        for budget in chance.sample(range(need, need + 5), 3):
            wanted = [token for token, cost in after.items() if cost < budget]
            new = fresh()
            case = said, options, begun, budget, tokens[256:]
            assert masked(new, reached(new, begun), budget) == wanted, case
            assert masked(asked, state, budget) == wanted, case
        assert (asked.tokens_to_finish(state), asked.completion(state)) == (need, rest), (said, begun)


def test_a_mask_under_a_budget_is_what_counts_say_whatever_was_asked_before() -> None:
    for seed in range(12):
        holds(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(12, 2012, 100))
def test_a_mask_under_a_budget_is_what_counts_say_whatever_was_asked_before_whole(first: int) -> None:
    for seed in range(first, first + 100):
        holds(seed)


SPANNING: dict[str, tuple[Any, dict[str, Any], list[bytes], bytes]] = {
    "strings": ({"type": "string"}, COMPACT, [b'",', b'"]', b'["', b'","'], b'["a'),
    "strings of any escapes": (
        {"type": "string"},
        {"escapes": "any", **COMPACT},
        [b'",', b'1",', b'061",', b'["'],
        b'["\\u006',
    ),
    "arrays": ({"type": "array", "items": {"type": "string"}}, COMPACT, [b'"],', b'"]', b"[["], b'[["a'),
    "objects": ({"type": "object"}, COMPACT, [b'"},', b'":"', b'"}', b"},"], b'[{"a":"b'),
    "integers": ({"type": "integer"}, COMPACT, [b"0,", b"0]", b"1,", b"[1"], b"[1"),
}
"""Items, options, tokens, and the beginning of an array of two at the most, of different ones."""


@for_each("name", SPANNING)
def test_a_token_that_ends_behind_an_items_comma_knows_the_item(name: str) -> None:
    items, options, pieces, text = SPANNING[name]
    said = {"type": "array", "items": items, "maxItems": 2, "uniqueItems": True}
    tokens = [*BYTES, *pieces]
    fresh = compiler(said, options, tokens)
    asked = fresh()
    for size in range(len(text) + 1):
        need, _, after = costs(fresh, text[:size], len(tokens))
        for budget in range(need, need + 5):
            wanted = [token for token, cost in after.items() if cost < budget]
            assert masked(asked, reached(asked, text[:size]), budget) == wanted, (text[:size], budget)


def mask_holds(seed: int) -> None:
    """Hold masks of a vocabulary with few tokens of several bytes, and with a history, to steps by bytes."""
    chance = random.Random(f"histories {seed}")
    said, options = schema(chance), chance.choice(OPTIONS)
    try:
        plain = compiler(said, options, BYTES)()
    except UnsatisfiableSchema:
        return
    texts = [document(chance, plain) for _ in range(8)]
    begun = sorted({text[:size] for text in texts for size in range(len(text) + 1)})
    joined = pieces_of(texts, 4)
    for _ in range(3):
        several = chance.sample(joined, min(len(joined), chance.randint(1, 3)))
        asked = compiler(said, options, [*BYTES, *several])()
        for text in chance.sample(begun, min(len(begun), 6)):
            state = reached(asked, text)
            allowed = asked.allowed(state)
            for token, piece in enumerate(several, 256):
                wanted = plain.step_bytes(plain.start, text + piece) is not None
                assert (token in allowed) == wanted, (said, options, text, several, piece)


def test_a_mask_is_what_steps_say_whatever_was_asked_before() -> None:
    for seed in range(20):
        mask_holds(seed)
    for digit in range(10):  # the node behind a digit, and that behind its comma, before a closing quote
        said = {"type": "array", "items": {"type": ["string", "integer"]}, "not": {"enum": [[""]]}}
        asked = compiler(said, COMPACT, [*BYTES, b'%d,"' % digit])()
        assert 256 in asked.allowed(reached(asked, b'["'))
        assert 256 in asked.allowed(reached(asked, b"["))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(20, 4020, 500))
def test_a_mask_is_what_steps_say_whatever_was_asked_before_whole(first: int) -> None:
    for seed in range(first, first + 500):
        mask_holds(seed)


MANY_STRINGS: dict[str, Any] = {
    "of few characters": {"type": "string", "maxLength": 2},
    "that are listed": {"type": "string", "pattern": "^[ab]{11}$"},
    "of two kinds": {"anyOf": [{"type": "string", "pattern": "^[a-z]{1,2}$"}, {"enum": [1, 2]}]},
}


@for_each("name", MANY_STRINGS)
def test_arrays_of_many_strings_that_must_differ_take_few_steps(name: str) -> None:
    """Masks and counts stay within the work of one call, which none of the compilation's is."""
    differing = {"uniqueItems": True, "maxItems": 2}
    several = {
        "type": "array",
        "items": MANY_STRINGS[name],
        "minItems": 1,
        "maxItems": 3,
        "uniqueItems": True,
    }
    other = {"type": "array", "items": {"anyOf": [{"const": 1}, {"type": "string"}]}, **differing}
    said = {"type": "array", "items": {"oneOf": [several, other]}, **differing}
    compiled = compiler(said, dict(sg.WIDEST), BYTES)()
    for text in (b"", b"[", b"[[", b"[[1", b'[[1,"', b'[["ab"', b"[[1],["):
        state = compiled.step_bytes(compiled.start, text)
        if state is not None:
            assert compiled.tokens_to_finish(state) <= len(compiled.completion(state))
            assert compiled.allowed(state)


def long_value(chance: random.Random, word: str, depth: int) -> Any:
    """Return a schema of values in which a long word, or as many characters, must be written somewhere."""
    kind, inner = chance.randrange(7 if depth else 3), {"const": word}
    if kind > 2:
        inner = long_value(chance, word, depth - 1)
    counts = {"minItems": chance.randint(1, 3), "maxItems": chance.randint(3, 4)}
    named = {
        "properties": {word: inner, "b": {"type": "integer"}},
        "additionalProperties": chance.random() < 0.5,
    }
    return [
        {
            "enum": chance.choice(
                [[word], [word, "b"], [0, word, {"b": word}], [[word], None], [[0], [0, word]]]
            )
        },
        {"type": "string", "minLength": len(word)},
        {"type": "array", "items": {"const": chance.choice([word, [word], {word: 0}])}, **counts},
        {"type": "array", "items": inner, **counts},
        {"type": "array", "items": inner, **counts, "not": {"uniqueItems": True}},
        {"type": "object", **named, "required": chance.choice([[word], ["b", word]])},
        {"type": "object", **named, "required": ["b"], "dependentRequired": {"b": [word]}},
    ][kind]


def suffices(seed: int) -> None:
    """Hold the budgets that are known to take nothing from masks to the counts behind each token, in a
    vocabulary with few tokens of several bytes, which write a long word and what stands beside it."""
    chance = random.Random(f"sufficient {seed}")
    word = "a" * chance.choice([2, 40]) + "b"
    said, options = long_value(chance, word, 2), chance.choice(OPTIONS)
    heads, tails = (
        [b"", b'"', b',"', b', "', b',["', b',{"'],
        [b"", b'"', b'":', b'": ', b'"]', b'":0}', b'"}'],
    )
    texts = word.encode(), b" " * len(word)
    tokens = [*BYTES, *(head + text + tail for head in heads for text in texts for tail in tails)]
    compiled = compiler(said, options, tokens)()
    text = compiled.completion(compiled.start)
    inside = [size for size in range(len(text)) if text[size - 1 : size] != text[size : size + 1]]
    for size in chance.sample(inside, min(len(inside), 3)):
        matcher = sg.Matcher(compiled, reached(compiled, text[:size]))
        matcher.fill_mask(sg.allocate_mask(1, compiled.vocab_size))
        enough = next(filter(matcher.budget_suffices, range(200)), None)
        _, _, after = costs(lambda: compiled, text[:size], len(tokens))
        assert enough is None or max(after.values()) < enough, (said, options, text[:size])


def test_a_budget_that_suffices_is_enough_behind_each_token() -> None:
    for seed in range(25):
        suffices(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(25, 2025, 200))
def test_a_budget_that_suffices_is_enough_behind_each_token_whole(first: int) -> None:
    for seed in range(first, first + 200):
        suffices(seed)
