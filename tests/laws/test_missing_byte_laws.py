"""The law of vocabularies that lack bytes, in no token or only inside longer ones: a mask has exactly the
tokens behind which other tokens complete a text.

The oracle of small grammars is the list of all their texts, from `re` and lark. Grammars of the library are
walked: tokens complete each allowed token to a text of lark's, and texts of theirs that tokens write, split
by chance, are allowed.
"""

from __future__ import annotations

import functools
import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import permutations, product
from pathlib import Path
from typing import Any

import jsonschema
import lark
import pytest
from lacking import Lacking
from lark.indenter import PythonIndenter
from nonempty import nonempty

import structgen as sg

GRAMMARS = Path(__file__).parents[2] / "grammars"
LETTERS = ("a", "b", "é", "ê", "€", "\n")
"""é and ê share their first byte; € has three."""


class Listed:
    """What tokens write of a finite language."""

    def __init__(self, tokens: Sequence[bytes], texts: Iterable[bytes]) -> None:
        self.tokens = tokens
        self.writes = functools.cache(self._writes)
        self.accepted = {text for text in texts if self.writes(text)}
        self.begun = {text[:at] for text in texts for at in range(len(text) + 1)}
        self._texts = tuple(texts)
        self.live = functools.cache(self._live)

    def _writes(self, text: bytes) -> bool:
        return not text or any(text.startswith(one) and self.writes(text[len(one) :]) for one in self.tokens)

    def _live(self, text: bytes) -> bool:
        return text in self.begun and any(
            one.startswith(text) and self.writes(one[len(text) :]) for one in self._texts
        )

    def mask(self, text: bytes) -> set[int]:
        """Return the tokens that may follow; the number behind the last is the end."""
        found = {i for i, token in enumerate(self.tokens) if self.live(text + token)}
        return found | ({len(self.tokens)} if text in self.accepted else set())


def vocabulary(chance: random.Random, letters: Sequence[str]) -> list[bytes]:
    """Return a vocabulary of some bytes of some letters, and of runs of bytes that stand in texts of them."""
    every = sorted(set("".join(letters).encode()))
    tokens = [bytes((one,)) for one in every if chance.random() < 0.7]
    for _ in range(chance.randint(0, 5)):
        text = "".join(chance.choices(letters, k=3)).encode()
        first = chance.randrange(len(text) - 1)
        tokens.append(text[first : first + chance.randint(2, 4)])
    return list(dict.fromkeys(tokens)) or [letters[0].encode()]


def obeys(
    grammar: sg.Grammar, tokens: Sequence[bytes], texts: Iterable[bytes], most: int = 60, named: int = 1 << 30
) -> None:
    """Compare masks, bytes that come next, counts, completions and budgets in `most` states with those of the
    list. `named`: the tokens from here on write characters for which others stand in the list."""
    oracle = Listed(tokens, texts)
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    try:
        compiled = sg.compile(grammar, tokenizer, store=False)
    except sg.errors.TokenizerError as error:
        assert not oracle.accepted
        assert "0x" in str(error)
        return
    assert oracle.accepted, (tokens, "a grammar without texts is refused")
    pending, seen = [(b"", compiled.start)], 0
    while pending and seen < most:
        text, state = pending.pop(0)
        seen += 1
        others = range(named, len(tokens))
        allowed = [one for one in compiled.allowed(state) if one not in others]
        assert set(allowed) == oracle.mask(text), (tokens, text)
        first = {tokens[one][0] for one in allowed if one < len(tokens)}
        assert first <= set(compiled.next_bytes(state))
        assert set(compiled.next_bytes(state)).isdisjoint(tokenizer.absent_bytes)
        assert text + compiled.completion(state) in oracle.accepted
        need = compiled.tokens_to_finish(state)
        mask, behind = sg.allocate_mask(1, len(tokens) + 1), {}
        within: dict[int, set[int]] = {}
        for budget in (need, need + 1, need + 3, need + 10):
            sg.Matcher(compiled, state).fill_mask(mask, budget=budget)
            within[budget] = {int(one) for one in mask.allowed(0)}.difference(others)
            assert within[budget] and within[budget] <= set(allowed), (tokens, text)
        for token in allowed[:-1] if allowed[-1] == len(tokens) else allowed:
            after = compiled.step(state, token)
            assert after is not None, (tokens, text, tokens[token])
            behind[token] = compiled.tokens_to_finish(after)
            pending.append((text + tokens[token], after))
        for budget, some in within.items():
            assert some - {len(tokens)} == {one for one in behind if behind[one] < budget}, (tokens, text)


