"""The law of strings of which only the length is bounded: masks that are put together from one table for all
lengths are those of a scan of the vocabulary for each length.

Vocabularies are drawn: pieces of escapes, of surrogates and of UTF-8, and some that lack bytes.
"""

from __future__ import annotations

import json
import random
from typing import Any, Final

import numpy as np
import pytest
from for_each import for_each

import structgen as sg
from structgen.machines.json_machine.records.recorder import Recorder

PIECES: Final = [
    *(rb'a " \ \u u d8 D83D \ud83d \ud83d\ dc DE00 \uDC00 \n \/ / \" 0041 00 , } : 1 \ud8 3d'.split()),
    *("é 中 \U0001f600 \u00a0".encode().split()),
    *(b"\xe4", b"\xb8", b"\xf0\x9f", b"\x98", b"\x80", b"\x7f", b" "),
]
LACKING: Final = (b"", b"", b"", b"u", bytes(range(0x90, 0xA0)), b"\x7f")
"""Bytes that no token has."""
ESCAPES: Final = ("canonical", "utf8", "any", "ascii")


def drawn_vocabulary(chance: random.Random) -> list[bytes]:
    """Return each byte but those that are lacking, and words of pieces."""
    lacking = set(chance.choice(LACKING))
    words = {b"".join(chance.choices(PIECES, k=chance.randint(1, 7))) for _ in range(400)}
    return [bytes((byte,)) for byte in range(256) if byte not in lacking] + sorted(
        word for word in words if len(word) > 1 and not lacking & set(word)
    )


def drawn_bounds(chance: random.Random) -> dict[str, int]:
    """Return bounds of a length, of which one or both are there."""
    least = chance.choice((0, 1, 2, 3, 5, 30))
    bounds = {"minLength": least, "maxLength": least + chance.choice((0, 1, 2, 3, 7, 40))}
    return dict(chance.sample(sorted(bounds.items()), chance.choice((1, 1, 2))))


def drawn_schema(chance: random.Random) -> dict[str, Any]:
    """Return a schema with such strings, alone, as members, as items and in unions."""
    text = {"type": "string", **drawn_bounds(chance)}
    other = {"type": "string", **drawn_bounds(chance)}
    return chance.choice(
        (
            text,
            {"type": "object", "properties": {"a": text, "b": other}, "required": ["a", "b"]},
            {"type": "array", "items": {**text, "type": ["string", "null"]}, "maxItems": 3},
            {"anyOf": [text, other]},
            {**text, "pattern": "^[a-c]+$"},
            {**text, "not": {"const": "ab"}},
        )
    )


def masks_of_walks(schema: Any, escapes: Any, tokens: list[bytes], seed: int) -> list[bytes]:
    """Return the masks of three random walks of at most 24 tokens, which like escapes and tails of UTF-8."""
    chance, end = random.Random(seed), len(tokens)
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=end)
    compiled = sg.compile(sg.json_schema(json.dumps(schema), escapes=escapes), tokenizer, store=False)
    mask, masks = sg.allocate_mask(1, end + 1), []
    for _ in range(3):
        matcher = sg.Matcher(compiled)
        for _ in range(24):
            matcher.fill_mask(mask, 0)
            row = np.ascontiguousarray(mask.array).view(np.uint8).reshape(-1)
            masks.append(row.tobytes())
            allowed = np.flatnonzero(np.unpackbits(row, bitorder="little")[: end + 1])
            rare = [one for one in allowed if one < end and (b"\\" in tokens[one] or max(tokens[one]) > 127)]
            token = int(chance.choice(rare if rare and chance.random() < 0.55 else allowed))
            if token == end:
                break
            matcher.advance(token)
    return masks


def obeys(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    tokens, schema, escapes = drawn_vocabulary(chance), drawn_schema(chance), chance.choice(ESCAPES)

    def masks() -> list[bytes] | str:
        try:
            return masks_of_walks(schema, escapes, tokens, seed)
        except sg.StructgenError as error:  # the vocabulary cannot write such a string
            return str(error)

    counted = masks()
    with monkeypatch.context() as scans_alone:
        scans_alone.setattr(Recorder, "_is_counted", lambda *_: False)
        assert counted == masks()


@for_each("seed", range(12))
def test_masks_are_those_of_scans(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    obeys(seed, monkeypatch)


@pytest.mark.slow
@for_each("first", range(100, 2100, 100))
def test_masks_are_those_of_scans_for_thousands(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(first, first + 100):
        obeys(seed, monkeypatch)


WORDS: Final = sorted(PIECES)
BYTES: Final = [bytes((byte,)) for byte in range(256)] + [piece for piece in WORDS if len(piece) > 1]


def test_the_store_counts_the_tables() -> None:
    tokenizer = sg.Tokenizer.from_bytes([*BYTES, None], eos_token_id=len(BYTES))
    store = sg.MaskStore()
    compiled = sg.compile(sg.json_schema({"type": "string", "maxLength": 2}), tokenizer, store=store)
    matcher = sg.Matcher(compiled)
    matcher.advance(BYTES.index(b'"'))
    matcher.fill_mask(sg.allocate_mask(1, tokenizer.vocab_size))
    records = store.of(compiled.vocabulary).terminals
    assert records is not None and len(records.length_tables) == 1
    before = store.nbytes
    tables = sum(table.nbytes for table in records.length_tables.values())
    assert tables > 4 * 100
    records.length_tables.clear()
    assert before - store.nbytes == tables


def test_a_length_between_numbers_that_nobody_writes_has_its_mask() -> None:
    tokenizer = sg.Tokenizer.from_bytes([*BYTES, None], eos_token_id=len(BYTES))
    schema = {"type": "string", "minLength": 10**9 - 1, "maxLength": 10**9}
    matcher = sg.Matcher(sg.compile(sg.json_schema(schema), tokenizer, store=False))
    matcher.advance(BYTES.index(b'"'))
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    matcher.fill_mask(mask)
    allowed = {int(token) for token in mask.allowed(0)}
    assert BYTES.index(b"a") in allowed and BYTES.index(b'"') not in allowed


def test_a_store_without_memory_keeps_the_tables_with_the_grammar() -> None:
    tokenizer = sg.Tokenizer.from_bytes([*BYTES, None], eos_token_id=len(BYTES))
    schema = sg.json_schema({"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 2}})
    answers = []
    for memory in (0, 1 << 28):
        store = sg.MaskStore(memory=memory)
        compiled = sg.compile(schema, tokenizer, store=store)
        state = compiled.start
        for byte in b'["ab","c"]':
            answers.append(compiled.allowed(state))
            after = compiled.step(state, BYTES.index(bytes((byte,))))
            assert after is not None
            state = after
        records = store.of(compiled.vocabulary).terminals
        assert records is not None and bool(records.length_tables) == bool(memory)
    assert answers[:10] == answers[10:]
