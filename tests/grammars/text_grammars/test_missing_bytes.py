"""Vocabularies that lack bytes: the texts are those that sequences of tokens write, and no mask leads to a
place where only something else could follow. The oracle is the list of all short texts. Patterns, schemas and
Lark grammars are in tests/laws/test_missing_byte_laws.py."""

from __future__ import annotations

import functools
import pickle
import random
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import product

import pytest
from compiled_texts import reached
from for_each import for_each

import structgen as sg
from structgen.grammars.text_grammars.context_free.regular_intersection import Meet


def tokenizer_of(tokens: Sequence[str]) -> sg.Tokenizer:
    return sg.Tokenizer.from_bytes([*(one.encode() for one in tokens), None], eos_token_id=len(tokens))


class Oracle:
    """What may be written of a language, from all its texts of at most LONGEST characters."""

    def __init__(self, tokens: Sequence[str], accepts: Callable[[str], bool], longest: int) -> None:
        """`longest`: characters of the longest texts that are looked at."""
        self.tokens, self._longest = tokens, longest
        self.texts: set[str] = {""}
        level = {""}
        while level:
            level = {text + token for text in level for token in tokens if len(text + token) <= longest}
            level -= self.texts
            self.texts |= level
        self.accepted = {text for text in self.texts if accepts(text)}
        self.live = functools.cache(self._live)

    def _live(self, text: str) -> bool:
        """Return whether tokens behind a text lead to an accepted one."""
        return text in self.accepted or any(
            self.live(text + token) for token in self.tokens if len(text + token) <= self._longest
        )

    def mask(self, text: str) -> set[int]:
        """Return the tokens that may follow; the number behind the last is the end."""
        found = {i for i, token in enumerate(self.tokens) if self.live(text + token)}
        return found | ({len(self.tokens)} if text in self.accepted else set())


def agree(
    grammar: sg.Grammar, tokens: Sequence[str], accepts: Callable[[str], bool], depth: int, rest: int
) -> None:
    """Compare all masks of texts of at most `depth` characters, counts and completions with the oracle.
    `rest`: the characters that complete whatever text a token leads to, if anything does."""
    compare(grammar, Oracle(tokens, accepts, depth + max(map(len, tokens)) + rest), depth)


def compare(grammar: sg.Grammar, oracle: Oracle, depth: int) -> None:
    """Compare all masks of texts of at most `depth` characters, counts and completions with an oracle."""
    tokens = oracle.tokens
    try:
        compiled = sg.compile(grammar, tokenizer_of(tokens), store=False)
    except sg.errors.TokenizerError:
        assert not oracle.accepted
        return
    assert oracle.accepted, "a grammar without texts is refused"
    pending = [("", compiled.start)]
    while pending:
        text, state = pending.pop()
        allowed = compiled.allowed(state)
        assert set(allowed) == oracle.mask(text), (tokens, text)
        need, shortest = compiled.tokens_to_finish(state), compiled.completion(state).decode()
        assert text + shortest in oracle.accepted
        mask = sg.allocate_mask(1, len(tokens) + 1)
        sg.Matcher(compiled, state).fill_mask(mask, budget=need)
        within = [int(one) for one in mask.allowed(0)]
        assert within and set(within) <= set(allowed)
        for token in allowed:
            if token == len(tokens):
                assert token in within
                continue
            after = reached(compiled, token, state)
            assert (compiled.tokens_to_finish(after) < need) == (token in within)
            if len(text + tokens[token]) <= depth:
                pending.append((text + tokens[token], after))


def vocabularies(chance: random.Random, letters: str, count: int) -> list[list[str]]:
    """Return vocabularies of some letters and of tokens of two or three, drawn by chance."""
    found = []
    for _ in range(count):
        tokens = chance.sample(letters, chance.randint(0, len(letters)))
        tokens += [
            "".join(chance.choices(letters, k=chance.randint(2, 3))) for _ in range(chance.randint(0, 3))
        ]
        if tokens:
            found.append(list(dict.fromkeys(tokens)))
    return found


RULES = [
    ('root ::= "a" root "b" | "c"', r"c|acb|aacbb|aaacbbb|aaaacbbbb"),
    ('root ::= "(" root ")" | root root | "x" | ""', None),
    ('root ::= [abc] | "a" root', r"a*[abc]"),
]


def balanced(text: str) -> bool:
    while text != (text := text.replace("x", "").replace("()", "")):
        pass
    return text == ""


@pytest.mark.parametrize(("rules", "pattern"), RULES)
def test_masks_of_rules_are_exact(rules: str, pattern: str | None) -> None:
    letters = "(x)" if pattern is None else "abc"
    for tokens in vocabularies(random.Random(rules), letters, 10):
        accepts = balanced if pattern is None else lambda text: re.fullmatch(pattern, text) is not None
        agree(sg.ebnf(rules), tokens, accepts, 1, 5)


