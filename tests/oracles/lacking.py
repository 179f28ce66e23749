"""Vocabularies that lack bytes, held to what the same grammar does where each byte is a token.

`left` is the grammar compiled against a vocabulary with tokens of which none has an absent byte, `whole` the
same against all single bytes. Three laws:

- what may be written goes on: behind each allowed token there is a completion of tokens that `whole` accepts;
- what `whole` takes without an absent byte, `left` takes, token by token;
- `left` is refused only where no text of `whole` without absent bytes is found.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from schema_strategies import rare_schema
from strategies import CROSSING

import structgen as sg

SINGLE = [bytes([byte]) for byte in range(256)]
PIECES = (
    *CROSSING,
    *map(str.encode, ("the", "name", "ка", "日本", "🙂")),
    b"\xe3\x81",
    b"\xa9\xc3",
    b"a\xe9",
    b'\xa9"',
)
KINDS: tuple[Sequence[int], ...] = (
    range(0xC2, 0xE0), range(0xE0, 0xF0), range(0xF0, 0xF5), range(0x80, 0xC0), range(0x80, 0xC0),
    b"0123456789", b"abcdefghijklmnopqrstuvwxyz", b"ABCDEF", b"-+.eE", b'"\\/bfnrtu', b",:[]{}", b" \n\t\r",
    range(0x20),
)  # fmt: skip
END = -1


def absent_bytes(chance: random.Random) -> frozenset[int]:
    """Return a few bytes of one or two kinds; now and then nearly all of a kind."""
    found: set[int] = set()
    for kind in chance.sample(KINDS, chance.choice((1, 1, 2, 3))):
        most = len(kind) - 1 if chance.random() < 0.15 else min(4, len(kind))
        found.update(chance.sample(kind, chance.randint(1, most)))
    return frozenset(found)


def tokens_of(absent: frozenset[int]) -> list[bytes]:
    """Return single bytes and longer tokens of which none has an absent byte."""
    every = (*SINGLE, *PIECES)
    return [token for token in every if absent.isdisjoint(token)]


def tokenizer_of(tokens: Sequence[bytes]) -> sg.Tokenizer:
    """Return a tokenizer of these tokens and an end."""
    return sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))


BYTES = tokenizer_of(SINGLE)


class Lacking:
    """One grammar and one vocabulary that lacks bytes."""

    def __init__(self, grammar: sg.Grammar, absent: frozenset[int], chance: random.Random) -> None:
        """Raises the errors of the grammar where all bytes are there."""
        self.absent, self.chance = absent, chance
        self.tokens = tokens_of(absent)
        self.whole = sg.compile(grammar, BYTES, store=False)
        try:
            self.left: sg.CompiledGrammar | None = sg.compile(grammar, tokenizer_of(self.tokens), store=False)
        except sg.errors.TokenizerError:
            self.left = None

    def faults(self, walks: int, length: int, accepts: Callable[[bytes], bool]) -> Iterator[str]:
        """Yield what breaks a law. `length`: tokens of a walk before it ends; `accepts`: a judge of whole
        documents, beside `whole`."""
        for _ in range(walks):
            text = self._some_text(length)
            if text is not None:
                yield from self._taken(text)
            if self.left is not None:
                yield from self._walked(length, accepts)

    def _some_text(self, length: int) -> bytes | None:
        """Return a text of the whole grammar without absent bytes, None where the walk finds none."""
        state, text = self.whole.start, b""
        for step in range(20 * length):
            rest = self.whole.completion(state)
            if step > length and self.absent.isdisjoint(rest):
                return text + rest
            allowed = [byte for byte in self.whole.allowed(state) if byte < 256 and byte not in self.absent]
            if not allowed:
                return None if rest else text
            byte = self.chance.choice(allowed)
            if rest and rest[0] in allowed and self.chance.random() < 0.5:
                byte = rest[0]
            after = self.whole.step(state, byte)
            assert after is not None
            state, text = after, text + bytes([byte])
        return None

    def _taken(self, text: bytes) -> Iterator[str]:
        if self.left is None:
            yield f"refused, though {text!r} can be written"
            return
        state, at = self.left.start, 0
        while at < len(text):
            fits = [i for i, token in enumerate(self.tokens) if text.startswith(token, at)]
            allowed = set(self.left.allowed(state))
            if lost := [self.tokens[i] for i in fits if i not in allowed]:
                yield f"after {text[:at]!r} not {lost}, of {text!r}"
            token = self.chance.choice(fits)
            after = self.left.step(state, token)
            if after is None:
                return
            state, at = after, at + len(self.tokens[token])
        if self.left.completion(state):
            yield f"{text!r} may not end"

    def _walked(self, length: int, accepts: Callable[[bytes], bool]) -> Iterator[str]:
        left = self.left
        assert left is not None
        state, text, end = left.start, b"", len(self.tokens)
        budget = left.tokens_to_finish(state) + self.chance.randint(0, length)
        mask = sg.allocate_mask(1, end + 1)
        for spent in range(budget + 1):
            allowed = left.allowed(state)
            if not allowed:
                yield f"nothing follows {text!r}"
                return
            for token in self.chance.sample(allowed, min(3, len(allowed))):
                if token != end:
                    yield from self._goes_on(state, text, token)
            sg.Matcher(left, state).fill_mask(mask, budget=budget - spent)
            within = [int(token) for token in mask.allowed(0)]
            if not set(within) <= set(allowed):
                yield f"a budget allows more after {text!r}"
            if end in within and (len(within) == 1 or self.chance.random() < 0.3):
                if not accepts(text):
                    yield f"not valid: {text!r}"
                return
            within = [token for token in within if token != end]
            if not within:
                yield f"nothing within {budget - spent} tokens after {text!r}"
                return
            token = self.chance.choice(within)
            after = left.step(state, token)
            assert after is not None
            state, text = after, text + self.tokens[token]
        yield f"not done within {budget}: {text!r}"

    def _goes_on(self, state: sg.core.State, text: bytes, token: int) -> Iterator[str]:
        assert self.left is not None
        after = self.left.step(state, token)
        if after is None:
            yield f"{self.tokens[token]!r} is no step after {text!r}"
            return
        text += self.tokens[token]
        rest = self.left.completion(after)
        if not self.absent.isdisjoint(rest):
            yield f"{text!r} ends in {rest!r}, which has absent bytes"
        ended = self.whole.step_bytes(self.whole.start, text + rest)
        if ended is None or self.whole.completion(ended):
            yield f"{text!r} ends in {rest!r}, which is no text of the grammar"
        if len(rest) < self.left.tokens_to_finish(after):
            yield f"{text!r} ends in {rest!r}, of more tokens than bytes"


OPTIONS: tuple[dict[str, Any], ...] = (
    {}, {}, {}, {"escapes": "any"}, {"escapes": "utf8"}, dict(sg.JSON_DUMPS), dict(sg.WIDEST),
    {"whitespace": 2}, {"whitespace": "compact", "numbers": "plain"}, {"max_string": 6},
)  # fmt: skip


def case(seed: int, number: int) -> tuple[Any, dict[str, Any], frozenset[int], random.Random]:
    """Return a schema, its options, absent bytes, and what walks draw from."""
    chance = random.Random(f"{seed} {number}")
    return rare_schema(chance, 2), chance.choice(OPTIONS), absent_bytes(chance), chance


def judge(schema: Any) -> Callable[[bytes], bool]:
    """Return what `jsonschema` says of a document; nothing where there are formats or multiples."""
    import jsonschema

    if '"format"' in (said := json.dumps(schema)) or '"multipleOf"' in said:
        return lambda text: True  # `whole` knows what jsonschema does not
    validator = jsonschema.Draft202012Validator(schema)
    return lambda text: bool(validator.is_valid(json.loads(text)))
