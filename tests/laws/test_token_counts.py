"""What `tokens_to_finish` counts, for small random grammars and vocabularies, beside a search over masks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import structgen as sg
from structgen.core import State
from structgen.machines.machine_core.text_costs import TextCosts

MOST_STATES = 3_000
PIECES = ["a", "b", "ab", "[ab]", "(?:ab|ba)*", "a?", "(?:a|bb|cab)", "c{2,3}", "(?:abc|ca)", "b+", "[^x]"]
TERMINALS = {
    "A": ['"a"', '"ab"', "/a+b?/"],
    "B": ['"b"', "/[bc]+/", '"ba"'],
    "C": ['"c"', '"cab"', "/c(ab)*/"],
    "D": ['"("', '"(("'],
    "E": ['")"'],
}


def regex(chance: random.Random) -> Any:
    return sg.regex("".join(chance.choices(PIECES, k=chance.randint(1, 5))))


def ebnf(chance: random.Random) -> Any:
    def row(*symbols: str) -> str:
        return " ".join(chance.choices(symbols, k=chance.randint(1, 3)))

    plain = '"a"', '"ab"', '"b"', '"abc"', "[ab]+", '("a" | "bb")*', '"c"?'
    return sg.ebnf(
        f'root ::= {row("x", "y", *plain)}\nx ::= "a" | "bc" | "(" y ")" | {row("y", *plain)}\n'
        f'y ::= "b" | "ca" | "[" x "]" | {row(*plain)}'
    )


def lark(chance: random.Random) -> Any:
    def row(*symbols: str) -> str:
        return " ".join(chance.choices(symbols, k=chance.randint(1, 3)))

    rules = f"start: {row(*'ABCxy')} | {row(*'ABCxy')}\nx: A | D y E | {row(*'ABCy')}\ny: B | C+ | D x E\n"
    rules += "\n".join(f"{name}: {chance.choice(texts)}" for name, texts in TERMINALS.items())
    return sg.lark(rules + chance.choice(["", '\n%ignore " "']))


def schema(chance: random.Random, depth: int = 2) -> Any:
    kind = chance.randrange(8 if depth else 5)
    if kind == 5:
        return {"type": "array", "items": schema(chance, depth - 1), "minItems": chance.randint(0, 2)}
    if kind == 6:
        keys = chance.sample(["a", "b", "ab", "abc"], chance.randint(1, 3))
        closed = {"required": keys[: chance.randint(0, 3)], "additionalProperties": False}
        return {"type": "object", "properties": {key: schema(chance, depth - 1) for key in keys}, **closed}
    if kind == 7:
        return {"anyOf": [schema(chance, depth - 1), schema(chance, depth - 1)]}
    return [
        {"enum": chance.sample(["aa", "a", "abab", "cab", 12, 1, True, None], 3)},
        {"type": "string", "pattern": f"^{''.join(chance.choices(PIECES, k=2))}$"},
        {"type": "integer", "minimum": chance.choice([0, 5, 10, 123, 1000])},
        {"type": chance.choice(["boolean", "null", "string", "integer"])},
        {"type": "string", "minLength": chance.randint(0, 4)},
    ][kind]


def json_schema(chance: random.Random) -> Any:
    return sg.json_schema(schema(chance), whitespace=chance.choice(["compact", "oneline", "bounded"]))


def composed(chance: random.Random) -> Any:
    one = chance.choice([regex, ebnf, lambda chance: sg.json_schema(schema(chance, 1))])(chance)
    parts = ["<a>", one, "</a>"] if chance.random() < 0.5 else [sg.text(), "<a>", one, "b"]
    return sg.sequence(*parts) if chance.random() < 0.8 else one | sg.regex("ab+")


def spelled(chance: random.Random) -> Any:
    return sg.in_json_string(chance.choice([regex, ebnf, lark, json_schema])(chance))


KINDS: dict[str, tuple[Callable[[random.Random], Any], str]] = {
    "regex": (regex, "aabbc"),
    "ebnf": (ebnf, "aabbc()[]"),
    "lark": (lark, "aabbc() "),
    "schema": (json_schema, '""aabbc:,{}[]10'),
    "composed": (composed, '"aabbc<>/:{}1'),
    "spelled": (spelled, '""aabbc\\\\:{}u06'),
}


def states(kind: str, seed: int) -> Iterator[tuple[sg.CompiledGrammar, State]]:
    """Yield states of a random walk in a random grammar under a random vocabulary."""
    chance = random.Random(f"{kind} {seed}")
    make, letters = KINDS[kind]
    words = {"".join(chance.choices(letters, k=chance.randint(2, 5))) for _ in range(chance.randint(8, 24))}
    pieces = [*(bytes((byte,)) for byte in range(256)), *(word.encode() for word in sorted(words))]
    try:
        tokenizer = sg.Tokenizer.from_bytes([*pieces, None], eos_token_id=len(pieces))
        compiled = sg.compile(make(chance), tokenizer, store=False)
    except sg.StructgenError:
        return
    state = compiled.start
    for _ in range(5):
        yield compiled, state
        tokens = [token for token in compiled.allowed(state) if token < len(pieces)]
        if not tokens:
            return
        lively = [token for token in tokens if token > 255 or chr(token) in letters]
        following = compiled.step(state, chance.choice(lively or tokens))
        assert following is not None
        state = following


def fewest(compiled: sg.CompiledGrammar, start: State, *, is_short: bool = False) -> int | None:
    """Return the fewest tokens that complete a document, of the shortest documents alone with `is_short`;
    None past some states."""
    level, met, count = [start], {start}, 0
    while not any(map(compiled.accepts_end, level)):
        ahead = []
        for state in level:
            size = len(compiled.completion(state))
            for token in compiled.allowed(state):
                data, after = compiled.tokenizer.token_bytes[token], compiled.step(state, token)
                if data and after is not None and after not in met:
                    if not is_short or len(compiled.completion(after)) == size - len(data):
                        met.add(after)
                        ahead.append(after)
        level, count = ahead, count + 1
        if len(met) > MOST_STATES:
            return None
    return count


def fewest_of(compiled: sg.CompiledGrammar, text: bytes) -> int:
    """Return the fewest tokens that write a text."""
    pieces = [data for data in compiled.tokenizer.token_bytes if data and data in text]
    least = [0] * (len(text) + 1)
    for at in range(len(text) - 1, -1, -1):
        least[at] = 1 + min(least[at + len(data)] for data in pieces if text.startswith(data, at))
    return least[0]


def check(kind: str, seeds: range) -> None:
    asked = 0
    for seed in seeds:
        for compiled, state in states(kind, seed):
            count, least = compiled.tokens_to_finish(state), fewest(compiled, state)
            assert least is None or count >= least, (kind, seed)
            if kind == "schema":
                assert count == fewest(compiled, state, is_short=True), (kind, seed)
            elif kind == "spelled":  # of a regular grammar as of a schema
                written = fewest_of(compiled, compiled.completion(state))
                assert count in (written, fewest(compiled, state, is_short=True)), (kind, seed)
            elif kind != "composed":
                assert count == fewest_of(compiled, compiled.completion(state)), (kind, seed)
            asked += least is not None
    assert asked > len(seeds)


@pytest.mark.parametrize("kind", KINDS)
def test_a_count_is_what_the_documentation_says(kind: str) -> None:
    """Of JSON the fewest tokens of all shortest documents; of texts those that write the completion."""
    check(kind, range(12))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_count_is_what_the_documentation_says_whole(kind: str) -> None:
    check(kind, range(12, 100))


def test_the_tokens_of_a_long_rest_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each state on the way takes what the one before it has left."""
    counted = []
    chain = TextCosts.chain_state
    monkeypatch.setattr(
        TextCosts, "chain_state", lambda self, *given: (counted.append(given), chain(self, *given))[1]
    )
    rules = "".join(f"a{at + 1} ::= a{at} a{at}\n" for at in range(9))
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
    compiled = sg.compile(sg.ebnf(f'root ::= a9\n{rules}a0 ::= "x" | "yy"\n'), tokenizer, store=False)
    assert compiled.tokens_to_finish(compiled.start) == 512
    assert len(counted) == 1