class Listed(Oracle):
    """The same for a language whose texts are given, all of them."""

    def __init__(self, tokens: Sequence[str], texts: Iterable[str]) -> None:
        self.tokens = tokens
        self.accepted = {text for text in texts if self._writes(text)}
        self._all = tuple(texts)
        self.live = functools.cache(self._live)

    def _writes(self, text: str) -> bool:
        reached = [True] + [False] * len(text)
        for end in range(1, len(text) + 1):
            reached[end] = any(reached[at] and text[at:end] in self.tokens for at in range(end))
        return reached[-1]

    def _live(self, text: str) -> bool:
        return any(one.startswith(text) and self._writes(one[len(text) :]) for one in self._all)


@pytest.mark.parametrize("letters", ["ab", "()", "<>"])
def test_masks_of_composed_grammars_are_exact(letters: str) -> None:
    one, other = letters
    inner = sg.json_schema({"enum": [one, other, one + other]}, whitespace="compact", escapes="utf8")
    grammars: list[tuple[sg.Grammar, list[str]]] = [
        (one + sg.sequence(inner) + other, [f'{one}"{w}"{other}' for w in (one, other, one + other)]),
        (sg.either(inner, other + other), [*(f'"{w}"' for w in (one, other, one + other)), other + other]),
        (
            sg.substring_of(one + other + other),
            [one, other, one + other, other + other, one + other + other],
        ),
        (sg.without(sg.choice([one, other, one + other]), [one + other]), [one, other]),
        (sg.in_json_string(sg.choice([one, one + one])), [f'"{one}"', f'"{one}{one}"']),
        (
            sg.lark('start: A B\n%declare A\nB: "x"', bind={"A": sg.choice([one, one + other])}),
            [one + "x", one + other + "x"],
        ),
    ]
    for grammar, texts in grammars:
        for tokens in vocabularies(random.Random(letters), letters + '"x', 12):
            compare(grammar, Listed(tokens, texts), 4)


def test_the_missing_bytes_are_listed_and_the_shortest_text_is_one_that_tokens_write() -> None:
    tokenizer = tokenizer_of(["a", "c"])
    missing = tuple(byte for byte in range(256) if byte not in b"ac")
    compiled = sg.compile(sg.regex("b|cc|aaa"), tokenizer, store=False)
    assert compiled.missing_bytes == missing
    assert compiled.completion(compiled.start) == b"cc"
    schema = sg.compile(sg.json_schema({"enum": [1, "aa"]}), tokenizer_of(["a", '"']), store=False)
    assert schema.completion(schema.start) == b'"aa"'


def test_a_refusal_names_the_bytes_of_the_shortest_text() -> None:
    with pytest.raises(sg.errors.TokenizerError, match="0x78"):
        sg.compile(sg.regex("x+"), tokenizer_of(["a"]), store=False)


REFUSED = [
    (lambda: sg.regex("aé+"), "0xa9, 0xc3, of a text that"),
    (lambda: sg.lark('start: "a" X\nX: /é+/'), "0xa9, 0xc3, of X /é"),
    (lambda: sg.lark('start: "a" X\nX: /é+/', lexer="characters"), "0xa9, 0xc3, of X"),
    (lambda: sg.lark('start: "a" X\n%declare X', bind={"X": sg.regex("é")}), "0xa9, 0xc3, of a text that"),
    (lambda: sg.ebnf('root ::= "a" x\nx ::= "é" | "é" x'), '0xa9, 0xc3, of "é"'),
    (lambda: sg.sequence("a", sg.text(until="é")), "0xa9, 0xc3, of any text up to"),
    (lambda: sg.substring_of("éé"), "0xa9, 0xc3, of a span"),
]


@for_each("tokens", [["a", "b"], ["a", "b", "éb"]])
@for_each(("grammar", "named"), REFUSED)
def test_a_grammar_without_a_text_is_refused_with_the_bytes_and_the_place(
    grammar: Callable[[], sg.Grammar], named: str, tokens: list[str]
) -> None:
    with pytest.raises(sg.errors.TokenizerError, match=re.escape(named)) as caught:
        sg.compile(grammar(), tokenizer_of(tokens), store=False)
    assert caught.value.cure


