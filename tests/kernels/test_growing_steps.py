"""A table that grows with the documents steps as the engine does, for every kind of grammar."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from compiled_texts import written

import structgen as sg

torch = pytest.importorskip("torch")
from growing_steps import GrowingSteps  # noqa: E402

PIECES = [b'{"', b'": ', b'", "', b"ab", b"true", b'"}', b"]]", b"12", b"-1", b", ", "ä".encode()]
TEXTS: list[bytes | None] = [bytes((byte,)) for byte in range(256)] + PIECES
# the same bytes twice, a token without bytes, two ends
TOKENIZER = sg.Tokenizer.from_bytes(
    [*TEXTS, b"12", None, None, None], eos_token_id=[len(TEXTS) + 2, len(TEXTS) + 3]
)
SIZE = TOKENIZER.vocab_size
TREE: Any = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+( [a-z]+)?$"},
        "note": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": -3, "maximum": 120},
        "kind": {"enum": ["a", "ab", None, [1, 2]]},
        "parts": {"type": "array", "items": {"$ref": "#"}, "maxItems": 3},
    },
    "required": ["name"],
    "additionalProperties": False,
}
LISTS: Any = {"type": ["array", "string", "number", "null"], "items": {"$ref": "#"}}
OPEN_KEYS: Any = {
    "type": "object",
    "propertyNames": {"maxLength": 2},
    "additionalProperties": {"enum": [1, 12, "x"]},
    "maxProperties": 2,
}
CALLS = 'start: call (";" call)*\ncall: NAME "(" (call | NAME | DIGIT)? ")"\nDIGIT: /[0-9]/\nNAME: /[a-z]+/\n'
GRAMMARS: dict[str, Callable[[], Any]] = {
    "a schema": lambda: sg.json_schema(TREE),
    "lists": lambda: sg.json_schema(LISTS),
    "open keys": lambda: sg.json_schema(OPEN_KEYS),
    "a pattern": lambda: sg.regex("(ab|12){1,9}x?"),
    "EBNF": lambda: sg.ebnf('root ::= "[" (item (", " item)*)? "]"\nitem ::= [0-9]+ | root'),
    "Lark": lambda: sg.lark(CALLS),
}
LINES = 8


def table_of(name: str) -> GrowingSteps:
    return GrowingSteps(sg.compile(GRAMMARS[name](), TOKENIZER, store=False))


def begin(table: GrowingSteps) -> sg.Matcher:
    """Return a matcher in the grammar of a table. Without a state it might begin in one compiled anew."""
    return sg.Matcher(table.compiled, table.compiled.start)


def documents_of(table: GrowingSteps, chance: random.Random) -> list[list[int]]:
    """Return random documents, each with an end token."""
    documents = [written(begin(table), chance, chance.randint(20, 40)) for _ in range(LINES)]
    return [[*tokens, chance.choice(TOKENIZER.eos_token_ids)] for tokens in documents]


def engine_mask(matcher: sg.Matcher) -> list[int]:
    """Return the tokens that the engine allows, none after an end token."""
    mask = sg.allocate_mask(1, SIZE)
    if not matcher.is_finished:
        matcher.fill_mask(mask)
    return list(mask.allowed())


def table_mask(table: GrowingSteps, row: int) -> list[int]:
    """Return the tokens that a row of the table's store allows."""
    bits = table.store[row].numpy().view("uint32").tolist()
    return [token for token in range(SIZE) if bits[token // 32] >> token % 32 & 1]


def compare_steps(table: GrowingSteps, documents: list[list[int]], chance: random.Random) -> tuple[int, int]:
    """Write documents side by side, and compare each step, and that of another token, with a matcher's.
    Returns the numbers of steps and of states that were learned."""
    matchers = [begin(table) for _ in documents]
    states = torch.zeros(len(documents), dtype=torch.int32)
    steps = learned = 0
    for place in range(max(map(len, documents)) + 1):
        others = [chance.randrange(-1, SIZE + 1) for _ in documents]
        tried, _ = table.step(states, torch.tensor(others))
        tokens = [document[place] if place < len(document) else -1 for document in documents]
        after, rows = table.step(states, torch.tensor(tokens))
        for line, matcher in enumerate(matchers):
            reached = matcher.reached([others[line]]) if 0 <= others[line] < SIZE else []
            # dead lines, which have written their end, refuse what a finished matcher refuses
            assert [table.indices[state] for state in tried[line : line + 1] if state >= 0] == reached
            if tokens[line] < 0:
                assert (int(after[line]), int(rows[line])) == (-1, -1)
                continue
            matcher.advance(tokens[line])
            state = int(after[line])
            assert table.indices[state] == matcher.state_index
            if rows[line] < 0 and table.state_rows[state] < 0:
                table.learn(state)
                learned += 1
            assert rows[line] in (-1, table.state_rows[state])
            assert table_mask(table, int(table.state_rows[state])) == engine_mask(matcher)
            steps += 1
        states = after
    return steps, learned


def compare_documents(count: int, seed: int) -> None:
    """Compare as many steps of random documents, the same number of each grammar."""
    for name in GRAMMARS:
        table, chance, steps = table_of(name), random.Random(f"{name} {seed}"), 0
        while steps < count / len(GRAMMARS):
            steps += compare_steps(table, documents_of(table, chance), chance)[0]


def test_steps_of_a_growing_table_are_those_of_the_engine() -> None:
    compare_documents(1_000, seed=0)


@pytest.mark.slow
def test_ten_thousand_steps_of_a_growing_table_are_those_of_the_engine() -> None:
    compare_documents(10_000, seed=1)


@pytest.mark.parametrize("name", GRAMMARS)
def test_documents_that_were_written_before_ask_nothing(name: str) -> None:
    table, chance = table_of(name), random.Random(2)
    documents = documents_of(table, chance)
    assert compare_steps(table, documents, chance)[1] > 0
    assert compare_steps(table, documents, chance)[1] == 0


def test_a_table_that_grows_keeps_its_entries_and_its_rows() -> None:
    table, chance = table_of("a schema"), random.Random(3)
    compare_steps(table, documents_of(table, chance), chance)
    transitions, state_rows, store = table.transitions, table.state_rows.clone(), table.store
    state = int((state_rows[:, 0] < 0).nonzero()[0])
    table.learn(state)
    others = torch.arange(len(transitions)) != state
    kept = table.transitions[: len(transitions), : transitions.shape[1]]
    assert torch.equal(kept[others], transitions[others]) and torch.equal(table.store[: len(store)], store)
    assert torch.equal(table.state_rows[: len(state_rows)][others], state_rows[others])
    assert len(table.transitions) > len(transitions)
