"""A process that writes many documents does not keep all that they met, and no document ends by what others
took."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import structgen as sg
from structgen.decoding.runs.resources import small_tokenizer
from structgen.machines.core.compiled import Generation
from structgen.machines.json_machine.tables import json_blocks

FREE: dict[str, Any] = {"type": "object"}
UNIQUE = {"type": "array", "uniqueItems": True, "items": {"type": "integer"}}


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(small_tokenizer())


def documents(seed: int, members: int = 6) -> Iterator[str]:
    """Yield documents that hardly share a key."""
    chance = random.Random(seed)
    while True:
        keys = ("".join(chance.choices("abcdefghijklmnop", k=7)) for _ in range(members))
        yield json.dumps({key: chance.randint(0, 999) for key in keys})


def write(matcher: sg.Matcher, text: str) -> list[bytes]:
    """Return the masks on the way through a text."""
    tokenizer = matcher.compiled.tokenizer
    mask, found = sg.allocate_mask(1, tokenizer.vocab_size), []
    for token in tokenizer.encode(text.encode()):
        matcher.fill_mask(mask)
        found.append(mask.array.tobytes())
        matcher.advance(token)
    return found


def compiled_of(tokenizer: sg.Tokenizer, schema: Any, **limits: Any) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(schema), tokenizer, limits=sg.Limits(**limits), store=False)


def test_documents_begin_anew_once_others_have_met_much(tokenizer: sg.Tokenizer) -> None:
    compiled = compiled_of(tokenizer, FREE, grammar_memory=1 << 21)
    largest = 0
    for _, text in zip(range(200), documents(1), strict=False):
        matcher = sg.Matcher(compiled)
        write(matcher, text)
        assert matcher.is_complete
        largest = max(largest, matcher.compiled.nbytes)
    assert matcher.compiled is not compiled
    assert matcher.compiled is compiled.fresh()
    one = compiled_of(tokenizer, FREE)
    for _, text in zip(range(200), documents(1), strict=False):
        write(sg.Matcher(one), text)
    assert one.nbytes > 2 * largest


def test_a_document_that_takes_much_by_itself_is_no_reason_to_begin_anew(tokenizer: sg.Tokenizer) -> None:
    compiled = compiled_of(tokenizer, FREE, grammar_memory=1 << 16)
    text = next(documents(2, members=40))
    for _ in range(50):
        write(sg.Matcher(compiled), text)
    assert compiled.fresh() is compiled


def test_a_document_under_way_stays_where_it_is(tokenizer: sg.Tokenizer) -> None:
    compiled = compiled_of(tokenizer, FREE, grammar_memory=1 << 20)
    early = sg.Matcher(compiled)
    write(early, '{"a": ')
    for _, text in zip(range(100), documents(3), strict=False):
        write(sg.Matcher(compiled), text)
    assert compiled.fresh() is not compiled and early.compiled is compiled
    write(early, "1}")
    assert early.is_complete


@pytest.mark.parametrize("schema", [FREE, UNIQUE], ids=["states", "numerals"])
def test_a_bound_that_others_used_up_ends_no_document(tokenizer: sg.Tokenizer, schema: Any) -> None:
    limits = {"parser_states": 3_000} if schema is FREE else {"automaton_states": 2_000}
    compiled = compiled_of(tokenizer, schema, **limits, grammar_memory=1 << 40)
    chance = random.Random(4)

    def texts() -> Iterator[str]:
        if schema is FREE:
            yield from documents(4)
        while True:
            yield json.dumps(chance.sample(range(10**9), 4))

    met = set()
    for _, text in zip(range(60), texts(), strict=False):
        matcher = sg.Matcher(compiled)
        masks = write(matcher, text)
        assert matcher.is_complete
        met.add(id(matcher.compiled))
    assert len(met) > 1
    assert masks == write(sg.Matcher(compiled_of(tokenizer, schema)), text)


@pytest.fixture
def full(tokenizer: sg.Tokenizer) -> sg.CompiledGrammar:
    """A grammar in which others have used up the states, all but a few."""
    compiled = compiled_of(tokenizer, FREE, parser_states=2_000, grammar_memory=1 << 40)
    for _ in range(2):
        write(sg.Matcher(compiled), "{}")
    for text in documents(5, members=1):
        tables = compiled._tables
        counted = (
            json_blocks.T_NODE,
            json_blocks.T_FRAME,
            json_blocks.T_EDGE,
            json_blocks.T_TEXT,
            json_blocks.T_SET,
        )
        if max(tables.count(table) for table in counted) > 1_980:
            return compiled
        write(sg.Matcher(compiled, compiled.start), text)
    raise AssertionError


TEXT = next(documents(6, members=12))


def test_rollback_and_forks_outlive_the_renewal(full: sg.CompiledGrammar, tokenizer: sg.Tokenizer) -> None:
    matcher, alone = sg.Matcher(full), sg.Matcher(compiled_of(tokenizer, FREE))
    fork = matcher.fork()
    assert write(matcher, TEXT) == write(alone, TEXT)
    assert matcher.compiled is not full and fork.compiled is full
    assert matcher.events() == alone.events()
    matcher.rollback(20)
    alone.rollback(20)
    mask, other = (sg.allocate_mask(1, tokenizer.vocab_size) for _ in range(2))
    matcher.fill_mask(mask)
    alone.fill_mask(other)
    assert (mask.array == other.array).all() and matcher.tokens_to_finish() == alone.tokens_to_finish()
    matcher.reset()
    assert write(matcher, TEXT) == write(sg.Matcher(compiled_of(tokenizer, FREE)), TEXT)


def test_drafts_go_on_too(full: sg.CompiledGrammar, tokenizer: sg.Tokenizer) -> None:
    tokens = tokenizer.encode(TEXT.encode())
    parents = [-1, *range(len(tokens) - 1)]
    found, expected = (sg.allocate_mask(len(tokens) + 1, tokenizer.vocab_size) for _ in range(2))
    matcher = sg.Matcher(full)
    status = sg.core.fill_draft(matcher, tokens, parents, found)
    sg.core.fill_draft(sg.Matcher(compiled_of(tokenizer, FREE)), tokens, parents, expected)
    assert (found.array == expected.array).all() and matcher.compiled is not full
    assert set(status.tolist()) == {sg.core.RowStatus.CONSTRAINED}


def test_a_document_that_is_too_large_by_itself_meets_the_bound(tokenizer: sg.Tokenizer) -> None:
    compiled = compiled_of(tokenizer, FREE, parser_states=500)
    write(sg.Matcher(compiled), "{}")
    matcher = sg.Matcher(compiled)
    with pytest.raises(sg.errors.LimitError) as caught:
        write(matcher, next(documents(7, members=200)))
    assert caught.value.limit == "parser_states"
    taken, where = matcher.tokens, matcher.compiled
    with pytest.raises(sg.errors.LimitError):  # and again, without another attempt
        for token in tokenizer.encode(next(documents(7, members=200)).encode())[len(taken) :]:
            matcher.advance(token)
            matcher.fill_mask(sg.allocate_mask(1, tokenizer.vocab_size))
            break
    assert matcher.tokens[: len(taken)] == taken and matcher.compiled is where


def test_a_document_goes_on_alone_where_others_use_up_the_new_grammar_too(
    full: sg.CompiledGrammar, tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = Generation.after

    def used_up(generation: Generation[Any], compiled: Any) -> Any:
        newer = after(generation, compiled)
        for text in documents(9, members=1):
            try:
                write(sg.Matcher(newer, newer.start), text)
            except sg.errors.LimitError:
                return newer

    monkeypatch.setattr(Generation, "after", used_up)
    matcher = sg.Matcher(full)
    assert write(matcher, TEXT) == write(sg.Matcher(compiled_of(tokenizer, FREE)), TEXT)
    assert matcher.compiled is not full.generation.newest(full)


def test_who_steps_states_asks_for_a_fresh_grammar(tokenizer: sg.Tokenizer) -> None:
    compiled = compiled_of(tokenizer, FREE, grammar_memory=1 << 20)
    begun = []
    for _, text in zip(range(200), documents(8), strict=False):
        compiled = compiled.fresh()
        begun.append(compiled)
        state: sg.core.State | None = compiled.start
        for token in tokenizer.encode(text.encode()):
            assert state is not None
            state = compiled.step(state, token)
        assert state is not None and state.is_complete
    assert len(set(map(id, begun))) > 2


def test_threads_renew_a_grammar_while_others_write(tokenizer: sg.Tokenizer) -> None:
    compiled = compiled_of(tokenizer, FREE, grammar_memory=1 << 20, parser_states=6_000)

    def work(seed: int) -> list[list[bytes]]:
        return [
            write(sg.Matcher(compiled), text) for _, text in zip(range(16), documents(seed), strict=False)
        ]

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(work, range(20, 26)))
    alone = compiled_of(tokenizer, FREE)
    assert compiled.fresh() is not compiled
    for seed, masks in zip(range(20, 26), found, strict=True):
        texts = [text for _, text in zip(range(16), documents(seed), strict=False)]
        assert masks == [write(sg.Matcher(alone), text) for text in texts]