def pattern_of(chance: random.Random, depth: int = 2) -> str:
    """Return a pattern of few short texts."""
    kind = chance.randrange(6 if depth else 2)
    if kind == 0:
        return chance.choice(LETTERS)
    if kind == 1:
        some = "".join(chance.sample(LETTERS, 2))
        return chance.choice([f"[{some}]", f"[^{some}]", "."])
    parts = [pattern_of(chance, depth - 1) for _ in range(2)]
    if kind == 2:
        return f"(?:{parts[0]}|{parts[1]})"
    if kind == 3:
        return f"(?:{parts[0]})?{parts[1]}"
    return parts[0] + parts[1]


@functools.cache
def all_texts(longest: int) -> list[str]:
    return ["".join(one) for size in range(longest + 1) for one in product(LETTERS, repeat=size)]


def texts_of(pattern: str) -> list[bytes]:
    return [text.encode() for text in all_texts(4) if re.fullmatch(pattern, text)]


def of_letters(grammar: sg.Grammar) -> sg.Grammar:
    """Return the texts of a grammar that have four of the letters at most."""
    return grammar & sg.regex(f"[{''.join(LETTERS)}]{{0,4}}")


@pytest.mark.parametrize(
    "seed", [*range(18), *(pytest.param(one, marks=pytest.mark.slow) for one in range(18, 300))]
)
def test_masks_of_a_random_pattern_have_what_tokens_complete(seed: int) -> None:
    chance = random.Random(seed)
    pattern = pattern_of(chance)
    grammars = [
        of_letters(sg.regex(pattern)),
        sg.ebnf('root ::= x\nx ::= "a" | ""') + of_letters(sg.regex(pattern)),
    ]
    texts = texts_of(pattern)
    for grammar, of in zip(grammars, (texts, [*texts, *(b"a" + one for one in texts)]), strict=True):
        for _ in range(2):
            obeys(grammar, vocabulary(chance, LETTERS), of, 25)


