"""Choices of many texts, alone and as parts of others, held to brute force over the list of the texts."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from typing import Any, Literal

import pytest
from compiled_texts import masks_along, takes, written
from for_each import for_each

import structgen as sg
from structgen.asking.python_types.type_hints import read_type
from structgen.grammars.text_grammars.text_grammar import MOST_LETTERS
from structgen.tokens.tokenizer import byte_tokenizer

CHANCE = random.Random(89)
MANY = ["".join(CHANCE.choices("abcdefghij", k=20)) for _ in range(100_000)]
LONG = sg.choice(MANY[:5_000])
TOKENS: list[bytes | None] = [
    *(bytes((byte,)) for byte in range(256)),
    b"ab",
    b"abc",
    b"bca",
    b"a: a",
    "éa".encode(),
    None,
]
TOKENIZER = sg.Tokenizer.from_bytes(TOKENS, eos_token_id=len(TOKENS) - 1)


def after(texts: Iterable[bytes], read: bytes) -> set[int]:
    """Return the tokens that may come behind `read`, by the list of the texts."""
    rests = [text[len(read) :] for text in texts if text.startswith(read)]
    tokens = {at for at, token in enumerate(TOKENS) if token and any(one.startswith(token) for one in rests)}
    return tokens | ({len(TOKENS) - 1} if b"" in rests else set())


def fewest(text: bytes) -> int:
    """Return the fewest tokens that write a text."""
    costs = [0]
    for end in range(1, len(text) + 1):
        costs.append(1 + min(costs[end - len(one)] for one in TOKENS if one and text[:end].endswith(one)))
    return costs[-1]


def mask_of(compiled: sg.CompiledGrammar, read: bytes, **budget: int) -> set[int]:
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size)
    for byte in read:
        matcher.advance(byte)
    matcher.fill_mask(mask, **budget)
    return set(mask.allowed())


def drawn(chance: random.Random) -> list[str]:
    letters = chance.choice(["ab", "abc", "aé€", 'a\0\n"\\', "ab\U0001f600"])
    size = chance.choice([1, 2, 5, 40])
    return ["".join(chance.choices(letters, k=chance.randrange(6))) for _ in range(size)]


@for_each("seed", range(120))
def test_masks_budgets_and_completions_are_those_of_the_list(seed: int) -> None:
    chance = random.Random(seed)
    given = drawn(chance)
    texts = [text.encode() for text in set(given)]
    compiled = sg.compile(sg.choice(given), TOKENIZER)
    for text in chance.sample(texts, min(3, len(texts))):
        read = text[: chance.randint(0, len(text))]
        assert mask_of(compiled, read) == after(texts, read)
        state = compiled.step_bytes(compiled.start, read)
        rests = sorted(
            (text[len(read) :] for text in texts if text.startswith(read)), key=lambda one: (len(one), one)
        )
        assert compiled.completion(state) == rests[0]
        assert {byte for one in compiled.expected(state) for byte in one.first} == {
            one[0] for one in rests if one
        }
        assert compiled.tokens_to_finish(state) >= min(map(fewest, rests))
        matcher = sg.Matcher(compiled)
        budget = matcher.tokens_to_finish() + 1 + chance.randrange(3)
        tokens = written(matcher, chance, budget)
        assert len(tokens) <= budget and b"".join(TOKENS[one] or b"" for one in tokens) in texts


def test_a_hundred_thousand_texts_are_exact() -> None:
    compiled = sg.compile(sg.choice(MANY), TOKENIZER)
    texts = [text.encode() for text in MANY]
    for text in MANY[:20]:
        assert takes(compiled, text) and not takes(compiled, text + "a") and not takes(compiled, text[:-1])
        assert mask_of(compiled, text[:4].encode()) == after(texts, text[:4].encode())
    other = "".join(CHANCE.choices("abcdefghij", k=20))
    assert takes(compiled, other) == (other in set(MANY))


WHOLES: dict[str, tuple[sg.Grammar, Callable[[str, str], str]]] = {
    "behind a text": ("a: " + LONG, lambda one, _: f"a: {one}"),
    "twice": (LONG + LONG, lambda one, other: one + other),
    "repeated": ((LONG + ",").repeat(1, 3), lambda one, other: f"{one},{other},"),
    "or a pattern": (LONG | sg.regex("k+"), lambda one, _: one),
    "or a text": (LONG | "k", lambda one, _: one),
    "and a pattern": (LONG & sg.regex("[a-j]{20}"), lambda one, _: one),
    "a pattern, and it": (sg.regex("[a-j]{20}") & LONG, lambda one, _: one),
    "less a text": (LONG - sg.choice(["k"]), lambda one, _: one),
    "without a text": (sg.without(LONG, ["kk"]), lambda one, _: one),
    "in a string": (sg.in_json_string(LONG), lambda one, _: json.dumps(one)),
    "optional": (LONG.optional(), lambda one, _: one),
    "beside a schema": (LONG + sg.json_schema({"type": "integer"}), lambda one, _: f"{one}12"),
}


@for_each("name", list(WHOLES))
def test_a_long_choice_is_a_part_like_any_other(name: str) -> None:
    grammar, written_as = WHOLES[name]
    compiled = sg.compile(grammar, TOKENIZER)
    for one, other in ((MANY[0], MANY[1]), (MANY[4_999], MANY[0])):
        text = written_as(one, other)
        assert takes(compiled, text) and not takes(compiled, text.replace(one, one[:-1] + "k"))
        masks_along(compiled, text)
        for cut in range(len(text)):  # nothing that is no beginning goes on
            assert compiled.step_bytes(compiled.start, text[:cut].encode() + b"\x00") is None
        assert compiled.tokens_to_finish(compiled.start) <= len(text) + 1


def test_where_texts_are_joined_to_one_pattern_nothing_changes() -> None:
    # around the size at which a choice is a part of its own
    size = MOST_LETTERS // 20
    for count in (size, size + 1):
        compiled = sg.compile("<" + sg.choice(MANY[:count]) + ">", TOKENIZER)
        for text in MANY[:5]:
            assert takes(compiled, f"<{text}>") and not takes(compiled, f"<{text[1:]}>")


def engines_choice(texts: list[str]) -> Any:
    return sg.read_request({"guided_choice": texts}).answer


DOORS: dict[str, Callable[[list[str]], tuple[Any, bool]]] = {
    "sg.choice": lambda texts: (sg.choice(texts), False),
    "guided_choice": lambda texts: (engines_choice(texts), False),
    "structured_outputs": lambda texts: (
        sg.read_request({"structured_outputs": {"choice": texts}}).answer,
        False,
    ),
    "enum": lambda texts: (sg.json_schema({"enum": texts}), True),
    "Literal": lambda texts: (sg.json_schema(read_type(Literal[tuple(texts)]).schema), True),  # type: ignore[misc]
}


@for_each("door", list(DOORS))
def test_every_door_takes_many_texts(door: str) -> None:
    texts = MANY[:20_000]
    grammar, quoted = DOORS[door](texts)
    compiled = sg.compile(grammar, TOKENIZER)
    for text in texts[:5]:
        assert takes(compiled, f'"{text}"' if quoted else text)
        assert not takes(compiled, f'"{text[1:]}"' if quoted else text[1:])


def test_equal_texts_are_one_and_beginnings_of_others_are_texts() -> None:
    equal = sg.compile(sg.choice(["ab"] * 100_000), TOKENIZER)
    assert takes(equal, "ab") and equal.completion(equal.start) == b"ab"
    nested = ["a" * size for size in range(1_000)]
    compiled = sg.compile(sg.choice(nested), TOKENIZER)
    assert all(takes(compiled, text) for text in (nested[0], nested[500], nested[999]))
    assert not takes(compiled, "a" * 1_000) and compiled.completion(compiled.start) == b""


def test_one_text_of_a_megabyte_is_forced() -> None:
    text = "ab" * (1 << 19)
    compiled = sg.compile(sg.choice([text]), TOKENIZER)
    assert mask_of(compiled, b"") == {97, TOKENS.index(b"ab")}
    pair = sg.compile(sg.choice([text, text[:-1] + "c"]), TOKENIZER)
    assert mask_of(pair, b"ab") == {97, TOKENS.index(b"ab")}


@for_each(
    ("given", "said"),
    [
        ([], "needs at least one text"),
        (["a", "\ud800"], "surrogate pair"),
        (["a", 1], "texts must be a text, got 1"),
        (["a", b"a"], "texts must be a text, got b'a'"),
    ],
)  # fmt: skip
def test_bad_choices_are_refused(given: list[Any], said: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=said) as caught:
        sg.choice(given)
    assert caught.value.cure or "must be " in caught.value.what


def test_texts_that_the_vocabulary_cannot_write_are_left_out() -> None:
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"b", None], eos_token_id=2)
    compiled = sg.compile(sg.choice(["ab", "ax", "é", "b"]), tokenizer)
    assert takes(compiled, "ab") and not takes(compiled, "ax") and compiled.completion(compiled.start) == b"b"
    with pytest.raises(sg.StructgenError, match="0x78"):
        sg.compile(sg.choice(["ax", "x"]), tokenizer)


def test_the_automaton_of_a_choice_has_its_limit() -> None:
    compiled = sg.compile(sg.choice(["ab", "ac", "b"]), byte_tokenizer())
    dfa = compiled.to_dfa(max_states=5, minimal=True)
    assert len(dfa.states) == 3
    with pytest.raises(sg.errors.LimitError):
        sg.compile(LONG, byte_tokenizer()).to_dfa(max_states=1_000)
