"""Strings of a schema that are texts of grammars: random schemas, grammars, vocabularies and policies, beside
a recogniser of documents that knows nothing of structgen (`spelled_documents`), `re`, lark and enumeration.
"""

from __future__ import annotations

import itertools
import json
import pickle
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from for_each import for_each
from spelled_documents import Prefix, spellings
from string_grammars import Subject, Texts, subject, texts, walks

import structgen as sg
from structgen.base.json_text.events import EventKind

SEEDS = range(5)
MANY = [range(first, first + 40) for first in range(60, 1260, 40)]
LENGTH = 9
"""Tokens of a walk."""
Place = tuple[bytes, Prefix, sg.core.State]


class Ready:
    """A subject that is compiled, and places of a walk through its documents."""

    def __init__(self, seed: int) -> None:
        """Raises the errors of `sg.compile`."""
        self.one: Subject = subject(seed)
        self.start = self.one.start()
        self.chance = random.Random(seed)
        self.compiled = self.one.compiled()

    def places(self, length: int = LENGTH) -> Iterator[Place]:
        assert self.start is not None, "compiled, though there is no document"
        for text, at in walks(self.one, self.chance, self.start, length):
            state = self.compiled.step_bytes(self.compiled.start, text)
            assert state is not None, text
            yield text, at, state

    @property
    def end(self) -> int:
        return self.one.end

    def is_document(self, text: bytes) -> bool:
        after = None if self.start is None else self.start.read(text)
        return after is not None and after.is_whole

    def lively(self, tokens: list[int], most: int = 6) -> list[int]:
        """Return those of some tokens that have most bytes, without the end."""
        plain = [token for token in tokens if token != self.end]
        return sorted(plain, key=lambda token: -len(self.one.tokens[token] or b""))[:most]

    def data(self, token: int) -> bytes:
        return self.one.tokens[token] or b""


def masks_are_those_of_all_documents(ready: Ready) -> None:
    for text, at, state in ready.places():
        wanted = {token for token, data in enumerate(ready.one.tokens) if data and at.read(data) is not None}
        wanted |= {ready.end} if at.is_whole else set()
        assert set(ready.compiled.allowed(state)) == wanted, text


def completions_are_documents(ready: Ready) -> None:
    for text, at, state in ready.places():
        rest = ready.compiled.completion(state)
        after = at.read(rest)
        assert after is not None and after.is_whole, (text, rest)
        json.loads((text + rest).decode())
        assert ready.compiled.tokens_to_finish(state) <= len(rest), text
        assert (ready.compiled.tokens_to_finish(state) == 0) == at.is_whole == state.is_complete, text


def a_budget_allows_what_can_still_be_completed(ready: Ready) -> None:
    compiled, mask = ready.compiled, sg.allocate_mask(1, len(ready.one.tokens))
    for text, at, state in ready.places(5):
        least, costs = compiled.tokens_to_finish(state), {}
        for token in compiled.allowed(state):
            if token != ready.end:
                after = compiled.step(state, token)
                assert after is not None
                costs[token] = compiled.tokens_to_finish(after)
        assert least == 0 or min(costs.values()) < least, text
        for budget in (least, least + 1, least + 4):
            sg.Matcher(compiled, state).fill_mask(mask, budget=budget)
            wanted = {token for token, cost in costs.items() if cost < budget}
            wanted |= {ready.end} if at.is_whole else set()
            assert set(mask.allowed(0).tolist()) == wanted, (text, budget)


def a_walk_within_a_budget_ends_in_a_document(ready: Ready) -> None:
    mask = sg.allocate_mask(1, len(ready.one.tokens))
    for _ in range(2):
        matcher, text = sg.Matcher(ready.compiled), b""
        left = matcher.tokens_to_finish() + ready.chance.randrange(8)
        while left >= 0:
            matcher.fill_mask(mask, budget=left)
            token = ready.chance.choice(mask.allowed(0).tolist())
            if token == ready.end:
                break
            matcher.advance(token)
            text, left = text + ready.data(token), left - 1
        assert left >= 0 and ready.is_document(text), text


def a_byte_is_a_token(ready: Ready) -> None:
    """What may come next, and what must, are those of all documents where each byte is a token."""
    if ready.one.missing:
        return
    for text, at, state in ready.places(5):
        following = bytes(byte for byte in range(256) if at.after(byte) is not None)
        assert ready.compiled.next_bytes(state) == following, text
        forced, after = bytearray(), at
        while not after.is_whole and len(forced) < 200:
            only = [byte for byte in range(256) if after.after(byte) is not None]
            if len(only) != 1:
                break
            forced += bytes(only)
            then = after.after(only[0])
            assert then is not None
            after = then
        assert sg.Matcher(ready.compiled, state).forced()[:200] == forced, text