class SmallSchema:
    """A schema whose lengths and counts are bounded, and its texts over some characters.

    `is_free`: any character may be in its strings; the space, `n`, an escape of two and those that JSON text
    itself needs stand for all others.
    """

    def __init__(self, chance: random.Random, is_free: bool) -> None:
        self._chance, self.is_free = chance, is_free
        self._letters = ' "\n\\n' if is_free else "ab"
        self.schema, values = self._one(self._letters, True)
        self.texts = self._valid(self.schema, dict.fromkeys(map(compact, values)))

    def _valid(self, schema: Any, texts: Iterable[str]) -> list[bytes]:
        valid = jsonschema.Draft202012Validator(schema).is_valid
        return [text.encode() for text in texts if valid(json.loads(text))]

    def _one(self, letters: str, is_outer: bool) -> tuple[dict[str, Any], list[Any]]:
        kinds = [self._string, self._string, self._pattern, self._number]
        kinds += [self._array, self._array, self._object, self._object, self._union] if is_outer else []
        return self._chance.choice(kinds)(letters, is_outer)

    def _words(self, letters: str, most: int) -> list[Any]:
        return ["".join(one) for size in range(most + 1) for one in product(letters, repeat=size)]

    def _string(self, letters: str, is_outer: bool) -> tuple[dict[str, Any], list[Any]]:
        least = self._chance.randint(0, 3 if is_outer else 1)
        most = self._chance.randint(max(least, 1), 4 if is_outer else 1)
        return {"type": "string", "minLength": least, "maxLength": most}, self._words(letters, most)

    def _pattern(self, letters: str, is_outer: bool) -> tuple[dict[str, Any], list[Any]]:
        pattern = self._chance.choice(["^[^n]*$"] if self.is_free else ["^a*b$", "^(ab|ba)+$", "^.b?$", "a"])
        return {"type": "string", "pattern": pattern, "maxLength": 2}, self._words(letters, 2)

    def _number(self, letters: str, is_outer: bool) -> tuple[dict[str, Any], list[Any]]:
        if not is_outer:
            return self._chance.choice([{"enum": [1, 11, 2]}, {"const": 1}]), [1, 2, 11]
        least = self._chance.choice([-2, 0])
        step = self._chance.choice([{}, {"multipleOf": 2}])
        return {"type": "integer", "minimum": least, "maximum": 21, **step}, [*range(least, 22)]

    def _item(self, structure: str) -> tuple[dict[str, Any], list[Any]]:
        item, values = self._one(self._letters + structure + "!#12", False)
        texts = self._valid(item, map(compact, values))
        return item, [json.loads(text) for text in texts]

    def _array(self, letters: str, is_outer: bool) -> tuple[dict[str, Any], list[Any]]:
        item, values = self._item(",[]")
        most = 2 if len(values) < 40 else 1
        least = self._chance.randint(0, most)
        unique = not self.is_free and self._chance.random() < 0.5
        schema = {"type": "array", "items": item, "minItems": least, "maxItems": most, "uniqueItems": unique}
        return schema, [list(one) for size in range(most + 1) for one in product(values, repeat=size)]

    def _object(self, letters: str, is_outer: bool) -> tuple[dict[str, Any], list[Any]]:
        item, values = self._item(",:{}")
        most = 2 if len(values) < 4 else 1
        schema: dict[str, Any] = {"type": "object", "minProperties": self._chance.randint(0, most)}
        schema["maxProperties"] = most
        keys = ["n", "1"] if self.is_free else ["a", "b"]
        kind = self._chance.randrange(3)
        if kind == 0:
            schema |= {"properties": dict.fromkeys(keys, item), "additionalProperties": False}
        elif kind == 1:
            keys = ["", *self._letters, *",:{}!#12"]
            schema |= {"propertyNames": {"maxLength": 1}, "additionalProperties": item}
        else:
            keys[1] = 2 * keys[0]
            schema |= {"patternProperties": {f"^{keys[0]}+$": item}, "additionalProperties": False}
            schema["propertyNames"] = {"maxLength": 2}
        names = [one for size in range(most + 1) for one in permutations(keys, size)]
        return schema, [
            dict(zip(one, held, strict=True)) for one in names for held in product(values, repeat=len(one))
        ]

    def _union(self, letters: str, is_outer: bool) -> tuple[dict[str, Any], list[Any]]:
        some = [self._one(letters + "12", False) for _ in range(2)]
        return {"anyOf": [one for one, _ in some]}, [value for _, values in some for value in values]


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def of_texts(chance: random.Random, small: SmallSchema) -> tuple[list[bytes], int]:
    """Return a vocabulary of which some bytes stand only inside longer tokens, and where the characters begin
    for which others stand."""
    bytes_ = sorted({byte for text in small.texts for byte in text})
    share = chance.choice([0.3, 0.6, 0.85])
    stand = set(bytes_).intersection(b" n!#\\") if small.is_free else set()
    tokens = [bytes((one,)) for one in bytes_ if one in stand or (one != 34 and chance.random() < share)]
    for _ in range(chance.choice([chance.randint(1, 12), chance.randint(20, 50)])):
        text = chance.choice(small.texts)
        at = chance.choice([0, max(len(text) - 2, 0), chance.randrange(len(text))])
        tokens.append(text[at : at + chance.randint(2, 5)])
    tokens = list(dict.fromkeys(tokens))
    if not small.is_free:
        return tokens, len(tokens)
    used = {*bytes_, *b'"[]{},:12u', *(one[0] for one in tokens if len(one) == 1)}
    return [*tokens, *(bytes((one,)) for one in range(32, 256) if one not in used)], len(tokens)


def obeys_schema(seed: int) -> None:
    chance = random.Random(f"schema {seed}")
    small = SmallSchema(chance, seed % 3 == 0)
    if not small.texts:
        return
    tokens, named = of_texts(chance, small)
    grammar = sg.json_schema(
        small.schema,
        whitespace="compact",
        escapes="utf8",
        numbers="plain",
        property_order="any",
        strict=None,
    )
    try:
        obeys(grammar, tokens, small.texts, 20, named)
    except AssertionError as error:
        raise AssertionError(seed, small.schema) from error


