"""Documents of long texts in several scripts, near the end of a budget: the cases, and what must hold.

A mask under a budget is exact: a token is allowed where the document can be completed in the tokens that are
left behind it. That is asked state by state of a grammar compiled apart, which has met no other text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from strategies import CROSSING, Words, subschema

import structgen as sg

SCRIPTS = (
    "the quick brown fox jumps over a lazy dog, and so on.",
    "съешь ещё этих мягких французских булок, да выпей чаю",
    "日本語のテキストを書く長い鍵。東京特許許可局",
    "🙂🚀👩‍🔬🇯🇵✨",
    "abc0123456789",
)
_WORDS = sorted(
    {piece for text in SCRIPTS for piece in (*text.split(), text[:2], text[1:4], text[2:3]) if piece}
)
PIECES = [*(bytes((byte,)) for byte in range(256)), *(word.encode() for word in _WORDS), *CROSSING]
END = len(PIECES)
TOKENIZER = sg.Tokenizer.from_bytes([*PIECES, None], eos_token_id=END)


WORDS = Words(
    ("a", "name", "日本語", "0", ""),
    ("a", "ab", "日本", 1, None),
    (
        *(
            {},
            {"type": "string"},
            {"type": "string", "minLength": 2},
            {"type": "integer"},
            {"type": "boolean"},
        ),
        *({"type": "number", "minimum": 0}, {"enum": ["a", "ab", "日本", 1, None, [], {}]}),
        *({"type": ["string", "null", "array"]}, {"type": "object"}, {"type": "boolean"}),
    ),
    (
        *({"pattern": "^[^x]*$"}, {"minLength": 2}, {"not": {"enum": ["", "a", "b"]}}, {"maxLength": 400}),
        {"pattern": "^(x[ab]|.{3,})$"},
    ),
    ("^a", "ш", "本$", "^x[ab]$", "[0-9]{3}"),
    (
        *(
            "items items items uniqueItems uniqueItems uniqueItems minItems maxItems contains properties"
        ).split(),
        *("additionalProperties additionalProperties minProperties propertyNames patternProperties").split(),
        "required",
    ),
)


def schemas(chance: random.Random) -> Iterator[Any]:
    """Yield schemas of arrays and objects without end."""
    while True:
        yield {**subschema(chance, 3, WORDS), "type": chance.choice(["array", "object"])}


def texts(compiled: sg.CompiledGrammar, chance: random.Random, most: int) -> bytes:
    """Return the beginning of a document, long where it may be: of random scripts, of random tokens."""
    state, text, pieces = compiled.start, b"", compiled.tokenizer.token_bytes
    while len(text) < most:
        script = chance.choice(SCRIPTS)
        start = chance.randrange(len(script))
        piece = script[start : start + chance.randint(1, 40)].encode()
        tries = [piece, b'"' + piece, piece[: chance.randint(1, 6)]]
        if chance.random() < 0.45:
            tries = [
                chance.choice([b'"', b'":', b'"]', b'",', b',"', b"0", b",", b"]", b"}", b'"a"', b"[", b"{"])
            ]
        for one in tries:
            after = compiled.step_bytes(state, one)
            if after is not None:
                state, text = after, text + one
                break
        else:
            allowed = [token for token in compiled.allowed(state) if pieces[token]]
            if not allowed:
                break
            token = chance.choice(allowed)
            state, text = compiled.step(state, token), text + pieces[token]
        if chance.random() < 0.03:
            break
    return text


def fault(
    compiled: sg.CompiledGrammar,
    apart: sg.CompiledGrammar,
    text: bytes,
    more: int,
    chance: random.Random,
    tries: int,
) -> str | None:
    """Return what is wrong with the mask of a text under a budget of so much more than it needs, or None.
    `tries`: of how many tokens each is asked what is needed behind it."""
    state, other = (one.step_bytes(one.start, text) for one in (compiled, apart))
    assert state is not None and other is not None
    budget = more + compiled.tokens_to_finish(state)
    mask = sg.allocate_mask(1, compiled.vocab_size)
    sg.Matcher(compiled, state).fill_mask(mask, budget=budget)
    allowed, plain = set(mask.allowed().tolist()), apart.allowed(other)
    if not allowed or not allowed <= set(plain):
        return f"{text!r}: the mask is empty, or more than the plain one, under {budget}"
    asked = [token for token in plain if compiled.tokenizer.token_bytes[token]]
    denied = [token for token in asked if token not in allowed]
    if len(asked) > tries:
        asked = chance.sample(asked, tries // 2) + chance.sample(denied, min(len(denied), tries // 2))
    for token in asked:
        after = apart.step(other, token)
        assert after is not None
        need = apart.tokens_to_finish(after)
        if (need < budget) != (token in allowed):
            said = "allowed" if token in allowed else "denied"
            return f"{text!r}, {budget} left: {token} is {said}, and {need} are needed behind it"
    return None