def drafts_forks_and_rollbacks_are_steps(ready: Ready) -> None:
    compiled, chance = ready.compiled, ready.chance
    other = ready.one.compiled()
    for _ in range(2):
        matcher, state, taken = sg.Matcher(compiled), other.start, list[int]()
        for _ in range(chance.randrange(8)):
            tokens = ready.lively(other.allowed(state))
            if not tokens:
                break
            taken.append(chance.choice(tokens))
            matcher.advance(taken[-1])
            after = other.step(state, taken[-1])
            assert after is not None
            state = after
        tokens, parents, states = list[int](), list[int](), [state]
        for _ in range(8):
            above = chance.randrange(len(states))
            allowed = [] if states[above] is None else ready.lively(other.allowed(states[above]), 20)
            is_wild = not allowed or chance.random() < 0.2
            tokens.append(chance.randrange(ready.end) if is_wild else chance.choice(allowed))
            parents.append(above - 1)
            states.append(None if states[above] is None else other.step(states[above], tokens[-1]))
        mask = sg.allocate_mask(len(states), len(ready.one.tokens))
        found = sg.core.fill_draft(matcher, tokens, parents, mask, list(range(len(states)))).tolist()
        for row, one in enumerate(states):
            assert (found[row] == sg.core.RowStatus.REFUSED) == (one is None)
            assert one is None or mask.allowed(row).tolist() == other.allowed(one)
        back = chance.randrange(len(taken) + 1)
        forked = matcher.fork()
        matcher.rollback(back)
        for token in taken[len(taken) - back :]:
            matcher.advance(token)
        assert matcher.state == forked.state


def facts(compiled: sg.CompiledGrammar, text: bytes) -> tuple[Any, ...]:
    state = compiled.step_bytes(compiled.start, text)
    assert state is not None
    return compiled.allowed(state), len(compiled.completion(state)), compiled.step(state, 0) is None


def neither_order_nor_threads_nor_pickles_change_an_answer(ready: Ready) -> None:
    read = [text for text, _, _ in ready.places(6)]
    wanted = {text: facts(ready.compiled, text) for text in read}
    other = ready.one.compiled()
    found: list[Any] = [None, None]

    def work(number: int) -> None:
        try:
            found[number] = {text: facts(other, text) for text in read[:: -1 if number else 1]}
        except BaseException as error:
            found[number] = error

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(600)
    assert found == [wanted, wanted]
    again = pickle.loads(pickle.dumps(ready.compiled))
    assert {text: facts(again, text) for text in read[-2:]} == {text: wanted[text] for text in read[-2:]}


def values_are_those_that_events_tell(ready: Ready) -> None:
    if ready.one.missing:
        return
    matcher, text, ends = sg.Matcher(ready.compiled), b"", list[bytes]()
    byte_of = {data: token for token, data in enumerate(ready.one.tokens) if data}
    for _ in range(12):
        tokens = ready.lively(ready.compiled.allowed(matcher.state))
        if not tokens:
            break
        matcher.advance(ready.chance.choice(tokens))
    for byte in ready.compiled.completion(matcher.state):
        matcher.advance(byte_of[bytes((byte,))])
    text = b"".join(map(ready.data, matcher.tokens))
    matcher.advance(ready.end)
    for event in matcher.events():
        if event.kind in (EventKind.TERMINAL_END, EventKind.VALUE_END) and event.end is not None:
            ends.append(text[event.start : event.end])
            value: Any = json.loads(text)
            for key in event.place.pointer.split("/")[1:]:
                key = key.replace("~1", "/").replace("~0", "~")
                value = value[int(key) if isinstance(value, list) else key]
            assert json.loads(ends[-1]) == value, (text, event)
    assert ends
    assert ready.compiled.value(text) == json.loads(text)


LAWS: tuple[Callable[[Ready], None], ...] = (
    masks_are_those_of_all_documents,
    completions_are_documents,
    a_budget_allows_what_can_still_be_completed,
    a_walk_within_a_budget_ends_in_a_document,
    a_byte_is_a_token,
    drafts_forks_and_rollbacks_are_steps,
    neither_order_nor_threads_nor_pickles_change_an_answer,
    values_are_those_that_events_tell,
)
REFUSED = (sg.errors.UnsatisfiableSchema, sg.errors.TokenizerError)


def holds(law: Callable[[Ready], None], seed: int) -> None:
    try:
        ready = Ready(seed)
    except REFUSED:
        assert subject(seed).start() is None, "refused, though there are documents"
        return
    except sg.errors.UnsupportedError:
        return
    except sg.errors.GrammarError:
        assert any(one.texts.is_empty for one in subject(seed).grammars), "refused, though there are texts"
        return
    law(ready)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@for_each("seed", SEEDS)
def test_schemas_with_strings_of_grammars_obey(law: Callable[[Ready], None], seed: int) -> None:
    holds(law, 1000 * LAWS.index(law) + seed)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", MANY, ids=lambda seeds: str(seeds[0]))