def test_masks_and_budgets_of_a_random_schema_have_what_tokens_complete() -> None:
    for seed in range(20):
        obeys_schema(seed)


def test_a_token_that_uses_up_a_length_is_not_allowed_where_the_end_needs_a_character() -> None:
    tokens = [*(bytes((byte,)) for byte in range(256) if byte != 34), b'"x', b'x"', b"aa"]
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    compiled = sg.compile(sg.json_schema({"type": "string", "maxLength": 3}), tokenizer, store=False)
    state = compiled.step(compiled.start, tokens.index(b'"x'))
    assert state is not None
    allowed = {tokens[one] for one in compiled.allowed(state)}
    assert b"aa" not in allowed
    assert {b"a", b'x"'} <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("first", range(20, 2020, 100))
def test_masks_and_budgets_of_a_random_schema_whole(first: int) -> None:
    for seed in range(first, first + 100):
        obeys_schema(seed)


def rules_of(chance: random.Random) -> tuple[str, Callable[[str], list[str]]]:
    """Return a Lark grammar without recursion, and what each of its symbols derives."""
    terminals = {}
    for name in "ABC":
        words = ["".join(chance.choices("abé€", k=chance.randint(1, 2))) for _ in range(chance.randint(1, 2))]
        terminals[name] = list(dict.fromkeys(words))
    rules = {"x": [], "start": []}
    for name, symbols in (("x", "ABC"), ("start", ["x", "A", "B", "C"])):
        rules[name] = [chance.choices(symbols, k=chance.randint(1, 2)) for _ in range(chance.randint(1, 3))]
    text = "".join(f"{name}: {' | '.join(map(' '.join, of))}\n" for name, of in rules.items())
    text += "".join(f"{name}: {' | '.join(map(json.dumps, of))}\n" for name, of in terminals.items())

    def derived(symbol: str) -> list[str]:
        if symbol in terminals:
            return terminals[symbol]
        return ["".join(one) for of in rules[symbol] for one in product(*map(derived, of))]

    return text, derived


@pytest.mark.parametrize("lexer", ["contextual", "characters"])
@pytest.mark.parametrize(
    "seed", [*range(7), *(pytest.param(one, marks=pytest.mark.slow) for one in range(7, 200))]
)
def test_masks_of_a_random_lark_grammar_have_what_tokens_complete(seed: int, lexer: str) -> None:
    chance = random.Random(seed)
    while True:
        text, derived = rules_of(chance)
        try:
            parser = lark.Lark(text, parser="lalr")
            break
        except lark.exceptions.LarkError:
            continue

    def accepts(word: str) -> bool:
        try:
            parser.parse(word)
        except lark.exceptions.LarkError:
            return False
        return True

    words = sorted(set(derived("start")))
    texts = [word.encode() for word in words if lexer == "characters" or accepts(word)]
    for _ in range(2):
        obeys(sg.lark(text, lexer=lexer), vocabulary(chance, "abé€"), texts, 20)


CHEAP = ("arithmetic", "csv", "dates", "json")
NAMES = sorted(path.stem for path in nonempty(GRAMMARS.glob("*.lark")))


@pytest.mark.parametrize(
    "name", [name if name in CHEAP else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_what_tokens_can_write_of_a_library_grammar_is_what_masks_allow(name: str) -> None:
    options = {"postlex": PythonIndenter()} if name == "python" else {}
    grammar = sg.lark(GRAMMARS / f"{name}.lark", **options)
    parser = lark.Lark.open(str(GRAMMARS / f"{name}.lark"), parser="lalr", **options)

    def accepts(text: bytes) -> bool:
        parser.parse(text.decode())
        return True

    for seed in range(4):
        chance = random.Random(f"{name} {seed}")
        absent = {*chance.sample(range(0x80, 0x100), 20), *chance.sample(range(0x20, 0x7F), 3)}
        assert not [*Lacking(grammar, frozenset(absent), chance).faults(2, 8, accepts)]