OPTIONAL = [
    lambda: sg.either(sg.regex("é+"), "b"),
    lambda: sg.regex("é").repeat(0, 3) + sg.literal("b"),
    lambda: sg.lark('start: X? "b"\n%declare X', bind={"X": sg.regex("é")}),
    lambda: sg.lark('start: "a" "a"? "é" | "b"'),
    lambda: sg.ebnf('root ::= "a" root "é" | "b"'),
    lambda: sg.choice(["é", "b"]) - sg.literal("a"),
]


@pytest.mark.parametrize("grammar", OPTIONAL)
def test_what_needs_a_missing_byte_is_left_out(grammar: Callable[[], sg.Grammar]) -> None:
    for tokens in (["a", "b"], ["a", "b", "éa"]):
        compiled = sg.compile(grammar(), tokenizer_of(tokens), store=False)
        assert compiled.allowed(compiled.start) == [1]
        assert [one.first for one in compiled.expected(compiled.start)] == [b"b"]
        assert compiled.completion(compiled.start) == b"b"


def test_a_tag_whose_beginning_cannot_be_written_does_not_begin() -> None:
    tags = [{"begin": begin, "schema": {"const": 1}, "end": "b"} for begin in ("é:", "a:")]
    grammar = sg.structural_tag({"structures": tags, "triggers": ["é:", "a:"]})
    compiled = sg.compile(grammar, tokenizer_of(["a", ":", "b", "1"]), store=False)
    state = reached(compiled, b"b:a:")
    assert compiled.allowed(state) == [3]
    assert compiled.completion(state) == b"1b"


def test_special_tokens_stand_between_texts_that_tokens_write() -> None:
    tokens = [b"a", b"bc", b"c", None, None]
    tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=4)
    compiled = sg.compile(sg.regex("[ab]?c") + sg.special(3) + sg.regex("a|b"), tokenizer, store=False)
    assert compiled.allowed(compiled.start) == [0, 1, 2]
    state = reached(compiled, 1)
    assert compiled.allowed(state) == [3]
    state = reached(compiled, 3, state)
    assert (compiled.allowed(state), compiled.tokens_to_finish(state)) == ([0], 1)


def test_two_vocabularies_with_one_store_have_masks_of_their_own() -> None:
    store = sg.MaskStore()
    for text in ("root ::= [abc]+", None):
        grammar = sg.lark("start: /[abc]+/") if text is None else sg.ebnf(text)
        for tokens in (["a", "b", "c"], ["a", "b"], ["a", "bc"]):
            compiled = sg.compile(grammar, tokenizer_of(tokens), store=store)
            assert compiled.allowed(compiled.start) == [*range(len(tokens))]
            assert set(compiled.next_bytes(compiled.start)) == {ord(one[0]) for one in tokens}


def test_a_lark_grammar_without_bytes_pickles() -> None:
    grammar = sg.lark('start: "a" start "c" | "b"')
    compiled = sg.compile(grammar, tokenizer_of(["a", "b"]), store=False)
    again = pickle.loads(pickle.dumps(compiled))
    assert again.allowed(again.start) == compiled.allowed(compiled.start) == [1]
    whole = sg.compile(grammar, tokenizer_of(["a", "b", "c"]), store=False)
    assert whole.allowed(whole.start) == [0, 1]


def test_a_mask_asks_once_for_each_class_of_states(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = [chr(one) for one in range(0x21, 0x7F) if chr(one) != "}"]
    tokens = [*letters, *("".join(pair) for pair in product("abcdefgh", repeat=3)), '"}']
    compiled = sg.compile(sg.json_schema({"type": "object"}), tokenizer_of(tokens), store=False)
    state = reached(compiled, b'{"ab')
    lives, asked = Meet.is_live, set()
    monkeypatch.setattr(Meet, "is_live", lambda self, pair: asked.add(pair) or lives(self, pair))
    assert set(range(len(letters), len(tokens) - 1)) <= set(compiled.allowed(state))
    assert 0 < len(asked) < 40


def test_a_compiled_grammar_that_lacks_bytes_pickles_and_copies_its_states() -> None:
    compiled = sg.compile(
        sg.json_schema({"enum": [[1, 1], 2]}), tokenizer_of(["[", "]", "1", ","]), store=False
    )
    again = pickle.loads(pickle.dumps(compiled))
    state = again.step_bytes(again.start, b"[1,")
    assert again.completion(state) == b"1]"


def test_a_composed_part_without_any_text_is_left_out() -> None:
    nothing = sg.json_schema({"type": "object", "minProperties": 1})
    grammar = "a" + sg.sequence(nothing).repeat(0, 2) + sg.either(nothing, "b")
    compiled = sg.compile(grammar, tokenizer_of(["a", "b", "{", '"']), store=False)
    assert compiled.completion(compiled.start) == b"ab"
    state = reached(compiled, b"a")
    assert compiled.allowed(state) == [1]