def test_schemas_with_strings_of_grammars_obey_whole(seeds: range) -> None:
    for seed, law in itertools.product(seeds, LAWS):
        holds(law, seed)


# --- one string: each text in each spelling, and no other ---------------------------------------------------

BYTES = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
STYLES = {"canonical": "any", "any": "any", "utf8": "utf8", "ascii": "ascii"}


def drawn(seed: int) -> Texts | None:
    try:
        return texts(random.Random(f"one string {seed}"))
    except sg.StructgenError:
        return None


def each_text_is_written_in_each_way(seed: int) -> None:
    one, chance = drawn(seed), random.Random(seed)
    if one is None or one.every is None or not one.every:
        return
    for escapes, style in STYLES.items():
        schema = {"type": "string", "x-grammar": one.grammar.keyword}
        compiled = sg.compile(sg.json_schema(schema, escapes=escapes), BYTES, store=False)
        for text in chance.sample(one.every, min(6, len(one.every))):
            for _ in range(3):
                data = b"".join(chance.choice(spellings(char, style)) for char in text)
                after = compiled.step_bytes(compiled.start, b'"' + data + b'"')
                assert after is not None and after.is_complete, (one.what, escapes, data)


def each_text_that_is_written_is_one(seed: int) -> None:
    """What a walk through masks writes is a text for `re`, lark and the rules; a changed text is taken where
    they take it."""
    one, chance = drawn(seed), random.Random(seed)
    if one is None:
        return
    options = {"escapes": chance.choice([*STYLES]), "whitespace": "compact"}
    schema = {"type": "string", "x-grammar": one.grammar.keyword}
    try:
        compiled = sg.compile(sg.json_schema(schema, **options), BYTES, store=False)
    except (sg.errors.UnsatisfiableSchema, sg.errors.GrammarError):
        assert one.texts.is_empty
        return
    matcher, text = sg.Matcher(compiled), b""
    for _ in range(30):
        tokens = [token for token in compiled.allowed(matcher.state) if token < 256]
        if not tokens:
            break
        matcher.advance(chance.choice(tokens))
        text += bytes(matcher.tokens[-1:])
    text += compiled.completion(matcher.state)
    value = json.loads(text)
    assert one.takes(value), (one.what, text)
    letters = sorted({*value, "a", '"', "\\"})
    for _ in range(6):
        at = chance.randrange(len(value) + 1)
        changed = value[:at] + chance.choice(["", *letters]) + value[at + chance.randrange(2) :]
        written = json.dumps(changed, ensure_ascii=options["escapes"] == "ascii").encode()
        after = compiled.step_bytes(compiled.start, written)
        assert (after is not None and after.is_complete) == one.takes(changed), (one.what, changed)


def a_schema_is_the_sum_of_its_parts(seed: int) -> None:
    """An object with two strings has the masks of the same text, put together from `sg.in_json_string`."""
    one, other = drawn(seed), drawn(seed + 1)
    if one is None or other is None or one.texts.is_empty or other.texts.is_empty:
        return
    chance = random.Random(seed)
    tokens = subject(seed).tokens
    tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1)
    schema = {
        "type": "object",
        "properties": {
            "x": {"type": "string", "x-grammar": one.grammar.keyword},
            "y": {"type": "string", "x-grammar": other.grammar.keyword},
        },
        "required": ["x", "y"],
        "additionalProperties": False,
    }
    parts = sg.in_json_string(one.grammar), sg.in_json_string(other.grammar)
    whole = sg.sequence('{"x":', parts[0], ',"y":', parts[1], "}")
    try:
        joined = sg.compile(whole, tokenizer, store=False)
    except sg.StructgenError:
        return
    compiled = sg.compile(sg.json_schema(schema, whitespace="compact"), tokenizer, store=False)
    state, beside = compiled.start, joined.start
    for _ in range(LENGTH):
        allowed = compiled.allowed(state)
        assert allowed == joined.allowed(beside)
        plain = [token for token in allowed if token < len(tokens) - 1]
        if not plain:
            return
        token = chance.choice(sorted(plain, key=lambda token: -len(tokens[token] or b""))[:6])
        after, then = compiled.step(state, token), joined.step(beside, token)
        assert after is not None and then is not None
        state, beside = after, then


ONE_STRING = (
    each_text_is_written_in_each_way,
    each_text_that_is_written_is_one,
    a_schema_is_the_sum_of_its_parts,
)


@pytest.mark.parametrize("law", ONE_STRING, ids=lambda law: law.__name__)
@for_each("seed", range(14))
def test_one_string_obeys(law: Callable[[int], None], seed: int) -> None:
    law(seed)


@pytest.mark.slow
@pytest.mark.parametrize("law", ONE_STRING, ids=lambda law: law.__name__)
@pytest.mark.parametrize("first", range(20, 820, 80))
def test_one_string_obeys_whole(law: Callable[[int], None], first: int) -> None:
    for seed in range(first, first + 80):
        law(seed)
